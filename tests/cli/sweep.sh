# `rangefinder sweep`: range tests of all combinations of settings, kept in a folder.

# A sweep of two optimizers and three batches that is quick on every device.
quick="--vary optimizer=sgd,adamw --vary batch=16,32,64 --iterations 40"

number() { sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p" "$2"; }

a_sweep_runs_every_combination_and_goes_on() {
    rf sweep $quick --out out --plot out.svg --json out.json --csv out.csv
    [ "$code" -le 1 ] || fail "a sweep"
    prints "kept in  out"
    [ "$(ls out)" = "$(for o in adamw sgd; do for b in 16 32 64; do echo "batch=$b,optimizer=$o.json"; done; done | sort)" ] ||
        fail "one file for each combination"
    xmllint --noout out.svg || fail "the picture"
    [ "$(wc -l <out.csv)" -eq 7 ] && head -1 out.csv | grep -q '^optimizer,batch,lr,' || fail "the CSV has a line a run"
    [ "$(grep -c '"settings": {"optimizer": "' out.json)" -eq 6 ] || fail "the JSON has a run a line"
    # Each is what `find` gives, also by the command that is recorded.
    rf find --optimizer adamw --batch 32 --iterations 40 --quiet --json alone.json
    [ "$(number lr alone.json)" = "$(number lr out/batch=32,optimizer=adamw.json)" ] || fail "find gives another rate"
    grep -q '"command": "rangefinder find --batch=32 --optimizer=adamw --iterations=40"' out/batch=32,optimizer=adamw.json ||
        fail "the command of a run"
    # What is there is not run again, whatever the order of the options.
    rm out/batch=64,optimizer=sgd.json
    find out -type f -exec touch -d 2000-01-01 {} +
    rf sweep --vary batch=16,32,64 --iterations 40 --vary optimizer=sgd,adamw --out out
    prints "6 runs, of which 5 are done"
    [ "$(find out -newermt 2001-01-01 -type f)" = out/batch=64,optimizer=sgd.json ] || fail "only what is missing is run"
    rf sweep $quick --out out --overwrite --quiet
    [ "$(find out -newermt 2001-01-01 -type f | wc -l)" -eq 6 ] || fail "--overwrite runs all"
    [ ! -s "$logs/out" ] || fail "--quiet prints nothing"
}

other_options_or_data_of_finished_runs_are_noticed() {
    two_classes photos
    printf 'flatten\nlinear classes\n' >my.net
    sweep="sweep --data photos --model my.net --vary batch=2,3 --out out"
    rf $sweep --iterations 12 --quiet
    [ "$code" -le 1 ] || fail "a sweep"
    refuses 2 "is the result of other options" $sweep --iterations 13
    pnm photos/cats/1.pgm 8 8 q
    refuses 2 "is the result of other data" $sweep --iterations 12
    echo '{' >out/batch=2.json
    refuses 3 "out/batch=2.json" $sweep --iterations 12
    echo '{}' >out/batch=2.json
    refuses 3 "not the result of a range test" $sweep --iterations 12
    rf $sweep --iterations 12 --quiet --overwrite
    [ "$code" -le 1 ] || fail "--overwrite"
}

mistakes_are_told_before_the_first_run() {
    refuses 2 "--vary NAME=VALUE,... is missing" sweep
    refuses 2 "take one or more of data, model, device, batch," sweep --vary foo=1
    for name in nesterov json out quiet; do refuses 2 "no such option with a value" sweep --vary $name=1; done
    refuses 2 "is not NAME=VALUE" sweep --vary batch
    refuses 2 "a value is empty" sweep --vary batch=1,,2
    refuses 2 "given twice" sweep --vary batch=1,1
    refuses 2 "given twice" sweep --vary batch=1 --vary batch=2
    refuses 2 "--batch and --vary batch" sweep -b 3 --vary batch=1
    refuses 2 "combinations" sweep --vary batch=$(seq -s, 1 200) --vary seed=$(seq -s, 1 200)
    refuses 2 "optimizer=foo: --optimizer: there is no 'foo'; take one of sgd," sweep --vary batch=1,2 --vary optimizer=sgd,foo
    refuses 2 "'0' is not a whole number from 1 to 65536" sweep --vary batch=1,0
    refuses 2 "momentum has no effect with adam" sweep --vary optimizer=sgd,adam --vary momentum=0,0.9
    refuses 2 "--start-lr 20 is not below" sweep --vary start-lr=1,20
    refuses 2 "no augmentation 'foo'" sweep --vary augment=flip,foo
    refuses 2 "2 numbers for 10 classes" sweep --vary 'label-smoothing=0;0.1' --class-weights 1,2
    refuses 3 "no network 'nonet'" sweep --vary model=simplecnn,nonet
    refuses 3 "nodata" sweep --vary data=digits,nodata
    refuses 4 "nodevice" sweep --vary device=reference,nodevice
    refuses 2 "is read" sweep --vary batch=1 --data images,labels --csv images
}

a_run_that_fails_is_a_row_and_the_sweep_goes_on() {
    rf sweep --vary 'freeze=nothing*;fc*' --iterations 12 --out out --csv out.csv --quiet
    [ "$code" -eq 1 ] || fail "a run failed: exit code 1"
    says "of 2 runs gave no learning rate"
    grep -q "^nothing\*,,,,,,,freeze: 'nothing\*' matches no parameter" out.csv || fail "the row has the reason"
    [ "$(ls out | wc -l)" -eq 1 ] || fail "the other one was run"
    RANGEFINDER_MEMORY=6 rf sweep --vary batch=16,1797 --iterations 12 --out memory --json -
    [ "$code" -eq 1 ] || fail "a run that does not fit"
    prints '"reason": "simplecnn at batch 1797 on images of 1x8x8 needs'
    [ "$(ls memory)" = batch=16.json ] || fail "the one that fits was run"
}

# result OPTIMIZER BATCH RATE: a result that was written by hand, with a run's own command and data.
result() {
    sed -i "s/\"verdict\": .*/\"verdict\": {\"kind\": \"range\", \"lr_min\": 0.001, \"lr\": $3, \"lr_max\": 1, \"confidence\": \"high\", \"reason\": \"ok\"},/" \
        "out/batch=$2,optimizer=$1.json"
}

the_batch_rule_is_the_slope_of_the_logarithms() {
    sweep="sweep --vary optimizer=sgd,adam --vary batch=4,16,64 --iterations 12 --out out --data synthetic:1x8x8,2,64"
    rf $sweep --quiet
    for rate in "adam 4 0.01" "adam 16 0.02" "adam 64 0.04" "sgd 4 0.01" "sgd 16 0.04" "sgd 64 0.16"; do result $rate; done
    succeeds $sweep
    prints "With optimizer=adam, doubling the batch multiplies the rate by 1.41 (1.41 to 1.41, a standard error): about as the square-root rule"
    prints "With optimizer=sgd, doubling the batch multiplies the rate by 2.00 (2.00 to 2.00, a standard error): about as the linear rule"
    prints "From 3 batches of 4 to 64"
    # Slope 0.5 and residuals of -d, 2d, -d with d = log(2) / 8: the error is sqrt(6 d^2 / 1 / (2 log(4)^2)) = 0.108.
    result adam 16 $(awk 'BEGIN { print 0.02 * 2 ^ 0.375 }')
    rf $sweep
    prints "by 1.41 (1.31 to 1.52, a standard error)"
    # Two rates tell no rule.
    result adam 16 null
    sed -i 's/"confidence": "high", "reason": "ok"/"confidence": null, "reason": "none"/' out/batch=16,optimizer=adam.json
    rf $sweep
    ! grep -q "With optimizer=adam" "$logs/out" || fail "a rule from two rates"
}

an_interrupted_sweep_keeps_what_is_done() {
    "$RANGEFINDER" sweep --vary batch=16,32,64 --iterations 2000 --end-lr 1e-3 --out out >"$logs/out" 2>"$logs/err" </dev/null &
    while [ -z "$(ls out/*.json 2>/dev/null)" ]; do sleep 0.05; done
    kill -INT $!
    code=0
    wait $! || code=$?
    [ "$code" -eq 130 ] || fail "interrupted: exit code 130"
    says "the same command with --out out goes on"
    [ -z "$(find . -name '.rf-*')" ] || fail "a temporary file is left over"
    [ "$(ls out | wc -l)" -lt 3 ] || fail "it was not interrupted"
}
