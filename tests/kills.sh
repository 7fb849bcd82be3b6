#!/bin/bash
# Kills training at random moments and resumes it, until it is done: the same bits as of the run that was left alone.
# kills.sh PROGRAM [KILLS]: 100 of them, or 500 with RANGEFINDER_TEST_ALL=1.
set -u
program=$1 kills=${2:-${RANGEFINDER_TEST_ALL:+500}} kills=${kills:-100}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; tail -3 err >&2; exit 1; }

arguments="--lr 0.02 --optimizer adam --batch 32 --epochs 4000 --schedule exponential --save-every 0.01 --quiet"
RANDOM=1
done=0
start=--out
saved() { stat -c '%i %y' run/state.safetensors 2>/dev/null; }
while [ "$done" -lt "$kills" ]; do
    before=$(saved)
    # shellcheck disable=SC2086
    if [ $start = --out ]; then "$program" train $arguments --out run 2>err & else "$program" train --resume run 2>err --quiet & fi
    pid=$!
    # Every other one goes on until it has saved a state; the others may not come that far.
    until [ $((done % 2)) = 1 ] || [ "$(saved)" != "$before" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep "0.$((RANDOM % 500 + 100))"
    kill -KILL $pid 2>/dev/null || { wait $pid || fail "ended by itself after $done kills"; break; }
    wait $pid 2>/dev/null
    done=$((done + 1)) start=--resume
done
reached=$(($(tail -1 run/metrics.csv | cut -d, -f1) + 0))
[ "$reached" -gt 0 ] || fail "not one epoch was saved in $done kills"
"$program" train --resume run --epochs $((reached + 40)) --quiet 2>err || fail "cannot be resumed after $done kills"
"$program" train $arguments --epochs $((reached + 40)) --out whole 2>err || fail "the run that is left alone"
for file in state last best; do
    cmp whole/$file.safetensors run/$file.safetensors || fail "$file.safetensors is another after $done kills"
done
echo "$done kills, $reached epochs"
