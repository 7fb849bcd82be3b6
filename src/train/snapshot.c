/* Snapshots of the training state in device memory, for the range test. */
#include <stdlib.h>

#include "train/trainer.h"

/* Parameters, buffers, random state, what the optimizer keeps, the loss scale, the moving average. */
bool rf_trainer_state_buffer(rf_buffer **out, const rf_trainer *t, int index) {
    rf_buffer *const fixed[] = {t->weights->params, t->weights->states, t->rng,
                                t->scalars,         t->scaling,         t->ema};
    const int slot = index - (int)RF_COUNT(fixed);
    if (slot >= t->slots) return false;
    *out = slot < 0 ? fixed[index] : t->slot[slot];
    return true;
}

static int state_buffer_count(const rf_trainer *t) {
    rf_buffer *unused;
    int count = 0;
    while (rf_trainer_state_buffer(&unused, t, count)) count++;
    return count;
}

rf_status rf_trainer_snapshot(rf_host_state *host, rf_trainer *t) {
    rf_buffer *live;
    host->steps_done = t->steps_done;
    host->order = rf_order_tell(t->order);
    if (t->snapshot == NULL) t->snapshot = rf_alloc((size_t)state_buffer_count(t), sizeof(rf_buffer *));
    if (t->snapshot == NULL) return RF_E_MEMORY;
    for (int i = 0; rf_trainer_state_buffer(&live, t, i); i++) {
        if (live == NULL) continue;
        const size_t bytes = rf_buffer_bytes(live);
        if (t->snapshot[i] == NULL) RF_TRY(rf_buffer_create(&t->snapshot[i], t->desc.device, bytes));
        RF_TRY(rf_buffer_copy(t->snapshot[i], 0, live, 0, bytes));
    }
    return RF_OK;
}

rf_status rf_trainer_restore(rf_trainer *t, const rf_host_state *host) {
    rf_buffer *live;
    t->steps_done = host->steps_done;
    rf_order_seek(t->order, host->order);
    for (int i = 0; rf_trainer_state_buffer(&live, t, i); i++)
        if (live != NULL) RF_TRY(rf_buffer_copy(live, 0, t->snapshot[i], 0, rf_buffer_bytes(live)));
    return RF_OK;
}

void rf_trainer_forget_snapshot(rf_trainer *t) {
    rf_buffer *live;
    for (int i = 0; t->snapshot != NULL && rf_trainer_state_buffer(&live, t, i); i++)
        rf_buffer_free(t->snapshot[i]);
    free(t->snapshot);
    t->snapshot = NULL;
}
