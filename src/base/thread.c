/* Time, threads, and the flag that an interrupt sets. */
#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

double rf_time_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

typedef struct work {
    size_t count;
    atomic_size_t next;
    void (*body)(void *context, size_t i);
    void *context;
} work;

static void *run_work(void *argument) {
    work *w = argument;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;) w->body(w->context, i);
    return NULL;
}

void rf_parallel_for(size_t count, int threads, void (*body)(void *context, size_t i), void *context) {
    enum { MAX_THREADS = 64 };
    work w = {.count = count, .body = body, .context = context};
    pthread_t ids[MAX_THREADS];
    int wanted = threads > 0 ? threads : rf_cpu_count(), started = 0;
    wanted = RF_MIN(wanted, MAX_THREADS);
    while (started < wanted - 1 && (size_t)started + 1 < count &&
           pthread_create(&ids[started], NULL, run_work, &w) == 0)
        started++;
    run_work(&w);
    for (int i = 0; i < started; i++) pthread_join(ids[i], NULL);
}

static atomic_bool interrupted;

void rf_interrupt(void) {
    interrupted = true;
}

bool rf_interrupted(void) {
    return interrupted;
}
