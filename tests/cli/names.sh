# Names of files, classes and layers come from anybody.

# clean FILE: UTF-8 without control characters: C0 but line ends, DEL, C1, and what reorders text.
clean() {
    iconv -f UTF-8 -t UTF-32LE <"$1" >"$logs/wide" || fail "$1 is no UTF-8"
    iconv -f UTF-8 -t UTF-8 <"$1" | LC_ALL=C tr -d '\n' |
        LC_ALL=C grep -q "$(printf '[\001-\037\177]\|\302[\200-\237]\|\342\200[\252-\256]')" &&
        fail "$1 has control characters"
    return 0
}

answers_cleanly() {
    rf "$@"
    clean "$logs/out"
    clean "$logs/err"
}

control_characters_of_names_do_not_reach_the_terminal() {
    evil=$(printf 'e\033[2J\302\233\342\200\256\233\177v') fine=$(printf 'caf\303\251 \347\214\253')
    mkdir "$evil"
    two_classes "$evil/photos"
    mv "$evil/photos/cats" "$evil/photos/$evil"
    mv "$evil/photos/dogs" "$evil/photos/$fine"
    echo broken >"$evil/photos/$fine/$evil.png"
    printf 'flatten\nlinear classes\n' >"$evil/net"
    good_curve >"$evil/curve.csv"
    answers_cleanly data "$evil/photos"
    prints "$fine"
    answers_cleanly data "$evil/photos" --json
    prints "$fine"
    answers_cleanly data "$evil/missing"
    answers_cleanly model "$evil/net"
    answers_cleanly model "$evil/net" --json
    answers_cleanly model "$evil/missing"
    answers_cleanly suggest "$evil/curve.csv" --json "$evil/a.json" --csv "$evil/a.csv" --plot "$evil/a.svg"
    answers_cleanly suggest "$evil/curve.csv" --json -
    answers_cleanly suggest "$evil/curve.csv" --csv "$evil/missing/a.csv"
    answers_cleanly suggest "$evil/missing"
    answers_cleanly find --model "$evil/net" --batch 2 --iterations 5 --data "$evil/photos"
    answers_cleanly find --model "$evil/net" --batch 2 --iterations 5 --data "$evil/photos" --skip-bad --json "$evil/b.json"
    answers_cleanly "$evil"
    answers_cleanly find "--$evil"
    for file in a.json a.csv a.svg b.json; do clean "$evil/$file"; done
    xmllint --noout "$evil/a.svg" || fail "the plot is well-formed"
}

names_are_text_in_a_page() {
    evil="<script>x<!--&quot;&'\"$(printf '\377').net"
    two_classes "photos]]>"
    printf 'flatten\nlinear classes\n' >"$evil"
    rf find --model "$evil" --data "photos]]>" --batch 2 --iterations 12 --quiet --html page.html
    [ "$code" -le 1 ] || fail "a page"
    clean page.html
    xmllint --noout page.html || fail "the page is not well-formed"
    grep -qF "&lt;script&gt;x&lt;!--&amp;quot;&amp;&#39;&quot;?.net on photos]]&gt;" page.html || fail "the names are in the page"
    ! grep -qiE 'https?:' page.html || fail "the page asks for something"
    good_curve >curve.csv
    succeeds suggest curve.csv --quiet --html page.html --json result.json
    for key in lr_min lr lr_max; do
        number=$(sed -n "s/.*\"$key\": \([0-9][^,]*\),.*/\1/p" result.json)
        grep -qF "title=\"$number\"" page.html || fail "the page lacks $key $number"
    done
}
