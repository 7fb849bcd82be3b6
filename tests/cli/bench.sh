# `rangefinder bench` and `rangefinder tune`: what takes how long, and what is fastest.

bench_prints_steps_limits_and_json() {
    quick="--data synthetic:1x12x12,4,64 --batch 8 --steps 3"
    succeeds bench $quick
    prints forward.stem_pool_tile
    prints backward_params
    prints images/s
    succeeds bench $quick --json
    tr -d ' \n' <"$logs/out" | grep -q '"kernels":\[' || fail "the JSON"
    succeeds bench $quick --json --trace trace.json
    grep -q '"traceEvents"' trace.json || fail "the trace"
    printf 'for i = 1 to 8\nc{i}: conv 8 1\nend\nadaptive_avg_pool 1\nflatten\nlinear classes\n' >deep.net
    succeeds bench $quick --model deep.net --recompute on --verbose
    prints forward_again
    prints "of the forward pass is done twice"
    refuses 2 "no effect" bench $quick --recompute on --inference
    succeeds bench $quick --model deep.net --half
    prints convert
    refuses 2 "no effect" bench $quick --half --inference
    refuses 2 "stdout" bench $quick --json --trace -
    refuses 3 "nosuch" bench $quick --trace nosuch/folder/trace.json
}

bench_times_inference_from_images_to_scores() {
    succeeds bench --inference --data synthetic:1x12x12,4,64 --batch 8
    prints 'forward '
    prints images/s
    prints forward.linear_tile
    ! grep -q backward "$logs/out" || fail "there is no backward pass"
    succeeds bench --inference --data synthetic:1x12x12,4,64 --batch 8 --json --trace trace.json
    grep -q '"step_ms": [0-9.e-]*[1-9]' "$logs/out" || fail "the JSON"
    tr -d ' \n' <"$logs/out" | grep -q '"time_ms":[0-9.e-]*[1-9]' || fail "the kernels in the JSON"
    grep -q '"traceEvents"' trace.json || fail "the trace"
    refuses 2 "fewer than two batches" bench --inference --data synthetic:1x12x12,4,64 --batch 33
}

bench_makes_images_of_the_size_that_the_network_is_for() {
    succeeds bench --model squeezenet1_1 --batch 1 --steps 2
    prints 'squeezenet1_1'
    printf '%s\n' "conv 4 3 pad=1" flatten "linear classes" >my.net
    succeeds bench --model my.net --batch 3000 --steps 2 --inference
}

bench_shows_poolings_in_their_convolutions() {
    succeeds bench --model lenet --data synthetic:1x28x28,10,64 --batch 16 --steps 2
    prints forward.stem_pool_tile
    prints backward_params.pooled_tile
    prints backward_data.pooled_tile
    ! grep -q max_pool "$logs/out" || fail "a pooling of its own"
}

long_names_of_layers_stay_whole() {
    name=$(printf '%0190d' 7 | tr 0 a)
    printf '%s: conv 4 3 pad=1\nflatten\nlinear classes\n' "$name" >my.net
    succeeds bench --model my.net --data synthetic:1x8x8,2,16 --batch 8 --steps 2 --json
    prints "\"$name.forward."
}

bench_times_the_way_of_streamed_images() {
    export RANGEFINDER_STREAM=1
    succeeds bench --data synthetic:1x12x12,4,64 --batch 8 --steps 3
    prints stream
}

clblast_multiplies_where_it_is_named() {
    export RANGEFINDER_SOLVER=clblast
    printf 'a: conv 20 1\nb: conv 8 1 stride=2\nc: conv 8 3\nrelu\nflatten\nd: linear 12\nrelu\ne: linear classes\n' >my.net
    succeeds bench --model my.net --data synthetic:3x12x12,4,64 --batch 8 --steps 2 --json
    tr -d ' \n' <"$logs/out" >kernels
    ! grep -Eq '"[bc]\.[a-z_]*\.clblast' kernels || fail "a stride, or a larger kernel"
    for name in a.forward a.backward_params d.forward d.backward_params d.backward_data e.forward e.backward_data; do
        if "$RANGEFINDER" --version | grep -q 'with CLBlast'; then
            grep -Eq "\"$name\.clblast\",\"kernel\":\"gemm\",[^}]*\"time_ms\":[0-9.e-]*[1-9]" kernels ||
                fail "$name is left to others, or takes no time"
        else
            ! grep -q clblast kernels || fail "CLBlast is not in"
        fi
    done
}

tune_tells_what_is_fastest() {
    export XDG_CACHE_HOME="$PWD/cache"
    succeeds tune --input 1x12x12 --classes 4 --batch 4 --limit 1
    prints "after"
    refuses 2 "--input" tune --input 3x32
    refuses 3 "did you mean" tune --model resnet81
}

devices_measures_and_remembers_the_speed() {
    export XDG_CACHE_HOME="$PWD/cache"
    succeeds devices --measure
    succeeds devices --json
    grep -q '"images_per_second": [0-9]' "$logs/out" || fail "the speed is remembered"
}
