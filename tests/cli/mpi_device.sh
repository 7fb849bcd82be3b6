# Ranks whose devices fail: $RANGEFINDER_FAILING is the program with a hand on every call of OpenCL (failing_opencl.c).
. "$here/mpi.sh"

# A device that stops working after some epochs: of the second rank.
device_fails() {
    rm -rf run
    code=0
    train="$RANGEFINDER_FAILING train --model net.net --lr 0.05 --batch 32 --epochs 30 --out run"
    mpirun 1 $train : -n 1 env RF_FAIL=clEnqueueNDRangeKernel:2000+ $train >"$logs/out" 2>"$logs/all" || code=$?
    grep '^rangefinder: ' "$logs/all" >"$logs/err" || :
    refused "rank 1: "
    says "CL_OUT_OF_RESOURCES"
    ranks 2 train --resume run --epochs 30
    train_well
}
a_device_that_fails_ends_all_ranks() {
    printf '%s\n' flatten "linear classes" >net.net
    export LD_LIBRARY_PATH="$(dirname "$RANGEFINDER")/mpi"
    each_mpi device_fails
}
