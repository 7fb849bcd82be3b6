# The command line itself: commands, options, numbers, help.

# commands: all of them, as --help lists them.
commands() {
    succeeds --help
    sed -n 's/^  \([a-z]*\)  .*/\1/p' "$logs/out"
}

help_and_version_work_everywhere() {
    succeeds --help
    prints 'usage: rangefinder'
    [ "$(commands | wc -l)" -ge 7 ] || fail "--help should list the commands"
    succeeds --version
    grep -qx 'rangefinder [0-9]*\.[0-9]*\.[0-9]*' "$logs/out" || fail "--version"
    grep -Eqx 'with CLBlast [0-9.]+|without CLBlast' "$logs/out" || fail "--version does not speak of CLBlast"
    ! git -C "$here" describe --always >/dev/null 2>&1 || grep -Eqx 'commit [0-9a-f]{40}(-dirty)?' "$logs/out" ||
        fail "--version does not name the commit"
    grep -Eqx 'MPI: (none|[a-z, ]+)' "$logs/out" || fail "--version does not speak of MPI"
    for command in $(commands); do
        succeeds "$command" --help
        prints "usage: rangefinder $command"
        cp "$logs/out" asked
        succeeds help "$command"
        cmp -s asked "$logs/out" || fail "help $command and $command --help differ"
        succeeds "$command" --version
        prints 'rangefinder '
    done
}

every_option_in_the_help_has_a_help_text() {
    for command in $(commands); do
        succeeds $command --help
        ! grep -E '^  ....--[a-z-]+( [^ ]+)?$' -A 1 "$logs/out" | grep -A 1 -E '^  ....--' | grep -q '^$' ||
            fail "$command: an option without a text"
    done
}

manual_and_completion_name_every_command_and_option() {
    succeeds --man
    cp "$logs/out" page
    succeeds --completion
    cp "$logs/out" completion
    bash -n completion || fail "the completion is not shell"
    for command in $(commands); do
        grep -q "^.SS rangefinder $command" page || fail "the manual leaves out $command"
        succeeds $command --help
        for option in $(sed -n 's/^  ....--\([a-z-]*\).*/\1/p' "$logs/out"); do
            grep -qF -e "--$option" completion || fail "the completion leaves out --$option"
            grep -qF -e "\\-\\-$(echo "$option" | sed 's/-/\\-/g')" page || fail "the manual leaves out --$option"
        done
    done
}

completion_completes_words() {
    succeeds --completion
    cp "$logs/out" completion
    mkdir 'my photos'
    cat >check <<'END'
. ./completion
bad=0
# offers EXPECTED WORD...: the last word is the one that is being typed; bash breaks words at '='.
offers() {
    local expected=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _rangefinder
    [ "${COMPREPLY[*]}" = "$expected" ] || { echo "$*: '${COMPREPLY[*]}', not '$expected'"; bad=1; }
}
offers suggest rangefinder su
offers find rangefinder help fi
offers 'adam adamw adagrad adadelta adamax adamw_schedule_free' rangefinder find --optimizer ad
offers 'adam adamw adagrad adadelta adamax adamw_schedule_free' rangefinder find -o ad
offers --start-lr rangefinder find --start
offers 'resnet18-cifar resnet18 resnet20 resnet34 resnet50' rangefinder find --model = res
offers 'sgd adam adamw rmsprop adagrad adadelta adamax nadam radam lion lars lamb adamw_schedule_free prodigy' rangefinder find --optimizer =
offers lenet rangefinder model le
offers 'my photos' rangefinder find --data my
offers 'my photos' rangefinder data my
for command in find bench tune validate; do offers gpu rangefinder $command --device g; done
offers '' rangefinder find --batch 6
exit $bad
END
    bash check >"$logs/out" || fail "the completion does not complete"
}

short_options_are_the_long_ones() {
    succeeds find -h
    cp "$logs/out" long
    succeeds find --help
    cmp -s long "$logs/out" || fail "-h and --help differ"
    succeeds -V
    prints 'rangefinder '
    rf find -v --data synthetic:1x8x8,2,20 --model lenet --batch 4 --iterations 2
    says 'range test done'
    rf find --data synthetic:1x8x8,2,20 --model lenet --batch 4 --iterations 2
    ! grep -q 'range test done' "$logs/err" || fail "without -v nothing is said of what is done"
    refuses 2 "--batch: '0'" find -b 0
    refuses 2 "--batch: '0'" find -qb0
    refuses 2 "--batch: the value is missing" find -b
    refuses 3 "no network 'xyzzy'" find -m xyzzy
    refuses 2 "did you mean 'sgd'" find -o sdg
    refuses 2 "'--batch'" find -batch 3
    refuses 2 "'--batch'" find -batch=3
    refuses 2 "-z: no such option" find -qz
}

options_may_stand_before_the_command() {
    refuses 2 "--batch: '0'" --batch 0 find
    refuses 2 "--batch: '0'" -q -b 0 find
    refuses 3 "no network 'tune'" --model tune find
    refuses 2 "--input: 'x'" -q --input=x model lenet
    refuses 2 "a command is missing" --batch 32
    refuses 2 "no such command" --quiet xyzzy
    refuses 2 "did you mean 'find'" -q fnid
    succeeds --json model lenet
    prints '"layers"'
}

names_are_taken_in_any_case() {
    for name in LeNet LENET Le-Net le_net; do
        succeeds model $name
        prints 'lenet for images'
    done
    rf find --data synthetic:1x8x8,4,64 --batch 16 --iterations 5 --optimizer ADAMW --loss MSE --json -
    prints '"optimizer": "adamw"'
    echo 'flatten
linear classes' >LeNet
    succeeds model LeNet
    prints 'LeNet for images' # an existing file takes precedence over a name that is only like it
}

options_of_other_programs_get_a_hint() {
    refuses 2 "'--batch'" find --batch-size 32
    refuses 2 "'--batch'" find --batch_size=32
    refuses 2 "'--weight-decay'" find --wd 1e-4
    refuses 2 "'--iterations'" find --num-iter 100
    refuses 2 "'--iterations'" find --num_it 100
    refuses 2 "'--epochs'" find --num-epochs 3
    refuses 2 "'--schedule'" train --lr-scheduler cosine
    refuses 2 "'--val-split'" train --validation-split 0.1
    refuses 2 "is what is searched" find --lr 0.1
    refuses 2 "'--start-lr'" find --lr-min 1e-5
    refuses 2 "'--end-lr'" find --max_lr 1
    refuses 2 "'--model'" find --arch resnet18
    refuses 2 "'--device gpu'" find --cuda
    refuses 2 "no such option; --help lists them" model --cuda # has no --device
}

options_without_effect_are_refused() {
    refuses 2 "momentum has no effect with adam" find --optimizer adam --momentum 0.9
    refuses 2 "betas has no effect with sgd, which takes momentum" find --betas 0.9,0.999
    refuses 2 "betas has no effect with rmsprop" find --optimizer rmsprop --betas 0.9,0.999
    refuses 2 "eps has no effect with sgd" find --eps 0
    refuses 2 "alpha has no effect with adamw" find --optimizer adamw --alpha 0.9
    refuses 2 "has no effect with adam" find --optimizer adam --nesterov --momentum 0.9
    refuses 2 "dampening has no effect without" find --dampening 0.1
    refuses 2 "--label-smoothing has no effect with --loss mse" find --loss mse --label-smoothing 0.1
    refuses 2 "--class-weights has no effect with --loss mse" find --loss mse --class-weights 1,2
}

augmentations_are_listed_and_what_does_not_suit_is_refused() {
    succeeds find --help
    for text in 'flip p=0.5' 'shift p=1 pixels=4' 'cutmix p=1 alpha=1'; do prints "$text"; done
    refuses 2 "no augmentation 'flop'; did you mean 'flip'" find --augment flop
    refuses 2 "size has no effect with flip" find --augment 'flip size=3'
    refuses 2 "a whole number of 7 or less" find --augment 'flip+shift pixels=8'
    refuses 2 "saturation and hue are of colours" find --augment 'jitter hue=0.1'
    refuses 2 "mixup and cutmix need the loss cross_entropy" find --augment mixup --loss mse
}

manual_pages_have_examples_and_the_language() {
    succeeds --man
    prints '.SH EXAMPLES'
    for command in $(commands); do
        succeeds $command --help
        prints "examples:"
        prints "  rangefinder $command"
    done
    page=$(dirname "$RANGEFINDER")/rangefinder-model.man
    grep -q '^\.TH "RANGEFINDER-MODEL" "5"' "$page" || fail "no manual page of the model language"
    grep -q '^rangefinder-model \\- ' "$page" || fail "its NAME section"
    grep -q 'adaptive_avg_pool' "$page" || fail "its ops"
}

unknown_command_is_refused_with_the_nearest() {
    refuses 2 "did you mean 'find'" fnid
    refuses 2 "did you mean 'validate'" valdate
    refuses 2 "no such command" xyzzy
    refuses 2 "a command is missing"
}

unknown_option_is_refused_with_the_nearest() {
    refuses 2 "did you mean '--batch'" find --bach 3
    refuses 2 "did you mean '--start-lr'" find --strat-lr=1
    refuses 2 "no such option" find --xyzzy
    refuses 2 "no such option" find -z
    refuses 2 "no such option" find --=3
    refuses 2 "no such option" devices --batch 3
}

missing_and_superfluous_values_are_refused() {
    refuses 2 "--batch: the value is missing" find --batch
    refuses 2 "--plot: the value is missing" find --plot --quiet
    refuses 2 "--plot: the value is empty" find --plot ''
    refuses 2 "--quiet takes no value" find --quiet=yes
    refuses 2 "extra" find extra
    refuses 2 "FILE is missing" suggest
    refuses 2 "SPEC is missing" data
    refuses 2 "two" suggest one two
}

# number OPTION VALUE...: each value is refused, and the message has the option in it.
number() {
    option=$1
    shift
    for value in "$@"; do refuses 2 "$option" find "$option" "$value"; done
}

bad_numbers_are_refused_with_the_option_and_its_range() {
    for option in --start-lr --end-lr; do number $option -1 0 nan inf -inf 1e7 1e400 1e-3x x '' ' 1' 0x1 1,0; done
    for option in --batch --iterations --accumulate --limit; do
        number $option -1 0 nan inf 1.5 1e3 12x x '' 99999999999999999999
    done
    number --iterations 1
    number --momentum -0.1 1.1 nan inf 0.9x
    number --weight-decay -0.1 nan inf 0.9x
    number --eps -1 nan
    number --alpha -1 nan 2
    number --betas 0.9 0.9,x 0.9,1 0.9,-0.1 0.9,nan 0.9,0.99,0.999 , ''
    number --label-smoothing -0.1 1.1 nan
    number --diverge 0 -1 nan inf 0.5 always
    number --validation -1 1.5 x
    number --seed -1 1.5 x 99999999999999999999999
    number --image-size 0 -1 3x 3x0 x3 3x3x3 99999999 nan
    number --mean x nan 0.5,x
    number --std 0 -1 nan
    number --class-weights -1 nan
    number --group fc =3 fc= fc=0 fc=-1 fc=nan fc=1x fc=1,weight_decay=-1 fc=1,weight_decay= fc=1,decay=2
    number --clip-norm -1 0 nan inf 1x
    number --clip-value -1 0 nan inf 1x
    number --ema -0.1 1 nan 0.9x
    number --decay-exclude norms , bias,norms 'norm bias'
    refuses 2 "from 1 to 65536" find --batch 0
}

bad_choices_are_refused_with_the_nearest() {
    refuses 2 "did you mean 'sgd'" find --optimizer sdg
    refuses 2 "sgd, adam, adamw, rmsprop" find --optimizer muon
    refuses 2 "exp" find --mode cosine
    refuses 2 "did you mean 'cross_entropy'" find --loss crossentropy
    refuses 2 "did you mean 'suggestion'" find --print sugestion
}

options_that_contradict_each_other_are_refused() {
    refuses 2 "--start-lr 1 is not below --end-lr 0.1" find --start-lr 1 --end-lr 0.1
    refuses 2 "--start-lr" find --start-lr 1 --end-lr 1
    refuses 2 "ema has no effect with adamw_schedule_free" find --optimizer adamw_schedule_free --ema 0.9
    refuses 2 "'nothing*' matches no parameter" find --freeze 'conv1.weight,nothing*'
    refuses 2 "leaves no parameter to train" find --freeze '*'
    refuses 2 "nesterov needs a momentum above 0" find --nesterov
    refuses 2 "stdout" find --json - --csv -
    refuses 2 "stdout" find --plot - --print suggestion
    refuses 2 "same file" find --json a.svg --plot a.svg
}

last_of_repeated_options_counts() {
    refuses 2 "'7x'" find --batch 3 --batch 7x
    good_curve >curve.csv
    succeeds suggest curve.csv --print range --print suggestion
    [ "$(wc -w <"$logs/out")" -eq 1 ] || fail "the last --print counts"
}

# As behind `| head`: quiet, and with the exit status of one that the signal ended.
stdout_without_a_reader_is_quiet() {
    good_curve >curve.csv
    mkfifo pipe
    exec 3<>pipe 4>pipe 3<&-
    for command in "--help" "model resnet50" "suggest curve.csv --json curve.json" "model resnet50 --json" \
        "suggest curve.csv --csv -"; do
        code=0
        "$RANGEFINDER" $command >&4 2>"$logs/err" || code=$?
        : >"$logs/out"
        [ "$code" -eq 141 ] && [ ! -s "$logs/err" ] || fail "$command, without a reader"
    done
    [ -s curve.json ] || fail "the results should be there"
}

full_stdout_is_an_error() {
    code=0
    "$RANGEFINDER" --help >/dev/full 2>"$logs/err" || code=$?
    : >"$logs/out"
    [ "$code" -eq 3 ] || fail "a full disk should be told"
    says "standard output"
}
