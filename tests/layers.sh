#!/bin/sh
# layers.sh ROOT OBJECT...: do the symbols of the library's object files point downward only, and without circles
# between files?
set -eu
. "$1/tests/layer_order.sh"
shift

# "D symbol file" for each that a file defines, "U symbol file" for each that it takes from elsewhere.
nm -A "$@" | awk '{
    at = index($0, ".c.o:")
    file = substr($0, 1, at - 1)
    if (!sub(/.*\/src\//, "", file)) next # embedded data
    n = split(substr($0, at + 5), field, " ")
    if (n == 3 && field[2] ~ /[TDBRV]/) print "D", field[3], file
    if (n == 2 && field[1] == "U") print "U", field[2], file
}' | grep ' rf_' | sort | awk -v layers="$layers" '
    function folder(file) { sub(/\/.*/, "", file); return file }
    BEGIN {
        lines = split(layers, line, "\n")
        for (i = 1; i <= lines; i++) { n = split(line[i], name, " "); for (k = 1; k <= n; k++) layer[name[k]] = i }
    }
    $1 == "D" { home[$2] = $3 }
    $1 == "U" && $2 in home && home[$2] != $3 {
        from = folder($3); to = folder(home[$2])
        if (!(from in layer) || !(to in layer)) { print from, "or", to, "is in no layer"; bad = 1 }
        if (from != to && layer[to] >= layer[from]) { print "src/" $3 ".c may not use " $2 " of src/" home[$2] ".c"; bad = 1 }
        edge[$3 " " home[$2]]
    }
    END {
        for (pair in edge) print pair | "tsort >/dev/null" # names the files of each circle
        exit close("tsort >/dev/null") || bad
    }'
