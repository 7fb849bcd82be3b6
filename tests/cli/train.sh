# The commands train, eval and predict.

# field FILE NAME: the column of that name in the last line of a CSV file.
field() { awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } END { print $c }' "$1"; }

train_keeps_a_run_and_eval_finds_the_same() {
    succeeds train --lr 0.1 --epochs 3 --out runs/a
    prints 'epoch   3/3'
    prints 'best     accuracy'
    prints 'kept in  runs/a'
    for file in run.json metrics.csv metrics.jsonl last.safetensors best.safetensors state.safetensors; do
        [ -s "runs/a/$file" ] || fail "no $file"
    done
    [ "$(wc -l <runs/a/metrics.csv)" -eq 4 ] && [ "$(wc -l <runs/a/metrics.jsonl)" -eq 3 ] || fail "a line an epoch"
    accuracy=$(field runs/a/metrics.csv val_accuracy) loss=$(field runs/a/metrics.csv val_loss)
    succeeds eval --run runs/a --weights last --json eval.json
    prints 'held out for validation'
    grep -qF "\"accuracy\": $accuracy" eval.json || fail "the accuracy of the last epoch is $accuracy"
    grep -qF "\"loss\": ${loss%???????}" eval.json || fail "the loss of the last epoch is $loss"
    succeeds eval --run runs/a --csv confusion.csv -q
    [ "$(tail -n +2 confusion.csv | cut -d, -f2- | tr ',\n' '++' | sed 's/+$//' | xargs -I {} sh -c 'echo $(({}))')" -eq 359 ] ||
        fail "each image is counted once"
    refuses 2 "is there already; '--resume runs/a' goes on" train --lr 0.1 --out runs/a
    : >runs/a/events.out.tfevents.1.host.1
    succeeds train --lr 0.1 --epochs 1 --out runs/a --overwrite --quiet
    ls runs/a/events.* 2>"$logs/none" && fail "the old run's events are still there"
    [ "$(wc -l <runs/a/metrics.csv)" -eq 2 ] || fail "the old run is still there"
}

recomputed_activations_end_with_the_same_bits() {
    printf 'for i = 1 to 8\nc{i}: conv 8 1\nend\nadaptive_avg_pool 1\nflatten\nlinear classes\n' >deep.net
    arguments="--lr 0.1 --epochs 1 --model deep.net --limit 200"
    succeeds train $arguments --out runs/kept
    rf train $arguments --out runs/again --recompute on
    [ "$code" -eq 0 ] || fail "trains with recomputation"
    says 'activations are computed again'
    grep -q '"forward_share": 0' runs/again/run.json || fail "the share of the work that is repeated"
    cmp runs/kept/last.safetensors runs/again/last.safetensors || fail "the same weights"
}

half_trains_and_resumes_to_the_same_bits() {
    printf 'conv 8 3 pad=1\nbatch_norm\nrelu\nconv 8 3 pad=1 groups=8\nsilu\nadaptive_avg_pool 1\nflatten\nlinear classes\n' >small.net
    arguments="--lr 0.1 --model small.net --limit 300 --half"
    if [ "$RANGEFINDER_DEVICE" = reference ]; then
        refuses 2 "stores floats alone" train $arguments
        return
    fi
    succeeds train $arguments --epochs 4 --schedule constant --out whole
    succeeds train $arguments --epochs 2 --schedule constant --out part
    succeeds train --resume part --epochs 4
    cmp whole/last.safetensors part/last.safetensors || fail "the same weights"
    succeeds eval --run part
    refuses 2 "here it is '--half'" train --amp
}

train_finds_its_rate_and_names_its_folder() {
    succeeds train --epochs 2
    prints 'found by a range test'
    prints 'kept in  runs/1'
    succeeds train --epochs 1 --schedule triangular -q
    lr=$(sed -n 's/.*"lr": {"value": \([0-9.e-]*\), .*"max": \([0-9.e-]*\),.*/\1 \2/p' runs/2/run.json)
    [ -n "$lr" ] && [ "${lr% *}" = "${lr#* }" ] || fail "a cyclical schedule rises to the end of the range: $lr"
}

# What the range test found is kept with the run.
schedules_between_the_ends_of_the_range_resume_to_the_same_bits() {
    for schedule in triangular triangular2 exp-range onecycle; do
        succeeds train --schedule $schedule --epochs 4 --out whole --overwrite --save-every 0 --quiet
        grep -Eq '\["schedule", "[a-z0-9-]+ (from|div_factor)=' whole/run.json || fail "$schedule takes no end of the range"
        cp -r whole part
        cp part/state.previous.safetensors part/state.safetensors # of the epoch before
        succeeds train --resume part --quiet
        cmp whole/last.safetensors part/last.safetensors || fail "$schedule: other bits"
        rm -r part
    done
}

# Of one colour: nothing can be learnt of them.
train_stops_where_there_is_no_rate() {
    for i in 1 2 3 4 5 6 7 8 9 10; do
        mkdir -p grey/a grey/b && pnm grey/a/$i.pgm 8 8 && pnm grey/b/$i.pgm 8 8
    done
    rf train --data grey --batch 4 --epochs 1 --out none
    [ "$code" -eq 1 ] || fail "the exit code should be 1"
    says 'no learning rate to train with'
    rf train --data grey --batch 4 --epochs 1 --out some --lr-fallback 0.01
    [ "$code" -eq 0 ] || fail "--lr-fallback should have been taken"
    says '--lr-fallback 0.01 is taken'
}

run_that_is_interrupted_goes_on_to_the_same_bits() {
    epochs=400
    [ "$RANGEFINDER_DEVICE" != reference ] || epochs=30 # which is slow
    arguments="--lr 0.05 --epochs $epochs --optimizer adam --batch 32 --save-every 0.05"
    succeeds train $arguments --out whole --quiet
    "$RANGEFINDER" train $arguments --out parts --quiet 2>"$logs/err" &
    until [ -s parts/state.safetensors ]; do sleep 0.02; done
    sleep 0.2
    kill -INT $!
    code=0
    wait $! || code=$?
    [ "$code" -eq 130 ] || fail "interrupted: exit code 130"
    says "'rangefinder train --resume parts' goes on"
    [ "$(wc -l <parts/metrics.csv)" -le $epochs ] || fail "it was interrupted too late to tell"
    succeeds train --resume parts --quiet
    for file in state last best; do
        cmp "whole/$file.safetensors" "parts/$file.safetensors" || fail "$file.safetensors is another"
    done
    [ "$(cut -d, -f1-7 whole/metrics.csv)" = "$(cut -d, -f1-7 parts/metrics.csv)" ] || fail "the metrics are others"
    succeeds train --resume parts
    prints "nothing left to do: $epochs epochs are done"
}

what_cannot_be_resumed_is_said() {
    mkdir empty
    refuses 3 "it has no run.json" train --resume empty
    refuses 3 "missing: no such folder" train --resume missing
    refuses 3 "it has no run.json" eval --run empty
    succeeds train --lr 0.1 --epochs 1 --out run --quiet
    rf train --resume run --model lenet --quiet
    [ "$code" -eq 3 ] || fail "another network: exit code 3"
    says 'run cannot be resumed'
    rf train --resume run --data synthetic:1x8x8,10,1797 --quiet
    [ "$code" -eq 2 ] || fail "other data: exit code 2"
    says "run cannot be resumed without --force: the state is of a run with data"
    succeeds train --resume run --data synthetic:1x8x8,10,1797 --force --epochs 2 --quiet
    refuses 2 "--out has no effect with --resume" train --resume run --out other
    refuses 2 "--weights has no effect with --resume" train --resume run --weights run/last.safetensors
    refuses 2 "--lr auto has no effect with --resume: run has learning rate 0.1" train --resume run --lr auto
    cp run/run.json before.json
    rf train --resume run --epochs 1 --data synthetic:1x8x8,10,1797 --force --quiet
    [ "$code" -eq 2 ] || fail "fewer epochs than are done: exit code 2"
    says "the run has done"
    cmp before.json run/run.json || fail "what cannot be resumed stays as it is"
    head -c 3000 run/state.safetensors >cut
    cp cut run/state.safetensors
    rf train --resume run --epochs 3 --quiet
    [ "$code" -eq 0 ] || fail "the state before should have been taken"
    says 'the state before it is taken'
    cp cut run/state.safetensors
    cp cut run/state.previous.safetensors
    rf train --resume run --epochs 4 --quiet
    [ "$code" -eq 3 ] || fail "no state is left: exit code 3"
    cp cut run/best.safetensors
    rf eval --run run
    [ "$code" -eq 3 ] || fail "damaged weights: exit code 3"
    sed 's/"format": 1/"format": 9/' run/run.json >run.json && cp run.json run/run.json
    refuses 3 "version 9 of the format" eval --run run
    succeeds train --lr 0.1 --epochs 1 --out fresh --quiet
    succeeds train --lr 0.1 --epochs 1 --weights fresh/last.safetensors --out tuned --quiet
    cp tuned/last.safetensors expected
    rm tuned/*.safetensors # killed before the first state
    succeeds train --resume tuned --quiet
    cmp expected tuned/last.safetensors || fail "it begins anew, with the weights given"
    echo '{' >run/run.json
    refuses 3 "run/run.json" train --resume run
}

options_of_training_that_have_no_effect_are_refused() {
    refuses 2 "--lr-fallback has no effect with --lr" train --lr 0.1 --lr-fallback 0.1 --out a
    refuses 2 "--force has no effect without --resume" train --force --out a
    refuses 2 "--val-split has no effect with --val-data" train --val-split 0.1 --val-data digits --out a
    refuses 2 "did you mean 'cosine'" train --schedule cosin --out a
    refuses 2 "take 9 epochs, and the run has 3" train --schedule 'cosine warmup=9' --epochs 3 --out a
    refuses 2 "patience has no effect without validation" train --patience 3 --val-split 0 --lr 0.1 --out a --quiet
    refuses 2 "flip" train --augment flop --out a --quiet
    refuses 2 "--run is missing" eval
    refuses 2 "--run is missing" predict a.png
}

classes_without_names_are_called_by_their_numbers() {
    succeeds train --data digits --lr 0.1 --epochs 1 --val-split 0 --out run --quiet
    two_classes numbers
    refuses 3 "there was no class 'cats' in training; its classes are 0 to 9" eval --run run --data numbers
    mv numbers/cats numbers/3
    mv numbers/dogs numbers/8
    succeeds eval --run run --data numbers --csv -
    awk -F, 'NR > 1 { n = 0; for (i = 2; i <= NF; i++) n += $i; if (n != ($1 == 3 || $1 == 8 ? 3 : 0)) exit 1 }' "$logs/out" ||
        fail "folders 3 and 8 are classes 3 and 8"
    mv numbers/8 numbers/10
    refuses 3 "there was no class '10'" eval --run run --data numbers
}

classes_are_matched_by_their_names() {
    two_classes data
    two_classes other
    mv other/cats other/zebras
    succeeds train --data data --batch 2 --lr 0.1 --epochs 1 --val-split 0 --out run --quiet
    [ ! -e run/best.safetensors ] || fail "there is no best epoch without validation"
    succeeds eval --run run --data data
    prints 'cats'
    refuses 3 "there was no class 'zebras' in training" eval --run run --data other
    rf train --data data --val-data other --batch 2 --lr 0.1 --epochs 1 --out bad --quiet
    [ "$code" -eq 3 ] || fail "validation data of other classes: exit code 3"
    says "no class 'zebras'"
    mkdir mixed
    cp data/cats/1.pgm mixed/a.pgm
    pnm mixed/b.pgm 31 17
    pnm mixed/c.pgm 1 1
    { printf 'P6\n8 8\n255\n'; head -c 192 /dev/zero; } >mixed/e.ppm
    echo text >mixed/notes.txt
    rf predict --run run mixed data/dogs/1.pgm --json - --top 2
    [ "$code" -eq 0 ] || fail "images of all kinds are predicted"
    [ "$(wc -l <"$logs/out")" -eq 5 ] || fail "a line an image"
    says ": .txt 1"
    says "1 of 5 images: cut to their middle, as their aspect ratio is not that of 8x8 (height x width)"
    says "1 of 5 images: in colour, but read as grey"
    [ "$(wc -l <"$logs/err")" -eq 3 ] || fail "what was changed is said once"
    ! grep -qe --channels -e --resize "$logs/err" || fail "predict has no such options"
    rm mixed/e.ppm mixed/notes.txt
    prints '"file": "mixed/b.pgm"'
    awk -F'"probability": ' '{ if ($3 + $4 < 0.999 || $3 + $4 > 1.001) exit 1 }' "$logs/out" ||
        fail "the probabilities of two classes sum up to 1"
    succeeds predict --run run data/dogs/1.pgm
    grep -Eq '^data/dogs/1.pgm  (cats|dogs) [0-9.]+ %$' "$logs/out" || fail "class and probability"
    echo no image >mixed/d.png
    refuses 3 "mixed/d.png" predict --run run mixed
    rf predict --run run mixed --skip-bad
    [ "$code" -eq 0 ] && [ "$(wc -l <"$logs/out")" -eq 3 ] || fail "the others are predicted"
    deep=mixed/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20
    mkdir -p "$deep"
    mv mixed/a.pgm "$deep"
    ln -s ../2 mixed/1/2/again
    rf predict --run run mixed --skip-bad
    prints "$deep/a.pgm"
    says "folders left out, as links lead to them a second time: 1"
    mkdir nothing
    refuses 3 "no image in this folder" predict --run run nothing
}

classes_whose_names_are_not_utf8_are_found_again() {
    latin=$(printf 'caf\351') other=$(printf 'caf\350') tab=$(printf 'a\tb')
    two_classes data
    mv data/cats "data/$latin"
    mv data/dogs "data/$tab"
    succeeds train --data data --batch 2 --lr 0.1 --epochs 1 --val-split 0 --out run --quiet
    succeeds eval --run run --csv -
    awk -F, 'NR > 1 { n = 0; for (i = 2; i <= NF; i++) n += $i; if (n != 3) exit 1 }' "$logs/out" ||
        fail "three images of each class"
    cp -r "data/$latin" "data/$other"
    succeeds train --data data --batch 2 --lr 0.1 --epochs 1 --val-split 0 --out run3 --quiet
    refuses 3 "the class 'caf?' of training cannot be told from others" eval --run run3
    rm -r "data/$latin" "data/$other"
    two_classes data
    refuses 3 "there was no class 'cats' in training" eval --run run --data data
}

pictures_of_training_and_evaluation_are_drawn() {
    succeeds train --lr 0.1 --epochs 2 --out run --plot train.svg --quiet
    succeeds eval --run run --plot matrix.svg --quiet
    succeeds train --lr 0.01 --epochs 3 --val-split 0 --out other --quiet
    succeeds plot run --plot run.svg
    prints 'written: run.svg'
    succeeds plot run other --plot runs.svg --quiet
    refuses 3 "nothing/metrics.csv" plot run nothing
    xmllint --noout train.svg matrix.svg run.svg runs.svg || fail "not XML"
}

# The last good state stays, and goes on to the same bits once there is room again.
full_disk_or_lost_folder_stops_training_and_says_so() {
    small_disk
    arguments="--lr 0.05 --optimizer adam --schedule constant --save-every 0"
    succeeds train $arguments --epochs 6 --out whole --quiet
    succeeds train $arguments --epochs 6 --out disk/run --quiet
    succeeds train $arguments --epochs 2 --out disk/part --quiet
    head -c 20000000 /dev/zero >disk/full 2>/dev/null || true
    rf train --resume disk/part --epochs 6 --quiet
    [ "$code" -eq 3 ] || fail "a full disk: exit code 3"
    says 'No space left on device'
    says 'disk/part/'
    rm disk/full
    succeeds train --resume disk/part --epochs 6 --quiet
    cmp whole/last.safetensors disk/part/last.safetensors || fail "other bits after the disk was full"
    "$RANGEFINDER" train $arguments --epochs 3000 --out lost --quiet >"$logs/out" 2>"$logs/err" &
    until [ -s lost/state.safetensors ]; do sleep 0.02; done
    mv lost gone
    code=0
    wait $! || code=$?
    [ "$code" -eq 3 ] || fail "a folder that is gone: exit code 3"
    says 'lost/'
}

sigterm_saves_the_state_as_interrupting_does() {
    "$RANGEFINDER" train --lr 0.05 --epochs 3000 --out run --save-every 0 --quiet 2>"$logs/first" &
    until [ "$(grep -c . run/metrics.csv 2>/dev/null)" -gt 1 ] 2>/dev/null; do sleep 0.02; done
    rf train --resume run --quiet --epochs 1
    second=$code
    kill -TERM $!
    [ "$second" -eq 2 ] || fail "two processes in one folder"
    says 'another process trains in this folder'
    code=0
    wait $! || code=$?
    mv "$logs/first" "$logs/err"
    [ "$code" -eq 143 ] || fail "ended by SIGTERM: exit code 143"
    says "'rangefinder train --resume run' goes on"
    [ "$(wc -l <run/metrics.csv)" -gt 1 ] || fail "no epoch was kept"
}
