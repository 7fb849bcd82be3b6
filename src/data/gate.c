/* A counting semaphore of bytes: limits the memory of threads that decode at the same time. */
#include "data/gate.h"

void rf_gate_create(rf_gate *gate, uint64_t total_bytes) {
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->left, NULL);
    gate->total = total_bytes;
    gate->used = 0;
}

void rf_gate_destroy(rf_gate *gate) {
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->mutex);
}

void rf_gate_enter(rf_gate *gate, uint64_t bytes) {
    pthread_mutex_lock(&gate->mutex);
    while (bytes > gate->total - gate->used) pthread_cond_wait(&gate->left, &gate->mutex);
    gate->used += bytes;
    pthread_mutex_unlock(&gate->mutex);
}

void rf_gate_leave(rf_gate *gate, uint64_t bytes) {
    pthread_mutex_lock(&gate->mutex);
    gate->used -= bytes;
    pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->mutex);
}
