/* Evaluation on the device: batches are gathered and run forward; what remains of each image is two integers. */
#include "train/evaluator.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/common/control.clh"
#include "train/record.h"

enum { PREDICTED = 0, RANK, PER_IMAGE };

/* How many of `total` images the ranks before this one have. */
static int images_before(int total, int rank, int ranks) {
    return (int)((int64_t)total * rank / ranks);
}

rf_status rf_evaluator_plan(rf_evaluator *e, const rf_plan_desc *desc, int total, rf_dist *dist) {
    const int rank = rf_dist_rank(dist), ranks = rf_dist_size(dist);
    const int first = images_before(total, rank, ranks),
              count = images_before(total, rank + 1, ranks) - first;
    const int whole = RF_MIN(count, desc->batch > 0 ? desc->batch : RF_EVALUATION_BATCH);
    rf_plan_desc plan = *desc;
    plan.training = false;
    e->count = count;
    e->first = first;
    e->total = total;
    e->dist = dist;
    e->classes = desc->model->images.classes;
    e->device = desc->device;
    if (count == 0) return RF_OK;
    e->part[0] = (rf_evaluator_part){.batch = whole, .batches = count / whole};
    e->part[1] = (rf_evaluator_part){.batch = count % whole, .batches = count % whole != 0};
    for (int i = 0; i < 2; i++) {
        plan.batch = e->part[i].batch;
        if (e->part[i].batches > 0) RF_TRY(rf_plan_create(&e->part[i].plan, &plan));
    }
    return RF_OK;
}

size_t rf_evaluator_bytes(const rf_evaluator *e, size_t *largest) {
    size_t bytes = (size_t)e->count * (1 + PER_IMAGE) * sizeof(int32_t);
    for (int i = 0; i < 2; i++) {
        if (e->part[i].plan == NULL) continue;
        bytes += rf_plan_memory_bytes(e->part[i].plan);
        *largest = RF_MAX(*largest, rf_plan_largest_bytes(e->part[i].plan));
    }
    return bytes;
}

/* ---- in plain C, for the reference ---- */

typedef struct rank_context {
    int batch, classes, base;
} rank_context;

static void rank_reference(const void *context, void *const *data) {
    const rank_context *c = context;
    const float *scores = data[0];
    const int32_t *labels = data[1];
    const uint32_t *control = data[2];
    int32_t *out = (int32_t *)data[3] + (c->base + (int)control[RF_CONTROL_MICRO] * c->batch) * PER_IMAGE;
    if (control[RF_CONTROL_STOP] != 0) return;
    for (int i = 0; i < c->batch; i++, scores += c->classes, out += PER_IMAGE) {
        const float own = scores[labels[i]];
        out[PREDICTED] = out[RANK] = 0;
        for (int k = 0; k < c->classes; k++) {
            if (scores[k] > scores[out[PREDICTED]]) out[PREDICTED] = k;
            out[RANK] += k != labels[i] && (!(scores[k] <= own) || (k < labels[i] && scores[k] == own));
        }
    }
}

static rf_status emit_ranks(const rf_evaluator *e, const rf_evaluator_part *part, rf_buffer *control,
                            int base) {
    const rank_context context = {part->batch, e->classes, base};
    rf_buffer *buffers[] = {rf_plan_scores(part->plan), rf_plan_labels(part->plan), control, e->ranks};
    const double bytes = 4.0 * part->batch * e->classes;
    rf_sequence_label(part->sequence, "rank");
    if (rf_train_on_reference(e->device))
        return rf_emit_host(part->sequence, rank_reference, &context, sizeof context, buffers,
                            RF_COUNT(buffers), 0, bytes);
    rf_launch_desc desc = {.kernel = "rank_labels",
                           .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                    RF_BUF(buffers[3]), RF_I32(part->batch), RF_I32(e->classes),
                                    RF_I32(base)},
                           .global = {(size_t)part->batch},
                           .bytes = bytes};
    return rf_train_emit(part->sequence, e->device, &desc);
}

static rf_status emit_part(rf_evaluator *e, rf_evaluator_part *part, rf_buffer *control,
                           rf_buffer *observed) {
    const rf_evaluator_part *whole = &e->part[0];
    /* MICRO numbers the batches, the whole ones first. */
    const int base = part == whole ? 0 : whole->batches * (whole->batch - part->batch);
    const rf_gather gather = {.order = e->order,
                              .control = control,
                              .images = rf_plan_images(part->plan),
                              .labels = rf_plan_labels(part->plan),
                              .batch = part->batch,
                              .word = RF_CONTROL_MICRO,
                              .base = base};
    const rf_record record = {.share = (float)((double)part->batch / e->total),
                              .batches = whole->batches + e->part[1].batches};
    RF_TRY(rf_sequence_create(&part->sequence, e->device));
    RF_TRY(rf_feeder_emit(e->feeder, part->sequence, &gather));
    RF_TRY(rf_plan_emit_forward(part->plan, part->sequence));
    RF_TRY(emit_ranks(e, part, control, base));
    return rf_observe_emit(part->sequence, rf_plan_loss(part->plan), control, observed, &record);
}

rf_status rf_evaluator_allocate(rf_evaluator *e, const rf_plan_memory *memory, rf_feeder *feeder,
                                const int32_t *images) {
    const size_t bytes = (size_t)e->count * sizeof *images;
    e->feeder = feeder;
    if (e->count == 0) return RF_OK;
    if ((e->images = rf_alloc((size_t)e->count, sizeof *e->images)) == NULL) return RF_E_MEMORY;
    for (int i = 0; i < e->count; i++) e->images[i] = images != NULL ? images[e->first + i] : e->first + i;
    RF_TRY(rf_buffer_create(&e->order, e->device, bytes));
    RF_TRY(rf_buffer_write(e->order, 0, e->images, bytes));
    RF_TRY(rf_buffer_create(&e->ranks, e->device, bytes * PER_IMAGE));
    for (int i = 0; i < 2; i++)
        if (e->part[i].plan != NULL) RF_TRY(rf_plan_allocate(e->part[i].plan, memory));
    return RF_OK;
}

rf_status rf_evaluator_emit(rf_evaluator *e, rf_buffer *control, rf_buffer *observed) {
    for (int i = 0; i < 2; i++)
        if (e->part[i].plan != NULL) RF_TRY(emit_part(e, &e->part[i], control, observed));
    return RF_OK;
}

rf_status rf_evaluator_run(rf_evaluator *e, rf_evaluator_visit *visit, void *context) {
    int first = 0;
    if (rf_feeder_is_idle(e->feeder)) RF_TRY(rf_feeder_announce(e->feeder, e->images, (size_t)e->count));
    for (int i = 0; i < 2; i++) {
        const rf_evaluator_part *part = &e->part[i];
        for (int b = 0; b < part->batches; b++, first += part->batch) {
            RF_TRY(rf_feeder_stage(e->feeder, e->images + first, part->batch));
            RF_TRY(e->profiled ? rf_sequence_run_profiled(part->sequence) : rf_sequence_run(part->sequence));
            if (visit != NULL) RF_TRY(visit(context, part, first));
        }
    }
    return RF_OK;
}

void rf_evaluator_release(rf_evaluator *e) {
    for (int i = 0; i < 2; i++) {
        rf_sequence_free(e->part[i].sequence);
        rf_plan_free(e->part[i].plan);
    }
    rf_buffer_free(e->order);
    rf_buffer_free(e->ranks);
    free(e->images);
    *e = (rf_evaluator){0};
}

/* ---- results ---- */

rf_status rf_evaluator_read(rf_evaluation **out, const rf_evaluator *e, const int32_t *labels) {
    const size_t count = (size_t)e->count;
    *out = NULL;
    rf_evaluation *r = rf_alloc(1, sizeof *r);
    int32_t *ranks = rf_alloc(count * PER_IMAGE, sizeof *ranks);
    rf_status status = r != NULL && ranks != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK && (r->label = rf_alloc(count * 3, sizeof *r->label)) == NULL) status = RF_E_MEMORY;
    if (status == RF_OK && count > 0)
        status = rf_buffer_read(e->ranks, 0, ranks, count * PER_IMAGE * sizeof *ranks);
    if (status == RF_OK) {
        size_t right = 0, right5 = 0;
        r->predicted = r->label + count;
        r->rank = r->predicted + count;
        r->count = count;
        r->classes = e->classes;
        for (size_t i = 0; i < count; i++) {
            r->label[i] = labels[e->images[i]];
            r->predicted[i] = ranks[i * PER_IMAGE + PREDICTED];
            r->rank[i] = ranks[i * PER_IMAGE + RANK];
            right += r->rank[i] == 0;
            right5 += r->rank[i] < 5;
        }
        float all[] = {(float)right, (float)right5}; /* exact: there are fewer than 2^24 */
        status = rf_dist_sum(e->dist, all, RF_COUNT(all));
        r->accuracy = (double)all[0] / e->total;
        r->accuracy5 = (double)all[1] / e->total;
    }
    if (status == RF_OK)
        *out = r;
    else
        rf_evaluation_free(r);
    free(ranks);
    return status;
}

void rf_evaluation_free(rf_evaluation *evaluation) {
    if (evaluation == NULL) return;
    free(evaluation->label);
    free(evaluation);
}

void rf_evaluation_confusion(size_t *out, const rf_evaluation *r) {
    const size_t classes = (size_t)r->classes;
    memset(out, 0, classes * classes * sizeof *out);
    for (size_t i = 0; i < r->count; i++) out[(size_t)r->label[i] * classes + (size_t)r->predicted[i]]++;
}
