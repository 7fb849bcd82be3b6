/* What ranks exchange: at the start their state, in each step the gradients, after an observation the validation losses.  Here
 * alone, and in batch norm by the images of all ranks, a run waits for the device.  The host judges the losses of all ranks, on each
 * of them with the same bits, so that all stop at the same step. */
#include "train/exchange.h"

#include <string.h>

#include "train/record.h"

/* Rank 0's contents, to all. */
static rf_status share_buffer(rf_dist *dist, rf_buffer *buffer) {
    void *data;
    if (rf_buffer_bytes(buffer) == 0) return RF_OK;
    RF_TRY(rf_buffer_map(&data, buffer));
    rf_status status = rf_dist_broadcast(dist, data, rf_buffer_bytes(buffer)),
              unmapped = rf_buffer_unmap(buffer, data);
    return status != RF_OK ? status : unmapped;
}

/* The random state but for the rank in it. */
static rf_status share_random_state(rf_trainer *t) {
    uint32_t words[4];
    RF_TRY(rf_buffer_read(t->rng, 0, words, sizeof words));
    RF_TRY(rf_dist_broadcast(t->desc.dist, words, sizeof words));
    words[3] = (uint32_t)rf_dist_rank(t->desc.dist);
    return rf_buffer_write(t->rng, 0, words, sizeof words);
}

rf_status rf_exchange_state(rf_trainer *t) {
    rf_host_state host = {t->steps_done, rf_order_tell(t->order)};
    rf_buffer *buffer;
    if (t->desc.dist == NULL) return RF_OK;
    RF_TRY(rf_dist_broadcast(t->desc.dist, &host, sizeof host));
    t->steps_done = host.steps_done;
    rf_order_seek(t->order, host.order);
    for (int i = 0; rf_trainer_state_buffer(&buffer, t, i); i++)
        if (buffer != NULL && buffer != t->rng) RF_TRY(share_buffer(t->desc.dist, buffer));
    return share_random_state(t);
}

/* The loss of all ranks takes the place of this one's. */
static rf_status take_loss(uint32_t *stop, rf_trainer *t, uint32_t words[RF_CONTROL_WORDS], rf_buffer *table,
                           float loss, bool judged) {
    memcpy(&words[RF_CONTROL_SUM], &loss, sizeof loss);
    if (judged) rf_record_judge(words, loss);
    *stop = words[RF_CONTROL_STOP];
    RF_TRY(rf_buffer_write(table, words[RF_CONTROL_CURRENT] * sizeof loss, &loss, sizeof loss));
    return rf_buffer_write(t->control, 0, words, RF_CONTROL_WORDS * sizeof *words);
}

rf_status rf_exchange_step(uint32_t *stop, bool *cancelled, rf_trainer *t, bool judged) {
    rf_buffer *gradient = rf_flat_gradient(t);
    rf_exchange_times *times = &t->exchange;
    uint32_t words[RF_CONTROL_WORDS];
    float loss, *values;
    void *data;
    if (t->desc.dist == NULL) return RF_OK;
    RF_TRY(rf_buffer_read(t->control, 0, words, sizeof words));
    memcpy(&loss, &words[RF_CONTROL_SUM], sizeof loss);
    float shared[] = {loss, *cancelled};
    if (times->steps > 0) times->norms_ms += rf_dist_calling_ms(t->desc.dist) - times->before_ms;
    const double done_ms = rf_time_ms();
    RF_TRY(rf_dist_sum(t->desc.dist, shared, RF_COUNT(shared)));
    const double met_ms = rf_time_ms();
    RF_TRY(rf_buffer_map(&data, gradient));
    values = data;
    rf_status status = rf_dist_sum(t->desc.dist, values, t->weights->trained_floats),
              unmapped = rf_buffer_unmap(gradient, data);
    RF_TRY(status);
    RF_TRY(unmapped);
    times->steps++;
    times->waiting_ms += met_ms - done_ms;
    const double sum_ms = rf_time_ms() - met_ms;
    times->summing_ms += sum_ms;
    times->least_ms = times->steps == 1 ? sum_ms : RF_MIN(times->least_ms, sum_ms);
    times->before_ms = rf_dist_calling_ms(t->desc.dist);
    *cancelled = shared[1] > 0;
    return take_loss(stop, t, words, t->losses, shared[0], judged);
}

/* Batch norm averages a rank's own statistics: rank 0's are evaluated, as those that are kept. */
rf_status rf_exchange_before_observing(rf_trainer *t) {
    return t->desc.dist != NULL ? share_buffer(t->desc.dist, t->weights->states) : RF_OK;
}

rf_status rf_exchange_observed(uint32_t *stop, rf_trainer *t, bool judged) {
    uint32_t words[RF_CONTROL_WORDS];
    float loss = 0;
    if (t->desc.dist == NULL || *stop != 0) return RF_OK;
    RF_TRY(rf_buffer_read(t->control, 0, words, sizeof words));
    if (t->validation.count > 0) memcpy(&loss, &words[RF_CONTROL_SUM], sizeof loss);
    RF_TRY(rf_dist_sum(t->desc.dist, &loss, 1));
    t->exchange.before_ms = rf_dist_calling_ms(t->desc.dist);
    return take_loss(stop, t, words, t->observed, loss, judged);
}
