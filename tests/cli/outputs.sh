# Where results are written: never two to one file, never over what is read, through links, into pipes.

one_file_is_never_written_twice_or_read_and_written() {
    good_curve >curve.csv
    mkdir folder
    ln -s . here
    ln -s folder/new dangling
    refuses 2 "the same file" suggest curve.csv --csv a.x --json ./a.x
    refuses 2 "the same file" suggest curve.csv --csv a.x --json here/a.x
    refuses 2 "the same file" suggest curve.csv --csv a.x --json "$PWD/folder/../a.x"
    refuses 2 "the same file" suggest curve.csv --csv dangling --json folder/new
    echo old >a.x
    ln a.x hard.x
    ln -s a.x soft.x
    refuses 2 "the same file" suggest curve.csv --csv a.x --json hard.x
    refuses 2 "the same file" suggest curve.csv --csv soft.x --json hard.x
    mkfifo pipe
    refuses 2 "the same file" suggest curve.csv --csv pipe --json ./pipe
    ln curve.csv hard.csv
    refuses 2 "is read" suggest curve.csv --csv here/curve.csv
    refuses 2 "is read" suggest curve.csv --json hard.csv
    printf 'flatten\nlinear classes\n' >my.net
    idx_images 20 4 4 >images
    idx_labels 20 >labels
    for name in my.net images labels; do
        refuses 2 "is read" find --data images,labels --model my.net --csv "here/$name"
    done
    refuses 2 "is read" bench --model my.net --trace ./my.net
    code=0
    "$RANGEFINDER" suggest - --json curve.csv <curve.csv >"$logs/out" 2>"$logs/err" || code=$?
    [ $code -eq 2 ] || fail "stdin comes from the file that would be written"
    code=0
    "$RANGEFINDER" suggest curve.csv --csv both >>both 2>"$logs/err" || code=$?
    [ $code -eq 2 ] || fail "stdout goes to the file that would be written"
    succeeds suggest curve.csv --csv a.x --json b.x --quiet
    succeeds suggest curve.csv --csv /dev/null --json /dev/null --quiet
}

outputs_go_through_links_and_keep_mode_and_owner() {
    good_curve >curve.csv
    succeeds suggest curve.csv --csv right --quiet
    mkdir folder
    echo old >folder/target
    chmod 640 folder/target
    [ "$(id -u)" -ne 0 ] || chown 1234:2345 folder/target
    owner=$(stat -c '%u:%g %a' folder/target)
    ln -s folder/target link
    ln -s ../link folder/back
    ln -s folder/fresh dangling
    (umask 027; exec "$RANGEFINDER" suggest curve.csv --csv folder/back --json dangling --quiet)
    [ -L link ] && [ -L folder/back ] && [ -L dangling ] || fail "links stay links"
    cmp -s folder/target right || fail "what the link leads to is written"
    [ "$(stat -c '%u:%g %a' folder/target)" = "$owner" ] || fail "owner and mode stay"
    [ "$(stat -c %a folder/fresh)" = 640 ] || fail "a new file is made as the umask says"
    [ "$(find . -type f | wc -l)" -eq 4 ] || fail "no other file comes"
    ln -s loop loop
    refuses 3 "loop" suggest curve.csv --csv loop
}

names_may_be_as_long_as_the_system_takes() {
    good_curve >curve.csv
    long=$(head -c 251 /dev/zero | tr '\0' a)
    succeeds suggest curve.csv --csv "$long.csv" --plot "$long.svg" --quiet
    [ -s "$long.csv" ] && [ -s "$long.svg" ] || fail "255 characters"
    refuses 3 "too long" suggest curve.csv --csv "${long}a.csv"
}

outputs_go_into_pipes_and_open_files() {
    good_curve >curve.csv
    succeeds suggest curve.csv --csv right --quiet
    ln -s /proc/self/fd/1 out # first: a program that replaces links would replace the system's
    succeeds suggest curve.csv --csv out
    [ -L out ] && cmp -s right "$logs/out" || fail "a link to stdout is stdout"
    succeeds suggest curve.csv --csv /dev/stdout
    cmp -s right "$logs/out" || fail "/dev/stdout is stdout"
    refuses 2 "stdout" suggest curve.csv --csv /dev/stdout --json -
    succeeds suggest curve.csv --csv /dev/null --quiet
    [ -c /dev/null ] || fail "/dev/null was replaced"
    mkfifo pipe
    cat pipe >got &
    succeeds suggest curve.csv --csv pipe --quiet
    wait $!
    [ -p pipe ] && cmp -s right got || fail "a pipe"
    code=0
    bash -c '"$RANGEFINDER" suggest curve.csv --quiet --csv >(cat >got) --json >(cat >other)' >"$logs/out" 2>"$logs/err" || code=$?
    [ $code -eq 0 ] || fail "process substitution"
    until cmp -s right got; do sleep 0.1; done # bash does not wait for it
    { echo before; "$RANGEFINDER" suggest curve.csv --csv /dev/fd/4 --quiet 4>&1; echo after; } >got
    { echo before; cat right; echo after; } >expected
    cmp -s expected got || fail "an open file is written where it stands"
}

# under_limit ARGS...: fails to write, in files of 1 KB, or of 2 (the shells' units differ), and leaves nothing.
under_limit() {
    find . | sort >"$logs/before"
    code=0
    (ulimit -f 2 && exec "$RANGEFINDER" "$@" --quiet) >"$logs/out" 2>"$logs/err" || code=$?
    [ "$code" -eq 3 ] || fail "$*: a file that grows too large should be exit code 3"
    says "cannot be written"
    find . | sort | cmp -s "$logs/before" - || fail "$*: something is left over"
}

limit_of_file_sizes_ends_no_output_in_the_middle() {
    good_curve >curve.csv
    for output in "--csv out.csv" "--json out.json" "--html out.html" "--plot out.svg" "--plot out.png" "--plot out.pdf"; do
        under_limit suggest curve.csv $output
        says "${output#* }"
    done
    under_limit export --model lenet --onnx out.onnx
    says out.onnx
    under_limit export --model lenet --safetensors out.safetensors
    echo mine >out.csv
    under_limit suggest curve.csv --csv out.csv
    [ "$(cat out.csv)" = mine ] || fail "what was there stays"
    code=0
    (ulimit -f 200 && exec "$RANGEFINDER" train --data digits --limit 20 --model lenet --batch 5 --lr 0.1 --epochs 1 \
        --val-split 0 --quiet --out run) >"$logs/out" 2>"$logs/err" || code=$?
    [ "$code" -eq 3 ] || fail "524 KB of weights do not fit: exit code 3"
    says "run/last.safetensors: cannot be written: File too large"
    [ -z "$(find run -name '.rf-*' -o -name '*.safetensors')" ] || fail "a part of the weights is left over"
}
