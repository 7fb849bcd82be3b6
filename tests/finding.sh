#!/bin/sh
# finding.sh ROOT REGRET: are the tables of docs/finding.md those that the committed results give?
set -eu
results=$1/tools/bench/regret/results.tsv
{ "$2" tables "$results" choose && "$2" tables "$results" once; } |
    awk 'NR == FNR { printed[$0]; next }
        /^## / { measured = $0 ~ /What was measured/ }
        measured && /^\|/ && !($0 in printed) { print "not printed by regret: " $0; bad = 1 }
        measured && /^\|/ { count++ }
        END { exit bad || count == 0 }' - "$1/docs/finding.md"
