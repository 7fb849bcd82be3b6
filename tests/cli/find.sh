# `rangefinder find`: the main job, on the device that the environment names.

# A run that is quick on every device.
quick="--data synthetic:1x8x8,4,256 --batch 16 --iterations 40"

find_prints_heading_curve_and_verdict() {
    rf find --iterations 60
    [ "$code" -le 1 ] || fail "find on the built-in digits"
    for word in device data network digits simplecnn parameters steepest valley; do prints $word; done
}

find_writes_json_csv_and_plot() {
    rf find $quick --quiet --json out.json --csv out.csv --plot out.svg
    [ "$code" -le 1 ] || fail "find with outputs"
    [ ! -s "$logs/out" ] || fail "--quiet prints nothing on stdout"
    for key in device model data batch optimizer seed curve lr loss smoothed stop step reason suggestions steepest valley \
        slide minimum steep lightning ignite verdict kind lr_min lr_max confidence time_ms; do
        grep -q "\"$key\"" out.json || fail "the JSON lacks $key"
    done
    [ "$(head -1 out.csv)" = lr,loss,smoothed ] || fail "the heading of the CSV"
    xmllint --noout out.svg || fail "the SVG is not well-formed"
}

json_holds_what_reproduces_the_run() {
    rf find $quick --quiet --seed 3 --optimizer adamw --json out.json --csv first.csv --group '*bias=2,weight_decay=0' --group 'conv*=0.5' \
        --decay-exclude norm --freeze 'conv1.*' --clip-norm 5 --clip-value 0.5 --ema 0.9 --augment 'flip+shift pixels=2'
    for text in '"version": "' "\"command\": \"rangefinder find --data synthetic:1x8x8,4,256 --batch 16" "--group '*bias=2,weight_decay=0'" \
        '"batch": "16"' '"seed": "3"' '"weight-decay": "0.01"' '"betas": "0.9,0.999"' '"eps": "1e-08"' '"loss": "cross_entropy"' \
        '"group": ["*bias=2,weight_decay=0", "conv*=0.5"]' '"freeze": "conv1.*"' '"decay-exclude": "norm"' '"clip-norm": "5"' \
        '"clip-value": "0.5"' '"ema": "0.9"' '"augment": "flip+shift pixels=2"' '"normalisation": {"mean": [' '"device": "'; do
        grep -qF -e "$text" out.json || fail "the JSON lacks $text"
    done
    ! grep -q '"momentum"' out.json || fail "adamw has no momentum"
    # The command, typed again, gives the same curve.
    command=$(sed -n 's/^  "command": "\(.*\)",$/\1/p' out.json)
    (eval "\"\$RANGEFINDER\" ${command#rangefinder } --csv second.csv") || [ $? -eq 1 ]
    cmp first.csv second.csv || fail "the command in the JSON gave another curve"
}

a_longer_training_begins_the_range_lower() {
    for epochs in 10 100; do rf find --iterations 100 --quiet --epochs $epochs --json $epochs.json; done
    rf find --iterations 100 --quiet --epochs 10 --schedule 0.1 --json tenth.json
    lr_min() { sed -n 's/.*"lr_min": \([^,]*\),.*/\1/p' $1.json; }
    awk "BEGIN { exit !(0.999 < $(lr_min 10) / $(lr_min 100) / 10 && $(lr_min 10) / $(lr_min 100) / 10 < 1.001) }" ||
        fail "ten times the epochs, a tenth of the rate"
    awk "BEGIN { exit !(9.99 < $(lr_min tenth) / $(lr_min 10) && $(lr_min tenth) / $(lr_min 10) < 10.01) }" ||
        fail "a tenth of the factors, ten times the rate"
    refuses 2 "--schedule has no effect without --epochs" find --schedule cosine
}

same_seed_gives_the_same_bits() {
    rf find $quick --quiet --seed 7 --csv a.csv
    rf find $quick --quiet --seed 7 --csv b.csv
    rf find $quick --quiet --seed 8 --csv c.csv
    cmp a.csv b.csv || fail "the same seed gave another curve"
    ! cmp -s a.csv c.csv || fail "another seed gave the same curve"
}

several_seeds_give_a_median_that_suggest_reads_back() {
    rf find $quick --quiet --csv alone.csv
    rf find $quick --quiet --seeds 3 --json three.json --csv three.csv --plot three.svg
    [ "$(head -1 three.csv)" = lr,loss,smoothed,run_1,run_2,run_3 ] || fail "the heading of the CSV"
    cut -d, -f2 alone.csv | tail -n +2 >first && cut -d, -f4 three.csv | tail -n +2 >run_1
    cmp first run_1 || fail "the first of several tests is not the one that is run alone"
    rf suggest three.json --quiet --json again.json --csv again.csv
    cmp three.csv again.csv || fail "the CSV of what was read from the JSON"
    verdict() { grep '"verdict"' $1.json; }
    [ "$(verdict three)" = "$(verdict again)" ] || fail "the verdict on what was read"
    rf suggest three.csv --quiet --csv again.csv
    cmp three.csv again.csv || fail "the CSV of what was read from the CSV"
    refuses 2 "--seeds has no effect with --no-shuffle" find --seeds 2 --no-shuffle
}

options_that_change_nothing_are_said() {
    rf find $quick --sync-bn --decay-exclude norm --no-exif --skip-bad --ema 0.9
    for name in sync-bn decay-exclude no-exif skip-bad ema; do says "--$name has no effect"; done
    rf find $quick --decay-exclude norm --weight-decay 1e-4 --ema 0.9 --validation 16
    ! grep -q "no effect" "$logs/err" || fail "there is a weight decay"
    rf find $quick --decay-exclude norm --group 'conv*=1,weight_decay=1e-4'
    ! grep -q "no effect" "$logs/err" || fail "a group has a weight decay"
}

confirm_races_around_the_suggestion() {
    rf find --iterations 100 --confirm --epochs 4 --schedule onecycle --json race.json --plot race.svg
    [ "$code" -eq 0 ] || fail "find --confirm"
    prints 'race     4 epochs, onecycle, shortened; the loss of 359 images held out judges'
    prints 'held-out loss  accuracy'
    prints 'The race '
    [ "$(grep -cE "^  [0-9.e-]+ +10 " "$logs/out")" -eq 4 ] || fail "four rates, ten steps each"
    for key in '"race": {' '"clear": ' '"plan_steps": 88' '"validation_loss": ' '"accuracy": ' '"losses": \['; do
        grep -q "$key" race.json || fail "the JSON lacks $key"
    done
    xmllint --noout race.svg || fail "the SVG is not well-formed"
    grep -q '"epochs": "20"' race.json && fail "other epochs than were given"
    rf find $quick --confirm --quiet --json race.json # which has no suggestion
    grep -q '"race": null' race.json || fail "a race without a suggestion"
    grep -q '"epochs": "20"' race.json || fail "the JSON lacks the epochs that were taken"
    refuses 2 "--val-split has no effect without --confirm" find --val-split 0.1
    refuses 2 "both hold out images" find --confirm --val-split 0.1 --validation 10
    refuses 2 "schedule" find --confirm --schedule nonsense
}

a_budget_is_filled_or_refused() {
    rf find --budget 1h --iterations 100 --epochs 2 --quiet --json all.json # a race takes 40 steps
    [ "$(grep -o '"losses": ' all.json | wc -l)" -eq 4 ] || fail "no race although there is time"
    grep -q '"seeds": "5"' all.json || fail "there is time for five range tests"
    rf find --budget 5m --iterations 100 --epochs 1000000 --no-shuffle --quiet --json rest.json
    says 'is left out'
    grep -q '"race": null' rest.json || fail "a race of millions of steps within minutes"
    grep -q '"seeds": "1"' rest.json || fail "several orders of images that are not shuffled"
    refuses 2 "too little for a range test" find --budget 0.001
    for wrong in 0 5x m '' 1e9h; do refuses 2 "--budget" find --budget "$wrong"; done
    refuses 2 "--seeds has no effect with --budget" find --budget 1m --seeds 3
}

first_run_with_an_empty_cache_gives_the_same_bits() {
    export XDG_CACHE_HOME="$PWD/cache"
    rf find $quick --quiet --momentum 0.9 --csv a.csv --group 'conv*=0.5'
    rf find $quick --quiet --momentum 0.9 --csv b.csv --group 'conv*=0.5'
    cmp a.csv b.csv || fail "the first run gave another curve"
    RANGEFINDER_AHEAD=synthetic:1x12x12,4,64 rf find $quick --csv c.csv
    [ ! -e c.csv ] || fail "a helper reported"
}

pytorchs_lines_follow_the_number() {
    rf find --iterations 100 --momentum 0.9 --nesterov
    prints 'optimizer = torch.optim.SGD(model.parameters(), lr=0.'
    prints ', momentum=0.9, nesterov=True)'
    rf find --iterations 100 --optimizer adamw --betas 0.8,0.9 --weight-decay 0 --seed 1
    prints ', betas=(0.8, 0.9), weight_decay=0)'
    prints 'OneCycleLR(optimizer, max_lr='
    for options in '--optimizer lion' '--quiet' '--group *bias=2' '--json -'; do
        rf find --iterations 60 $options
        ! grep -q torch.optim "$logs/out" || fail "$options: PyTorch has none, or nobody asked"
    done
}

every_optimizer_and_option_runs() {
    for options in '--momentum 0.9 --nesterov --weight-decay 1e-4' '--momentum 0.9 --dampening 0.1' '--optimizer adam' \
        '--optimizer adamw --betas 0.8,0.9 --eps 1e-6 --weight-decay 0' '--optimizer rmsprop --alpha 0.9 --momentum 0.5' \
        '--mode linear --end-lr 0.1' '--accumulate 2' '--validation 32' '--diverge never' '--diverge 1.5' '--loss mse' \
        '--label-smoothing 0.1' '--class-weights 1,2,3,4' '--mean 0.5 --std 0.25' '--no-shuffle' '--limit 64' \
        '--group *bias=2 --group conv*=0.5' '--image-size 12' '--augment flip+mixup'; do
        rf find $quick --iterations 12 $options --csv -
        [ "$code" -le 1 ] || fail "find $options"
        [ "$(head -1 "$logs/out")" = lr,loss,smoothed ] || fail "find $options: no curve"
    done
}

last_step_has_the_last_rate() {
    rf find $quick --iterations 11 --start-lr 1e-5 --end-lr 1e-3 --csv -
    sed -n 2p "$logs/out" | grep -qE '^(1e-0?5|1.0*e-0?5|0.00001),' || fail "the first rate is --start-lr"
    tail -1 "$logs/out" | grep -qE '^(0.001|1.0*e-0?3|0.001[0]*),' || fail "the last rate is --end-lr"
    [ "$(wc -l <"$logs/out")" -eq 12 ] || fail "a line a step"
}

print_suggestion_gives_one_number_or_exit_1() {
    rf find --print suggestion
    if [ "$code" -eq 0 ]; then grep -qxE '[0-9.]+(e-?[0-9]+)?' "$logs/out" || fail "one number expected"
    else refuses 1 "no learning rate to suggest" find --print suggestion; fi
}

no_verdict_exits_1_with_the_reason_and_the_curve() {
    rf find $quick --start-lr 1e-12 --end-lr 1e-11 --csv out.csv
    [ "$code" -eq 1 ] || fail "no verdict is exit code 1"
    says "no learning rate to suggest"
    [ -s "$logs/out" ] || fail "the curve is printed all the same"
    [ -s out.csv ] || fail "the files are written all the same"
}

progress_only_on_a_terminal() {
    rf find $quick
    ! grep -q 'images/s' "$logs/err" || fail "progress although stderr is no terminal"
}

# terminal COMMAND: runs it on a terminal of its own; what appears there lies in ./screen.
terminal() {
    code=0
    : >"$logs/out"
    TERM=xterm LC_ALL=C.UTF-8 script -qefc "$1" screen </dev/null >/dev/null || code=$?
    cp screen "$logs/err"
}

terminal_gets_progress_colour_and_unicode() {
    terminal "$RANGEFINDER find $quick"
    grep -q 'images/s' screen || fail "no progress line"
    LC_ALL=C grep -q "$(printf '\342')" screen || fail "no Unicode"
    grep -q "$(printf '\033\\[[0-9;]*m')" screen || fail "no colour"
    terminal "NO_COLOR=1 $RANGEFINDER find $quick"
    ! grep -q "$(printf '\033\\[[0-9;]*m')" screen || fail "colour in spite of NO_COLOR"
    terminal "$RANGEFINDER find $quick --no-color --no-progress"
    ! grep -q "$(printf '\033')" screen || fail "escapes in spite of --no-color --no-progress"
}

# A run that takes minutes, to be interrupted.
long="--data synthetic:3x32x32,10,2048 --model resnet18-cifar --batch 64 --iterations 1000"

interrupt_leaves_no_file_and_exits_130() {
    for seconds in 0.1 0.5 2; do
        code=0
        timeout --preserve-status -s INT $seconds "$RANGEFINDER" find $long --json out.json --csv out.csv --plot out.png \
            >"$logs/out" 2>"$logs/err" || code=$?
        [ "$code" -eq 130 ] || fail "interrupted after $seconds s: the exit code should be 130"
        [ -z "$(ls -A)" ] || fail "interrupted after $seconds s: a file is left"
    done
}

interrupt_leaves_the_terminal_clean() {
    terminal "timeout --foreground --preserve-status -s INT 3 $RANGEFINDER find $long"
    [ "$code" -eq 130 ] || fail "the exit code should be 130"
    # After the last progress line the line is erased, and nothing but the recorder's own words follows.
    tr '\r' '\n' <screen | grep -v -e '^$' -e '^Script' | tail -1 | grep -q 'left$' && fail "the progress line is left"
    return 0
}

unwritable_outputs_are_reported_before_the_run() {
    for option in --csv --json --plot; do
        refuses 3 "nosuch" find $long $option nosuch/folder/out.svg
    done
    refuses 2 ".svg" find $long --plot out.bmp
    mkdir out.csv
    refuses 3 "out.csv" find $long --csv out.csv
    rmdir out.csv
    refuses 3 "/dev/full" find $quick --quiet --csv /dev/full
}

unknown_device_is_refused_with_those_present() {
    refuses 4 "reference" find $quick --device xyzzy
    refuses 4 "reference" find $quick --device 99:99
}

unknown_model_is_refused_with_the_nearest() {
    refuses 3 "did you mean resnet20" find $quick --model resnet2O
    refuses 3 "nosuch.net" find $quick --model nosuch.net
}

batch_larger_than_the_data_is_refused() {
    rf find --data synthetic:1x8x8,4,32 --batch 64
    expected=$code
    [ "$code" -eq 2 ] || [ "$code" -eq 3 ] || fail "a batch that cannot be filled"
    refuses "$expected" "64" find --data synthetic:1x8x8,4,32 --batch 64
    rf find --data synthetic:1x8x8,4,64 --batch 32 --validation 64
    refuses "$code" "valid" find --data synthetic:1x8x8,4,64 --batch 32 --validation 64
}

options_that_do_not_fit_the_data_are_refused() {
    refuses 2 "--mean" find $quick --mean 1,2
    refuses 2 "--std" find $quick --std 1,2,3
    refuses 2 "--class-weights" find $quick --class-weights 1,2
    rf find $quick --group 'nosuch*=3'
    [ "$code" -eq 2 ] || fail "a pattern that matches nothing"
    says "nosuch"
}

bad_files_end_the_run_unless_skipped() {
    two_classes set
    echo 'not an image' >set/cats/9.png
    refuses 3 "9.png" find --data set --batch 2
    rf find --data set --batch 2 --skip-bad --iterations 5 --csv -
    [ "$code" -le 1 ] || fail "--skip-bad leaves the bad file out"
    says "1 file left out"
}

own_model_in_the_model_language_runs() {
    printf 'conv 8 3 pad=1\nrelu\nflatten\nlinear classes\n' >own.net
    rf find $quick --model own.net --iterations 5 --csv -
    [ "$code" -le 1 ] || fail "a model of one's own"
    [ "$(head -1 "$logs/out")" = lr,loss,smoothed ] || fail "no curve"
}

auto_without_opencl_runs_on_the_reference_and_says_so() {
    mkdir "$logs/none"
    code=0
    env -u RANGEFINDER_DEVICE OCL_ICD_VENDORS="$logs/none" "$RANGEFINDER" find $quick --csv - >"$logs/out" 2>"$logs/err" ||
        code=$?
    [ "$code" -le 1 ] || fail "auto falls back to the reference"
    says "reference"
    code=0
    env OCL_ICD_VENDORS="$logs/none" "$RANGEFINDER" find $quick --device cpu >"$logs/out" 2>"$logs/err" || code=$?
    [ "$code" -eq 4 ] || fail "a device that is named may not fall back"
}

quarantined_op_is_said_once_and_in_the_json() {
    [ "$RANGEFINDER_DEVICE" != reference ] || return 0 # nothing can be taken from the reference
    export RANGEFINDER_QUARANTINE=conv
    rf find $quick --quiet --json out.json
    unset RANGEFINDER_QUARANTINE
    [ "$code" -le 1 ] || fail "a quarantined op runs on the reference"
    [ "$(grep -c conv "$logs/err")" -eq 1 ] || fail "it is said once"
    grep -q conv out.json || fail "the JSON says it"
}

threads_that_openmp_is_told_to_start_are_bounded() {
    rf find $quick --device reference --csv expected.csv --quiet
    for setting in OMP_NUM_THREADS=100000 OMP_NUM_THREADS=-1 OMP_NUM_THREADS=many OMP_NUM_THREADS=9999,9999 \
        OMP_NUM_THREADS=2147483647 OMP_THREAD_LIMIT=1 OMP_THREAD_LIMIT=1000000 OMP_STACKSIZE=1 OMP_STACKSIZE=32K \
        OMP_STACKSIZE=4000G OMP_STACKSIZE=2T OMP_STACKSIZE=large GOMP_STACKSIZE=999999999 OMP_DYNAMIC=true; do
        # LLVM's runtime may end the program for a count that is none, before anything of ours runs.
        case $setting in
        *=-1 | *=many | *_NUM_THREADS=2147483647) ! ldd "$RANGEFINDER" | grep -q libomp || continue ;;
        esac
        export OMP_NUM_THREADS=64 "$setting"
        rf find $quick --device reference --csv out.csv --quiet
        unset OMP_NUM_THREADS "${setting%=*}"
        [ "$code" -le 1 ] || fail "$setting"
        cmp expected.csv out.csv || fail "$setting: another curve"
    done
}

what_does_not_fit_is_refused_at_once_with_what_would() {
    export RANGEFINDER_MEMORY=4000
    rf find -m resnet18-cifar -d synthetic:3x512x512,10,70 -b 64
    unset RANGEFINDER_MEMORY
    [ "$code" -eq 4 ] || fail "ResNet-18 for small images on 512x512 at batch 64 in 4 GB is refused with code 4, not $code"
    for word in "needs " "can give 3.9 GiB" "use --batch " " --accumulate " "--image-size "; do says "$word"; done
}
