/* The order of the images. */
#include "data/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* The last word of Philox' counter, which other streams leave 0: no other random numbers are drawn from ours.
 */
enum { DOMAIN = 0x4f524445 };

struct rf_order {
    rf_order_desc desc;
    size_t batch;     /* of all ranks together */
    int32_t *first;   /* the first permutation: what is trained with, then what is held out */
    int32_t *current; /* the permutation of the epoch; only what is trained with */
    size_t train_count;
    rf_order_state next;
    uint64_t current_epoch;
};

static void shuffle(int32_t *items, size_t count, uint64_t seed, uint64_t epoch) {
    rf_random random;
    rf_random_init(&random, seed, (uint32_t)epoch);
    random.counter[1] = (uint32_t)(epoch >> 32);
    random.counter[3] = DOMAIN;
    rf_random_shuffle(&random, items, count);
}

static void make_epoch(rf_order *order, uint64_t epoch) {
    memcpy(order->current, order->first, order->train_count * sizeof *order->current);
    if (!order->desc.no_shuffle && epoch > 0)
        shuffle(order->current, order->train_count, order->desc.seed, epoch);
    order->current_epoch = epoch;
}

static size_t whole_batch(const rf_order_desc *desc) {
    return (size_t)desc->batch * (size_t)RF_MAX(desc->ranks, 1);
}

rf_status rf_order_check(const rf_order_desc *desc) {
    if (desc->count < 1) return rf_fail(RF_E_USAGE, "there are no images to train with");
    if (desc->batch < 1)
        return rf_fail(RF_E_USAGE, "a batch of %d images; it must hold 1 or more", desc->batch);
    if (desc->validation < 0 || desc->validation >= desc->count)
        return rf_fail(RF_E_USAGE,
                       "%d of %d images cannot be held out for validation; use --validation %d or less",
                       desc->validation, desc->count, RF_MAX(desc->count - desc->batch, 0));
    int train = desc->count - desc->validation;
    if (whole_batch(desc) <= (size_t)train) return RF_OK;
    if (desc->ranks > 1)
        return rf_fail(RF_E_USAGE,
                       "batches of %d on each of %d ranks are larger than the %d images to train with; use "
                       "--batch %d or "
                       "less, fewer ranks, or more images",
                       desc->batch, desc->ranks, train, train / desc->ranks);
    if (desc->validation == 0)
        return rf_fail(RF_E_USAGE,
                       "a batch of %d is larger than the data, %d images; use --batch %d or less, or more "
                       "images",
                       desc->batch, train, train);
    return rf_fail(
        RF_E_USAGE,
        "a batch of %d is larger than the %d images left to train with (%d, less %d for validation); use "
        "--batch %d or less, a smaller --validation, or more images",
        desc->batch, train, desc->count, desc->validation, train);
}

rf_status rf_order_create(rf_order **out, const rf_order_desc *desc) {
    *out = NULL;
    RF_TRY(rf_order_check(desc));
    rf_order *order = rf_alloc(1, sizeof *order);
    if (order == NULL) return RF_E_MEMORY;
    order->desc = *desc;
    order->batch = whole_batch(desc);
    order->train_count = (size_t)(desc->count - desc->validation);
    order->first = rf_alloc((size_t)desc->count, sizeof *order->first);
    order->current = rf_alloc(order->train_count, sizeof *order->current);
    if (order->first == NULL || order->current == NULL) {
        rf_order_free(order);
        return RF_E_MEMORY;
    }
    for (int i = 0; i < desc->count; i++) order->first[i] = i;
    if (!desc->no_shuffle) shuffle(order->first, (size_t)desc->count, desc->seed, 0);
    make_epoch(order, 0);
    *out = order;
    return RF_OK;
}

void rf_order_free(rf_order *order) {
    if (order == NULL) return;
    free(order->first);
    free(order->current);
    free(order);
}

const int32_t *rf_order_next(rf_order *order) {
    if (order->next.batch >= rf_order_batches_per_epoch(order))
        order->next = (rf_order_state){order->next.epoch + 1, 0};
    if (order->next.epoch != order->current_epoch) make_epoch(order, order->next.epoch);
    return order->current + order->next.batch++ * order->batch +
           (size_t)order->desc.rank * (size_t)order->desc.batch;
}

void rf_order_fill(rf_order *order, int32_t *indices, size_t batches) {
    size_t batch = (size_t)order->desc.batch;
    for (size_t i = 0; i < batches; i++)
        memcpy(indices + i * batch, rf_order_next(order), batch * sizeof *indices);
}

rf_order_state rf_order_tell(const rf_order *order) {
    return order->next;
}

uint64_t rf_order_number(const rf_order *order) {
    return order->next.epoch * rf_order_batches_per_epoch(order) + order->next.batch;
}

void rf_order_seek(rf_order *order, rf_order_state state) {
    order->next = state;
}

const int32_t *rf_order_validation(const rf_order *order, size_t *count) {
    if (count != NULL) *count = (size_t)order->desc.validation;
    return order->first + order->train_count;
}

size_t rf_order_batches_per_epoch(const rf_order *order) {
    return order->train_count / order->batch;
}
