#!/bin/sh
# The kernels keep to OpenCL C 1.2 where compilers differ: NVIDIA's takes no macros with `...`.
#   usage: tests/kernels.sh FOLDER      exits 1 and names the lines that do not
if grep -rnE '^#define.*\.\.\.|__VA_ARGS__' "$1"; then
    echo "a macro of OpenCL C takes no '...': pass the call as one argument, as FOR_COLUMNS does" >&2
    exit 1
fi
