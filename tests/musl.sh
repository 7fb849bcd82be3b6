#!/bin/sh
# musl.sh ROOT: the sources compile with musl, a C library that lacks what only GNU's has.  The headers of libraries are the
# system's; musl's own stand in for all others.  Exits 77 where musl-gcc is missing.
set -eu
command -v musl-gcc >/dev/null || exit 77
cd "$1"
headers=$(mktemp -d)
trap 'rm -rf "$headers"' EXIT
for name in CL clblast_c.h clblast_half.h turbojpeg.h webp stb jansson.h jansson_config.h zlib.h zconf.h protobuf-c; do
    for folder in "/usr/include/$(cc -print-multiarch)" /usr/include; do
        [ ! -e "$folder/$name" ] || ln -sfn "$folder/$name" "$headers/$name"
    done
done
without='! -path src/dist/mpi.c' # what needs a library that is not installed, or has no headers among the system's
[ -e "$headers/clblast_c.h" ] || without="$without ! -path src/device/opencl/clblast.c"
[ -e "$headers/turbojpeg.h" ] || without="$without ! -path src/data/turbo.c"
[ -e "$headers/webp" ] || without="$without ! -path src/data/webp.c"
onnx=/usr/include/onnx/onnx.proto # its messages in C are made at build time
if [ -e "$headers/protobuf-c" ] && [ -e $onnx ] && command -v protoc-c >/dev/null; then
    protoc-c --proto_path=/usr/include/onnx --c_out="$headers" $onnx
else
    without="$without ( ! -path src/model/onnx/* -o -name no_onnx.c )"
fi
find src tools -name '*.c' $without -print0 | xargs -0 -n 8 musl-gcc -std=c11 -fsyntax-only -Wall -Wextra -Werror \
    -Wno-unknown-pragmas -Wno-missing-field-initializers -Wno-unused-function -D_GNU_SOURCE \
    -DCL_TARGET_OPENCL_VERSION=120 '-DREGRET_NETWORKS=""' -Iinclude -Isrc -I. -isystem "$headers" $(pkg-config --cflags cairo | sed 's/-I/-isystem /g')
