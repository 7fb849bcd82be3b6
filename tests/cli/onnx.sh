# Networks from ONNX files, in the commands that take a network.

networks=$RF_TEST_DATA/onnx

photos() {
    mkdir -p photos/cat photos/dog
    for i in 1 2 3 4 5 6; do
        pnm photos/cat/$i.pgm 16 16
        pnm photos/dog/$i.pgm 16 16
    done
}

onnx_network_is_trained_kept_and_used() {
    photos
    succeeds train --data photos --channels 3 --model "$networks/cnn-external.onnx" --lr 0.01 --batch 4 --epochs 1 --out run
    for file in model.onnx cnn.weights; do [ -s run/$file ] || fail "no $file: the folder suffices by itself"; done
    grep -q '"model": "model.onnx"' run/run.json || fail "the copy is the run's network"
    succeeds eval --run run --data photos
    succeeds predict --run run --json - photos/cat/1.pgm
    prints '"class": '
}

onnx_network_starts_from_its_weights() {
    photos
    succeeds find --data photos --channels 3 --model "$networks/residual-dynamo.onnx" --batch 4 --iterations 20 --csv a.csv
    succeeds find --data photos --channels 3 --model "$networks/residual-script.onnx" --batch 4 --iterations 20 --csv b.csv --seed 0
    cmp a.csv b.csv || fail "both exporters' files hold the same network and weights"
}

new_head_has_the_classes_of_the_data() {
    photos
    succeeds train --data photos --channels 3 --model "$networks/inception-dynamo.onnx" --new-head --lr 0.01 --batch 4 \
        --epochs 1 --out run
    grep -q '"classes": 2' run/run.json || fail "two classes"
    succeeds eval --run run --data photos
    succeeds predict --run run photos/cat/1.pgm
}

folded_batch_norms_come_with_the_line_that_keeps_them() {
    succeeds model "$networks/cnn-folded-dynamo.onnx" --input 3x16x16
    says 'hold a batch norm'
    says 'optimize=False'
}

onnx_networks_that_do_not_fit_are_refused() {
    refuses 3 "exported for images of 16x16" model "$networks/cnn-script.onnx" --input 3x24x24
    refuses 3 "10 scores, and the data have 11 classes" model "$networks/cnn-script.onnx" --input 3x16x16 --classes 11
    refuses 3 "name it with --model" find --model simplecnn --weights "$networks/cnn-script.onnx"
    printf '\010\007\022\007pytorch' >cut.onnx
    refuses 3 "cut.onnx: damaged" model cut.onnx
}
