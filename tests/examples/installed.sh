#!/bin/sh
# installed.sh FOLDER: builds the README's program, and the others here, against what is installed in FOLDER, runs them, and
# looks at what else an installation promises.  A build in FOLDER is first installed into a folder of its own.
. "$(dirname "$0")/examples.sh"

code_of() { sed -n '/^```c$/,/^```$/{/^```/!p}' "$1"; }

code_of "$examples/../../README.md" | cmp - "$examples/range_test.c" ||
    fail "the README shows another program than tests/examples/range_test.c"
code_of "$examples/../../docs/training.md" >shown
cat "$examples/schedule.c" "$examples/balance.c" | cmp - shown || fail "docs/training.md shows other programs than tests/examples"
prefix=$1
if [ -f "$1/cmake_install.cmake" ]; then
    prefix=$work/prefix
    logged cmake --install "$1" --prefix "$prefix" || fail "cannot be installed"
fi
builds_against "$prefix"
for example in schedule balance; do
    logged ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror -o $example "$examples/$example.c" \
        $(pkg-config --cflags --libs rangefinder) && ./$example >$example.out || fail "$example.c does not build or run"
done
[ "$(grep -c '^epoch' schedule.out)" -eq 100 ] && [ -s digits.safetensors ] || fail "schedule.c does not train"
[ "$(head -1 balance.out)" = "100 images, 20 of them taken" ] || fail "balance.c does not balance"
[ "$("$prefix/bin/rangefinder" --version | head -n 1)" = "rangefinder $(pkg-config --modversion rangefinder)" ] ||
    fail "the program and pkg-config disagree on the version"
page=$(ls "$prefix"/share/man/man1/rangefinder.1*) || fail "no manual page"
! command -v lowdown >/dev/null || ls "$prefix"/share/man/man5/rangefinder-model.5* >/dev/null ||
    fail "no manual page of the model language"
[ -s "$prefix/share/bash-completion/completions/rangefinder" ] || fail "no completion"
! command -v man >/dev/null || [ -z "$(man --warnings -l "$page" 2>&1 >/dev/null)" ] ||
    fail "the manual page has faults"

# Each header alone, in what is strictly C and C++.
for header in "$prefix"/include/rangefinder/*.h; do
    logged ${CC:-cc} -std=c11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" -x c "$header" &&
        logged ${CXX:-c++} -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" -x c++ "$header" ||
        fail "$header is no C or no C++"
done
