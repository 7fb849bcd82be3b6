# The command export.

photos() {
    mkdir -p photos/cat 'photos/a dog'
    for i in 1 2 3 4; do
        { printf 'P5\n8 8\n255\n'; yes "cat$i" | head -c 64; } >photos/cat/$i.pgm
        { printf 'P5\n8 8\n255\n'; yes "DOG$i" | head -c 64; } >"photos/a dog/$i.pgm"
    done
}

# weights_of MODEL [FILE]: its parameters alone in out.safetensors.
weights_of() {
    succeeds export --model "$@" --input 1x8x8 --safetensors out.safetensors -q
}

runs_are_exported_and_read_again() {
    photos
    succeeds train --data photos --lr 0.1 --batch 2 --epochs 1 --out run -q
    succeeds export --run run --onnx net.onnx --safetensors best.safetensors
    prints 'written: net.onnx'
    prints 'written: best.safetensors'
    grep -aqF '["a dog", "cat"]' net.onnx || fail "the classes are not named in net.onnx"
    grep -aqF '[\"a dog\", \"cat\"]' best.safetensors || fail "the classes are not named in best.safetensors"
    weights_of net.onnx
    mv out.safetensors a.safetensors
    weights_of simplecnn --classes 2 --weights best.safetensors
    cmp a.safetensors out.safetensors || fail "the two files have other weights"
    weights_of simplecnn --classes 2 --weights run/best.safetensors
    cmp a.safetensors out.safetensors || fail "these are not the best weights"
    refuses 2 "is a file that is read" export --run run --onnx run/run.json
    succeeds export --run run --onnx net.onnx --with-normalization --weights last -q
    rf model net.onnx --input 1x8x8
    says "it normalises its images itself"
    # It gets pixels from 0 to 1 then, and its curve is that of the network without, whose images the data normalise.
    succeeds export --run run --onnx plain.onnx --weights last -q
    numbers_of() { tr -d ' \n' <run/run.json | sed "s/.*\"$1\":\[\([^]]*\)\].*/\1/"; }
    find="find --data photos --batch 2 --iterations 9 --start-lr 1e-3 --end-lr 0.1 --diverge never -q"
    rf $find --model plain.onnx --mean "$(numbers_of mean)" --std "$(numbers_of std)" --csv plain.csv
    rf $find --model net.onnx --csv net.csv
    [ "$(cut -d, -f 2 plain.csv | cut -c 1-6)" = "$(cut -d, -f 2 net.csv | cut -c 1-6)" ] || fail "other curves: $(paste plain.csv net.csv)"
    if /usr/bin/python3 -c 'import onnx' 2>/dev/null; then
        /usr/bin/python3 -c 'import onnx; onnx.checker.check_model("net.onnx", full_check=True)' ||
            fail "ONNX's checker refuses it"
    fi
}

exports_that_make_no_sense_are_refused() {
    refuses 2 "give --onnx FILE, --safetensors FILE, or both" export --model lenet
    refuses 2 "either --run, the folder of a run, or --model" export --onnx a.onnx
    refuses 2 "either --run, the folder of a run, or --model" export --run r --model lenet --onnx a.onnx
    refuses 2 "--classes goes with --model" export --run r --classes 3 --onnx a.onnx
    refuses 2 "goes with --run and --onnx" export --model lenet --with-normalization --onnx a.onnx
    refuses 2 "--onnx writes the same file" export --model lenet --onnx a --safetensors a
    succeeds export --model simplecnn --safetensors w.safetensors -q
    refuses 2 "is a file that is read" export --model simplecnn --weights w.safetensors --onnx ./w.safetensors
    refuses 3 "missing keys" export --model lenet --input 3x32x32 --weights w.safetensors --onnx a.onnx
    [ ! -e a.onnx ] || fail "a file is left"
}
