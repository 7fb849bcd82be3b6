# `rangefinder suggest`: curves that others recorded, in all the ways they may be wrong.

suggest_prints_plot_verdict_and_every_method() {
    good_curve >curve.csv
    succeeds suggest curve.csv
    for method in steepest valley slide minimum steep lightning ignite; do prints "$method"; done
}

suggest_reads_json_of_other_libraries() {
    good_curve | awk -F, 'NR > 1 { l = l s $1; y = y s $2; s = ", " } END { print "{\"lr\": [" l "], \"loss\": [" y "]}" }' \
        >curve.json
    good_curve >curve.csv
    succeeds suggest curve.json --print range
    cp "$logs/out" from_json
    succeeds suggest curve.csv --print range
    cmp -s from_json "$logs/out" || fail "CSV and JSON should give the same"
    grep -v lr curve.csv >bare.csv
    succeeds suggest bare.csv --print range
    cmp -s from_json "$logs/out" || fail "with and without a heading should give the same"
}

# The known libraries' own answers: see docs on the methods; the curve is as each library stopped and smoothed.
suggest_answers_like_the_known_libraries() {
    awk 'BEGIN { for (i = 0; i < 100; i++) { x = -5 + 6 * i / 99; s = 1 / (1 + exp(-3 * (x + 2.2)));
        printf "%.17g,%.17g\n", exp(x * log(10)), 2.3 - 1.6 * s + exp(4 * (x - 0.3)) + 0.05 * sin(1.7 * i) } }' >curve.csv
    succeeds suggest curve.csv --json -
    value=$(tr -d ' \n' <"$logs/out" | sed 's/.*"steepest":\([0-9.e-]*\).*/\1/')
    awk -v v="$value" 'BEGIN { exit !(v > 1.8738e-2 && v < 1.8739e-2) }' || fail "steepest is $value, not 1.873817e-2"
    succeeds suggest curve.csv --smooth 0 --json -
    value=$(tr -d ' \n' <"$logs/out" | sed 's/.*"steepest":\([0-9.e-]*\).*/\1/')
    awk -v v="$value" 'BEGIN { exit !(v > 6.1359e-3 && v < 6.1360e-3) }' || fail "steepest is $value, not 6.135907e-3"
}

# golden FORM: the curve of the test above as that library's own file holds it, smoothed.
golden() {
    awk -v form="$1" 'BEGIN { for (i = 0; i < 100; i++) { x = -5 + 6 * i / 99; s = 1 / (1 + exp(-3 * (x + 2.2)));
        loss = 2.3 - 1.6 * s + exp(4 * (x - 0.3)) + 0.05 * sin(1.7 * i)
        mean = i ? 0.05 * loss + 0.95 * mean : loss
        l = l c sprintf("%.17g", exp(x * log(10))); y = y c sprintf("%.17g", mean); c = ", " }
        printf form, l, y }'
}

steepest_is() {
    value=$(tr -d ' \n' <"$logs/out" | sed 's/.*"steepest":\([0-9.e-]*\).*/\1/')
    awk -v v="$value" -v w="$1" 'BEGIN { exit !(v > 0.99999 * w && v < 1.00001 * w) }' || fail "steepest is $value, not $1"
}

a_history_is_smoothed_already() {
    golden '{"lr": [%s], "loss": [%s]}' >history.json
    succeeds suggest history.json --json -
    steepest_is 1.873817e-2
    succeeds suggest history.json
    prints "history.json: 100 points, smoothed by pytorch-lr-finder; raw losses computed back"
    succeeds suggest history.json --smooth own --json -
    tr -d ' \n' <"$logs/out" | grep -q '"steepest":0.0187' && fail "--smooth own: smoothed twice is another curve"
    golden '{"lr": [%s], "loss": [%s], "epoch": []}' >table.json
    for smooth in pytorch-lr-finder 0; do
        succeeds suggest table.json --smooth $smooth --json -
        steepest_is 1.873817e-2
    done
    refuses 2 "--smooth" suggest table.json --smooth twice
}

suggest_print_gives_one_number_or_two_and_nothing_else() {
    good_curve >curve.csv
    succeeds suggest curve.csv --print suggestion
    grep -qxE '[0-9.]+(e-?[0-9]+)?' "$logs/out" || fail "one number expected"
    succeeds suggest curve.csv --print range
    grep -qxE '[0-9.e-]+ [0-9.e-]+' "$logs/out" || fail "two numbers expected"
}

flat_curve_has_no_suggestion_and_exits_1() {
    flat_curve >flat.csv
    refuses 1 "no learning rate to suggest" suggest flat.csv --print suggestion
    rf suggest flat.csv --csv out.csv --json out.json
    [ "$code" -eq 1 ] || fail "no suggestion is exit code 1"
    [ -s out.csv ] && [ -s out.json ] || fail "the files are written all the same"
    tr -d ' \n' <out.json | grep -q '"kind":"none"' || fail "the JSON says that there is none"
    tr -d ' \n' <out.json | grep -q '"lr_min":null' || fail "a number that does not exist is null"
}

suggest_output_can_be_read_again() {
    good_curve >curve.csv
    succeeds suggest curve.csv --print range
    cp "$logs/out" first
    succeeds suggest curve.csv --csv again.csv --json again.json --quiet
    for file in again.csv again.json; do
        succeeds suggest $file --print range
        cmp -s first "$logs/out" || fail "$file gives another range"
    done
}

bad_curves_are_refused() {
    refuses 3 "nosuch.csv" suggest nosuch.csv
    refuses 3 "." suggest .
    : >empty.csv
    refuses 3 "empty.csv" suggest empty.csv
    echo 'lr,loss' >heading.csv
    refuses 3 "heading.csv" suggest heading.csv
    printf '0.1,2\n0.01,3\n0.2,1\n' >unsorted.csv
    refuses 3 "unsorted.csv" suggest unsorted.csv
    printf '0.1,2\n-0.2,3\n' >negative.csv
    refuses 3 "negative.csv" suggest negative.csv
    printf '0.1,2\nhello,world\n' >words.csv
    refuses 3 "words.csv" suggest words.csv
    printf '0.1\n0.2\n' >column.csv
    refuses 3 "column.csv" suggest column.csv
    head -c 2000 /dev/urandom >noise.csv
    refuses 3 "noise.csv" suggest noise.csv
}

curves_without_a_suggestion_are_reported() {
    echo '0.1,2' >one.csv
    rf suggest one.csv --print suggestion
    [ "$code" -eq 1 ] || [ "$code" -eq 3 ] || fail "one point has no answer"
    [ ! -s "$logs/out" ] || fail "nothing may be on stdout"
    printf '0.1,nan\n0.2,nan\n0.3,nan\n' >nan.csv
    rf suggest nan.csv --print suggestion
    [ "$code" -eq 1 ] || [ "$code" -eq 3 ] || fail "NaN has no answer"
    [ ! -s "$logs/out" ] || fail "nothing may be on stdout"
}

bad_json_is_refused() {
    head -c 100000 /dev/zero | tr '\0' '[' >deep.json
    refuses 3 "deep.json" suggest deep.json
    { printf '{"lr": '; head -c 100000 /dev/zero | tr '\0' '['; } >deeper.json
    refuses 3 "deeper.json" suggest deeper.json
    echo '{"lr": [1, 2], "loss": [1]}' >uneven.json
    refuses 3 "uneven.json" suggest uneven.json
    echo '{"lr": [1, 2]}' >missing.json
    refuses 3 "loss" suggest missing.json
    echo '{"lr": [0.1, 0.2], "loss": ["a", "b"]}' >words.json
    refuses 3 "words.json" suggest words.json
    echo '{"lr": [0.1, 0.2], "loss": [1, 2}' >broken.json
    refuses 3 "broken.json" suggest broken.json
    echo '[]' >list.json
    refuses 3 "list.json" suggest list.json
    echo '{"lr": "x", "loss": 3}' >types.json
    refuses 3 "types.json" suggest types.json
}

outputs_that_cannot_be_written_are_reported_before_the_work() {
    good_curve >curve.csv
    for option in --csv --json --plot; do
        refuses 3 "$option" suggest curve.csv $option nosuch/folder/out.svg
        mkdir -p folder.svg
        refuses 3 "folder.svg" suggest curve.csv $option folder.svg
    done
    refuses 3 "/dev/full" suggest curve.csv --quiet --csv /dev/full
    refuses 3 "/dev/full" suggest curve.csv --quiet --json /dev/full
    refuses 2 ".svg" suggest curve.csv --plot out.gif
    refuses 2 ".svg" suggest curve.csv --plot out
}

plots_are_well_formed() {
    good_curve >curve.csv
    succeeds suggest curve.csv --quiet --plot out.svg
    xmllint --noout out.svg || fail "the SVG is not well-formed"
    succeeds suggest curve.csv --quiet --plot out.pdf
    [ "$(head -c 5 out.pdf)" = %PDF- ] && tail -c 7 out.pdf | grep -q '%%EOF' || fail "the PDF is not whole"
    succeeds suggest curve.csv --plot -
    xmllint --noout "$logs/out" || fail "the SVG on stdout is not well-formed"
    mkdir -p pictures/a pictures/b
    succeeds suggest curve.csv --quiet --plot pictures/a/1.png
    cp pictures/a/1.png pictures/b/1.png
    succeeds data pictures --json
    tr -d ' \n' <"$logs/out" | grep -q '"images":2' || fail "the PNG cannot be decoded"
    tr -d ' \n' <"$logs/out" | grep -q '"bad":\[\]' || fail "the PNG cannot be decoded"
}

csv_on_stdout_has_its_columns() {
    good_curve >curve.csv
    succeeds suggest curve.csv --csv -
    [ "$(head -1 "$logs/out")" = lr,loss,smoothed ] || fail "the heading"
    [ "$(wc -l <"$logs/out")" -eq 101 ] || fail "a line a point"
}
