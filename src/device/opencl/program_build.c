/* Building a program in a thread of its own, under a time limit, since a driver's compiler may hang.
 * A thread that passed the limit is left running, and owns all that it uses: the job and the program.  Nobody
 * else may even release that program, which waits for the end of the build in some drivers (PoCL). */
#include "device/opencl/opencl.h"
#include "device/opencl/pocl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct job {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* under the lock; whoever sees the other one set frees the job */
    cl_program program;   /* the caller's; the thread's once abandoned */
    cl_device_id id;
    char *options; /* owned */
    bool want_binary;
    cl_int error;
    void *binary; /* owned until taken */
    size_t length;
} job;

static void job_free(job *j) {
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j->options);
    free(j->binary);
    free(j);
}

/* Asking for the binary may itself compile (PoCL), so that it belongs under the limit. */
static void fetch_binary(job *j) {
    size_t length = 0;
    if (clGetProgramInfo(j->program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) != CL_SUCCESS)
        return;
    unsigned char *data = length > 0 ? malloc(length) : NULL;
    if (data == NULL) return;
    if (clGetProgramInfo(j->program, CL_PROGRAM_BINARIES, sizeof data, &data, NULL) == CL_SUCCESS) {
        j->binary = data;
        j->length = length;
    } else
        free(data);
}

static void *run(void *argument) {
    job *j = argument;
    j->error = clBuildProgram(j->program, 1, &j->id, j->options, NULL, NULL);
    if (j->error == CL_SUCCESS && j->want_binary) fetch_binary(j);
    pthread_mutex_lock(&j->lock);
    j->done = true;
    bool alone = j->abandoned;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    if (alone) {
        clReleaseProgram(j->program);
        job_free(j);
    }
    return NULL;
}

static job *job_create(rf_opencl *cl, cl_program program, const char *options, bool want_binary) {
    job *j = rf_alloc(1, sizeof *j);
    char *copy = rf_strdup(options);
    if (j == NULL || copy == NULL) {
        free(j);
        free(copy);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    j->program = program;
    j->id = cl->id;
    j->options = copy;
    j->want_binary = want_binary;
    return j;
}

static double limit_seconds(void) {
    const char *text = getenv("RANGEFINDER_BUILD_TIMEOUT");
    char *end;
    double seconds = text != NULL ? strtod(text, &end) : 0;
    return seconds > 0 && seconds < 1e6 ? seconds : 60;
}

/* Waits in short turns, so that an interrupt is heard.  True: the build ended; else the job is the thread's.
 */
static bool wait_for(job *j, double seconds) {
    double until = rf_time_ms() + seconds * 1e3;
    pthread_mutex_lock(&j->lock);
    while (!j->done && !rf_interrupted() && rf_time_ms() < until) {
        struct timespec turn;
        clock_gettime(CLOCK_MONOTONIC, &turn);
        turn.tv_nsec += 50000000;
        turn.tv_sec += turn.tv_nsec / 1000000000;
        turn.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&j->changed, &j->lock, &turn);
    }
    bool done = j->done;
    j->abandoned = !done;
    pthread_mutex_unlock(&j->lock);
    return done;
}

/* The first line of the log that speaks of an error, else its first line.  False: there is no log. */
static bool first_error(char *out, size_t size, cl_program program, cl_device_id id) {
    enum { MAX_LOG = 1 << 20 };
    size_t length = 0;
    bool found = false;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return false;
    char *log = length > 1 && length <= MAX_LOG ? calloc(length + 1, 1) : NULL, *first = NULL, *rest = log;
    if (log != NULL &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, length, log, NULL) == CL_SUCCESS) {
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            line += strspn(line, " \t\r");
            if (first == NULL && *line != '\0') first = line;
            if (strcasestr(line, "error") == NULL) continue;
            first = line;
            break;
        }
        if (first != NULL) snprintf(out, size, "%s", first);
        found = first != NULL;
    }
    free(log);
    return found;
}

/* With a stack that a compiler's recursion over a long kernel does not outgrow. */
static bool start(pthread_t *thread, job *j) {
    enum { STACK_BYTES = 64 << 20 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(thread, &attributes, run, j) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

static rf_status give_up(rf_opencl *cl, cl_program *program, const char *what, double seconds) {
    *program = NULL;
    cl->compiler_stuck = true;
    if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted while %s was being built", what);
    return rf_fail(RF_E_DEVICE,
                   "%s: the compiler did not end within %g s ($RANGEFINDER_BUILD_TIMEOUT sets the limit)",
                   what, seconds);
}

static rf_status fail_build(const job *j, const char *what) {
    char reason[512];
    if (j->error != CL_BUILD_PROGRAM_FAILURE)
        return rf_opencl_fail(j->error, "%s: building (options: %s)", what, j->options);
    if (rf_pocl_test() != RF_OK)
        return rf_fail(RF_E_DEVICE, "%s does not compile: %s", what, rf_error_message());
    if (!first_error(reason, sizeof reason, j->program, j->id))
        return rf_opencl_fail(j->error,
                              "%s does not compile, and the compiler does not say why (options: %s)", what,
                              j->options);
    return rf_fail(RF_E_DEVICE, "%s does not compile: %s (options: %s)", what, reason, j->options);
}

rf_status rf_program_build(rf_opencl *cl, cl_program *program, const char *options, const char *what,
                           void **binary, size_t *length) {
    rf_status status = RF_OK;
    pthread_t thread;
    double seconds = limit_seconds();
    if (binary != NULL) *binary = NULL;
    job *j = job_create(cl, *program, options, binary != NULL);
    if (j == NULL) return RF_E_MEMORY;
    if (!start(&thread, j)) {
        job_free(j);
        return rf_fail(RF_E_MEMORY, "%s: no thread could be started to build it", what);
    }
    if (!wait_for(j, seconds)) {
        pthread_detach(thread);
        return give_up(cl, program, what, seconds);
    }
    pthread_join(thread, NULL);
    if (j->error != CL_SUCCESS)
        status = fail_build(j, what);
    else if (binary != NULL) {
        *binary = j->binary;
        *length = j->length;
        j->binary = NULL;
    }
    job_free(j);
    return status;
}
