/* Numbers handed out by rank 0: a thread of it answers the others while it works on its own. */
#include "dist/handout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct rf_handout {
    rf_dist *dist;
    size_t count, next;
    pthread_mutex_t lock; /* of next */
    /* on rank 0 of several: */
    pthread_t thread;
    bool answers;     /* the thread has to be joined */
    atomic_bool over; /* it is to end before all others have been told that nothing is left */
    rf_status status; /* its end */
    char message[256];
};

static void *answer_others(void *given) {
    const struct timespec turn = {.tv_nsec = 1000000};
    rf_handout *h = given;
    for (int left = rf_dist_size(h->dist) - 1; left > 0 && !h->over && h->status == RF_OK;) {
        bool asked;
        pthread_mutex_lock(&h->lock);
        h->status = rf_dist_answer(&asked, h->dist, h->next);
        if (asked && h->next == h->count)
            left--;
        else if (asked)
            h->next++;
        pthread_mutex_unlock(&h->lock);
        if (!asked) nanosleep(&turn, NULL);
    }
    if (h->status != RF_OK) snprintf(h->message, sizeof h->message, "%s", rf_error_message());
    return NULL;
}

rf_status rf_handout_begin(rf_handout **out, rf_dist *dist, size_t count) {
    rf_handout *h = *out = rf_alloc(1, sizeof *h);
    if (h == NULL) return RF_E_MEMORY;
    h->dist = dist;
    h->count = count;
    pthread_mutex_init(&h->lock, NULL);
    if (dist == NULL || rf_dist_rank(dist) > 0) return RF_OK;
    h->answers = pthread_create(&h->thread, NULL, answer_others, h) == 0;
    if (h->answers) return RF_OK;
    rf_handout_end(h);
    *out = NULL;
    return rf_fail(RF_E_MEMORY, "no thread can be started to answer the other ranks: too many of them?");
}

static void join(rf_handout *h) {
    if (h->answers) pthread_join(h->thread, NULL);
    h->answers = false;
}

rf_status rf_handout_next(size_t *number, rf_handout *h) {
    if (rf_dist_rank(h->dist) > 0) return rf_dist_ask(number, h->dist);
    pthread_mutex_lock(&h->lock);
    *number = h->next;
    if (h->next < h->count) h->next++;
    pthread_mutex_unlock(&h->lock);
    if (*number < h->count) return RF_OK;
    join(h);
    return h->status == RF_OK ? RF_OK : rf_fail(h->status, "%s", h->message);
}

void rf_handout_end(rf_handout *h) {
    if (h == NULL) return;
    h->over = true;
    join(h);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
