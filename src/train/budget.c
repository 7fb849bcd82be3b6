/* A trainer's memory budget, before it allocates: the sum of all that it will need against what is available, and, if
 * that is too little, the batch and image size that fit. */
#include <stdlib.h>
#include <string.h>

#include "data/source.h"
#include "train/need.h"
#include "train/trainer.h"

/* ---- plans ---- */

/* limit: of the tensors of training; 0: none. */
static rf_status make_plans(rf_trainer *t, size_t limit) {
    const rf_trainer_desc *d = &t->desc;
    const rf_plan_desc plan = {.device = d->device,
                               .model = d->model,
                               .batch = d->batch,
                               .training = true,
                               .trained = t->trained,
                               .loss = d->loss,
                               .label_smoothing = d->label_smoothing,
                               .mixed = t->augmentation.mixes,
                               .half = d->half,
                               .class_weights = d->class_weights,
                               .class_weight_count = d->class_weights != NULL ? d->dataset->classes : 0,
                               .loss_gradient = rf_trainer_share(t),
                               .limit_bytes = limit,
                               .recompute_cheap = strcmp(d->recompute, "auto") == 0};
    rf_plan_desc evaluation = plan;
    evaluation.batch = 0;
    evaluation.limit_bytes = 0;
    evaluation.mixed = false;
    RF_TRY(rf_plan_create(&t->plan, &plan));
    return rf_evaluator_plan(&t->validation, &evaluation,
                             d->validation_data != NULL ? d->validation_data->count : d->validation,
                             t->desc.dist);
}

static void free_plans(rf_trainer *t) {
    rf_plan_free(t->plan);
    rf_evaluator_release(&t->validation);
}

/* ---- needed and available ---- */

size_t rf_trainer_order_bytes(const rf_trainer_desc *d) {
    return (size_t)RF_SEGMENT * (size_t)d->accumulate * (size_t)d->batch * sizeof(int32_t);
}

static rf_need need_of(const rf_trainer *t) {
    const rf_trainer_desc *d = &t->desc;
    const rf_dataset *data = d->dataset;
    const size_t label = sizeof(int32_t), count = (size_t)data->count, order = rf_trainer_order_bytes(d);
    const size_t image = (size_t)data->channels * (size_t)data->height * (size_t)data->width + label;
    const size_t alignment = RF_MAX(rf_device_describe(d->device)->alignment_bytes, 64);
    size_t trained, states;
    rf_weights_measure(&trained, &states, d->device, d->model, t->trained);
    const size_t numbers = rf_trainer_numbers(t);
    const size_t views = rf_augmenter_bytes(&t->augmentation);
    const size_t update = rf_update_bytes(t, alignment / sizeof(float), trained) + rf_sums_bytes(t, trained);
    trained *= sizeof(float);
    states *= sizeof(float);
    const size_t kept = trained + (size_t)(t->slots + (d->ema > 0)) * trained +
                        states; /* the range test keeps a copy of it */
    const size_t gradients = trained * (d->accumulate > 1 ? 2 : 1);
    rf_need n = {.device = 2 * kept + gradients + rf_groups_bytes(d, trained / alignment) + order +
                           RF_SEGMENT * (numbers + 2) * sizeof(float) + update + views,
                 .host = order + RF_SEGMENT * numbers * sizeof(float) +
                         2 * count * label /* the epoch's orders */ + 2 * views,
                 .resident = count * image,
                 .staged = (size_t)RF_MAX(d->batch, t->validation.part[0].batch) * image,
                 .piece = trained};
    if (rf_dataset_decodes(data)) n.host += data->source->memory_bytes + RF_BATCHES_AHEAD * n.staged;
    if (d->validation_data != NULL) n.resident += (size_t)d->validation_data->count * image;
    n.repeated = rf_plan_repeated(t->plan).share > 0;
    n.piece = RF_MAX(n.piece, rf_plan_largest_bytes(t->plan));
    n.device += rf_plan_memory_bytes(t->plan) + rf_evaluator_bytes(&t->validation, &n.piece);
    return n;
}

const char *const *rf_recompute_names(void) {
    static const char *const names[] = {"auto", "on", "off", NULL};
    return names;
}

static rf_status check_recompute(const char *given) {
    for (const char *const *name = rf_recompute_names(); *name != NULL; name++)
        if (strcmp(given, *name) == 0) return RF_OK;
    return rf_fail(RF_E_USAGE, "recompute is '%s'; there are auto, on and off", given);
}

/* Makes the plans, with recomputation where it is asked for, or would make the training fit. */
static rf_status make_fitting_plans(rf_trainer *t, const rf_available *r) {
    const char *recompute = t->desc.recompute;
    RF_TRY(make_plans(t, strcmp(recompute, "on") == 0));
    if (strcmp(recompute, "auto") != 0) return RF_OK;
    const rf_need n = need_of(t);
    const size_t whole = rf_need_on_device(&n, r, true), tensors = rf_plan_memory_bytes(t->plan);
    if (whole <= r->device) return RF_OK;
    const size_t excess = whole - r->device;
    free_plans(t);
    return make_plans(t, excess < tensors ? tensors - excess : 1);
}

/* Whether the data set should not lie on the device. */
static bool must_stream(const rf_trainer *t, const rf_need *n, const rf_available *r) {
    const rf_device_info *info = rf_device_describe(t->desc.device);
    const rf_dataset *validation = t->desc.validation_data;
    const char *forced = getenv("RANGEFINDER_STREAM"); /* for tests */
    return rf_dataset_decodes(t->desc.dataset) || (validation != NULL && rf_dataset_decodes(validation)) ||
           (info->max_alloc_bytes > 0 && n->resident > info->max_alloc_bytes) ||
           (info->memory_bytes > 0 && n->resident > info->memory_bytes / 2) || !rf_need_fits(n, r, false) ||
           (forced != NULL && strcmp(forced, "1") == 0);
}

/* ---- what would fit ---- */

typedef struct search {
    rf_trainer_desc desc;
    const rf_trainer *trainer;
    const rf_available *available;
} search;

/* Fails where such a trainer cannot be made at all. */
static rf_status try_desc(bool *enough, const search *s, const rf_trainer_desc *desc) {
    rf_trainer probe = {.desc = *desc,
                        .setup = s->trainer->setup,
                        .slots = s->trainer->slots,
                        .trained = s->trainer->trained,
                        .augmentation = s->trainer->augmentation};
    probe.augmentation.images.batch = desc->batch;
    rf_status status = make_fitting_plans(&probe, s->available);
    *enough = false;
    if (status == RF_OK) {
        const rf_need n = need_of(&probe);
        *enough = rf_need_fits(&n, s->available, true) || rf_need_fits(&n, s->available, false);
    }
    free_plans(&probe);
    return status;
}

static bool would_fit(const search *s, int batch, int accumulate, int validation) {
    rf_trainer_desc desc = s->desc;
    bool enough;
    desc.batch = batch;
    desc.accumulate = accumulate;
    desc.validation = validation;
    return try_desc(&enough, s, &desc) == RF_OK && enough;
}

/* The largest batch below the one asked for, or the largest number of validation images; 0: none. */
static int largest(const search *s, bool validation) {
    /* The need grows up to two batches of validation images; if more than that does not fit, two batches do not,
     * either. */
    int low = 0, high = validation ? RF_MIN(s->desc.validation, 2 * RF_EVALUATION_BATCH - 1) : s->desc.batch;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        const bool fit = would_fit(s, validation ? s->desc.batch : middle, s->desc.accumulate,
                                   validation ? middle : s->desc.validation);
        *(fit ? &low : &high) = middle;
    }
    return low;
}

/* The network for images of another size, without values; NULL: the network does not accept them. */
static rf_model *resized(const rf_model *from, int height, int width) {
    rf_image_shape images = {from->images.channels, height, width, from->images.classes};
    rf_model *model;
    if (rf_model_begin(&model, from->name, images) != RF_OK) return NULL;
    rf_status status = RF_OK;
    for (int i = 1; i < from->node_count && status == RF_OK; i++) {
        const rf_node *node = &from->nodes[i];
        status = rf_model_add_node(model, node->op, node->name, &node->attrs, node->inputs, node->input);
    }
    model->output = from->output;
    if (status == RF_OK) return model;
    rf_model_free(model);
    return NULL;
}

/* Whether images of `side`, the longer one, are too large; *usable: neither too large nor too small for the network. */
static bool too_large(const search *s, int side, rf_dataset *data, bool *usable) {
    const rf_dataset *from = s->desc.dataset;
    const int longer = RF_MAX(from->height, from->width);
    rf_trainer_desc desc = s->desc;
    bool enough;
    *data = *from;
    data->height = RF_MAX((int)((int64_t)from->height * side / longer), 1);
    data->width = RF_MAX((int)((int64_t)from->width * side / longer), 1);
    rf_model *model = resized(s->desc.model, data->height, data->width);
    desc.model = model;
    desc.dataset = data;
    const bool made = model != NULL && try_desc(&enough, s, &desc) == RF_OK;
    rf_model_free(model);
    *usable = made && enough;
    return made && !enough;
}

static void add_image_size(rf_str *text, const search *s, const char *before) {
    const rf_dataset *from = s->desc.dataset;
    rf_dataset data;
    bool usable = false;
    int low = 1, high = RF_MAX(from->height, from->width);
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        *(too_large(s, middle, &data, &usable) ? &high : &low) = middle;
    }
    too_large(s, low, &data, &usable);
    if (!usable) return;
    rf_str_addf(text, "%s --image-size ", before);
    if (data.height == data.width)
        rf_str_addf(text, "%d", data.height);
    else
        rf_str_addf(text, "%dx%d", data.height, data.width);
    rf_str_add(text, " or less");
}

static const char *or_less(int number) {
    return number > 1 ? " or less" : "";
}

static void add_batch(rf_str *text, const search *s, int batch) {
    const int product = s->desc.batch * s->desc.accumulate;
    int part = batch;
    rf_str_addf(text, "; use --batch %d%s", batch, or_less(batch));
    while (part > 0 && (product % part != 0 || !would_fit(s, part, product / part, s->desc.validation)))
        part--;
    if (part > 0)
        rf_str_addf(text, " (--batch %d --accumulate %d keeps %d images a step)", part, product / part,
                    product);
    add_image_size(text, s, ", or");
}

static rf_status fail(const rf_trainer *t, const rf_need *n, const rf_available *r) {
    const rf_trainer_desc *d = &t->desc;
    const search s = {*d, t, r};
    search recomputing = s, halved = s;
    rf_str text = {0};
    rf_need_add_excess(&text, n, r, d->model, d->dataset, d->batch);
    rf_need without_cache = *n;
    if (rf_dataset_decodes(d->dataset)) without_cache.host -= d->dataset->source->memory_bytes;
    const bool cache = rf_need_fits(&without_cache, r, true);
    recomputing.desc.recompute = "auto";
    halved.desc.half = true;
    const bool again =
        strcmp(d->recompute, "off") == 0 && would_fit(&recomputing, d->batch, d->accumulate, d->validation);
    const bool validation = d->validation > 0 && would_fit(&s, d->batch, d->accumulate, 0);
    const int batch = validation ? 0 : largest(&s, false);
    if (cache)
        rf_str_add(&text, "; use a smaller --cache-images");
    else if (again)
        rf_str_add(&text, "; use --recompute auto");
    else if (validation) {
        const int images = largest(&s, true);
        rf_str_addf(&text, "; use --validation %d%s", images, or_less(images));
    } else if (batch > 0)
        add_batch(&text, &s, batch);
    else {
        rf_str_add(&text, "; not even --batch 1 fits: use a smaller network");
        add_image_size(&text, &s, " or");
    }
    if (!d->half && would_fit(&halved, d->batch, d->accumulate, d->validation))
        rf_str_add(&text, "; or --half, for activations of 16 bits");
    rf_status status = text.failed ? RF_E_MEMORY : rf_fail(RF_E_MEMORY, "%s", rf_str_text(&text));
    rf_str_free(&text);
    return status;
}

rf_status rf_trainer_budget(rf_trainer *t, int processes) {
    const rf_available r = rf_available_to(t->desc.device, (size_t)processes);
    RF_TRY(check_recompute(t->desc.recompute));
    RF_TRY(make_fitting_plans(t, &r));
    if (t->desc.half && !rf_plan_has_halves(t->plan))
        return rf_fail(RF_E_USAGE, "half has no effect: %s stores floats alone",
                       rf_device_describe(t->desc.device)->name);
    const rf_need n = need_of(t);
    t->streaming = must_stream(t, &n, &r);
    return rf_need_fits(&n, &r, t->streaming) ? RF_OK : fail(t, &n, &r);
}
