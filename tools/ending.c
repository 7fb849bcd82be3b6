/* The ways out of the program: signals, drivers that end the process, and the end that is meant. */
#include "ending.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ahead.h"
#include "device/opencl/pocl.h"

static atomic_bool in_order, leaving, patient;
static const rf_dist *_Atomic ranks; /* NULL: this process is alone */
static atomic_int requested;         /* the signal that asked for an orderly end; 0: none */

/* How many files may be open; returns how many might be before. */
static rlim_t limit_files(rlim_t files) {
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = files;
    setrlimit(RLIMIT_NOFILE, &limit);
    return before;
}

/* A linker started by the driver may still be writing. */
static void wait_for_children(void) {
    enum { TURNS = 400, TURN_NS = 5000000 };
    for (int i = 0; i < TURNS && waitpid(-1, NULL, WNOHANG) >= 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = TURN_NS}, NULL);
}

_Noreturn void rf_leave(int exit_code) {
    while (atomic_exchange(&leaving, true)) pause(); /* another thread is about to */
    rlim_t files = limit_files(0);                   /* other threads compile on until the end */
    rf_progress_restore();
    rf_outfile_abort_all();
    rf_ahead_end();
    wait_for_children();
    limit_files(files);
    rf_pocl_sweep(true); /* while the compilers may open files again */
    limit_files(0);
    rf_pocl_sweep(false); /* which are removed here */
    _exit(exit_code);
}

static _Noreturn void blame_library(void) {
    if (ranks != NULL && rf_dist_is_calling(ranks)) rf_leave(rf_status_exit_code(RF_E_DEVICE)); /* MPI's */
    bool full = rf_pocl_test() != RF_OK;
    if (!full) rf_pocl_distrust(); /* a damaged file may be the reason */
    rf_say("a library ended the program, most likely the OpenCL driver; what it said stands above%s%s",
           full ? "; " : "", full ? rf_error_message() : "");
    rf_leave(rf_status_exit_code(RF_E_DEVICE));
}

static void on_exit_of_process(void) {
    if (!in_order) blame_library();
}

/* Drivers' compilers abort where a file is missing or damaged.  This overrides the C library's function: a handler of
 * SIGABRT would be replaced by LLVM's. */
#define EXPORTED __attribute__((visibility("default"))) _Noreturn
EXPORTED void abort(void) {
    blame_library();
}

EXPORTED void __assert_fail(const char *text, const char *file, unsigned line, const char *function);
void __assert_fail(const char *text, const char *file, unsigned line, const char *function) {
    fprintf(stderr, "%s:%u: %s: assertion '%s' failed\n", file, line, function, text);
    blame_library();
}

void rf_ending_wait(void) {
    patient = true;
}

void rf_ending_ranks(const rf_dist *dist) {
    ranks = dist;
}

static void ignore_for_a_moment(const sigset_t *set) {
    const struct timespec moment = {.tv_nsec = 500000000}, none = {0};
    nanosleep(&moment, NULL);
    while (sigtimedwait(set, NULL, &none) > 0)
        ;
}

/* The first Ctrl-C requests an orderly end, within a second; the second one does not wait.  A command that saves a state is
 * given the time that it takes, also where SIGTERM asks. */
static void *await_signals(void *set) {
    int number = 0;
    sigwait(set, &number);
    if (number == SIGINT || (number == SIGTERM && patient)) {
        const struct timespec second = {.tv_sec = 1};
        requested = number;
        rf_progress_restore();
        rf_interrupt();
        if (patient && ranks != NULL) ignore_for_a_moment(set);
        number = patient ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &second);
        if (number <= 0) number = requested;
    }
    if (number == RF_AHEAD_ORPHANED) rf_ahead_outlive();
    rf_leave(128 + number);
}

/* One thread waits for the signals, and all others have them blocked.  So have, by inheritance, the linkers that a
 * driver starts: a terminal sends Ctrl-C to them too, and a driver whose linker dies of it may abort. */
rf_status rf_ending_begin(void) {
    static sigset_t set;
    pthread_t thread;
    struct sigaction before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGXCPU);
    sigaddset(&set, RF_AHEAD_ORPHANED);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* ignored: started by nohup */
        sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* a write that fails is reported like any other */
    signal(SIGXFSZ, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, await_signals, &set) != 0)
        return rf_fail(RF_E_MEMORY,
                       "no thread can be started to wait for signals: out of memory, or too many of them");
    pthread_detach(thread);
    atexit(on_exit_of_process);
    rf_ahead_follow();
    return RF_OK;
}

void rf_ending_in_order(void) {
    while (leaving) pause(); /* what failed may have failed by that */
    if (rf_interrupted()) {  /* a compiler may still be busy */
        fflush(stdout);
        rf_leave(128 + (requested != 0 ? requested : SIGINT));
    }
    rf_ahead_end();
    rf_pocl_sweep(true);
    in_order = true;
}
