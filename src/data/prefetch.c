/* A ring of images, filled by threads and emptied in order. */
#include "data/prefetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "data/source.h"

enum { MAX_THREADS = 64 };

/* What came of reading an image. */
typedef struct outcome {
    bool ready;
    rf_status status;
    char *reason; /* owned; NULL where memory was short, too */
} outcome;

struct rf_prefetch {
    const rf_dataset *dataset;
    size_t image; /* bytes */
    uint8_t *ring;
    outcome *outcomes;                  /* of the ring's images */
    size_t slots;                       /* of the ring */
    int32_t *indices;                   /* announced: entry n is read to slot n % slots */
    size_t count, next, taken, reading; /* announced; begun to be read; taken; being read now */
    bool ending;
    pthread_mutex_t mutex; /* of all but ring and indices */
    pthread_cond_t work, done;
    pthread_t threads[MAX_THREADS];
    int thread_count;
};

static outcome read_image(uint8_t *out, const rf_dataset *dataset, int index) {
    const rf_status status = rf_dataset_read(out, dataset, index);
    return (outcome){true, status, status != RF_OK ? rf_strdup(rf_error_message()) : NULL};
}

/* Reports an outcome, and forgets it. */
static rf_status settle(outcome *o) {
    const outcome was = *o;
    *o = (outcome){0};
    if (was.status != RF_OK) rf_fail(was.status, "%s", was.reason != NULL ? was.reason : "out of memory");
    free(was.reason);
    return was.status;
}

/* ---- threads ---- */

static void *run_thread(void *argument) {
    rf_prefetch *p = argument;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->ending && (p->next == p->count || p->next == p->taken + p->slots))
            pthread_cond_wait(&p->work, &p->mutex);
        if (p->ending) break;
        const size_t slot = p->next % p->slots;
        const int32_t index = p->indices[p->next++];
        p->reading++;
        pthread_mutex_unlock(&p->mutex);
        const outcome came = read_image(p->ring + slot * p->image, p->dataset, index);
        pthread_mutex_lock(&p->mutex);
        p->outcomes[slot] = came;
        p->reading--;
        pthread_cond_broadcast(&p->done);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

rf_status rf_prefetch_create(rf_prefetch **out, const rf_dataset *dataset, size_t ahead) {
    *out = NULL;
    rf_prefetch *p = rf_alloc(1, sizeof *p);
    if (p == NULL) return RF_E_MEMORY;
    p->dataset = dataset;
    p->image = rf_dataset_image_bytes(dataset);
    p->slots = RF_MAX(ahead, 1);
    p->ring = rf_alloc(p->slots, p->image);
    p->outcomes = rf_alloc(p->slots, sizeof *p->outcomes);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    if (p->ring == NULL || p->outcomes == NULL) {
        rf_prefetch_free(p);
        return RF_E_MEMORY;
    }
    const int wanted = RF_MIN(rf_cpu_count(), MAX_THREADS);
    while (p->thread_count < wanted && pthread_create(&p->threads[p->thread_count], NULL, run_thread, p) == 0)
        p->thread_count++;
    *out = p;
    return RF_OK;
}

void rf_prefetch_free(rf_prefetch *p) {
    if (p == NULL) return;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->thread_count; i++) pthread_join(p->threads[i], NULL);
    for (size_t i = 0; p->outcomes != NULL && i < p->slots; i++) free(p->outcomes[i].reason);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->mutex);
    free(p->ring);
    free(p->outcomes);
    free(p->indices);
    free(p);
}

/* ---- the order ---- */

rf_status rf_prefetch_announce(rf_prefetch *p, const int32_t *indices, size_t count) {
    rf_status status = RF_OK;
    pthread_mutex_lock(&p->mutex);
    p->count = p->next = p->taken = 0;
    while (p->reading > 0) pthread_cond_wait(&p->done, &p->mutex);
    for (size_t i = 0; i < p->slots; i++) {
        free(p->outcomes[i].reason);
        p->outcomes[i] = (outcome){0};
    }
    int32_t *copy = rf_resize(p->indices, count, sizeof *copy);
    if (copy == NULL)
        status = RF_E_MEMORY;
    else {
        memcpy(copy, indices, count * sizeof *copy);
        p->indices = copy;
        p->count = p->thread_count > 0 ? count : 0;
        pthread_cond_broadcast(&p->work);
    }
    pthread_mutex_unlock(&p->mutex);
    return status;
}

/* ---- taking: `count` and `taken` are changed by calls alone, one at a time ---- */

bool rf_prefetch_is_idle(const rf_prefetch *p) {
    return p->taken == p->count;
}

static rf_status take_next(uint8_t *out, rf_prefetch *p) {
    const size_t slot = p->taken % p->slots;
    outcome *o = &p->outcomes[slot];
    pthread_mutex_lock(&p->mutex);
    while (!o->ready) pthread_cond_wait(&p->done, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    memcpy(out, p->ring + slot * p->image, p->image);
    pthread_mutex_lock(&p->mutex);
    const rf_status status = settle(o);
    p->taken++;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->mutex);
    return status;
}

typedef struct batch {
    const rf_prefetch *prefetch;
    const int32_t *indices;
    uint8_t *out;
    outcome outcomes[];
} batch;

static void read_one(void *context, size_t i) {
    batch *b = context;
    b->outcomes[i] = read_image(b->out + i * b->prefetch->image, b->prefetch->dataset, b->indices[i]);
}

static rf_status read_now(uint8_t *out, const rf_prefetch *p, const int32_t *indices, size_t count) {
    batch *b = rf_alloc(1, sizeof *b + count * sizeof *b->outcomes);
    if (b == NULL) return RF_E_MEMORY;
    *b = (batch){p, indices, out};
    rf_parallel_for(count, 0, read_one, b);
    rf_status status = RF_OK;
    for (size_t i = count; i-- > 0;) { /* the first failure's message is set last */
        const rf_status own = settle(&b->outcomes[i]);
        if (own != RF_OK) status = own;
    }
    free(b);
    return status;
}

rf_status rf_prefetch_take(uint8_t *out, rf_prefetch *p, const int32_t *indices, size_t count) {
    if (count > p->count - p->taken || memcmp(p->indices + p->taken, indices, count * sizeof *indices) != 0)
        return read_now(out, p, indices, count);
    for (size_t i = 0; i < count; i++) RF_TRY(take_next(out + i * p->image, p));
    return RF_OK;
}
