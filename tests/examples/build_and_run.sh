#!/bin/sh
# build_and_run.sh BUILD EXAMPLES: installs BUILD into a folder of its own, builds the examples against that with
# pkg-config and with CMake, runs them, and looks at what else an installation promises.
set -eu
build=$1 examples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

sed -n '/^```c$/,/^```$/p' "$examples/../../README.md" | sed '1d;$d' >"$work/readme.c"
cmp -s "$work/readme.c" "$examples/range_test.c" || fail "the README's program is not tests/examples/range_test.c"

sed -n '/^```c$/,/^```$/{/^```/!p}' "$examples/../../README.md" | cmp - "$examples/range_test.c" ||
    fail "the README shows another program than $examples/range_test.c"
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cd "$work"
[ "$(prefix/bin/rangefinder --version)" = "rangefinder $(PKG_CONFIG_PATH=$(find "$work/prefix" -name pkgconfig) \
    pkg-config --modversion rangefinder)" ] || fail "the program and pkg-config disagree on the version"
[ -s prefix/share/man/man1/rangefinder.1 ] || fail "no manual page"
[ -s prefix/share/bash-completion/completions/rangefinder ] || fail "no completion"
! command -v man >/dev/null || [ -z "$(man --warnings -l prefix/share/man/man1/rangefinder.1 2>&1 >/dev/null)" ] ||
    fail "the manual page has faults"

lib=$(dirname "$(find "$work/prefix" -name 'librangefinder.*' | head -1)")
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
${CC:-cc} -std=c11 -Wall -Wextra -Werror -o by_pkg_config "$examples/range_test.c" \
    $(pkg-config --cflags --libs rangefinder) || fail "does not build with pkg-config"
./by_pkg_config || fail "the example does not run"
grep -q '</svg>' lr.svg || fail "the example draws nothing"

cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.18)
project(example C)
find_package(rangefinder REQUIRED)
add_executable(by_cmake $examples/range_test.c)
target_link_libraries(by_cmake rangefinder::rangefinder)
END
rm lr.svg
cmake -S . -B out -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null && cmake --build out >/dev/null ||
    fail "does not build with CMake"
./out/by_cmake || fail "the example does not run"
[ -s lr.svg ] || fail "the example draws nothing"
echo "installed, built and run"
