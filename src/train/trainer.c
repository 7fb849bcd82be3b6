/* Making and freeing trainers: defaults, memory, plans. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rangefinder/version.h"
#include "train/exchange.h"
#include "train/state.h"

static rf_status check_given(const rf_trainer_desc *d) {
    if (d->device == NULL || d->model == NULL || d->dataset == NULL)
        return rf_fail(RF_E_USAGE, "a trainer needs a device, a model and a data set");
    if (!d->model->finished)
        return rf_fail(RF_E_USAGE, "the network '%s' is not finished: call rf_model_finish", d->model->name);
    for (size_t g = 0; g < d->group_count; g++)
        if (d->groups == NULL || d->groups[g].pattern == NULL)
            return rf_fail(RF_E_USAGE, "group %zu of %zu has no pattern", g, d->group_count);
    return RF_OK;
}

static rf_status check_loss(const rf_trainer_desc *d) {
    if (!(d->label_smoothing >= 0 && d->label_smoothing <= 1))
        return rf_fail(RF_E_USAGE, "label smoothing is %g; it must lie in 0..1", d->label_smoothing);
    if (strcmp(d->loss, "mse") == 0 && (d->label_smoothing > 0 || d->class_weights != NULL))
        return rf_fail(RF_E_USAGE, "label smoothing and class weights have no effect on the loss mse");
    for (int c = 0; d->class_weights != NULL && c < d->dataset->classes; c++)
        if (!(d->class_weights[c] >= 0) || isinf(d->class_weights[c]))
            return rf_fail(RF_E_USAGE, "class %d has weight %g; it must be a number of 0 or above", c,
                           (double)d->class_weights[c]);
    return RF_OK;
}

static rf_order_desc order_of(const rf_trainer_desc *d) {
    return (rf_order_desc){.count = d->dataset->count,
                           .batch = d->batch,
                           .validation = d->validation,
                           .no_shuffle = d->no_shuffle,
                           .seed = d->seed,
                           .rank = rf_dist_rank(d->dist),
                           .ranks = rf_dist_size(d->dist)};
}

static rf_status check_desc(rf_trainer_desc *d) {
    const rf_dataset *data = d->dataset;
    if (d->batch == 0) d->batch = 64;
    if (d->accumulate == 0) d->accumulate = 1;
    if (d->loss == NULL) d->loss = "cross_entropy";
    if (d->recompute == NULL) d->recompute = "auto";
    if (rf_op_find(d->loss) != NULL) d->loss = rf_op_find(d->loss)->name; /* the caller may free its string */
    if (d->batch < 1 || d->accumulate < 1 || d->validation < 0)
        return rf_fail(
            RF_E_USAGE,
            "batch %d, accumulate %d, validation %d: batch and accumulate must be at least 1, validation 0",
            d->batch, d->accumulate, d->validation);
    if (rf_trainer_order_bytes(d) > INT32_MAX)
        return rf_fail(RF_E_USAGE, "batch %d times %d micro-batches is too large", d->batch, d->accumulate);
    RF_TRY(rf_check_images(d->model, data));
    if (d->validation_data != NULL) {
        if (d->validation > 0)
            return rf_fail(RF_E_USAGE,
                           "validation images are given, and %d to be held out besides; choose one",
                           d->validation);
        rf_status status = d->validation_data->count > 0 ? rf_check_images(d->model, d->validation_data)
                                                         : rf_fail(RF_E_INPUT, "there are no images");
        if (status != RF_OK) return rf_fail_prefix(status, "validation data");
    }
    const rf_order_desc order = order_of(d);
    RF_TRY(rf_order_check(&order));
    RF_TRY(rf_clip_check(d));
    return check_loss(d);
}

static rf_status parse_augmentation(rf_trainer *t) {
    const rf_trainer_desc *d = &t->desc;
    const rf_augment_images images = {.channels = d->dataset->channels,
                                      .height = d->dataset->height,
                                      .width = d->dataset->width,
                                      .batch = d->batch,
                                      .first = rf_dist_rank(d->dist) * d->batch,
                                      .mean = t->mean};
    RF_TRY(rf_augmentation_parse(&t->augmentation, d->augment, &images));
    if (t->augmentation.mixes && strcmp(d->loss, "cross_entropy") != 0)
        return rf_fail(RF_E_USAGE, "mixup and cutmix need the loss cross_entropy, and it is %s", d->loss);
    return RF_OK;
}

static rf_status make_memory(rf_trainer *t) {
    rf_device *device = t->desc.device;
    size_t flat = t->weights->trained_floats * sizeof(float);
    size_t order = rf_trainer_order_bytes(&t->desc);
    uint32_t rng[4] = {(uint32_t)t->desc.seed, (uint32_t)(t->desc.seed >> 32), 0,
                       (uint32_t)rf_dist_rank(t->desc.dist)};
    const size_t numbers = RF_SEGMENT * rf_trainer_numbers(t) * sizeof(float);
    if ((t->slot = rf_alloc((size_t)t->slots, sizeof(rf_buffer *))) == NULL) return RF_E_MEMORY;
    for (int i = 0; i < t->slots; i++) {
        RF_TRY(rf_buffer_create_zeroed(&t->slot[i], device, flat));
        if (t->setup.optimizer->copies >> i & 1)
            RF_TRY(rf_buffer_copy(t->slot[i], 0, t->weights->params, 0, flat));
    }
    RF_TRY(rf_ema_create(t));
    rf_buffer *evaluated =
        t->setup.optimizer->evaluated > 0 ? t->slot[t->setup.optimizer->evaluated - 1] : t->ema;
    if (evaluated != NULL) RF_TRY(rf_weights_view(&t->averaged, t->weights, evaluated));
    if (t->desc.accumulate > 1) RF_TRY(rf_buffer_create_zeroed(&t->sum, device, flat));
    RF_TRY(rf_buffer_create(&t->rng, device, sizeof rng));
    RF_TRY(rf_buffer_write(t->rng, 0, rng, sizeof rng));
    RF_TRY(rf_buffer_create_zeroed(&t->control, device, RF_CONTROL_WORDS * sizeof(uint32_t)));
    RF_TRY(rf_buffer_create(&t->order_table, device, order));
    RF_TRY(rf_buffer_create(&t->numbers, device, numbers));
    RF_TRY(rf_buffer_create(&t->losses, device, RF_SEGMENT * sizeof(float)));
    RF_TRY(rf_buffer_create(&t->observed, device, RF_SEGMENT * sizeof(float)));
    t->order_host = rf_alloc(order, 1);
    t->numbers_host = rf_alloc(numbers, 1);
    if (t->order_host == NULL || t->numbers_host == NULL) return RF_E_MEMORY;
    RF_TRY(rf_loss_scale_create(t));
    RF_TRY(rf_sums_prepare(t));
    return rf_update_prepare(t);
}

static rf_status make_feeder(rf_feeder **out, const rf_trainer *t, const rf_dataset *dataset, int batch) {
    return rf_feeder_create(out, &(rf_feeder_desc){.device = t->desc.device,
                                                   .dataset = dataset,
                                                   .mean = t->mean,
                                                   .std = t->std,
                                                   .batch = batch,
                                                   .streaming = t->streaming});
}

/* The plans' memory, and the validation images, which are a part of the data set or another. */
static rf_status allocate_plans(rf_trainer *t) {
    const rf_plan_memory memory = {t->weights, t->rng, t->control, t->desc.sync_bn ? t->desc.dist : NULL},
                         evaluated = {rf_trainer_evaluated(t), t->rng, t->control, NULL};
    const rf_dataset *other = t->desc.validation_data;
    RF_TRY(rf_plan_allocate(t->plan, &memory));
    if (other == NULL)
        return rf_evaluator_allocate(&t->validation, &evaluated, t->feeder,
                                     rf_order_validation(t->order, NULL));
    RF_TRY(make_feeder(&t->validation_feeder, t, other, RF_MAX(t->validation.part[0].batch, 1)));
    return rf_evaluator_allocate(&t->validation, &evaluated, t->validation_feeder, NULL);
}

static rf_status build(rf_trainer *t, rf_model *emptied) {
    const rf_trainer_desc *d = &t->desc;
    const rf_order_desc order = order_of(d);
    RF_TRY(rf_order_create(&t->order, &order));
    RF_TRY(rf_normalisation(t->mean, t->std, d->model, d->dataset, d->mean, d->std));
    RF_TRY(make_feeder(&t->feeder, t, d->dataset, RF_MAX(d->batch, t->validation.part[0].batch)));
    if (t->augmentation.count > 0)
        RF_TRY(rf_augmenter_create(&t->augmenter, t->feeder, &t->augmentation, d->seed));
    RF_TRY(rf_weights_create(&t->weights, d->device, d->model, emptied, t->trained, true));
    RF_TRY(rf_groups_create(t));
    RF_TRY(make_memory(t));
    return allocate_plans(t);
}

/* All but the launches. The caller frees *out, also on failure. */
static rf_status prepare(rf_trainer **out, const rf_trainer_desc *desc, rf_model *emptied, int processes) {
    *out = NULL;
    RF_TRY(check_given(desc));
    rf_trainer *t = *out = rf_alloc(1, sizeof *t);
    if (t == NULL) return RF_E_MEMORY;
    t->desc = *desc;
    t->classes = desc->model->images.classes;
    RF_TRY(rf_optimizer_parse(&t->setup, desc->optimizer));
    t->slots = rf_optimizer_slots(&t->setup);
    RF_TRY(check_desc(&t->desc));
    RF_TRY(parse_augmentation(t));
    RF_TRY(rf_ema_check(t));
    RF_TRY(rf_groups_freeze(t));
    RF_TRY(rf_trainer_budget(t, processes));
    return build(t, emptied);
}

/* All ranks have to train the same, from the same state. */
static rf_status join_ranks(rf_trainer *t) {
    const rf_trainer_desc *d = &t->desc;
    rf_state texts = {0};
    rf_str all = {0};
    if (d->dist == NULL) return RF_OK;
    rf_status status = rf_dist_agree(d->dist, rf_trainer_add_texts(&texts, t));
    rf_str_addf(&all,
                "version %s\nnetwork %s\ndevice %s, %s\nfloats %zu\nloss %s, label smoothing %g\n"
                "sync_bn %d\n",
                rf_version(), d->model->name, rf_device_describe(d->device)->name,
                rf_device_describe(d->device)->driver, t->weights->trained_floats, d->loss,
                d->label_smoothing, d->sync_bn);
    for (size_t i = 0; i < texts.text_count; i++)
        rf_str_addf(&all, "%s %s\n", texts.texts[i].name, texts.texts[i].text);
    if (status == RF_OK) status = rf_dist_agree(d->dist, rf_str_status(&all));
    if (status == RF_OK) status = rf_dist_same(d->dist, all.data);
    if (status == RF_OK) status = rf_exchange_state(t);
    rf_str_free(&all);
    rf_state_clear(&texts);
    return status;
}

rf_status rf_trainer_create_emptying(rf_trainer **out, const rf_trainer_desc *desc, rf_model *emptied) {
    rf_trainer *t;
    *out = NULL;
    rf_status status = prepare(&t, desc, emptied, 1);
    if (status == RF_OK) status = rf_trainer_emit(t);
    status = rf_dist_agree(desc->dist, status);
    if (status == RF_OK) status = join_ranks(t);
    if (status != RF_OK) {
        rf_trainer_free(t);
        return status;
    }
    t->desc.model = NULL; /* the caller's, who may free them now */
    t->desc.optimizer = t->desc.augment = t->desc.recompute = NULL;
    t->desc.groups = NULL;
    t->desc.freeze = t->desc.decay_exclude = NULL;
    t->desc.class_weights = NULL;
    t->desc.mean = t->desc.std = NULL;
    *out = t;
    return RF_OK;
}

rf_status rf_trainer_create_sized(rf_trainer **out, const rf_trainer_desc *given, size_t size) {
    rf_trainer_desc desc;
    *out = NULL;
    RF_TRY(rf_desc_copy(&desc, sizeof desc, given, size));
    return rf_trainer_create_emptying(out, &desc, NULL);
}

static rf_status compile(rf_trainer *t) {
    int steps = (int)rf_plan_step_count(t->plan);
    RF_TRY(rf_plan_compile(t->plan, steps - 1, steps));
    RF_TRY(rf_trainer_run_idle(t)); /* not first: the other process builds that program first */
    RF_TRY(rf_plan_compile(t->plan, 0, steps - 1));
    for (int i = 0; i < 2; i++) {
        rf_plan *plan = t->validation.part[i].plan;
        if (plan != NULL) RF_TRY(rf_plan_compile(plan, 0, (int)rf_plan_step_count(plan)));
    }
    return RF_OK;
}

rf_status rf_trainer_compile(const rf_trainer_desc *desc) {
    rf_trainer *t;
    rf_status status = prepare(&t, desc, NULL, 2); /* this one and the process that it helps */
    if (status == RF_OK) status = compile(t);
    rf_trainer_free(t);
    return status;
}

void rf_trainer_free(rf_trainer *t) {
    if (t == NULL) return;
    rf_device_drain(t->desc.device); /* whatever is still running uses the memory below */
    rf_buffer *buffers[] = {t->scalars, t->scaling, t->ema,         t->sum,     t->group,  t->part,
                            t->rng,     t->control, t->order_table, t->numbers, t->losses, t->observed};
    for (int i = 0; i < RF_PHASES; i++) rf_sequence_free(t->phase[i]);
    rf_evaluator_release(&t->validation);
    rf_plan_free(t->plan);
    for (size_t i = 0; i < RF_COUNT(buffers); i++) rf_buffer_free(buffers[i]);
    for (int i = 0; t->slot != NULL && i < t->slots; i++) rf_buffer_free(t->slot[i]);
    rf_update_release(t);
    rf_trainer_forget_snapshot(t);
    rf_weights_free(t->averaged);
    rf_weights_free(t->weights);
    rf_augmenter_free(t->augmenter);
    rf_augmentation_release(&t->augmentation);
    rf_feeder_free(t->feeder);
    rf_feeder_free(t->validation_feeder);
    rf_order_free(t->order);
    rf_optimizer_release(&t->setup);
    free(t->slot);
    free(t->trained);
    free(t->texts.freeze);
    free(t->texts.decay_exclude);
    free(t->texts.groups);
    free(t->order_host);
    free(t->numbers_host);
    free(t);
}

rf_status rf_trainer_export(rf_trainer *trainer, rf_model *model) {
    return rf_weights_export(rf_trainer_evaluated(trainer), model);
}
