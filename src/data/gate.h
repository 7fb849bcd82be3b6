/* A counting semaphore of bytes: threads pass as long as the memory that they need together stays below a total. */
#ifndef RF_DATA_GATE_H
#define RF_DATA_GATE_H

#include <pthread.h>
#include <stdint.h>

typedef struct rf_gate {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    uint64_t total, used;
} rf_gate;

void rf_gate_create(rf_gate *gate, uint64_t total_bytes);
void rf_gate_destroy(rf_gate *gate);
/* Waits until the bytes are free.  bytes may not exceed the total. */
void rf_gate_enter(rf_gate *gate, uint64_t bytes);
void rf_gate_leave(rf_gate *gate, uint64_t bytes);

#endif
