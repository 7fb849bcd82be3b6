#!/bin/sh
# source.sh ROOT: what compilers and sanitizers do not see while every allocation succeeds.
set -eu
cd "$1"
bad=0
# complain WHAT PATTERN: no line of C may match.
complain() {
    if grep -rnE "$2" src tools --include='*.c' --include='*.h'; then
        echo "$1"
        bad=1
    fi
}
complain "a pointer is moved before it is known not to be NULL: test it first" \
    '= (rf_alloc|rf_resize|rf_strdup|malloc|calloc|realloc)\(.*\), \*+[a-z_]+ = .*[^ ] \+ '
complain "an initialiser list assigns to what it may read: its order is unspecified" \
    '= \{[^"]*[^].a-z_][a-z_]+((\.|->)[a-z_]+)+ = [^=]'
exit $bad
