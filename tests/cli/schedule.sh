# The commands schedule and plot: tables, CSV, JSON and pictures; mistakes.

schedule_prints_a_rate_for_each_epoch() {
    succeeds schedule '1x50,0.1x50' --epochs 100 --lr 0.01
    prints 'epoch    step  learning rate'
    grep -Eq '^ +45 +4500  0\.01$' "$logs/out" || fail "the first part"
    grep -Eq '^ +50 +5000  0\.001$' "$logs/out" || fail "the second part"
    grep -Eq '^ last +9999  0\.001$' "$logs/out" || fail "the last step"
    succeeds schedule constant --epochs 1 --steps-per-epoch 1
    succeeds schedule cosine -q
    [ ! -s "$logs/out" ] || fail "--quiet says nothing"
}

schedule_writes_every_step_as_csv_and_json() {
    succeeds schedule 'step size=2 gamma=0.5' --epochs 6 --steps-per-epoch 3 --csv - --json s.json
    [ "$(wc -l <"$logs/out")" -eq 19 ] || fail "a line a step, and the names"
    [ "$(sed -n 2p "$logs/out")" = 0,0,0.1 ] || fail "the first step"
    [ "$(sed -n 8p "$logs/out")" = 6,2,0.05 ] || fail "half of it after two epochs"
    [ "$(tr -d ' \n' <s.json | grep -o '"lr":\[[^]]*' | tr ',' '\n' | wc -l)" -eq 18 ] || fail "JSON"
    refuses 2 "stdout" schedule cosine --csv - --json -
    refuses 2 "same" schedule cosine --csv a.txt --json ./a.txt
}

schedule_is_drawn_as_a_picture() {
    for ending in svg png pdf; do
        succeeds schedule 'cosine warmup=3' --epochs 30 --plot "s.$ending" --quiet
        [ -s "s.$ending" ] || fail "no s.$ending"
    done
    xmllint --noout s.svg || fail "not XML"
    refuses 2 ".svg, .png or .pdf" schedule cosine --plot s.gif
}

schedules_that_do_not_parse_are_refused() {
    refuses 2 "did you mean 'cosine'?" schedule cosin
    refuses 2 "size is 'x', which is no number" schedule 'step size=x'
    refuses 2 "take 30 epochs, and the run has 20" schedule 'cosine warmup=30'
    refuses 2 "SCHEDULE is missing" schedule
    refuses 2 "more than 100000000 steps" schedule cosine --epochs 1000000 --steps-per-epoch 1000000
}

plot_draws_the_curves_of_several_files() {
    printf 'lr,loss\n1e-4,2.3\n1e-3,2.0\n1e-2,1.2\n0.1,0.9\n1,4\n' >a.csv
    printf '{"lr": [0.001, 0.01, 0.1, 1, 10], "loss": [2.2, 1.9, 1.5, 1.1, 1.6]}' >b.json
    succeeds plot a.csv b.json --plot both.svg
    prints 'written: both.svg'
    xmllint --noout both.svg || fail "not XML"
    succeeds plot a.csv
    [ -s curves.svg ] || fail "no curves.svg"
    succeeds plot a.csv b.json a.csv b.json a.csv b.json a.csv b.json a.csv --plot many.png --quiet
    refuses 2 "FILE|RUN... is missing" plot
    refuses 2 "is a file that is read" plot a.csv --plot a.csv.svg a.csv.svg
    refuses 3 "no.csv" plot a.csv no.csv
    [ ! -e none.svg ] || fail "nothing is drawn"
}
