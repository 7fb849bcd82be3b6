# What the examples' tests share: $work, a folder that is removed at the end; $examples, where the examples are.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }

# logged COMMAND...: says what it said if it fails.
logged() { "$@" >log 2>&1 || { cat log >&2; return 1; }; }

# runs PROGRAM: the example runs and draws, where the library can.
runs() {
    rm -f lr.svg
    if [ "${RF_PLOTS:-1}" = 1 ]; then
        "./$1" || fail "$1 does not run"
        grep -q '</svg>' lr.svg || fail "$1 draws nothing"
    else
        ! "./$1" 2>log || fail "$1 draws without cairo"
        grep -q 'draws no plots' log || fail "$1 does not say that there are no plots"
    fi
}

# builds_against PREFIX: the library that is installed there, static or shared, is found by pkg-config and by CMake.
builds_against() {
    lib=$(dirname "$(find "$1" -name 'librangefinder.*' | head -1)")
    export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
    static=
    [ ! -e "$lib/librangefinder.a" ] || static=--static
    logged ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror -o by_pkg_config "$examples/range_test.c" \
        $(pkg-config $static --cflags --libs rangefinder) || fail "does not build with pkg-config $static"
    runs by_pkg_config
    cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.18)
project(example C)
find_package(rangefinder REQUIRED)
add_executable(by_cmake $examples/range_test.c)
target_link_libraries(by_cmake rangefinder::rangefinder)
END
    rm -rf out
    logged cmake -S . -B out -DCMAKE_PREFIX_PATH="$1" && logged cmake --build out || fail "does not build with CMake"
    runs out/by_cmake
}
