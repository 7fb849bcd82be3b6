/* The update of a step: the optimizer's launches over all parameters, with the norms of each and the scalars of all where
 * it needs them. */
#include <math.h>
#include <stdlib.h>

#include "train/trainer.h"

enum { CHUNK = 4096 }; /* floats whose squares one work-item sums */

/* ---- in plain C, for the reference ---- */

/* A pass's buffers; behind the slots: owner and norm, or the scalars. */
enum { P, G, GROUP, NUMBERS, CONTROL, SLOTS };

typedef struct pass_context {
    void (*run)(const rf_update *update);
    void (*scalars)(float *scalars, const float *numbers, const double sums[2]);
    size_t blocks, alignment, numbers;
    int slots;
    bool grouped, norms;
} pass_context;

static void pass_reference(const void *context, void *const *data) {
    const pass_context *c = context;
    const uint32_t *control = data[CONTROL];
    const rf_group_numbers *group = data[GROUP];
    const int32_t *owner = c->norms ? data[SLOTS + c->slots] : NULL;
    const float *norm = c->norms ? data[SLOTS + c->slots + 1] : NULL,
                *numbers = (const float *)data[NUMBERS] + control[RF_CONTROL_CURRENT] * c->numbers;
    float *scalars = c->scalars != NULL ? data[SLOTS + c->slots] : NULL;
    double sums[2] = {0, 0};
    if (control[RF_CONTROL_OVER] != 0) return;
    for (size_t b = 0; b < c->blocks; b++)
        c->run(&(rf_update){.p = data[P],
                            .g = data[G],
                            .slot = data + SLOTS,
                            .lr_multiplier = group[c->grouped ? b : 0].lr_multiplier,
                            .weight_decay = group[c->grouped ? b : 0].weight_decay,
                            .numbers = numbers,
                            .norm = c->norms ? norm + 2 * owner[b] : NULL,
                            .scalars = scalars,
                            .sums = sums,
                            .begin = b * c->alignment,
                            .end = (b + 1) * c->alignment});
    if (scalars != NULL) c->scalars(scalars, numbers, sums);
}

static void norms_reference(const void *context, void *const *data) {
    const float *p = data[0], *d = data[1];
    const int32_t *chunk = data[2], *first = data[3];
    float *norm = data[4];
    for (size_t t = 0; t < *(const size_t *)context; t++) {
        double sum_p = 0, sum_d = 0;
        for (int32_t i = chunk[2 * first[t]]; i < chunk[2 * first[t + 1] - 1]; i++) {
            sum_p += (double)p[i] * p[i];
            sum_d += (double)d[i] * d[i];
        }
        norm[2 * t] = (float)sqrt(sum_p);
        norm[2 * t + 1] = (float)sqrt(sum_d);
    }
}

/* ---- the table of chunks ---- */

/* The floats of the next trained parameter, rounded up to whole blocks; 0: past the last one. */
static size_t next_trained(int *parameter, const rf_trainer *t, size_t alignment) {
    const rf_model *model = t->desc.model;
    while (*parameter < model->parameter_count) {
        const int i = (*parameter)++;
        if (t->trained[i]) return rf_round_up(rf_param_storage(&model->parameters[i].spec), alignment);
    }
    return 0;
}

static void count_chunks(size_t *chunks, size_t *owners, const rf_trainer *t, size_t alignment) {
    int parameter = 0;
    *chunks = *owners = 0;
    for (size_t floats; (floats = next_trained(&parameter, t, alignment)) > 0; ++*owners)
        *chunks += rf_ceil_div(floats, CHUNK);
}

size_t rf_update_bytes(const rf_trainer *t, size_t alignment, size_t trained_floats) {
    size_t chunks, owners;
    if (!t->setup.optimizer->norms) return 0;
    count_chunks(&chunks, &owners, t, alignment);
    return trained_floats / alignment * sizeof(int32_t) + chunks * 4 * sizeof(float) +
           (owners + 1) * sizeof(int32_t) + owners * 2 * sizeof(float);
}

static rf_status upload(rf_buffer **out, rf_device *device, const void *data, size_t bytes) {
    RF_TRY(rf_buffer_create(out, device, bytes));
    return rf_buffer_write(*out, 0, data, bytes);
}

static rf_status make_scalars(rf_trainer *t) {
    float scalars[RF_MAX_SCALARS];
    const int count = rf_optimizer_scalars(&t->setup);
    if (count == 0) return RF_OK;
    t->setup.optimizer->begin(scalars, t->setup.spec.o);
    return upload(&t->scalars, t->desc.device, scalars, (size_t)count * sizeof *scalars);
}

rf_status rf_update_prepare(rf_trainer *t) {
    rf_norms *n = &t->norms;
    rf_device *device = t->desc.device;
    const size_t alignment = t->weights->alignment, blocks = t->weights->trained_floats / alignment;
    size_t at = 0, owner_number = 0, c = 0;
    int parameter = 0;
    RF_TRY(make_scalars(t));
    if (!t->setup.optimizer->norms) return RF_OK;
    count_chunks(&n->chunks, &n->owners, t, alignment);
    int32_t *owner = rf_alloc(blocks, sizeof *owner), *chunk = rf_alloc(n->chunks * 2, sizeof *chunk),
            *first = rf_alloc(n->owners + 1, sizeof *first);
    rf_status status = owner != NULL && chunk != NULL && first != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t floats; status == RF_OK && (floats = next_trained(&parameter, t, alignment)) > 0;
         owner_number++) {
        const size_t end = at + floats;
        for (size_t b = at / alignment; b < end / alignment; b++) owner[b] = (int32_t)owner_number;
        for (; at < end; at = (size_t)chunk[2 * c++ + 1]) {
            chunk[2 * c] = (int32_t)at;
            chunk[2 * c + 1] = (int32_t)RF_MIN(at + CHUNK, end);
        }
        first[owner_number + 1] = (int32_t)c;
    }
    if (status == RF_OK) status = upload(&n->owner, device, owner, blocks * sizeof *owner);
    if (status == RF_OK) status = upload(&n->chunk, device, chunk, n->chunks * 2 * sizeof *chunk);
    if (status == RF_OK) status = upload(&n->first, device, first, (n->owners + 1) * sizeof *first);
    if (status == RF_OK) status = rf_buffer_create(&n->part, device, n->chunks * 2 * sizeof(float));
    if (status == RF_OK) status = rf_buffer_create(&n->norm, device, n->owners * 2 * sizeof(float));
    free(owner);
    free(chunk);
    free(first);
    return status;
}

void rf_update_release(rf_trainer *t) {
    rf_buffer *buffers[] = {t->norms.owner, t->norms.chunk, t->norms.first, t->norms.part, t->norms.norm};
    for (size_t i = 0; i < RF_COUNT(buffers); i++) rf_buffer_free(buffers[i]);
}

/* ---- launches ---- */

/* One kernel of the optimizer over all parameters; `update`: the last one, which takes its norms and scalars. */
static rf_status emit_pass(rf_trainer *t, rf_sequence *sequence, const char *kernel,
                           void (*reference)(const rf_update *), bool update) {
    const rf_weights *w = t->weights;
    const rf_optimizer *optimizer = t->setup.optimizer;
    const bool norms = update && optimizer->norms, scalars = update && optimizer->scalars != NULL;
    const pass_context context = {.run = reference,
                                  .scalars = scalars ? optimizer->scalars_reference : NULL,
                                  .blocks = w->trained_floats / w->alignment,
                                  .alignment = w->alignment,
                                  .numbers = rf_trainer_numbers(t),
                                  .slots = t->slots,
                                  .grouped = rf_groups_differ(&t->desc),
                                  .norms = norms};
    const double bytes = 4.0 * (double)w->trained_floats * (3 + 2 * t->slots);
    rf_buffer *buffers[RF_MAX_ARGS] = {w->params, rf_flat_gradient(t), t->group, t->numbers, t->control};
    int count = SLOTS;
    rf_sequence_label(sequence, "update.%s", optimizer->kind.name);
    for (int s = 0; s < t->slots; s++) buffers[count++] = t->slot[s];
    if (rf_train_on_reference(t->desc.device)) {
        if (norms) buffers[count++] = t->norms.owner, buffers[count++] = t->norms.norm;
        if (scalars) buffers[count++] = t->scalars;
        return rf_emit_host(sequence, pass_reference, &context, sizeof context, buffers, (size_t)count, 0,
                            bytes);
    }
    rf_launch_desc desc = {.kernel = kernel, .bytes = bytes};
    rf_arg *next = desc.args;
    for (int i = 0; i < SLOTS; i++) *next++ = (rf_arg)RF_BUF(buffers[i]);
    *next++ = (rf_arg)RF_I32(rf_train_vectors(t->desc.device, w->trained_floats));
    *next++ = (rf_arg)RF_I32(w->alignment);
    *next++ = (rf_arg)RF_I32(context.grouped ? -1 : 0);
    *next++ = (rf_arg)RF_I32(context.numbers);
    /* A slot that its options leave out is neither read nor written. */
    for (int s = 0; optimizer->slots[s] != NULL; s++)
        *next++ = (rf_arg)RF_BUF(s < t->slots ? t->slot[s] : rf_flat_gradient(t));
    if (norms) {
        *next++ = (rf_arg)RF_BUF(t->norms.owner);
        *next++ = (rf_arg)RF_BUF(t->norms.norm);
    }
    if (scalars) *next++ = (rf_arg)RF_BUF(t->scalars);
    if (update && optimizer->sums) *next++ = (rf_arg)RF_BUF(t->part);
    return rf_flat_emit(t, sequence, &desc);
}

/* The scalars of the next step; on the reference the update itself computes them. */
static rf_status emit_scalars(rf_trainer *t, rf_sequence *sequence) {
    const rf_optimizer *optimizer = t->setup.optimizer;
    rf_launch_desc desc = {
        .kernel = optimizer->scalars_kernel,
        .args = {RF_BUF(t->scalars), RF_BUF(t->numbers), RF_BUF(t->control), RF_I32(rf_trainer_numbers(t))}};
    int parts;
    if (rf_train_on_reference(t->desc.device)) return RF_OK;
    if (optimizer->sums) {
        RF_TRY(rf_sums_fold(&parts, t, sequence));
        desc.args[4] = (rf_arg)RF_BUF(t->part);
        desc.args[5] = (rf_arg)RF_I32(parts);
    }
    return rf_train_emit(sequence, t->desc.device, &desc);
}

static rf_status emit_norms(rf_trainer *t, rf_sequence *sequence) {
    const rf_norms *n = &t->norms;
    rf_buffer *buffers[] = {t->weights->params, rf_flat_gradient(t), n->chunk, n->first, n->norm};
    const double bytes = 8.0 * (double)t->weights->trained_floats;
    rf_sequence_label(sequence, "update.norms");
    if (rf_train_on_reference(t->desc.device))
        return rf_emit_host(sequence, norms_reference, &n->owners, sizeof n->owners, buffers,
                            RF_COUNT(buffers), 0, bytes);
    rf_launch_desc chunks = {
        .kernel = "norm_chunks",
        .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(n->chunk), RF_BUF(n->part)},
        .global = {n->chunks},
        .bytes = bytes};
    rf_launch_desc sums = {.kernel = "norm_sums",
                           .args = {RF_BUF(n->part), RF_BUF(n->first), RF_BUF(n->norm)},
                           .global = {n->owners}};
    RF_TRY(rf_train_emit(sequence, t->desc.device, &chunks));
    return rf_train_emit(sequence, t->desc.device, &sums);
}

rf_status rf_update_emit(rf_trainer *t, rf_sequence *sequence) {
    const rf_optimizer *o = t->setup.optimizer;
    if (o->direction_kernel != NULL)
        RF_TRY(emit_pass(t, sequence, o->direction_kernel, o->direction_reference, false));
    if (o->norms && t->norms.owners > 0) RF_TRY(emit_norms(t, sequence));
    RF_TRY(emit_pass(t, sequence, o->kernel, o->reference, true));
    return o->scalars != NULL ? emit_scalars(t, sequence) : RF_OK;
}
