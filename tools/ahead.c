/* The ahead helper: a second process of this program that compiles, started and ended by the first. */
#include "ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/device.h"

extern char **environ;
static const char variable[] = "RANGEFINDER_AHEAD";           /* the helper's data set */
static const char parent_variable[] = "RANGEFINDER_AHEAD_OF"; /* the process that it helps */

/* The program's, as a process is: one helper. */
static struct {
    char **words;         /* argv as it was given; owned */
    char data[80];        /* "RANGEFINDER_AHEAD=synthetic:..." */
    char parent[48];      /* "RANGEFINDER_AHEAD_OF=1234" */
    _Atomic pid_t helper; /* 0: none */
} ahead;

rf_status rf_ahead_remember(int argc, char **argv) {
    ahead.words = rf_alloc((size_t)argc + 1, sizeof *ahead.words);
    for (int i = 0; ahead.words != NULL && i < argc; i++)
        if ((ahead.words[i] = rf_strdup(argv[i])) == NULL) return RF_E_MEMORY;
    return ahead.words != NULL ? RF_OK : RF_E_MEMORY;
}

void rf_ahead_forget(void) {
    for (size_t i = 0; ahead.words != NULL && ahead.words[i] != NULL; i++) free(ahead.words[i]);
    free(ahead.words);
    ahead.words = NULL;
}

const char *rf_ahead_data(void) {
    return getenv(variable);
}

/* The environment with our variables in it; the strings are borrowed. */
static char **make_environment(void) {
    size_t count = 0;
    while (environ[count] != NULL) count++;
    char **copy = rf_alloc(count + 3, sizeof *copy);
    if (copy == NULL) return NULL;
    memcpy(copy, environ, count * sizeof *copy);
    copy[count] = ahead.data;
    copy[count + 1] = ahead.parent;
    return copy;
}

/* A helper that cannot be started only costs time. */
static void start(void *context) {
    (void)context;
    char **environment = make_environment();
    posix_spawn_file_actions_t quiet;
    if (environment == NULL || posix_spawn_file_actions_init(&quiet) != 0) {
        free(environment);
        return;
    }
    for (int stream = 0; stream < 3; stream++)
        posix_spawn_file_actions_addopen(&quiet, stream, "/dev/null", O_RDWR, 0);
    pid_t helper;
    if (posix_spawn(&helper, "/proc/self/exe", &quiet, NULL, ahead.words, environment) == 0)
        ahead.helper = helper;
    posix_spawn_file_actions_destroy(&quiet);
    free(environment);
}

void rf_ahead_begin(rf_device *device, const rf_dataset *dataset, int count) {
    if (rf_ahead_data() != NULL || ahead.words == NULL || rf_cpu_count() < 2) return;
    snprintf(ahead.data, sizeof ahead.data, "%s=synthetic:%dx%dx%d,%d,%d", variable, dataset->channels,
             dataset->height, dataset->width, dataset->classes, count);
    snprintf(ahead.parent, sizeof ahead.parent, "%s=%ld", parent_variable, (long)getpid());
    rf_device_on_compile(device, start, NULL);
}

void rf_ahead_end(void) {
    pid_t helper = atomic_exchange(&ahead.helper, 0);
    if (helper == 0) return;
    kill(helper, SIGTERM);
    kill(helper, SIGCONT); /* it may be stopped */
    while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
        ;
}

void rf_ahead_follow(void) {
    const char *parent = getenv(parent_variable);
    if (parent == NULL || rf_ahead_data() == NULL) return;
    rf_os_signal_on_parent_exit(RF_AHEAD_ORPHANED);
    if (getppid() != atol(parent)) kill(getpid(), RF_AHEAD_ORPHANED); /* it ended before */
}

void rf_ahead_outlive(void) {
    enum { TURNS = 400, TURN_NS = 5000000 };
    const char *parent = getenv(parent_variable);
    for (int i = 0; i < TURNS && parent != NULL && getppid() == atol(parent); i++)
        nanosleep(&(struct timespec){.tv_nsec = TURN_NS}, NULL);
}
