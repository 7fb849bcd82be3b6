/* Jobs: see job.h. */
#include "device/opencl/job.h"

#include <stdlib.h>
#include <time.h>

static void *run(void *argument) {
    rf_job *j = argument;
    j->run(j);
    pthread_mutex_lock(&j->lock);
    j->done = true;
    bool alone = j->abandoned;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    if (!alone) return NULL;
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    j->abandon(j);
    return NULL;
}

static void set_up(rf_job *j) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* With a stack large enough for a compiler's recursion over a long kernel. */
static bool start(pthread_t *thread, rf_job *j) {
    enum { STACK_BYTES = 64 << 20 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(thread, &attributes, run, j) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

static double limit_seconds(void) {
    const char *text = getenv("RANGEFINDER_BUILD_TIMEOUT");
    char *end;
    double seconds = text != NULL ? strtod(text, &end) : 0;
    return seconds > 0 && seconds < 1e6 ? seconds : 60;
}

/* Waits in short intervals, so that an interrupt is noticed. True: the work is done; else the thread owns the job. */
static bool wait_for(rf_job *j, double seconds, const rf_device *device, const char *slow) {
    const double begin = rf_time_ms();
    pthread_mutex_lock(&j->lock);
    while (!j->done && !rf_interrupted() && rf_time_ms() < begin + seconds * 1e3) {
        struct timespec turn;
        clock_gettime(CLOCK_MONOTONIC, &turn);
        turn.tv_nsec += 50000000;
        turn.tv_sec += turn.tv_nsec / 1000000000;
        turn.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&j->changed, &j->lock, &turn);
        if (slow == NULL || device->on_notice == NULL || j->done || rf_time_ms() < begin + 1e3) continue;
        device->on_notice(device->on_notice_context, slow);
        slow = NULL;
    }
    bool done = j->done;
    j->abandoned = !done;
    pthread_mutex_unlock(&j->lock);
    return done;
}

rf_status rf_job_run(rf_job *j, bool *abandoned, rf_device *device, const char *what, const char *slow) {
    const double seconds = limit_seconds();
    pthread_t thread;
    set_up(j);
    const bool started = start(&thread, j);
    *abandoned = started && !wait_for(j, seconds, device, slow);
    if (*abandoned) {
        pthread_detach(thread);
        rf_opencl_of(device)->compiler_stuck = true;
        if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted while %s was being built", what);
        return rf_fail(RF_E_DEVICE,
                       "%s: the compiler did not end within %g s ($RANGEFINDER_BUILD_TIMEOUT sets the limit)",
                       what, seconds);
    }
    if (started) pthread_join(thread, NULL);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    return started ? RF_OK : rf_fail(RF_E_MEMORY, "%s: no thread could be started to build it", what);
}
