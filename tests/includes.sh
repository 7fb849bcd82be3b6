#!/bin/sh
# includes.sh ROOT: do the includes go downward only and without circles, and does only src/device/opencl know OpenCL?
# layers.sh asks the same of the symbols.
set -eu
cd "$1"
. tests/layer_order.sh

grep -rnoE '#include "[a-z_]+/[a-z_/]+\.(h|clh)"' src | {
    bad=0
    while IFS=: read -r file line include; do
        from=${file#src/} from=${from%%/*}
        to=${include#*\"} to=${to%%/*}
        [ "$to" != rangefinder ] && [ "$to" != kernels ] && [ "$to" != "$from" ] || continue
        if [ -z "$(layer "$from")" ] || [ -z "$(layer "$to")" ] || [ "$(layer "$to")" -ge "$(layer "$from")" ]; then
            echo "$file:$line: src/$from may not include $include"
            bad=1
        fi
    done
    exit $bad
}
# tsort names the headers of each circle.
grep -rE '^#include "[a-z_/]+\.h"' src include --include='*.h' |
    sed -E 's/^(src|include)\/([^:]*):#include "(.*)".*/\2 \3/' | tsort >/dev/null
if grep -rnE '#include "\.' src tools include; then
    echo "an include names its folder from src, include or the root"
    exit 1
fi
if grep -rnE '#include [<"]CL/' src tools include --include='*.[ch]' | grep -v '^src/device/opencl/'; then
    echo "only src/device/opencl may include OpenCL's headers"
    exit 1
fi
if grep -rnE "#include \"($(echo $layers | tr ' ' '|'))/" include; then
    echo "a public header may include public headers only"
    exit 1
fi
