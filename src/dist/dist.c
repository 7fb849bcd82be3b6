/* Ranks without MPI: whether mpirun started this process, the plugin that then carries messages, and what is made of its calls. */
#include "dist/dist.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dist/transport.h"

enum { PATIENCE_MS = 5000 }; /* of a rank that failed, for the others to fail as well */

struct rf_dist {
    const rf_transport *transport;
    rf_ranks ranks;
    int error;                   /* of the first call that failed */
    double began_ms, calling_ms; /* when the last call began; the time in all of them */
    atomic_bool calling;         /* a library that ends the process now is MPI's */
};

int rf_dist_rank(const rf_dist *d) {
    return d != NULL ? d->ranks.rank : 0;
}
int rf_dist_size(const rf_dist *d) {
    return d != NULL ? d->ranks.size : 1;
}
bool rf_dist_is_calling(const rf_dist *d) {
    return d->calling;
}
double rf_dist_calling_ms(const rf_dist *d) {
    return d->calling_ms;
}
int rf_dist_local_rank(const rf_dist *d) {
    return d != NULL ? d->ranks.local_rank : 0;
}
int rf_dist_local_size(const rf_dist *d) {
    return d != NULL ? d->ranks.local_size : 1;
}

static const rf_transport *begin_call(rf_dist *d) {
    d->calling = true;
    d->began_ms = rf_time_ms();
    return d->transport;
}

static rf_status check(rf_dist *d, int error) {
    char text[512];
    d->calling = false;
    d->calling_ms += rf_time_ms() - d->began_ms;
    if (d->error == 0) d->error = error;
    if (d->error == 0) return RF_OK;
    d->transport->describe(text, sizeof text, d->error);
    return rf_fail(RF_E_DEVICE, "MPI: %s; another rank, its machine or the network has failed", text);
}

/* ---- joining ---- */

/* What those who start ranks tell them, the most certain first. */
static const struct {
    const char *rank, *size, *local_rank, *mpi;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "openmpi"},
    /* its kin too: Intel MPI, MVAPICH; srun --mpi=pmi2 */
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "mpich"},
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "openmpi"}, /* srun --mpi=pmix */
};

static int number_in(const char *variable) {
    const char *text = getenv(variable);
    return text != NULL ? atoi(text) : 0;
}

/* Whose mpirun started this process; NULL: nobody's. */
static const char *find_mpi(int *size, int *local_rank) {
    const char *given = getenv("RANGEFINDER_MPI");
    for (size_t i = 0; i < RF_COUNT(launchers); i++) {
        if (getenv(launchers[i].rank) == NULL) continue;
        *size = number_in(launchers[i].size);
        *local_rank = number_in(launchers[i].local_rank);
        return given != NULL && given[0] != '\0' ? given : launchers[i].mpi;
    }
    return NULL;
}

static void *open_plugin(const char *mpi, int mode) {
    char name[64];
    snprintf(name, sizeof name, "librangefinder-%s.so", mpi);
    return dlopen(name, mode);
}

/* They stay loaded: unloading one loses what MPI allocated at its start. */
void rf_dist_list_plugins(char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < RF_COUNT(launchers); i++) {
        if (strstr(text, launchers[i].mpi) != NULL) continue; /* more than one starts its ranks */
        if (open_plugin(launchers[i].mpi, RTLD_LAZY) == NULL) continue;
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", launchers[i].mpi);
    }
}

/* MPI's own plugins look for its symbols among those of all. */
static rf_status load(const rf_transport **out, const char *mpi) {
    void *library = open_plugin(mpi, RTLD_NOW | RTLD_GLOBAL);
    *out = library != NULL ? dlsym(library, RF_TRANSPORT_SYMBOL) : NULL;
    if (*out == NULL)
        return rf_fail(
            RF_E_USAGE,
            "started by the mpirun of %s, whose plugin cannot be loaded (%s): install it (Debian: "
            "rangefinder-%s), build with -DRF_MPI=ON where that MPI is installed, or start without mpirun; "
            "$RANGEFINDER_MPI names another MPI",
            mpi, dlerror(), mpi);
    if ((*out)->version == RF_TRANSPORT_VERSION) return RF_OK;
    return rf_fail(RF_E_USAGE,
                   "the plugin of %s is of another version of Rangefinder; install both from one build", mpi);
}

/* All ranks of a machine lack the plugin.  mpirun may end this one as soon as the first has. */
static rf_status let_first_speak(void) {
    nanosleep(&(struct timespec){.tv_sec = PATIENCE_MS / 1000}, NULL);
    return RF_E_INTERRUPTED;
}

/* The processors of this machine among its ranks: each keeps those that mpirun bound it to; where ranks are bound to the same ones,
 * or to none, each takes its share of them.  And its memory, in equal parts. */
static rf_status share_machine(rf_dist *d) {
    static const char *const limits[] = {"RANGEFINDER_CORES", "POCL_MAX_PTHREAD_COUNT",
                                         "POCL_CPU_MAX_CU_COUNT"};
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int own = rf_cpu_count();
    char text[24];
    int *all = rf_alloc((size_t)d->ranks.local_size, sizeof *all);
    if (all == NULL) return RF_E_MEMORY;
    rf_status status = check(d, begin_call(d)->gather_local(all, &own, sizeof own));
    long sum = 0;
    for (int i = 0; i < d->ranks.local_size; i++) sum += all[i];
    free(all);
    RF_TRY(status);
    snprintf(text, sizeof text, "%ld", online > 0 && sum > online ? RF_MAX(own * online / sum, 1) : own);
    for (size_t i = 0; i < RF_COUNT(limits); i++) setenv(limits[i], text, 0); /* unless the user has */
    snprintf(text, sizeof text, "%d", d->ranks.local_size);
    setenv("RANGEFINDER_MEMORY_RANKS", text, 1);
    return RF_OK;
}

rf_status rf_dist_open(rf_dist **out) {
    const rf_transport *transport;
    int size, local_rank;
    *out = NULL;
    const char *mpi = find_mpi(&size, &local_rank);
    if (mpi == NULL || size == 1) return RF_OK;
    rf_status status = load(&transport, mpi);
    if (status != RF_OK && local_rank > 0) return let_first_speak();
    if (status != RF_OK) return status;
    rf_dist *d = rf_alloc(1, sizeof *d);
    if (d == NULL) return RF_E_MEMORY;
    d->transport = transport;
    status = check(d, begin_call(d)->open(&d->ranks));
    if (status == RF_OK && d->ranks.size > 1 && (status = share_machine(d)) == RF_OK)
        *out = d;
    else
        rf_dist_close(d);
    return status;
}

void rf_dist_close(rf_dist *d) {
    if (d == NULL) return;
    d->transport->close();
    free(d);
}

/* ---- collective operations ---- */

rf_status rf_dist_sum(rf_dist *d, float *values, size_t count) {
    return d != NULL ? check(d, begin_call(d)->sum(values, count)) : RF_OK;
}

rf_status rf_dist_sum_doubles(rf_dist *d, double *values, size_t count) {
    return d != NULL ? check(d, begin_call(d)->sum_doubles(values, count)) : RF_OK;
}

rf_status rf_dist_broadcast(rf_dist *d, void *data, size_t bytes) {
    return d != NULL ? check(d, begin_call(d)->broadcast(data, bytes)) : RF_OK;
}

rf_status rf_dist_agree(rf_dist *d, rf_status status) {
    float failed = status != RF_OK;
    if (status != RF_OK) rf_error_hold();
    const rf_status called = rf_dist_sum(d, &failed, 1);
    if (status != RF_OK) rf_error_release();
    if (status != RF_OK || called != RF_OK) return status != RF_OK ? status : called;
    return failed > 0 ? RF_E_INTERRUPTED : RF_OK;
}

/* *texts: of each rank, `longest` bytes apart; owned by the caller. */
static rf_status gather_texts(char **texts, size_t *longest, rf_dist *d, const char *text) {
    const size_t size = (size_t)d->ranks.size, own = strlen(text) + 1;
    size_t *lengths = rf_alloc(size, sizeof *lengths);
    char *padded = NULL;
    *texts = NULL;
    *longest = 0;
    rf_status status = lengths != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) status = check(d, begin_call(d)->gather(lengths, &own, sizeof own));
    for (size_t i = 0; i < size && status == RF_OK; i++) *longest = RF_MAX(*longest, lengths[i]);
    if (status == RF_OK && (padded = rf_alloc(*longest, 1)) == NULL) status = RF_E_MEMORY;
    if (status == RF_OK && (*texts = rf_alloc(*longest, size)) == NULL) status = RF_E_MEMORY;
    if (status == RF_OK) {
        memcpy(padded, text, own);
        status = check(d, begin_call(d)->gather(*texts, padded, *longest));
    }
    free(padded);
    free(lengths);
    return status;
}

/* Errors: as rf_dist_same. */
static rf_status compare(const char *mine, const char *theirs, int rank) {
    while (*mine != '\0' || *theirs != '\0') {
        const size_t a = strcspn(mine, "\n"), b = strcspn(theirs, "\n");
        if (a != b || memcmp(mine, theirs, a) != 0)
            return rf_fail(
                RF_E_USAGE,
                "rank %d differs from rank 0: '%.*s', not '%.*s'; start all ranks with the same program, "
                "options, data and devices",
                rank, (int)b, theirs, (int)a, mine);
        mine += a + (mine[a] != '\0');
        theirs += b + (theirs[b] != '\0');
    }
    return RF_OK;
}

rf_status rf_dist_same(rf_dist *d, const char *text) {
    char *texts;
    size_t longest;
    if (d == NULL) return RF_OK;
    rf_status status = gather_texts(&texts, &longest, d, text);
    for (size_t i = 1; i < (size_t)d->ranks.size && status == RF_OK; i++)
        status = compare(texts, texts + i * longest, (int)i);
    free(texts);
    return status;
}

rf_status rf_dist_join(char **out, rf_dist *d, const char *text) {
    char *texts;
    size_t longest;
    rf_str all = {0};
    *out = NULL;
    if (d == NULL) return (*out = rf_strdup(text)) != NULL ? RF_OK : RF_E_MEMORY;
    RF_TRY(gather_texts(&texts, &longest, d, text));
    for (size_t i = 0; i < (size_t)d->ranks.size; i++) rf_str_add(&all, texts + i * longest);
    free(texts);
    *out = all.data;
    return rf_str_status(&all);
}

rf_status rf_dist_ask(size_t *answer, rf_dist *d) {
    return check(d, begin_call(d)->ask(answer));
}

rf_status rf_dist_answer(bool *asked, rf_dist *d, size_t answer) {
    return check(d, begin_call(d)->answer(asked, answer));
}

/* ---- the end ---- */

bool rf_dist_end(rf_dist *d, rf_status *status, bool *alone) {
    *alone = false;
    if (d == NULL) return true;
    const int own = *status;
    int *all = rf_alloc((size_t)d->ranks.size, sizeof *all), teller = -1;
    bool met = false;
    if (own != RF_OK) rf_error_hold();
    if (all != NULL && begin_call(d)->meet(&met, all, &own, own == RF_OK ? -1 : PATIENCE_MS) != 0)
        met = false;
    d->calling = false;
    if (own != RF_OK) rf_error_release();
    *alone = !met;
    if (!met && own == RF_OK) *status = rf_fail(RF_E_DEVICE, "MPI: the other ranks have failed");
    /* Who was interrupted may have been so by another's failure. */
    for (int i = d->ranks.size - 1; met && i >= 0; i--)
        if (all[i] != RF_OK && (teller < 0 || all[i] != RF_E_INTERRUPTED || all[teller] == RF_E_INTERRUPTED))
            teller = i;
    if (met) *status = teller >= 0 ? (rf_status)all[teller] : RF_OK;
    free(all);
    return !met || teller == d->ranks.rank;
}

_Noreturn void rf_dist_abort(rf_dist *d, int exit_code) {
    begin_call(d)->abort(exit_code);
    _exit(exit_code);
}
