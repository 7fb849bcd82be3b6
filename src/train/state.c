/* The training state: kept on the device for the range test, and read to the host for those who compare. */
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* Everything on the device that training changes and that outlives a run.  NULL where the optimizer has no
 * slot. */
static void state_buffers(rf_buffer *out[5], const rf_trainer *t) {
    rf_buffer *all[5] = {t->weights->params, t->weights->states, t->slot[0], t->slot[1], t->rng};
    memcpy(out, all, sizeof all);
}

rf_status rf_trainer_snapshot(rf_host_state *host, rf_trainer *t) {
    rf_buffer *live[5];
    state_buffers(live, t);
    host->steps_done = t->steps_done;
    host->order = rf_order_tell(t->order);
    for (int i = 0; i < 5; i++) {
        if (live[i] == NULL) continue;
        size_t bytes = rf_buffer_bytes(live[i]);
        if (t->snapshot[i] == NULL) RF_TRY(rf_buffer_create(&t->snapshot[i], t->desc.device, bytes));
        RF_TRY(rf_buffer_copy(t->snapshot[i], 0, live[i], 0, bytes));
    }
    return RF_OK;
}

rf_status rf_trainer_restore(rf_trainer *t, const rf_host_state *host) {
    rf_buffer *live[5];
    state_buffers(live, t);
    t->steps_done = host->steps_done;
    rf_order_seek(t->order, host->order);
    for (int i = 0; i < 5; i++)
        if (live[i] != NULL) RF_TRY(rf_buffer_copy(live[i], 0, t->snapshot[i], 0, rf_buffer_bytes(live[i])));
    return RF_OK;
}

rf_status rf_trainer_state(void **out, size_t *bytes, rf_trainer *t) {
    rf_buffer *live[5];
    rf_host_state host;
    memset(&host, 0, sizeof host); /* padding too */
    host.steps_done = t->steps_done;
    host.order = rf_order_tell(t->order);
    state_buffers(live, t);
    size_t total = sizeof host;
    for (int i = 0; i < 5; i++) total += live[i] != NULL ? rf_buffer_bytes(live[i]) : 0;
    *bytes = 0;
    char *data = *out = rf_alloc(total, 1);
    if (data == NULL) return RF_E_MEMORY;
    memcpy(data, &host, sizeof host);
    data += sizeof host;
    for (int i = 0; i < 5; i++) {
        if (live[i] == NULL) continue;
        rf_status status = rf_buffer_read(live[i], 0, data, rf_buffer_bytes(live[i]));
        if (status != RF_OK) {
            free(*out);
            *out = NULL;
            return status;
        }
        data += rf_buffer_bytes(live[i]);
    }
    *bytes = total;
    return RF_OK;
}
