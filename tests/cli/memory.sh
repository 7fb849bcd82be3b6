# Every allocation of a short run fails in turn: alone, and with all that follow.  The answer is exit status 4 with the
# cause, or the undisturbed one; nothing crashes, hangs, leaks or is left over.

# The sanitizers' own failures must not look like ours.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:detect_stack_use_after_return=1:exitcode=99"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}exitcode=99"

# survives NAME ARGS...: files that ARGS write begin with out.
survives() {
    name=$1
    shift
    rm -f out.*
    ran=0
    LD_PRELOAD=$FAILING_ALLOCATIONS FAILING_ALLOCATIONS_COUNT=$logs/count "$RANGEFINDER" "$@" >"$logs/right" 2>"$logs/err" </dev/null ||
        ran=$?
    code=$ran
    case $ran in 0|1) ;; *) fail "$name: should have run" ;; esac
    count=$(cat "$logs/count")
    [ "$count" -gt 20 ] || fail "$name: only $count allocations were seen"
    rm -rf "$logs/files"
    mkdir "$logs/files"
    for file in out.*; do [ ! -e "$file" ] || normal "$file" >"$logs/files/$file"; done
    find . | sort >"$logs/before"
    step=1
    [ -n "${RANGEFINDER_TEST_ALL:-}" ] || step=$((count / 25 + 1))
    echo "$name: every ${step}th of $count allocations"
    for how in "" "+"; do
        n=1
        while [ "$n" -le "$count" ]; do
            fails_at "$n$how" "$@"
            n=$((n + step))
        done
    done
}

# What differs from run to run.
normal() { LC_ALL=C sed 's/"\(time\|test\)_ms": [^,]*/"\1_ms": 0/; s/CreationDate (.*)//' "$1"; }

fails_at() {
    at=$1
    shift
    rm -f out.*
    code=0
    LD_PRELOAD=$FAILING_ALLOCATIONS FAILING_ALLOCATION=$at timeout 1800 "$RANGEFINDER" "$@" >"$logs/out" 2>"$logs/err" </dev/null ||
        code=$?
    case $code in
    4)
        says "out of memory"
        [ "$(grep -cv 'images are decoded' "$logs/err")" -eq 1 ] || fail "$name, allocation $at: one line on stderr"
        ;;
    "$ran")
        cmp -s "$logs/right" "$logs/out" || fail "$name, allocation $at: another answer than undisturbed"
        for file in "$logs/files"/*; do
            [ -e "$file" ] || continue
            case $file in *.pdf) continue ;; esac # cairo says nothing where zlib has no memory for a part of one
            normal "${file##*/}" | cmp -s "$file" - || fail "$name, allocation $at: ${file##*/} is another one"
        done
        ;;
    *) fail "$name, allocation $at" ;;
    esac
    for file in out.*; do
        [ ! -e "$file" ] || [ -e "$logs/files/$file" ] || fail "$name, allocation $at: $file is left over"
    done
    [ -z "$(find . -name '.rf-*')" ] || fail "$name, allocation $at: a temporary file is left over"
}

small_network() {
    printf 'conv 4 3 pad=1\nbatch_norm\nrelu\nmax_pool 2\ndropout 0.2\nflatten\nlinear classes\n' >my.net
}

no_failing_allocation_in_find_is_mistaken() {
    small_network
    two_classes photos
    header='{"fc.weight": {"dtype": "F32", "shape": [2, 64], "data_offsets": [0, 512]},'
    header="$header"' "fc.bias": {"dtype": "F32", "shape": [2], "data_offsets": [512, 520]}}'
    { le64 ${#header}; printf '%s' "$header"; head -c 520 /dev/zero; } >weights
    printf 'flatten\nfc: linear classes\n' >fc.net
    survives weights find --data synthetic:1x8x8,2,20 --model fc.net --weights weights --batch 2 --iterations 4 --print range
    survives find find --data photos --model my.net --batch 2 --iterations 4 --quiet --json out.json --csv out.csv
    survives decoded find --data photos --model my.net --batch 2 --iterations 4 --cache-images 0.1K --quiet --csv out.csv
    survives options find --data synthetic:1x8x8,2,20 --model my.net --batch 2 --iterations 4 --optimizer adamw \
        --accumulate 2 --validation 4 --group 'linear*=10' --mean 0.5 --print range
}

# at_each COUNT CHECK ARGS...: one run for each allocation that fails, $at; the function CHECK tests any exit code, $code, but 4.
at_each() {
    count=$1 check=$2 n=1
    shift 2
    while [ "$n" -le "$count" ]; do
        for at in $n $n+; do
            rm -rf run out.json
            code=0
            LD_PRELOAD=$FAILING_ALLOCATIONS FAILING_ALLOCATION=$at timeout 1800 "$RANGEFINDER" "$@" \
                >"$logs/out" 2>"$logs/err" </dev/null || code=$?
            if [ "$code" -eq 4 ]; then says "out of memory"; else $check; fi
            [ -z "$(find . -name '.rf-*')" ] || fail "allocation $at: a temporary file is left over"
        done
        [ -n "${RANGEFINDER_TEST_ALL:-}" ] || n=$((n + count / 40))
        n=$((n + 1))
    done
}

same_weights() {
    [ "$code" -eq 0 ] || fail "allocation $at of $count"
    cmp right/last.safetensors run/last.safetensors || fail "allocation $at: other weights"
}

# Of training: the cause, or the weights of the undisturbed run.
no_failing_allocation_in_training_is_mistaken() {
    small_network
    two_classes photos
    train="train --data photos --model my.net --batch 2 --lr 0.1 --epochs 2 --val-split 0.34 --quiet --out"
    LD_PRELOAD=$FAILING_ALLOCATIONS FAILING_ALLOCATIONS_COUNT=$logs/count "$RANGEFINDER" $train right
    at_each "$(cat "$logs/count")" same_weights $train run
    survives eval eval --run right --json out.json --csv out.csv
    survives predict predict --run right photos --top 2 --json out.json
}

no_failing_allocation_in_export_is_mistaken() {
    small_network
    survives export export --model my.net --onnx out.onnx --safetensors out.safetensors
}

no_failing_allocation_in_suggest_is_mistaken() {
    good_curve >curve.csv
    "$RANGEFINDER" suggest curve.csv --json curve.json --quiet
    survives csv suggest curve.csv --json out.json --csv out.csv --plot out.png
    survives json suggest curve.json --plot out.pdf
    survives svg suggest curve.csv --plot out.svg --html out.html --json -
}

no_failing_allocation_in_data_is_mistaken() {
    two_classes photos
    [ -z "${RF_TEST_DATA:-}" ] || cp "$RF_TEST_DATA"/picture-* photos/cats/
    echo broken >photos/dogs/bad.png
    idx_images 20 4 4 | gzip >images.gz
    idx_labels 20 | gzip >labels.gz
    survives folder data photos --json
    survives table data photos --image-size 4
    survives idx data images.gz,labels.gz --json
    survives digits data digits --limit 50
    mkdir -p parts MNIST/raw
    cp -r photos parts/train
    cp -r photos parts/val
    survives parts data parts --json
    cp images.gz MNIST/raw/train-images-idx3-ubyte.gz
    cp labels.gz MNIST/raw/train-labels-idx1-ubyte.gz
    survives wrapped data MNIST
}

no_failing_allocation_in_lists_and_schedules_is_mistaken() {
    small_network
    survives devices devices --json
    survives schedule schedule 'cosine warmup=2' --epochs 5 --csv out.csv --plot out.svg
}

same_runs() {
    [ "$code" -eq 1 ] || fail "allocation $at of $count"
    normal out.json | cmp -s "$logs/right" - || grep -q 'out of memory' out.json ||
        fail "allocation $at: other results without a reason"
}

# Of a sweep, whose other runs go on: the cause, the run's reason, or the undisturbed results.
no_failing_allocation_in_sweeps_is_mistaken() {
    small_network
    sweep="sweep --data synthetic:1x8x8,2,20 --model my.net --vary batch=2,4 --iterations 4 --quiet --out run --json out.json"
    LD_PRELOAD=$FAILING_ALLOCATIONS FAILING_ALLOCATIONS_COUNT=$logs/count "$RANGEFINDER" $sweep 2>"$logs/err" || :
    normal out.json >"$logs/right"
    at_each "$(cat "$logs/count")" same_runs $sweep
}

no_failing_allocation_in_model_is_mistaken() {
    small_network
    survives own model my.net --input 1x8x8 --json
    survives zoo model simplecnn
}

# A network whose maps are large: 2 MiB for an image of 64x64.
wide_maps() {
    printf 'conv 64 3 pad=1\nrelu\nconv 64 3 pad=1\nrelu\nadaptive_avg_pool 1\nflatten\nlinear classes\n' >wide.net
}

inference_that_does_not_fit_is_refused_with_what_would() {
    wide_maps
    bench="bench --inference -m wide.net -d synthetic:3x64x64,10,32 --steps 1 -b"
    export RANGEFINDER_MEMORY=24
    rf $bench 16
    [ "$code" -eq 4 ] || fail "a batch that does not fit is refused with code 4, not $code"
    for word in "wide.net at batch 16 on images of 3x64x64 needs " "can give 24.0 MiB" "use --batch "; do says "$word"; done
    batch=$(sed 's/.*use --batch \([0-9]*\).*/\1/' "$logs/err")
    succeeds $bench "$batch"
    refuses 4 "use --batch $batch" $bench $((batch + 1))
    export RANGEFINDER_MEMORY=1
    refuses 4 "not even --batch 1 fits" $bench 16
    unset RANGEFINDER_MEMORY
}

eval_and_predict_take_the_batch_that_fits() {
    wide_maps
    two_classes photos
    succeeds train --data synthetic:3x64x64,2,20 --model wide.net --lr 0.01 --epochs 1 --batch 4 --val-split 0.5 --out run --quiet
    succeeds eval --run run --json whole.json --quiet
    export RANGEFINDER_MEMORY=8
    succeeds eval --run run --json parts.json --quiet
    rf predict --run run photos # notes that they are grey
    [ "$code" -eq 0 ] || fail "predict takes fewer at once"
    export RANGEFINDER_MEMORY=1
    refuses 4 "not even one image at a time fits: " eval --run run
    refuses 4 "not even one image at a time fits: " predict --run run photos
    unset RANGEFINDER_MEMORY
    for file in whole parts; do grep '"accuracy"' $file.json >$file; done # the loss may be rounded otherwise
    cmp whole parts || fail "the same accuracy"
}
