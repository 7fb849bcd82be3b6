#!/bin/sh
# installed.sh BUILD: installs BUILD into a folder of its own, builds the README's program against that, runs it, and looks
# at what else an installation promises.
. "$(dirname "$0")/examples.sh"

sed -n '/^```c$/,/^```$/{/^```/!p}' "$examples/../../README.md" | cmp - "$examples/range_test.c" ||
    fail "the README shows another program than tests/examples/range_test.c"
logged cmake --install "$1" --prefix "$work/prefix" || fail "cannot be installed"
builds_against "$work/prefix"
[ "$(prefix/bin/rangefinder --version | head -n 1)" = "rangefinder $(pkg-config --modversion rangefinder)" ] ||
    fail "the program and pkg-config disagree on the version"
[ -s prefix/share/man/man1/rangefinder.1 ] || fail "no manual page"
[ -s prefix/share/bash-completion/completions/rangefinder ] || fail "no completion"
! command -v man >/dev/null || [ -z "$(man --warnings -l prefix/share/man/man1/rangefinder.1 2>&1 >/dev/null)" ] ||
    fail "the manual page has faults"

# Each header alone, in what is strictly C and C++.
for header in prefix/include/rangefinder/*.h; do
    logged ${CC:-cc} -std=c11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -Iprefix/include -x c "$header" &&
        logged ${CXX:-c++} -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -Iprefix/include -x c++ "$header" ||
        fail "$header is no C or no C++"
done
