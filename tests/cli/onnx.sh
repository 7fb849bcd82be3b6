# Networks from ONNX files, in the commands that take a network.

networks=$RF_TEST_DATA/onnx

# Six colour pictures of each of two classes.
photos() {
    mkdir -p photos/cat photos/dog
    for i in 1 2 3 4 5 6; do
        for class in cat dog; do
            { printf 'P6\n16 16\n255\n'; yes "$class$i" | head -c 768; } >photos/$class/$i.ppm
        done
    done
}

onnx_network_is_trained_kept_and_used() {
    photos
    succeeds train --data photos --model "$networks/cnn-external.onnx" --lr 0.01 --batch 4 --epochs 1 --out run
    for file in model.onnx cnn.weights; do [ -s run/$file ] || fail "no $file: the folder suffices by itself"; done
    grep -q '"model": "model.onnx"' run/run.json || fail "the copy is the run's network"
    succeeds eval --run run --data photos
    succeeds predict --run run --json - photos/cat/1.ppm
    prints '"class": '
}

onnx_network_is_the_same_from_both_exporters() {
    photos
    for exporter in dynamo script; do
        rf find --data photos --model "$networks/residual-$exporter.onnx" --batch 4 --iterations 20 --csv $exporter.csv
    done
    cmp dynamo.csv script.csv || fail "the losses differ"
}

new_head_has_the_classes_of_the_data() {
    photos
    succeeds train --data photos --model "$networks/inception-dynamo.onnx" --new-head --lr 0.01 --batch 4 \
        --epochs 1 --out run
    grep -q '"classes": 2' run/run.json || fail "two classes"
    succeeds eval --run run --data photos
    succeeds predict --run run photos/cat/1.ppm
}

folded_batch_norms_come_with_the_line_that_keeps_them() {
    rf model "$networks/cnn-folded-dynamo.onnx" --input 3x16x16
    [ "$code" -eq 0 ] || fail "it is a note, no error"
    says 'folded 2 batch norms into what is before them'
    says 'optimize=False'
}

onnx_network_is_for_the_size_that_it_was_exported_for() {
    succeeds model "$networks/residual-dynamo.onnx"
    prints 'for images 3x16x16, 10 classes'
    succeeds model "$networks/residual-dynamo.onnx" --input 3x24x20
    prints 'for images 3x24x20, 10 classes'
    succeeds export --model "$networks/residual-dynamo.onnx" --onnx again.onnx
    succeeds model again.onnx
    prints 'for images 3x16x16, 10 classes'
}

weights_that_a_network_computes_are_noted() {
    rf model "$networks/masked-script.onnx"
    [ "$code" -eq 0 ] || fail "it is a note, no error"
    says "1 parameter is computed in the network, the first from '0.weight'"
}

onnx_networks_that_do_not_fit_are_refused() {
    refuses 3 "exported for images of 16x16" model "$networks/cnn-script.onnx" --input 3x24x24
    refuses 3 "10 scores, and the data have 11 classes" model "$networks/cnn-script.onnx" --input 3x16x16 --classes 11
    refuses 3 "name it with --model" find --model simplecnn --weights "$networks/cnn-script.onnx"
    printf '\010\007\022\007pytorch' >cut.onnx
    refuses 3 "cut.onnx: damaged" model cut.onnx
}

# Trained, resumed, exported and read again: each layer once, with all that reads it.
layers_that_share_weights_share_them_everywhere() {
    photos
    net=$networks/attention-dynamo.onnx
    succeeds model "$net" --input 3x16x16
    prints 'as loop.0'
    succeeds model "$net" --input 3x16x16 --json
    prints '"weights_of": "mlp.2"'
    succeeds train --data photos --model "$net" --lr 0.01 --batch 4 --epochs 3 --save-every 0 --out whole -q
    cp -r whole run
    cp run/state.previous.safetensors run/state.safetensors # of the epoch before
    succeeds train --resume run -q
    cmp whole/last.safetensors run/last.safetensors || fail "resumed it has other weights"
    succeeds export --run run --weights last --onnx again.onnx -q
    succeeds export --model again.onnx --input 3x16x16 --safetensors a.safetensors -q
    succeeds export --model "$net" --input 3x16x16 --weights run/last.safetensors --safetensors b.safetensors -q
    cmp a.safetensors b.safetensors || fail "read again it has other weights"
    rf model again.onnx --input 3x16x16
    prints 'as loop.0'
}
