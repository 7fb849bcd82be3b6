#!/bin/bash
# Lets calls of OpenCL fail in short runs, once and for ever, and looks at what comes of it: exit code 4 with the cause, or
# the undisturbed run's output; no crash, no leak (under the sanitizers), no hang, no file left.  Takes the program linked with
# failing_opencl.c.  A few calls of each function; with RANGEFINDER_TEST_ALL=1 many more.
set -u
program=$1 all=${RANGEFINDER_TEST_ALL:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/folder"
cd "$work/folder"
export ASAN_OPTIONS=detect_stack_use_after_return=1:${ASAN_OPTIONS:-}
export XDG_CACHE_HOME=$work/cache RANGEFINDER_BUILD_TIMEOUT=600
unset POCL_CACHE_DIR
printf 'conv 4 3 pad=1\nrelu\nflatten\nlinear classes\n' >"$work/tiny.net"
find="find --data synthetic:1x6x6,3,64 --batch 8 --iterations 12 --model $work/tiny.net --csv out.csv --quiet"
runs=0 failures=0
declare -A reached # the most calls of each function in a run

# run VARIABLE... COMMAND...: what it leaves lies in $code, out, err and out.csv.
run() {
    rm -f out.csv
    code=0
    timeout 1800 env "$@" >"$work/out" 2>"$work/err" </dev/null || code=$?
}

complain() {
    echo "FAILED: RF_FAIL=${RF_FAIL-} ${*:2}: $1; exit code $code" >&2
    head -c 1500 "$work/err" >&2
    failures=$((failures + 1))
}

# Curves of another kernel, or of the reference, differ by rounding.
same_curve() {
    paste -d, "$1" "$2" | awk -F, 'NR > 1 { d = $2 - $5; if (d < 0) d = -d
        if (d > 1e-3 * (1 + $2) || $2 == "" || $5 == "") bad = 1 } END { exit bad }'
}

judge() {
    runs=$((runs + 1))
    grep -q -e Sanitizer -e 'runtime error' "$work/err" && complain "a sanitizer" "$@"
    if [ "$code" -eq 4 ]; then
        grep -q '^rangefinder: .*CL_' "$work/err" || complain "the cause is not said" "$@"
        [ ! -e out.csv ] || complain "a file in spite of failure" "$@"
    elif [ "$code" -ne "$expected" ]; then
        complain "neither 4 nor $expected" "$@"
    elif [ -e "$work/expected.csv" ] && ! cmp -s "$work/expected.csv" out.csv; then
        same_curve "$work/expected.csv" out.csv || complain "another curve" "$@"
        ! cmp -s "$work/err" "$work/expected.err" || complain "a fallback that is not said" "$@"
    fi
    rm -f out.csv
    left=$(find . "$work/cache" -name '*.lock' -o -name 'tempfile*' -o -name '*.temp' -o -name '.rf-*' -o -type f -path './*')
    [ -z "$left" ] || complain "left: $left" "$@"
}

# Which of so many calls fail: one in the middle, and with every third function all from the first.
calls() {
    if [ -z "$all" ]; then
        echo $((($1 + 1) / 2))
        [ $((${#reached[@]} % 3)) -ne 0 ] || echo 1+
    else
        # Every call of those that are made up to so many times; of others as many, all over the run.
        for ((n = 1, step = ($1 + places - 1) / places; n <= $1; n += step)); do printf '%s\n%s+\n' "$n" "$n"; done
    fi
}

# scenario VARIABLE... COMMAND...: undisturbed first, then with failing calls, of each function once for all scenarios unless
# all are tried.  slow=1: with a cold cache, and of functions alone that no scenario before has called as often.
scenario() {
    local places=32
    [ -z "${slow-}" ] || places=8
    unset RF_FAIL
    [ -n "${slow-}" ] || run "$@" # fills the caches
    run RF_FAIL_COUNTS="$work/counts" "$@"
    expected=$code
    mv "$work/err" "$work/expected.err"
    rm -f "$work/expected.csv"
    [ ! -e out.csv ] || mv out.csv "$work/expected.csv"
    [ "$code" -le 1 ] || complain "undisturbed" "$@"
    while read -r name count; do
        [ -n "$all" ] || [ -z "${reached[$name]:-}" ] || continue
        [ -z "${slow-}" ] || [ "$count" -gt "${reached[$name]:-0}" ] || continue
        [ "$count" -le "${reached[$name]:-0}" ] || reached[$name]=$count
        for call in $(calls "$count"); do
            export RF_FAIL=$name:$call
            run "$@"
            judge "$@"
        done
    done <"$work/counts"
    unset RF_FAIL
}

# several RULES NAME...: failures together; the functions are those that only a failure calls.
several() {
    export RF_FAIL=$1
    run RF_FAIL_LATE=1 "$program" $find
    judge several
    for name in "${@:2}"; do reached[$name]=1; done
    unset RF_FAIL
}

# ended HOW: the driver ends the program while it compiles.
ended() {
    export RF_FAIL=clBuildProgram:1:$1
    run "$program" $find
    runs=$((runs + 1))
    [ "$code" -eq 4 ] || complain "not 4 where the driver calls $1" ended
    grep -q '^rangefinder: a library ended the program, most likely the OpenCL driver' "$work/err" ||
        complain "it is not said that the driver ended the program" ended
    [ -z "$(find . -type f)" ] || complain "a file is left" ended
    unset RF_FAIL
}

cold() { rm -rf "$work/cache" && "$@"; }
export -f cold
export work

scenario RF_FAIL_LATE=1 "$program" $find
several clWaitForEvents:2,clFinish:1+ clEnqueueMarkerWithWaitList
several clWaitForEvents:2,clFinish:3
several clWaitForEvents:1+
for how in abort assert exit; do ended $how; done
several clBuildProgram:1:-11,clGetProgramBuildInfo:1 clGetProgramBuildInfo
several clBuildProgram:1+:-11,clGetProgramBuildInfo:1+
scenario RANGEFINDER_STREAM=1 "$program" $find
several clEnqueueWriteBuffer:20,clFinish:1
scenario RANGEFINDER_QUARANTINE=conv,relu "$program" $find --validation 8
scenario RANGEFINDER_SOLVER=group "$program" $find
scenario "$program" bench --data synthetic:1x6x6,3,64 --batch 8 --steps 2 --model "$work/tiny.net" --quiet
# PoCL keeps programs' binaries itself, so that we do not.
scenario RF_FAIL_RENAME=1 "$program" $find
slow=1 scenario RF_FAIL_RENAME=1 bash -c 'cold "$@"' - "$program" $find
[ -z "$all" ] || slow=1 scenario bash -c 'cold "$@"' - "$program" $find

echo "$runs runs, $failures failures; calls of ${#reached[@]} functions failed"
for name in $(nm -D --undefined-only "${RANGEFINDER:-$program}" | sed -n 's/.* U \(cl[A-Z][A-Za-z]*\).*/\1/p'); do
    nm "$program" | grep -q " __wrap_$name$" || { complain "$name is not in failing_opencl.c" && continue; }
    [ -n "${reached[$name]:-}" ] || complain "no call of $name failed"
done
[ "$failures" -eq 0 ]
