#!/bin/sh
# subdirectory.sh SOURCE: a project that takes SOURCE by add_subdirectory and leaves all settings alone.  It gets a static
# library and none of its tests, and its own settings stay as they were.  Then that static library, installed.
. "$(dirname "$0")/examples.sh"
mkdir project
cat >project/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.18)
project(outer C)
get_property(variables DIRECTORY PROPERTY VARIABLES)
add_subdirectory($1 rangefinder)
foreach(name CMAKE_BUILD_TYPE BUILD_SHARED_LIBS BUILD_TESTING CMAKE_C_STANDARD CMAKE_C_VISIBILITY_PRESET
             CMAKE_EXPORT_COMPILE_COMMANDS)
  if(DEFINED \${name} AND NOT name IN_LIST variables AND NOT "\${\${name}}" STREQUAL "")
    message(FATAL_ERROR "\${name} has become '\${\${name}}'")
  endif()
endforeach()
get_property(tests DIRECTORY $1 PROPERTY TESTS)
get_target_property(type rangefinder::rangefinder TYPE)
if(tests OR TARGET model_test OR NOT type STREQUAL STATIC_LIBRARY)
  message(FATAL_ERROR "tests: '\${tests}', type: \${type}")
endif()
add_executable(by_subdirectory $examples/range_test.c)
target_link_libraries(by_subdirectory PRIVATE rangefinder::rangefinder)
END
generator=
! command -v ninja >/dev/null || generator=-GNinja
export CFLAGS="${CFLAGS:-} -O1"
logged cmake $generator -S project -B made -DRF_PLOTS="${RF_PLOTS:-1}" -DRF_INSTALL=ON &&
    logged cmake --build made --parallel || fail "does not build as a part of another project"
runs made/by_subdirectory
logged cmake --install made --prefix "$work/prefix" || fail "cannot be installed"
[ -e "$(find prefix -name librangefinder.a)" ] || fail "no static library is installed"
unset CFLAGS
builds_against "$work/prefix"
