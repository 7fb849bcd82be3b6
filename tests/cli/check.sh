# What command-line tests are written with.

fail() {
    echo "FAILED: $*" >&2
    echo "exit code $code; stdout:" >&2
    head -c 2000 "$logs/out" >&2
    echo "stderr:" >&2
    head -c 2000 "$logs/err" >&2
    exit 1
}

# rf ARGS...: runs the program; what it answers lies in $code, $logs/out and $logs/err.
rf() {
    code=0
    "$RANGEFINDER" "$@" >"$logs/out" 2>"$logs/err" </dev/null || code=$?
}

# succeeds ARGS...: exit code 0 and a quiet stderr, but for what is said where compiling CLBlast takes long.
succeeds() {
    rf "$@"
    [ "$code" -eq 0 ] || fail "$*: should have succeeded"
    ! grep -qv '^rangefinder: CLBlast' "$logs/err" || fail "$*: has something to say on stderr"
}

# prints TEXT: the last answer's stdout has this in it.
prints() { grep -qF -e "$1" "$logs/out" || fail "stdout should have: $1"; }
says() { grep -qF -e "$1" "$logs/err" || fail "stderr should have: $1"; }

# refuses CODE TEXT ARGS...: that exit code, nothing on stdout, one line on stderr with TEXT in it, no file come or gone.
refuses() {
    expected=$1 text=$2
    shift 2
    find . | sort >"$logs/before"
    rf "$@"
    find . | sort >"$logs/after"
    [ "$code" -eq "$expected" ] || fail "$*: the exit code should be $expected"
    [ ! -s "$logs/out" ] || fail "$*: nothing may be on stdout"
    [ "$(wc -l <"$logs/err")" -eq 1 ] || fail "$*: stderr should be one line"
    grep -q '^rangefinder: ' "$logs/err" || fail "$*: stderr should begin with 'rangefinder: '"
    says "$text"
    cmp -s "$logs/before" "$logs/after" || fail "$*: a file came or went"
}

# ---- inputs ----

# pnm FILE WIDTH HEIGHT [SHADE]: a grey picture.
pnm() {
    { printf 'P5\n%d %d\n255\n' "$2" "$3"; head -c $(($2 * $3)) /dev/zero | tr '\0' "${4:-a}"; } >"$1"
}

# two_classes FOLDER: six 8x8 pictures in two classes.
two_classes() {
    mkdir -p "$1/cats" "$1/dogs"
    for i in 1 2 3; do
        pnm "$1/cats/$i.pgm" 8 8 "$i"
        pnm "$1/dogs/$i.pgm" 8 8 z
    done
}

# A tmpfs of 17 MB at ./disk, in a name space of its own where we are not root.
small_disk() {
    mkdir -p disk
    if mount -t tmpfs -o size=17m none disk 2>/dev/null; then
        trap 'umount "$PWD/disk"; rm -rf "$logs"' EXIT
    elif [ -z "${RF_NAME_SPACE:-}" ] && unshare -rm true 2>/dev/null; then
        exec env RF_NAME_SPACE=1 unshare -rm "$here/run" "$test_file" "$test"
    else
        fail "no small disk can be mounted here"
    fi
}

# be32 N: four bytes, big end first; le64 N: eight bytes, little end first.
octal() { printf '\\%03o' "$1"; }
be32() { printf "$(octal $(($1 >> 24 & 255)))$(octal $(($1 >> 16 & 255)))$(octal $(($1 >> 8 & 255)))$(octal $(($1 & 255)))"; }
le64() {
    number=$1
    for place in 1 2 3 4 5 6 7 8; do
        printf "$(octal $((number & 255)))"
        number=$((number >> 8))
    done
}

# idx_images COUNT HEIGHT WIDTH, idx_labels COUNT: IDX files on stdout, pixels and labels of alternating value.
idx_images() {
    be32 2051; be32 "$1"; be32 "$2"; be32 "$3"
    head -c $(($1 * $2 * $3)) /dev/zero
}
idx_labels() {
    be32 2049; be32 "$1"
    i=0
    while [ $i -lt "$1" ]; do printf "$(octal $((i % 2)))"; i=$((i + 1)); done
}

# good_curve: a curve as csv with a clear answer; flat_curve has none.
good_curve() {
    echo "lr,loss"
    awk 'BEGIN { for (i = 0; i < 100; i++) { x = -6 + 7 * i / 99; s = 1 / (1 + exp(-3 * (x + 2.2)));
        printf "%.9g,%.9g\n", exp(x * log(10)), 2.3 - 1.6 * s + exp(4 * (x - 0.3)) } }'
}
flat_curve() { awk 'BEGIN { for (i = 0; i < 100; i++) printf "%.9g,2.3\n", exp((-6 + 7 * i / 99) * log(10)) }'; }
