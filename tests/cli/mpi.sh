# find, train and sweep in several ranks, with each MPI that there is a plugin for: $RF_MPIRUN is a list of NAME=COMMAND.
# OpenMPI's: root may start it, with more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

# mpirun N WORDS...: the $mpirun that is tried.  What hangs is ended after half an hour, which no load reaches.
mpirun() { timeout 1800 "$mpirun" -n "$@"; }

# ranks N ARGS...: the program in so many ranks; its answer as that of rf, without what mpirun itself says.
ranks() {
    code=0
    count=$1
    shift
    mpirun "$count" "$RANGEFINDER" "$@" >"$logs/out" 2>"$logs/all" </dev/null || code=$?
    grep '^rangefinder: ' "$logs/all" >"$logs/err" || :
}
train_well() { [ "$code" -eq 0 ] && [ ! -s "$logs/err" ] || fail "$mpirun: should have succeeded"; }

# refused TEXT: the last answer is one line.
refused() {
    [ "$code" -ne 0 ] || fail "$mpirun: should have failed"
    [ "$(wc -l <"$logs/err")" -eq 1 ] || fail "$mpirun: one rank speaks for all"
    says "$1"
}

# same A B DIGITS COLUMN...: columns of two CSV files differ by less than that.
same() {
    for column in $4; do
        awk -F, -v c="$column" -v limit="$3" 'NR == FNR { a[FNR] = $c; next } FNR > 1 && $c != "" { n++
            d = $c - a[FNR]; if (d < 0) d = -d; if (!(d <= limit * (a[FNR] > 1 ? a[FNR] : 1))) exit bad = 1 }
            END { exit bad || n < 2 }' "$1" "$2" || fail "$mpirun: column $column of $2 is not that of $1: $(paste -d' ' "$1" "$2")"
    done
}

each_mpi() {
    [ -n "$RF_MPIRUN" ] || fail "there is no MPI, or no mpirun"
    for pair in $RF_MPIRUN; do
        mpirun=${pair#*=}
        "$@"
    done
}

# Masks of dropout and views of images go by the position in the batch of all ranks, here an odd one.  The validation images are
# divided unevenly, and evaluated with batch norm's running averages.
write_network() {
    printf '%s\n' "conv 3 3 pad=1 bias=no" batch_norm relu flatten "linear 7" "dropout 0.3" tanh "linear classes" >net.net
}
equal_curves() {
    for case in "--accumulate 2 --augment flip+shift" "--validation 7 --optimizer adam"; do
        options="--model net.net --iterations 12 --start-lr 1e-3 --end-lr 0.3 --diverge never --quiet"
        rf find $options --batch 12 $case --csv 1.csv
        for count in $counts; do
            ranks $count find $options --batch $((12 / count)) --sync-bn $case --csv $count.csv
            same 1.csv $count.csv 1e-5 2
        done
        ranks 2 find $options --global-batch 12 --sync-bn $case --csv again.csv
        cmp 2.csv again.csv || fail "$mpirun: other bits, $case"
    done
}
ranks_find_the_curve_of_one_process() {
    write_network
    counts="2 4"
    if [ "$RANGEFINDER_DEVICE" != reference ]; then # as many processes compile
        counts=2
        RF_MPIRUN=${RF_MPIRUN%% *}
    fi
    each_mpi equal_curves
}

exchange_times() {
    ranks 2 find --model net.net --iterations 6 --batch 8 --sync-bn --verbose --csv verbose.csv
    says 'of gradients in'
    says 'ms a step for the sums of batch norm'
    ranks 2 find --model net.net --iterations 6 --batch 8 --verbose --csv verbose.csv
    ! grep -q 'sums of batch norm' "$logs/err" || fail "$mpirun: without --sync-bn there are no such sums"
}
exchange_is_timed_for_verbose() {
    write_network
    each_mpi exchange_times
}

# resumes_among: a run of two ranks goes on in four, as if one process had made it.
resumes_among() {
    rm -rf parts
    ranks 2 train --lr 0.05 --schedule constant --batch 32 --epochs 1 --out parts
    train_well
    prints 'ranks    2, each with 32 of a step'
    ranks 4 train --resume parts --epochs 2
    train_well
    prints 'ranks    4, each with 16 of a step'
    same whole/metrics.csv parts/metrics.csv 1e-5 "4 5 6"
}
ranks_train_and_resume_as_one_process() {
    succeeds train --lr 0.05 --schedule constant --batch 64 --epochs 2 --out whole --quiet
    each_mpi resumes_among
    succeeds eval --run parts --quiet
}

tells_failure() {
    code=0
    mpirun 1 "$RANGEFINDER" find --batch 8 : -n 1 "$RANGEFINDER" find --batch 9 >"$logs/out" 2>"$logs/all" || code=$?
    grep '^rangefinder: ' "$logs/all" >"$logs/err" || :
    refused "rank 1 differs from rank 0: 'rangefinder find --batch 9', not 'rangefinder find --batch 8'"
    ranks 2 sweep --vary batch=8,0
    refused "'0' is not a whole number from 1 to 65536"
    ranks 2 suggest curve.csv
    refused "suggest: runs in one process, and mpirun has started 2"
    ranks 3 find --global-batch 64
    refused "--global-batch 64 cannot be divided among 3 ranks; use 63 or 66"
    ranks 2 find --batch 1000
    refused "batches of 1000 on each of 2 ranks are larger than the 1797 images"
    ranks 2 find --device reference,none
    refused "rank 1: device 'none' is not present"
    RANGEFINDER_MPI=missing ranks 2 find
    refused "started by the mpirun of missing, whose plugin cannot be loaded"
    ranks 2 find --iterations 2 --json /dev/full # of the first rank alone
    refused "/dev/full"
}
one_rank_tells_of_failures() { each_mpi tells_failure; }

# in_background [SECONDS]: a long run, once a state is there; OpenMPI's mpirun gives it so long to end.  It is quiet:
# that mpirun reads nothing while it waits for that, and a rank that fills the terminal's 4 KiB then stands still.
in_background() {
    rm -rf run
    OMPI_MCA_odls_base_sigkill_timeout=${1:-1} timeout --foreground 1800 "$mpirun" -n 2 "$RANGEFINDER" train \
        --lr 0.05 --batch 32 --epochs 20000 --save-every 0.1 --out run --quiet >"$logs/out" 2>"$logs/err" &
    job=$!
    until [ -s run/state.previous.safetensors ]; do
        kill -0 $job 2>/dev/null || fail "$mpirun: ended by itself"
        sleep 0.1
    done
}
kill_rank() {
    rank=$(for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe" "$process/cwd" | tr "\n" " ")" != "$RANGEFINDER $PWD " ] || echo "${process#/proc/}"
    done | tail -1)
    kill -KILL "$rank"
}
# A rank that is killed, a signal for mpirun: all ranks end, and what was saved is good.
ends_together() {
    in_background
    kill_rank
    ! wait $job || fail "$mpirun: a rank was killed"
    ranks 2 train --resume run --epochs $(($(cat run/metrics.csv | wc -l) + 1)) # one or two more: of a heading and the epochs
    [ "$code" -eq 0 ] || fail "$mpirun: cannot be resumed"
    in_background 5
    kill -TERM $job # which passes it on, to mpirun alone
    wait $job || :
    says "stopped; 'rangefinder train --resume run' goes on"
}
ranks_end_together() {
    each_mpi ends_together
    in_background
    mv run gone # the first rank fails, while the others wait for it
    ! wait $job || fail "nothing can be saved"
    rm -r gone
    says "rangefinder: run/"
}

# A file that cannot be written any more, as on a full disk: of the first rank alone.
disk_fills() {
    rm -rf run
    ranks 2 train --lr 0.05 --batch 32 --epochs 1 --out run
    train_well
    ln -sf /dev/full run/last.safetensors
    ranks 2 train --resume run --epochs 2
    refused "run/last.safetensors: cannot be written: No space left on device"
    rm run/last.safetensors
    ranks 2 train --resume run --epochs 3
    train_well
}
a_full_disk_ends_all_ranks() { each_mpi disk_fills; }

# Runs are handed out to ranks; a rank that is killed leaves those that are finished.
sweeps_together() {
    rm -rf out
    ranks 3 sweep $quick --out out --csv out.csv
    prints 'ranks    3, each with a run of its own'
    [ "$(cut -d, -f 1-7,9- out.csv)" = "$(cut -d, -f 1-7,9- one.csv)" ] || fail "$mpirun: other results"
    timeout --foreground 1800 "$mpirun" -n 2 "$RANGEFINDER" sweep --model net.net --vary iterations=12,13,100000 --end-lr 1e-3 \
        --out killed >"$logs/out" 2>"$logs/err" &
    job=$!
    until [ -s killed/iterations=12.json ] && [ -s killed/iterations=13.json ]; do
        kill -0 $job 2>/dev/null || fail "$mpirun: ended by itself"
        sleep 0.1
    done
    kill_rank
    ! wait $job || fail "$mpirun: a rank was killed"
    ranks 2 sweep --model net.net --vary iterations=12,13,14 --end-lr 1e-3 --out killed
    prints "3 runs, of which 2 are done"
    rm -r killed
}
ranks_share_the_runs_of_a_sweep() {
    write_network
    quick="--model net.net --iterations 12 --vary optimizer=sgd,adamw --vary freeze=none*;linear*;conv*"
    rf sweep $quick --out one --csv one.csv --quiet
    each_mpi sweeps_together
}

program_needs_no_mpi_until_mpirun_starts_it() {
    ! ldd "$RANGEFINDER" | grep -i 'mpi' || fail "the program is linked with MPI"
    export OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 RANGEFINDER_MPI=missing
    refuses 2 "started by the mpirun of missing, whose plugin cannot be loaded" find
    export OMPI_COMM_WORLD_SIZE=1
    succeeds model simplecnn
}
