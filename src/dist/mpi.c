/* Ranks by MPI: a plugin, librangefinder-openmpi.so or -mpich.so.  The program itself knows no MPI, so that it starts where
 * none is installed, and under the mpirun of either: their binary interfaces differ. */
#include <mpi.h>
#include <stdio.h>
#include <time.h>

#include "dist/transport.h"

enum { PIECE = 1 << 28 }; /* elements of a call: MPI counts in int */
enum { ASKING = 1 };      /* a tag */

static MPI_Comm world = MPI_COMM_NULL, local, ending;
static bool initialised; /* by us */

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        const int error = (call);                                                                            \
        if (error != MPI_SUCCESS) return error;                                                              \
    } while (0)

/* Communicators of our own: the caller may use MPI as well. */
static int open_ranks(rf_ranks *r) {
    int is_initialised, level;
    TRY(MPI_Initialized(&is_initialised));
    if (!is_initialised) TRY(MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level));
    initialised = !is_initialised;
    TRY(MPI_Comm_dup(MPI_COMM_WORLD, &world));
    TRY(MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN));
    TRY(MPI_Comm_dup(world, &ending));
    TRY(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local));
    TRY(MPI_Comm_rank(world, &r->rank));
    TRY(MPI_Comm_size(world, &r->size));
    TRY(MPI_Comm_rank(local, &r->local_rank));
    return MPI_Comm_size(local, &r->local_size);
}

static void close_ranks(void) {
    if (world != MPI_COMM_NULL) MPI_Barrier(world);
    if (initialised) MPI_Finalize();
}

static int sum(float *values, size_t count) {
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t n = count - at < PIECE ? count - at : PIECE;
        TRY(MPI_Allreduce(MPI_IN_PLACE, values + at, (int)n, MPI_FLOAT, MPI_SUM, world));
    }
    return MPI_SUCCESS;
}

static int sum_doubles(double *values, size_t count) {
    return MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, world);
}

static int broadcast(void *data, size_t bytes) {
    for (size_t at = 0; at < bytes; at += PIECE) {
        const size_t n = bytes - at < PIECE ? bytes - at : PIECE;
        TRY(MPI_Bcast((char *)data + at, (int)n, MPI_BYTE, 0, world));
    }
    return MPI_SUCCESS;
}

static int gather(void *all, const void *own, size_t bytes) {
    return MPI_Allgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, world);
}

static int gather_local(void *all, const void *own, size_t bytes) {
    return MPI_Allgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, local);
}

static int meet(bool *met, int *all, const int *own, int patience_ms) {
    const struct timespec turn = {.tv_nsec = 1000000};
    MPI_Request request;
    int done = 0;
    *met = false;
    TRY(MPI_Iallgather(own, 1, MPI_INT, all, 1, MPI_INT, ending, &request));
    for (int ms = 0; !done && (patience_ms < 0 || ms < patience_ms); ms++) {
        TRY(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
        if (!done) nanosleep(&turn, NULL);
    }
    *met = done != 0;
    return MPI_SUCCESS;
}

static int ask(size_t *answer) {
    return MPI_Sendrecv(NULL, 0, MPI_BYTE, 0, ASKING, answer, sizeof *answer, MPI_BYTE, 0, ASKING, world,
                        MPI_STATUS_IGNORE);
}

static int answer_one(bool *asked, size_t answer) {
    MPI_Status from;
    int waits;
    *asked = false;
    TRY(MPI_Iprobe(MPI_ANY_SOURCE, ASKING, world, &waits, &from));
    if (!waits) return MPI_SUCCESS;
    *asked = true;
    TRY(MPI_Recv(NULL, 0, MPI_BYTE, from.MPI_SOURCE, ASKING, world, MPI_STATUS_IGNORE));
    return MPI_Send(&answer, sizeof answer, MPI_BYTE, from.MPI_SOURCE, ASKING, world);
}

static void describe(char *text, size_t size, int error) {
    char words[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(error, words, &length);
    snprintf(text, size, "%s", words);
}

static void abort_ranks(int exit_code) {
    MPI_Abort(world, exit_code);
}

extern const rf_transport rf_transport_mpi;
__attribute__((visibility("default"))) const rf_transport rf_transport_mpi = {
    .version = RF_TRANSPORT_VERSION,
    .open = open_ranks,
    .close = close_ranks,
    .sum = sum,
    .broadcast = broadcast,
    .gather = gather,
    .gather_local = gather_local,
    .meet = meet,
    .describe = describe,
    .abort = abort_ranks,
    .ask = ask,
    .answer = answer_one,
    .sum_doubles = sum_doubles,
};
