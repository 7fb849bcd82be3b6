#!/bin/sh
# includes.sh ROOT: do the includes go downward only, and does only the device layer know OpenCL?
set -eu
cd "$1"
# A folder may include itself and every folder on a line above its own.
floors="base
device
op
graph
model data
train
finder
report"

floor() { echo "$floors" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) print NR }'; }

grep -rnoE '#include "[a-z_]+/[a-z_/]+\.h"' src | {
    bad=0
    while IFS=: read -r file line include; do
        from=${file#src/} from=${from%%/*}
        to=${include#*\"} to=${to%%/*}
        [ "$to" != rangefinder ] && [ "$to" != "$from" ] || continue
        if [ -z "$(floor "$from")" ] || [ -z "$(floor "$to")" ] || [ "$(floor "$to")" -ge "$(floor "$from")" ]; then
            echo "$file:$line: src/$from may not include $include"
            bad=1
        fi
    done
    exit $bad
}
if grep -rnE '#include [<"]CL/' src tools include --include='*.[ch]' | grep -v '^src/device/'; then
    echo "only src/device may include OpenCL's headers"
    exit 1
fi
if grep -rnE '#include "(base|device|op|graph|model|train|data|finder|report)/' include; then
    echo "a public header may include public headers only"
    exit 1
fi
