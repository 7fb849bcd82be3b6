/* A trainer's state from the device to the host, and back. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "train/state.h"
#include "train/trainer.h"

/* One of its arrays, and its location on the device. */
typedef struct location {
    char *name; /* owned by whoever asked */
    const rf_param_spec *spec;
    rf_buffer *buffer;
    size_t offset; /* floats */
} location;

/* The parameters and buffers; then of each trained parameter, slot by slot, what the optimizer keeps, and the moving
 * average; then the optimizer's scalars, and the loss scale.  out->name NULL with RF_OK: past the end. */
static rf_status location_of(location *out, const rf_trainer *t, size_t index) {
    static const rf_param_spec scalar = {.rank = 1, .dim = {1}, .shape = {1, 1, 1, 1}};
    const rf_weights *w = t->weights;
    const rf_optimizer *optimizer = t->setup.optimizer;
    const size_t count = (size_t)w->count, slots = (size_t)t->slots,
                 arrays = count * (1 + slots + (t->ema != NULL));
    *out = (location){0};
    static const char *const scaling[] = {"loss_scale", "loss_scale_steps"};
    const size_t scalars = arrays + (size_t)rf_optimizer_scalars(&t->setup);
    if (index >= scalars + (t->scaling != NULL ? RF_COUNT(scaling) : 0)) return RF_OK;
    if (index >= scalars) {
        out->spec = &scalar;
        out->offset = index - scalars;
        out->buffer = t->scaling;
        out->name = rf_strdup(scaling[index - scalars]);
        return out->name != NULL ? RF_OK : RF_E_MEMORY;
    }
    if (index >= arrays) {
        out->spec = &scalar;
        out->offset = index - arrays;
        out->buffer = t->scalars;
        out->name = rf_format("optimizer.%s", optimizer->scalars[index - arrays]);
        return out->name != NULL ? RF_OK : RF_E_MEMORY;
    }
    const size_t i = index % count, slot = index / count;
    out->spec = &w->spec[i];
    out->offset = w->offset[i];
    if (slot == 0) {
        out->buffer = w->trained[i] ? w->params : w->states;
        out->name = rf_strdup(w->name[i]);
    } else if (slot <= slots) {
        out->buffer = t->slot[slot - 1];
        out->name = rf_format("optimizer.%s.%s", optimizer->slots[slot - 1], w->name[i]);
    } else {
        out->buffer = t->ema;
        out->name = rf_format("ema.%s", w->name[i]);
    }
    return out->name != NULL ? RF_OK : RF_E_MEMORY;
}

/* What is not trained has no optimizer slots and no average. */
static bool is_there(const rf_trainer *t, size_t index) {
    const size_t count = (size_t)t->weights->count, slot = count > 0 ? index / count : 0;
    return slot == 0 || slot > (size_t)t->slots + (t->ema != NULL) || t->weights->trained[index % count];
}

typedef rf_status visit_location(void *context, const location *location);
static rf_status for_each_location(const rf_trainer *t, visit_location *visit, void *context) {
    for (size_t i = 0;; i++) {
        location p;
        RF_TRY(location_of(&p, t, i));
        if (p.name == NULL) return RF_OK;
        rf_status status = is_there(t, i) ? visit(context, &p) : RF_OK;
        free(p.name);
        RF_TRY(status);
    }
}

static rf_status read_location(void *context, const location *p) {
    const size_t bytes = rf_param_storage(p->spec) * sizeof(float);
    char *name = rf_strdup(p->name);
    rf_state_entry *a = rf_state_add(context, name, p->spec->rank, p->spec->dim);
    float *storage = a != NULL ? rf_alloc(bytes, 1) : NULL;
    if (storage == NULL) return RF_E_MEMORY;
    rf_status status = rf_buffer_read(p->buffer, p->offset * sizeof(float), storage, bytes);
    if (status == RF_OK) rf_param_unpack(a->values, storage, p->spec);
    free(storage);
    return status;
}

/* Computed when it is first asked for: a large data set takes a moment. */
static uint64_t fingerprint_of(rf_trainer *t) {
    if (t->data_fingerprint == 0) t->data_fingerprint = rf_dataset_fingerprint(t->desc.dataset);
    return t->data_fingerprint;
}

/* The texts from here on are the run's options. */
#define FIRST_FIXED "optimizer"

/* To be freed; NULL: out of memory. */
static char *number_text(double number) {
    rf_str text = {0};
    rf_str_add_number(&text, number);
    if (rf_str_status(&text) != RF_OK) rf_str_free(&text);
    return text.data;
}

rf_status rf_trainer_add_texts(rf_state *state, rf_trainer *t) {
    const rf_trainer_desc *d = &t->desc;
    const rf_order_state order = rf_order_tell(t->order);
    rf_str optimizer = {0}, augment = {0};
    uint32_t rng[4];
    RF_TRY(rf_buffer_read(t->rng, 0, rng, sizeof rng));
    RF_TRY(rf_state_add_number(state, "steps", (uint64_t)t->steps_done));
    RF_TRY(rf_state_add_number(state, "epoch", order.epoch));
    RF_TRY(rf_state_add_number(state, "epoch_batch", order.batch));
    RF_TRY(rf_state_add_number(state, "random_step", rng[2]));
    rf_spec_add_text(&optimizer, &t->setup.spec);
    if (rf_str_status(&optimizer) != RF_OK) rf_str_free(&optimizer);
    RF_TRY(rf_state_add_text(state, FIRST_FIXED, optimizer.data));
    rf_augmentation_add_text(&augment, &t->augmentation);
    if (rf_str_status(&augment) != RF_OK) rf_str_free(&augment);
    RF_TRY(rf_state_add_text(state, "augment", augment.data));
    RF_TRY(rf_state_add_text(state, "groups", rf_strdup(t->texts.groups)));
    RF_TRY(rf_state_add_text(state, "decay_exclude", rf_strdup(t->texts.decay_exclude)));
    RF_TRY(rf_state_add_text(state, "freeze", rf_strdup(t->texts.freeze)));
    RF_TRY(rf_state_add_text(state, "clip_value", number_text(d->clip_value)));
    RF_TRY(rf_state_add_text(state, "clip_norm", number_text(d->clip_norm)));
    RF_TRY(rf_state_add_text(state, "ema", number_text(d->ema)));
    RF_TRY(rf_state_add_number(state, "batch", (uint64_t)d->batch * (uint64_t)rf_dist_size(t->desc.dist)));
    RF_TRY(rf_state_add_number(state, "accumulate", (uint64_t)d->accumulate));
    RF_TRY(rf_state_add_number(state, "validation", (uint64_t)d->validation));
    RF_TRY(rf_state_add_number(state, "shuffle", !d->no_shuffle));
    RF_TRY(rf_state_add_number(state, "seed", d->seed));
    RF_TRY(rf_state_add_number(state, "images", (uint64_t)d->dataset->count));
    return rf_state_add_text(state, "data", rf_format("%016" PRIx64, fingerprint_of(t)));
}

rf_status rf_trainer_get_weights(rf_state **out, rf_trainer *t) {
    rf_state *state = *out = rf_alloc(1, sizeof *state);
    const rf_weights *w = rf_trainer_evaluated(t);
    rf_status status = state != NULL ? RF_OK : RF_E_MEMORY;
    for (int i = 0; status == RF_OK && i < w->count; i++)
        status = read_location(state, &(location){w->name[i], &w->spec[i], w->value[i], 0});
    if (status == RF_OK) {
        rf_state_sort(state);
        return RF_OK;
    }
    rf_state_free(state);
    *out = NULL;
    return status;
}

rf_status rf_trainer_get_state(rf_state **out, rf_trainer *t) {
    rf_state *state = *out = rf_alloc(1, sizeof *state);
    if (state == NULL) return RF_E_MEMORY;
    rf_status status = rf_trainer_add_texts(state, t);
    if (status == RF_OK) status = for_each_location(t, read_location, state);
    rf_state_sort(state);
    if (status == RF_OK) return RF_OK;
    rf_state_free(state);
    *out = NULL;
    return status;
}

/* ---- into a trainer ---- */

typedef struct checking {
    const rf_state *state;
    bool *known; /* of each of its arrays: the trainer has it too */
} checking;

static rf_status check_location(void *context, const location *p) {
    const checking *c = context;
    const rf_state_entry *a = rf_state_find(c->state, p->name);
    if (a == NULL) return rf_fail(RF_E_INPUT, "the state has no '%s'", p->name);
    c->known[a - c->state->arrays] = true;
    if (a->rank == p->spec->rank && memcmp(a->shape, p->spec->dim, (size_t)a->rank * sizeof *a->shape) == 0)
        return RF_OK;
    rf_str text = {0};
    for (int k = 0; k < a->rank; k++) rf_str_addf(&text, "%s%d", k > 0 ? "x" : "", a->shape[k]);
    rf_str_add(&text, " in the state, ");
    for (int k = 0; k < p->spec->rank; k++) rf_str_addf(&text, "%s%d", k > 0 ? "x" : "", p->spec->dim[k]);
    rf_fail(RF_E_SHAPE, "'%s' is %s in the network", p->name, rf_str_text(&text));
    rf_str_free(&text);
    return RF_E_SHAPE;
}

static rf_status check_arrays(const rf_state *state, const rf_trainer *t) {
    checking c = {state, rf_alloc(state->array_count, sizeof(bool))};
    if (c.known == NULL) return RF_E_MEMORY;
    rf_status status = for_each_location(t, check_location, &c);
    for (size_t i = 0; status == RF_OK && i < state->array_count; i++)
        if (!c.known[i])
            status = rf_fail(RF_E_INPUT, "the state has a '%s', which the trainer does not know",
                             state->arrays[i].name);
    free(c.known);
    return status;
}

/* force: other options than the run's are taken, but for the optimizer, whose arrays would not fit. */
static rf_status check_texts(const rf_state *state, rf_trainer *t, bool force) {
    rf_state own = {0};
    bool fixed = false;
    rf_status status = rf_trainer_add_texts(&own, t);
    for (size_t i = 0; status == RF_OK && i < own.text_count; i++) {
        const rf_state_note *mine = &own.texts[i];
        const char *text = rf_state_text(state, mine->name);
        fixed |= strcmp(mine->name, FIRST_FIXED) == 0;
        if (text == NULL)
            status = rf_fail(RF_E_INPUT, "the state does not say its '%s'", mine->name);
        else if (fixed && strcmp(text, mine->text) != 0 && !(force && strcmp(mine->name, FIRST_FIXED) != 0))
            status = rf_fail(RF_E_USAGE, "the state is of a run with %s '%s'; the trainer has '%s'",
                             mine->name, text, mine->text);
    }
    rf_state_clear(&own);
    return status;
}

static rf_status get_number(uint64_t *out, const rf_state *state, const char *name, uint64_t limit) {
    const char *text = rf_state_text(state, name);
    char *end;
    *out = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out <= limit) return RF_OK;
    return rf_fail(RF_E_INPUT, "the state's '%s' is '%s', which is no number of its kind", name, text);
}

static rf_status write_location(void *context, const location *p) {
    const rf_state_entry *a = rf_state_find(context, p->name);
    const size_t bytes = rf_param_storage(p->spec) * sizeof(float);
    float *storage = rf_alloc(bytes, 1);
    if (storage == NULL) return RF_E_MEMORY;
    rf_param_pack(storage, a->values, p->spec);
    rf_status status = rf_buffer_write(p->buffer, p->offset * sizeof(float), storage, bytes);
    free(storage);
    return status;
}

static rf_status set_numbers(rf_trainer *t, const rf_state *state, bool force) {
    uint64_t steps, random_step;
    rf_order_state order;
    RF_TRY(get_number(&steps, state, "steps", LONG_MAX));
    RF_TRY(get_number(&order.epoch, state, "epoch", INT64_MAX));
    RF_TRY(get_number(&order.batch, state, "epoch_batch",
                      force ? INT32_MAX : rf_order_batches_per_epoch(t->order)));
    order.batch = RF_MIN(order.batch, rf_order_batches_per_epoch(t->order));
    RF_TRY(get_number(&random_step, state, "random_step", UINT32_MAX));
    const uint32_t rng[4] = {(uint32_t)t->desc.seed, (uint32_t)(t->desc.seed >> 32), (uint32_t)random_step,
                             (uint32_t)rf_dist_rank(t->desc.dist)};
    t->steps_done = (long)steps;
    rf_order_seek(t->order, order);
    return rf_buffer_write(t->rng, 0, rng, sizeof rng);
}

rf_status rf_trainer_take_state(rf_trainer *t, const rf_state *state, bool force) {
    RF_TRY(check_texts(state, t, force));
    RF_TRY(check_arrays(state, t));
    RF_TRY(set_numbers(t, state, force));
    return for_each_location(t, write_location, (void *)state);
}

rf_status rf_trainer_set_state(rf_trainer *t, const rf_state *state) {
    return rf_trainer_take_state(t, state, false);
}
