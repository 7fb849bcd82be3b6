/* Evaluations without a trainer: of a network with its own weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/source.h"
#include "graph/fold_norms.h"
#include "kernels/common/control.clh"
#include "train/evaluator.h"
#include "train/need.h"

typedef struct evaluation {
    rf_evaluate_desc desc;
    rf_model *folded; /* desc.model with its batch norms folded; NULL: as it is */
    rf_evaluator evaluator;
    rf_weights *weights;
    rf_feeder *feeder;
    rf_buffer *control, *observed;
    float *scores; /* of a batch; NULL: not wanted */
    double mean[16], std[16];
} evaluation;

static rf_status check(evaluation *e) {
    const rf_evaluate_desc *d = &e->desc;
    if (d->device == NULL || d->model == NULL || d->dataset == NULL)
        return rf_fail(RF_E_USAGE, "an evaluation needs a device, a model and a data set");
    if (!d->model->finished)
        return rf_fail(RF_E_USAGE, "the network '%s' is not finished: call rf_model_finish", d->model->name);
    if (d->dataset->count < 1) return rf_fail(RF_E_INPUT, "%s: there are no images", d->dataset->name);
    if (d->batch < 0) return rf_fail(RF_E_USAGE, "batch is %d; it must be above 0", d->batch);
    RF_TRY(rf_check_images(d->model, d->dataset));
    return rf_normalisation(e->mean, e->std, d->model, d->dataset, d->mean, d->std);
}

/* ---- memory ---- */

static const rf_model *model_of(const evaluation *e) {
    return e->folded != NULL ? e->folded : e->desc.model;
}

static rf_need need_of(const evaluation *e) {
    const rf_evaluate_desc *d = &e->desc;
    const rf_dataset *data = d->dataset;
    const size_t batch = (size_t)e->evaluator.part[0].batch, count = (size_t)data->count;
    size_t trained, states;
    rf_weights_measure(&trained, &states, d->device, model_of(e), NULL);
    rf_need n = {.device = (trained + states) * sizeof(float),
                 .host = batch * (size_t)d->model->images.classes * sizeof(float) +
                         count * (1 + 5) * sizeof(int32_t) /* the order; what rf_evaluator_read makes */,
                 .staged = batch * (rf_dataset_image_bytes(data) + sizeof(int32_t)),
                 .piece = RF_MAX(trained, states) * sizeof(float)};
    if (rf_dataset_decodes(data)) n.host += data->source->memory_bytes + RF_BATCHES_AHEAD * n.staged;
    n.device += rf_evaluator_bytes(&e->evaluator, &n.piece);
    return n;
}

/* Makes the plans for a batch, without their memory.  batch: 0: as many images as make sense. */
static rf_status plan_batch(bool *enough, evaluation *e, const rf_available *r, int batch) {
    const rf_evaluate_desc *d = &e->desc;
    rf_evaluator_release(&e->evaluator);
    RF_TRY(rf_evaluator_plan(&e->evaluator,
                             &(rf_plan_desc){.device = d->device,
                                             .model = model_of(e),
                                             .batch = batch,
                                             .loss = d->loss != NULL ? d->loss : "cross_entropy",
                                             .label_smoothing = d->label_smoothing},
                             d->dataset->count, NULL));
    const rf_need n = need_of(e);
    *enough = rf_need_fits(&n, r, true);
    return RF_OK;
}

/* largest: the batch that fits; 0: none. */
static rf_status fail(const evaluation *e, const rf_need *n, const rf_available *r, int batch, int largest) {
    rf_str text = {0};
    rf_need_add_excess(&text, n, r, e->desc.model, e->desc.dataset, batch);
    if (largest > 0)
        rf_str_addf(&text, "; use --batch %d", largest);
    else
        rf_str_addf(&text, "; not even %s fits: use a smaller network, or another --device",
                    e->desc.batch > 0 ? "--batch 1" : "one image at a time");
    const rf_status status = text.failed ? RF_E_MEMORY : rf_fail(RF_E_MEMORY, "%s", rf_str_text(&text));
    rf_str_free(&text);
    return status;
}

/* The plans for the batch that is asked for, or, where none is, for the largest that fits. */
static rf_status make_fitting_plans(evaluation *e) {
    const rf_available r = rf_available_to(e->desc.device, 1);
    bool enough;
    RF_TRY(plan_batch(&enough, e, &r, e->desc.batch));
    if (enough) return RF_OK;
    const rf_need n = need_of(e);
    const int batch = e->evaluator.part[0].batch;
    int low = 0, high = batch;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        RF_TRY(plan_batch(&enough, e, &r, middle));
        *(enough ? &low : &high) = middle;
    }
    if (e->desc.batch == 0 && low > 0) return plan_batch(&enough, e, &r, low);
    return fail(e, &n, &r, batch, low);
}

/* ---- the evaluation ---- */

static rf_status prepare(evaluation *e) {
    const rf_evaluate_desc *d = &e->desc;
    const uint32_t words[RF_CONTROL_WORDS] = {0};
    if (rf_fusion_wanted(d->device)) RF_TRY(rf_model_fold_norms(&e->folded, d->model));
    RF_TRY(make_fitting_plans(e));
    const int batch = e->evaluator.part[0].batch;
    RF_TRY(rf_feeder_create(&e->feeder, &(rf_feeder_desc){.device = d->device,
                                                          .dataset = d->dataset,
                                                          .mean = e->mean,
                                                          .std = e->std,
                                                          .batch = batch,
                                                          .streaming = true}));
    RF_TRY(rf_weights_create(&e->weights, d->device, model_of(e), e->folded, NULL, false));
    RF_TRY(rf_buffer_create(&e->control, d->device, sizeof words));
    RF_TRY(rf_buffer_write(e->control, 0, words, sizeof words));
    RF_TRY(rf_buffer_create(&e->observed, d->device, sizeof(float)));
    if (d->scores != NULL) {
        e->scores = rf_alloc((size_t)batch * (size_t)d->model->images.classes, sizeof(float));
        if (e->scores == NULL) return RF_E_MEMORY;
    }
    const rf_plan_memory memory = {.weights = e->weights, .control = e->control};
    RF_TRY(rf_evaluator_allocate(&e->evaluator, &memory, e->feeder, NULL));
    return rf_evaluator_emit(&e->evaluator, e->control, e->observed);
}

static rf_status visit(void *context, const rf_evaluator_part *part, int first) {
    const evaluation *e = context;
    const size_t bytes = (size_t)part->batch * (size_t)e->evaluator.classes * sizeof *e->scores;
    RF_TRY(rf_buffer_read(rf_plan_scores(part->plan), 0, e->scores, bytes));
    if (e->desc.scores(e->desc.context, (size_t)first, (size_t)part->batch, e->scores)) return RF_OK;
    return rf_fail(RF_E_INTERRUPTED, "interrupted");
}

static rf_status run(rf_evaluation **out, evaluation *e) {
    float loss;
    RF_TRY(rf_evaluator_run(&e->evaluator, e->scores != NULL ? visit : NULL, e));
    RF_TRY(rf_buffer_read(e->observed, 0, &loss, sizeof loss));
    RF_TRY(rf_evaluator_read(out, &e->evaluator, e->desc.dataset->labels));
    (*out)->loss = (double)loss;
    return RF_OK;
}

static void release(evaluation *e) {
    if (e->desc.device != NULL) rf_device_drain(e->desc.device);
    rf_evaluator_release(&e->evaluator);
    rf_weights_free(e->weights);
    rf_model_free(e->folded);
    rf_feeder_free(e->feeder);
    rf_buffer_free(e->control);
    rf_buffer_free(e->observed);
    free(e->scores);
}

rf_status rf_evaluate_sized(rf_evaluation **out, const rf_evaluate_desc *desc, size_t size) {
    evaluation e = {.control = NULL};
    *out = NULL;
    RF_TRY(rf_desc_copy(&e.desc, sizeof e.desc, desc, size));
    rf_status status = check(&e);
    if (status == RF_OK) status = prepare(&e);
    if (status == RF_OK) status = run(out, &e);
    release(&e);
    return status;
}

static rf_status profile(evaluation *e, rf_status (*show)(void *, rf_sequence *), void *context) {
    rf_evaluation *found = NULL;
    RF_TRY(check(e));
    RF_TRY(prepare(e));
    e->evaluator.profiled = true;
    RF_TRY(rf_device_profile(e->desc.device, true));
    const rf_status status = run(&found, e);
    rf_evaluation_free(found);
    RF_TRY(rf_device_profile(e->desc.device, false));
    return status == RF_OK || status == RF_E_INTERRUPTED ? show(context, e->evaluator.part[0].sequence)
                                                         : status;
}

rf_status rf_evaluate_profiled(const rf_evaluate_desc *desc,
                               rf_status (*show)(void *context, rf_sequence *batch), void *context) {
    evaluation e = {.desc = *desc};
    const rf_status status = profile(&e, show, context);
    release(&e);
    return status;
}
