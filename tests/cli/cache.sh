# Folders that kernels are compiled in: unusable, full, damaged; and what is left in them when a run is ended.

# Few kernels, since most of these runs compile all of them.
quick="--data synthetic:1x8x8,4,64 --batch 16 --iterations 8 --model tiny.net --quiet"
all=${RANGEFINDER_TEST_ALL:-}

# Nothing outside of the test's own folder.
own_folders() {
    unset POCL_CACHE_DIR
    export XDG_CACHE_HOME="$PWD/cache" TMPDIR="$PWD/tmp"
    mkdir -p cache tmp
    printf 'flatten\nlinear classes\n' >tiny.net
}

# runs ARGS...: `find` runs to its end, whatever it suggests.
runs() {
    rf find $quick --csv out.csv "$@"
    [ "$code" -le 1 ] || fail "find $*"
    [ "$(wc -l <out.csv)" -eq 9 ] || fail "find $*: no curve"
}

cache_folder_that_cannot_be_written_is_named_and_replaced() {
    own_folders
    echo text >file
    export XDG_CACHE_HOME="$PWD/file"
    runs
    says "$PWD/file/rangefinder"
    says "kernels are compiled in $PWD/tmp/rangefinder-$(id -u)/pocl"
    env -u XDG_CACHE_HOME -u HOME "$RANGEFINDER" find $quick --csv out.csv >"$logs/out" 2>"$logs/err" || true
    says "set HOME or XDG_CACHE_HOME"
    mkdir tmp2 && rm -rf tmp && ln -s "$PWD/tmp2" tmp # a link is as good
    runs
}

cache_folder_that_users_name_is_tested_and_never_replaced() {
    own_folders
    echo text >file
    export POCL_CACHE_DIR="$PWD/file/pocl"
    rf find $quick --device cpu
    [ "$code" -eq 4 ] || fail "PoCL's folder cannot be made"
    says "$PWD/file/pocl"
    export POCL_CACHE_DIR="$PWD/mine"
    runs
    [ ! -s "$logs/err" ] || grep -q 'no learning rate' "$logs/err" || fail "nothing to say of a good folder"
    [ -n "$(find mine -name '*.so')" ] || fail "PoCL compiles where the user says"
}

full_disk_is_named_before_and_while_kernels_are_compiled() {
    small_disk
    own_folders
    export XDG_CACHE_HOME="$PWD/disk"
    head -c 30M /dev/zero >disk/fill 2>/dev/null || true
    runs
    says "$PWD/disk/rangefinder"
    says "kernels are compiled in $PWD/tmp/rangefinder-$(id -u)/pocl"
    for bytes in 4k ${all:+30k 100k 200k} 50k; do # fills up after so many
        rm -rf disk/*
        fill_after "$bytes"
        [ "$code" -le 1 ] || [ "$code" -eq 4 ] || fail "the disk fills up after $bytes"
        [ "$code" -ne 4 ] || says "$PWD/disk/rangefinder"
        nothing_left disk
        rm -f disk/fill
        runs
    done
}

# The run's own first test finds 16 MB; a file that grows takes them but for BYTES as soon as there is a folder.
fill_after() {
    (
        until [ -d disk/rangefinder/pocl ]; do sleep 0.01; done
        until [ -n "$(ls disk/rangefinder/pocl)" ]; do sleep 0.001; done
        head -c 30M /dev/zero >disk/fill
        truncate -s "-$1" disk/fill
    ) 2>/dev/null &
    rf find $quick --csv out.csv
    wait
}

limit_of_file_sizes_is_named() {
    own_folders
    code=0
    (ulimit -f 64 && exec "$RANGEFINDER" find $quick --device cpu) >"$logs/out" 2>"$logs/err" || code=$?
    [ "$code" -eq 4 ] || fail "kernels do not fit into files of 64 KB"
    says "ulimit -f"
    nothing_left cache
}

damaged_objects_of_pocl_are_compiled_again() {
    own_folders
    export POCL_CACHE_DIR="$PWD/cache/pocl"
    runs
    cp out.csv expected.csv
    cp -r cache good
    for kind in so bc; do
        for size in 0 ${all:+1 4 64 100 4097} 1000; do
            rm -rf cache && cp -r good cache
            [ -n "$(find cache -name "*.$kind" -size +8)" ] || fail "PoCL keeps .$kind files"
            find cache -name "*.$kind" -size +8 -exec truncate -s "$size" {} +
            runs
            cmp expected.csv out.csv || fail ".$kind cut at $size: another curve"
        done
    done
    unset POCL_CACHE_DIR # a place of ours
    runs
    find cache -name '*.so' -exec truncate -s 0 {} +
    runs
    cmp expected.csv out.csv || fail "another curve"
}

# What another process, which holds the lock, is linking at this moment is not whole.
files_that_another_process_writes_stay() {
    own_folders
    mkdir -p cache/rangefinder/pocl
    : >cache/rangefinder/pocl/tempfile_another.so
    (
        flock -s 9
        runs
        [ -e cache/rangefinder/pocl/tempfile_another.so ] || fail "removed while its process lives"
    ) 9<cache/rangefinder
    runs
    [ ! -e cache/rangefinder/pocl/tempfile_another.so ] || fail "left when no process is there"
}

nothing_left() {
    left=$(find "$@" -name '*.lock' -o -name 'tempfile*' -o -name '*.temp' -o -name '.rf-*' -o -name 'out.csv*')
    [ -z "$left" ] || fail "left: $left"
}

# A run that compiles for seconds.
long="--data synthetic:3x16x16,4,64 --batch 16 --model resnet20 --iterations 100000 --diverge never --quiet"

# ended SIGNAL SECONDS: what a signal leaves of a run with a cold cache.
ended() {
    rm -rf cache
    mkdir cache
    echo "$PWD/out.csv" >mark # stands in the helper's words too
    code=0
    # A shell lets its background processes ignore these, which would lose one that comes before the program takes them.
    env --default-signal=INT,QUIT "$RANGEFINDER" find $long --csv "$PWD/out.csv" >"$logs/out" 2>"$logs/err" &
    sleep "$2"
    kill -s "$1" $!
    wait $! || code=$?
    # A killed process has nobody who waits for its helper.
    while [ "$1" = KILL ] && helpers; do sleep 0.02; done
    ! helpers || fail "SIG$1 after $2 s: a process is left"
    # After SIGKILL the helper sweeps up, if it was there already; what it misses, the next start removes.
    [ "$1" != KILL ] || "$RANGEFINDER" devices >/dev/null
    nothing_left cache .
}

helpers() { grep -lzFf mark /proc/[0-9]*/cmdline 2>/dev/null | grep -q .; }

signals_leave_no_process_and_no_temporary_file() {
    own_folders
    for pair in TERM:143 INT:130 HUP:129 QUIT:131 XCPU:152 KILL:137; do
        for seconds in 0.3 ${all:+0.02 0.05 0.1 0.2 0.4 0.6 0.8 1.5 2 3} 1; do
            ended "${pair%:*}" "$seconds"
            [ "$code" -eq "${pair#*:}" ] || fail "SIG${pair%:*} after $seconds s"
        done
    done
}
