/* Options and session of the commands that train. */
#include "training.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"
#include "augment/augment.h"
#include "balancing.h"
#include "device/device.h"
#include "model/zoo.h"
#include "train/trainer.h"

#define AT(field) .offset = offsetof(rf_training, field)

static char augment_help[1024];

/* Every augmentation with its options' defaults. */
static void describe_augmentations(void) {
    rf_str help = {0};
    const rf_augment *augment;
    rf_str_add(&help, "change the images of training, at random; names, joined by +, with options:");
    for (size_t i = 0; (augment = rf_augment_at(i)) != NULL; i++) {
        rf_str_addf(&help, "%s %s", i > 0 ? ";" : "", augment->kind.name);
        for (const rf_spec_option *option = augment->kind.options; option->name != NULL; option++) {
            rf_str_addf(&help, " %s=", option->name);
            rf_spec_add_value(&help, option->def, rf_spec_numbers(option));
        }
    }
    snprintf(augment_help, sizeof augment_help, "%s", rf_str_text(&help));
    rf_str_free(&help);
}

/* ---- normalisation ---- */

static const char *const *normalisations(void) {
    static const char *const names[] = {"imagenet", NULL};
    return names;
}

/* Of ImageNet's pixels, as the networks of torchvision, timm and others were trained with. */
static rf_status take_imagenet(rf_numbers *out, bool deviation) {
    static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    double *values = rf_alloc(RF_COUNT(mean), sizeof *values);
    if (values == NULL) return RF_E_MEMORY;
    memcpy(values, deviation ? std : mean, sizeof mean);
    free(out->values);
    *out = (rf_numbers){values, RF_COUNT(mean)};
    return RF_OK;
}

static rf_status parse_std(void *target, const rf_option *option, const char *text) {
    return strcmp(text, "imagenet") == 0 ? take_imagenet(target, true) : rf_opt_numbers(target, option, text);
}

static rf_status parse_mean(void *target, const rf_option *option, const char *text) {
    rf_training *training = (rf_training *)((char *)target - offsetof(rf_training, mean));
    if (strcmp(text, "imagenet") != 0) return rf_opt_numbers(target, option, text);
    if (training->std.values == NULL) RF_TRY(take_imagenet(&training->std, true));
    return take_imagenet(target, false);
}

const rf_option *rf_training_rows(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const rf_option rows[] = {
        {"data", "SPEC",
         "images: a folder, IMAGES,LABELS (IDX files), a CIFAR .bin file, synthetic:CxHxW[,CLASSES[,COUNT]]",
         "digits:", .parse = rf_opt_text, AT(data), .choices = rf_data_choices, .files = true, .letter = 'd'},
        {"model", "NAME|FILE", "a network by name, or a file: in the model language, or ONNX", "simplecnn",
         .parse = rf_opt_text, AT(model), .choices = rf_model_names, .files = true, .letter = 'm'},
        {"device", "WHICH",
         "auto, cpu, gpu, reference, PLATFORM:DEVICE, or a part of a name; see 'rangefinder devices'; a list "
         "with commas: "
         "one a rank of mpirun",
         .parse = rf_opt_text, AT(device), .choices = rf_device_choices},
        {"batch", "N", "images a step, on each rank that mpirun starts", "64", .parse = rf_opt_int, AT(batch),
         .min = 1, .max = 65536, .letter = 'b'},
        {"global-batch", "N", "images a step, divided among the ranks that mpirun starts",
         .parse = rf_opt_int, AT(global_batch), .min = 1, .max = 1 << 24},
        {"sync-bn", NULL, "batch norm by the images of all ranks, rather than of each one alone",
         .parse = rf_opt_flag, AT(sync_bn)},
        {"optimizer", "NAME", "how parameters follow gradients:", "sgd", .parse = rf_opt_choice,
         AT(optimizer.name), .choices = rf_optimizer_names, .letter = 'o'},
        {"group", "PATTERN=X[,weight_decay=Y]",
         "parameters whose name matches (* and ?): X times the learning rate, and a weight decay of their "
         "own; "
         "repeatable",
         .parse = rf_opt_texts, AT(groups)},
        {"decay-exclude", "norm,bias",
         "no weight decay for the parameters of batch norm, for biases, for both", .parse = rf_opt_text,
         AT(decay_exclude)},
        {"freeze", "PATTERN,...", "parameters whose name matches (* and ?) are not trained",
         .parse = rf_opt_text, AT(freeze)},
        {"clip-norm", "X", "scale the gradient of all parameters down to this norm", .parse = rf_opt_number,
         AT(clip_norm), .min = 1e-12, .max = 1e12},
        {"clip-value", "X", "clip each number of the gradient to -X..X", .parse = rf_opt_number,
         AT(clip_value), .min = 1e-12, .max = 1e12},
        {"ema", "D", "validate and keep a moving average of the parameters with this decay, like 0.999",
         .parse = rf_opt_number, AT(ema), .min = 0, .max = 0.9999999},
        {"accumulate", "N", "batches whose gradients make one step", "1", .parse = rf_opt_int, AT(accumulate),
         .min = 1, .max = 65536},
        {"loss", "NAME", "what the training minimises:", "cross_entropy", .parse = rf_opt_choice, AT(loss),
         .choices = rf_loss_names},
        {"label-smoothing", "X", "of cross_entropy", "0", .parse = rf_opt_number, AT(label_smoothing),
         .min = 0, .max = 1},
        {"class-weights", "W,...", "of cross_entropy, one a class", .parse = rf_opt_numbers,
         AT(class_weights), .min = 0, .max = 1e6},
        {"balance", "HOW",
         "classes of unequal size: draw as many images of each as the smallest has (undersample) or the "
         "largest "
         "(oversample), or weight their losses by their number (weights) or effective number (effective):",
         .parse = rf_opt_choice, AT(balance), .choices = rf_balance_choices},
        {"augment", "SPEC", augment_help, .parse = rf_opt_text, AT(augment), .choices = rf_augment_names},
        {"recompute", "WHEN",
         "compute activations again in the backward pass rather than keep them, for less memory and the same "
         "results; auto: where the training does not fit otherwise:",
         "auto", .parse = rf_opt_choice, AT(recompute), .choices = rf_recompute_names},
        {"weights", "FILE",
         "start from these weights (safetensors, PyTorch's names); a last layer for other classes is "
         "replaced "
         "by a new one",
         .parse = rf_opt_text, AT(weights), .files = true},
        {"new-head", NULL, "replace the last layer by a new one, for the data's classes",
         .parse = rf_opt_flag, AT(new_head)},
        {"strict", NULL, "refuse --weights whose last layer does not fit, or that hold more",
         .parse = rf_opt_flag, AT(strict)},
        {"mean", "M,...|imagenet",
         "of pixels scaled to 0..1, one a channel or one for all (measured); imagenet sets --std, too",
         .parse = parse_mean, AT(mean), .min = -1e6, .max = 1e6, .choices = normalisations},
        {"std", "S,...|imagenet", "like --mean (measured)", .parse = parse_std, AT(std), .min = 1e-6,
         .max = 1e6, .choices = normalisations},
        RF_READING_OPTIONS(rf_training),
        {"no-shuffle", NULL, "images in the order of the files, again and again", .parse = rf_opt_flag,
         AT(no_shuffle)},
        {"skip-bad", NULL, "leave out images that cannot be read", .parse = rf_opt_flag, AT(skip_bad)},
        {"seed", "N", "of initialisation, order, dropout and augmentation", "0", .parse = rf_opt_seed,
         AT(seed)},
        RF_OPT_END,
    };
    pthread_once(&once, describe_augmentations);
    return rows;
}

void rf_training_release(rf_training *training) {
    rf_optimizing_free(&training->optimizer);
    free(training->class_weights.values);
    free(training->mean.values);
    free(training->std.values);
}

/* ---- interpreting the options ---- */

/* "fc*=10" or "fc*=10,weight_decay=0". */
static bool parse_group(rf_parameter_group *out, const char *text, const char *equals) {
    static const char decay[] = ",weight_decay=";
    char multiplier[64];
    if (equals == NULL || equals == text) return false;
    const char *behind = strstr(equals, decay);
    const size_t length = behind != NULL ? (size_t)(behind - equals - 1) : strlen(equals + 1);
    snprintf(multiplier, sizeof multiplier, "%.*s", (int)RF_MIN(length, sizeof multiplier), equals + 1);
    out->own_decay = behind != NULL;
    if (behind != NULL && !(rf_parse_number(&out->weight_decay, behind + strlen(decay)) &&
                            out->weight_decay >= 0 && out->weight_decay <= 1000))
        return false;
    return rf_parse_number(&out->lr_multiplier, multiplier) && out->lr_multiplier >= 1e-9 &&
           out->lr_multiplier <= 1e9;
}

/* The patterns are owned by the caller. */
static rf_status read_groups(rf_parameter_group groups[RF_MAX_REPEATS], const rf_texts *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->values[i], *equals = strchr(text, '=');
        if (!parse_group(&groups[i], text, equals))
            return rf_fail(
                RF_E_USAGE,
                "--group: '%s' is not PATTERN=MULTIPLIER, like 'fc*=10', with a multiplier above 0, "
                "or 'fc*=10,weight_decay=0', with a decay of 0 to 1000",
                text);
        if ((groups[i].pattern = rf_format("%.*s", (int)(equals - text), text)) == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

static rf_status check_exclusion(const char *text) {
    rf_exclusion unused;
    rf_status status = rf_exclusion_read(&unused, text);
    return status == RF_OK ? RF_OK : rf_fail_prefix(status, "--decay-exclude");
}

static rf_status check_weights(const rf_training *t) {
    if (!t->strict) return RF_OK;
    if (t->new_head) return rf_fail(RF_E_USAGE, "--strict and --new-head: give one of them");
    return t->weights != NULL ? RF_OK : rf_fail(RF_E_USAGE, "--strict has no effect without --weights");
}

static rf_status check_loss(const rf_training *t) {
    bool cross_entropy = strcmp(t->loss, "cross_entropy") == 0;
    if (t->class_weights.values != NULL && t->balance != NULL)
        return rf_fail(RF_E_USAGE, "--balance and --class-weights: give one of them");
    if (!cross_entropy && (t->label_smoothing > 0 || t->class_weights.values != NULL))
        return rf_fail(RF_E_USAGE, "--%s has no effect with --loss %s",
                       t->label_smoothing > 0 ? "label-smoothing" : "class-weights", t->loss);
    return RF_OK;
}

/* Of each rank. */
static rf_status choose_batch(int *batch, const rf_training *t, const rf_common *common) {
    const int ranks = rf_dist_size(common->dist), whole = t->global_batch;
    *batch = whole > 0 ? whole / ranks : t->batch;
    if (rf_settings_given(&common->settings, "batch") && rf_settings_given(&common->settings, "global-batch"))
        return rf_fail(RF_E_USAGE, "--batch and --global-batch: give one of them");
    if (whole == 0 || whole % ranks == 0) return RF_OK;
    return rf_fail(RF_E_USAGE, "--global-batch %d cannot be divided among %d ranks; use %d or %d", whole,
                   ranks, RF_MAX(whole / ranks, 1) * ranks, (whole / ranks + 1) * ranks);
}

/* One number a channel; a single one is repeated.  *out is owned; NULL where nothing was given. */
static rf_status per_channel(double **out, const rf_numbers *numbers, const char *option, int channels) {
    *out = NULL;
    if (numbers->values == NULL) return RF_OK;
    if (numbers->count != 1 && numbers->count != (size_t)channels)
        return rf_fail(RF_E_USAGE, "--%s: %zu numbers for images of %d channel%s; give 1 or %d%s", option,
                       numbers->count, channels, channels == 1 ? "" : "s", channels,
                       numbers->count == 3 && channels == 1 ? ", or read them as colour: --channels 3" : "");
    double *values = rf_alloc((size_t)channels, sizeof *values);
    if (values == NULL) return RF_E_MEMORY;
    for (int c = 0; c < channels; c++) values[c] = numbers->values[numbers->count == 1 ? 0 : c];
    *out = values;
    return RF_OK;
}

static rf_status class_weights(float **out, const rf_numbers *numbers, int classes) {
    *out = NULL;
    if (numbers->values == NULL) return RF_OK;
    if (numbers->count != (size_t)classes)
        return rf_fail(RF_E_USAGE, "--class-weights: %zu numbers for %d classes; give %d", numbers->count,
                       classes, classes);
    float *values = rf_alloc(numbers->count, sizeof *values);
    if (values == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < numbers->count; i++) values[i] = (float)numbers->values[i];
    *out = values;
    return RF_OK;
}

/* Before anything slow begins; the trainer reads it again, with the mean. */
static rf_status check_augment(const rf_training *training, const rf_dataset *data) {
    rf_augmentation augmentation;
    RF_TRY(rf_augmentation_parse(
        &augmentation, training->augment,
        &(rf_augment_images){data->channels, data->height, data->width, training->batch, NULL}));
    rf_augmentation_release(&augmentation);
    return RF_OK;
}

/* ---- notes ---- */

rf_status rf_session_note(rf_session *s, char *note) {
    char **notes = note != NULL ? rf_resize(s->notes, s->note_count + 2, sizeof *notes) : NULL;
    if (notes == NULL) {
        free(note);
        return RF_E_MEMORY;
    }
    s->notes = notes;
    notes[s->note_count++] = note;
    notes[s->note_count] = NULL;
    if (s->opened != NULL && strstr(rf_str_text(&s->opened->said), note) != NULL) return RF_OK;
    rf_say("%s", note);
    if (s->opened != NULL) rf_str_addf(&s->opened->said, "%s\n", note);
    return RF_OK;
}

static rf_status note_data(rf_session *s) {
    const rf_dataset *data = s->dataset;
    for (size_t i = 0; i < data->note_count; i++) RF_TRY(rf_session_note(s, rf_format("%s", data->notes[i])));
    s->bad_known = data->bad_count;
    if (data->bad_count == 0) return RF_OK;
    return rf_session_note(s, rf_format("%zu file%s left out; 'rangefinder data' lists them", data->bad_count,
                                        data->bad_count == 1 ? "" : "s"));
}

rf_status rf_session_note_bad(rf_session *s) {
    const size_t bad = s->dataset->bad_count - s->bad_known;
    if (bad == 0) return RF_OK;
    return rf_session_note(
        s, rf_format("%zu file%s could not be decoded, and another image of its class was read "
                     "instead; 'rangefinder data' lists them",
                     bad, bad == 1 ? "" : "s"));
}

rf_status rf_session_note_device(rf_session *s) {
    const rf_quarantine *list = NULL;
    size_t quarantined = rf_device_quarantined(s->device, &list);
    const char *reason = rf_device_reason(s->device);
    bool reference = rf_device_describe(s->device)->kind == RF_DEVICE_REFERENCE;
    if (reason[0] != '\0' && reference) RF_TRY(rf_session_note(s, rf_format("%s", reason)));
    for (size_t i = 0; i < quarantined; i++)
        RF_TRY(rf_session_note(s, rf_format("%s runs on the reference: %s", list[i].op, list[i].reason)));
    return RF_OK;
}

void rf_session_verbose(const rf_session *s, const char *what) {
    if (s->common->verbose) rf_say("%6.0f ms  %s", rf_time_ms() - s->started_ms, what);
}

char *rf_recompute_text(const rf_trainer *trainer) {
    const rf_plan_repeats repeats = rf_plan_repeated(trainer->plan);
    char now[32], whole[32];
    if (repeats.share == 0) return NULL;
    return rf_format(
        "activations are computed again: the network's tensors need %s rather than %s, and %.2g %% of the "
        "forward pass is done twice",
        rf_bytes_text(now, (double)rf_plan_memory_bytes(trainer->plan)),
        rf_bytes_text(whole, (double)repeats.bytes), 100 * repeats.share);
}

int rf_session_batch(const rf_session *s) {
    return s->desc.batch * rf_dist_size(s->common->dist);
}

void rf_session_verbose_exchange(const rf_session *s) {
    const rf_exchange_times *t = &s->trainer->exchange;
    char bytes[32];
    if (!s->common->verbose || t->steps == 0) return;
    rf_say("exchange: %s of gradients in %.2f ms a step (%.2f ms at best), after waiting %.2f ms for the "
           "slowest rank",
           rf_bytes_text(bytes, (double)s->trainer->weights->trained_floats * sizeof(float)),
           t->summing_ms / (double)t->steps, t->least_ms, t->waiting_ms / (double)t->steps);
}

/* ---- the session ---- */

rf_status rf_session_begin(rf_session *s, const rf_common *common, const rf_training *training) {
    *s = (rf_session){.common = common, .training = training, .started_ms = rf_time_ms()};
    RF_TRY(check_weights(training));
    RF_TRY(check_loss(training));
    RF_TRY(check_exclusion(training->decay_exclude));
    RF_TRY(rf_optimizing_text(&s->optimizer, &training->optimizer));
    RF_TRY(read_groups(s->groups, &training->groups));
    int batch;
    RF_TRY(choose_batch(&batch, training, common));
    s->desc = (rf_trainer_desc){.batch = batch,
                                .dist = common->dist,
                                .optimizer = s->optimizer,
                                .groups = s->groups,
                                .group_count = training->groups.count,
                                .loss = training->loss,
                                .label_smoothing = training->label_smoothing,
                                .no_shuffle = training->no_shuffle,
                                .accumulate = training->accumulate,
                                .seed = training->seed,
                                .augment = training->augment,
                                .clip_value = training->clip_value,
                                .clip_norm = training->clip_norm,
                                .decay_exclude = training->decay_exclude,
                                .freeze = training->freeze,
                                .ema = training->ema,
                                .sync_bn = training->sync_bn,
                                .recompute = training->recompute};
    return RF_OK;
}

static rf_status note_model(rf_session *s) {
    const char *note = rf_model_note(s->model);
    return note != NULL ? rf_session_note(s, rf_strdup(note)) : RF_OK;
}

static rf_status load_weights(rf_model *model, const rf_training *t) {
    return t->strict ? rf_model_load_weights(model, t->weights)
                     : rf_model_load_pretrained(model, t->weights, t->new_head);
}

/* Whether what is open was opened by this key, which it takes; if not, the new one is kept instead. */
static bool is_open(char **kept, char *key) {
    const bool same = *kept != NULL && strcmp(*kept, key) == 0;
    free(same ? key : *kept);
    if (!same) *kept = key;
    return same;
}

static rf_status open_shared_data(rf_opened *opened, const char *data, const rf_dataset_options *o) {
    char *key = rf_format("%d %d %d %d %d %d %d %d %d %" PRIu64 " %" PRIu64 " %s", o->image_height,
                          o->image_width, (int)o->fit, o->channels, o->transpose, o->coarse_labels,
                          o->no_exif, o->limit, o->skip_bad, o->seed, o->cache_bytes, data);
    if (key == NULL) return RF_E_MEMORY;
    if (is_open(&opened->data_key, key) && opened->dataset != NULL) return RF_OK;
    rf_dataset_free(opened->dataset);
    RF_TRY(rf_dataset_open(&opened->dataset, data, o));
    opened->fingerprint = rf_dataset_fingerprint(opened->dataset);
    return RF_OK;
}

static bool computes_on_cores(const rf_session *s) {
    return (rf_device_describe(s->device)->kind & (RF_DEVICE_CPU | RF_DEVICE_REFERENCE)) != 0;
}

static rf_status note_ranks(rf_session *s) {
    const rf_dist *dist = s->opened != NULL ? s->opened->dist : s->common->dist;
    const int ranks = rf_dist_local_size(dist);
    if (dist == NULL || ranks <= s->device_count || computes_on_cores(s)) return RF_OK;
    return rf_session_note(
        s, rf_format("%d ranks share %d device%s", ranks, s->device_count, s->device_count == 1 ? "" : "s"));
}

static rf_status open_data(rf_session *s) {
    const rf_training *training = s->training;
    rf_dataset_options reading = rf_reading_options(&training->reading);
    reading.skip_bad = training->skip_bad;
    reading.seed = training->seed;
    if (rf_ahead_data() != NULL) return rf_dataset_open(&s->dataset, rf_ahead_data(), NULL);
    if (s->opened == NULL) return rf_dataset_open(&s->dataset, training->data, &reading);
    RF_TRY(open_shared_data(s->opened, training->data, &reading));
    s->dataset = s->opened->dataset;
    return RF_OK;
}

static rf_status open_device(rf_session *s) {
    rf_opened *opened = s->opened;
    const char *selector = s->training->device;
    if (opened == NULL) return rf_open_device_for(&s->device, &s->device_count, selector, s->common->dist);
    char *key = rf_strdup(selector != NULL ? selector : "");
    if (key == NULL) return RF_E_MEMORY;
    if (!is_open(&opened->device_key, key) || opened->device == NULL) {
        rf_device_close(opened->device);
        RF_TRY(rf_open_device_for(&opened->device, &opened->device_count, selector, opened->dist));
    }
    s->device = opened->device;
    s->device_count = opened->device_count;
    return RF_OK;
}

void rf_opened_release(rf_opened *opened) {
    rf_dataset_free(opened->dataset);
    rf_device_close(opened->device);
    free(opened->data_key);
    free(opened->device_key);
    rf_str_free(&opened->said);
    *opened = (rf_opened){0};
}

static rf_status open_session(rf_session *s) {
    const rf_training *training = s->training;
    RF_TRY(open_data(s));
    RF_TRY(note_data(s));
    const rf_dataset *data = s->dataset;
    rf_session_verbose(s, "images read");
    RF_TRY(check_augment(training, data));
    RF_TRY(per_channel(&s->mean, &training->mean, "mean", data->channels));
    RF_TRY(per_channel(&s->std, &training->std, "std", data->channels));
    RF_TRY(class_weights(&s->class_weights, &training->class_weights, data->classes));
    const rf_image_shape images = {data->channels, data->height, data->width, data->classes};
    RF_TRY((training->new_head ? rf_model_create_new_head : rf_model_create)(&s->model, training->model,
                                                                             images, training->seed));
    RF_TRY(note_model(s));
    if (training->weights != NULL && rf_ahead_data() == NULL) {
        RF_TRY(load_weights(s->model, training));
        RF_TRY(note_model(s));
    }
    rf_session_verbose(s, "network made");
    RF_TRY(open_device(s));
    RF_TRY(note_ranks(s));
    rf_session_verbose(s, "device opened");
    if (s->common->verbose && rf_device_reason(s->device)[0] != '\0')
        rf_say("%s", rf_device_reason(s->device));
    s->data_text = rf_format("%s: %d images %dx%dx%d, %d classes", data->name, data->count, data->channels,
                             data->height, data->width, data->classes);
    return s->data_text != NULL ? RF_OK : RF_E_MEMORY;
}

/* A rank that fails here ends the others before they wait for it. */
rf_status rf_session_open(rf_session *s) {
    return rf_dist_agree(s->common->dist, open_session(s));
}

rf_status rf_session_split(rf_session *s, double share) {
    if (share == 0) return RF_OK;
    if (rf_ahead_data() != NULL) { /* as many as the first process has */
        s->desc.validation = s->dataset->count - s->desc.batch;
        return RF_OK;
    }
    return rf_dataset_split(&s->part, &s->held_out, s->dataset, share, s->training->seed);
}

/* What is trained with. */
static const rf_dataset *images_of(const rf_session *s) {
    return s->balanced != NULL ? s->balanced : s->part != NULL ? s->part : s->dataset;
}

static rf_status balance(rf_session *s) {
    const rf_training *t = s->training;
    char *note;
    RF_TRY(rf_balancing_apply(&s->balanced, &s->class_weights, &note, images_of(s),
                              &(rf_balancing){.how = t->balance,
                                              .loss = t->loss,
                                              .batch = rf_session_batch(s),
                                              .validation = s->desc.validation,
                                              .seed = t->seed}));
    return rf_session_note(s, note);
}

rf_status rf_session_make_trainer(rf_session *s) {
    if (s->training->balance != NULL && rf_ahead_data() == NULL)
        RF_TRY(balance(s)); /* whose images are made up */
    rf_trainer_desc desc = s->desc;
    desc.device = s->device;
    desc.model = s->model;
    desc.dataset = images_of(s);
    desc.validation_data = s->held_out;
    desc.mean = s->mean;
    desc.std = s->std;
    desc.class_weights = s->class_weights;
    if (rf_ahead_data() != NULL) {
        rf_device_compile_ahead(s->device);
        return rf_trainer_compile(&desc);
    }
    const int held_out = s->held_out != NULL ? s->held_out->count : desc.validation;
    rf_ahead_begin(s->device, s->dataset, desc.batch + held_out);
    RF_TRY(rf_trainer_create(&s->trainer, &desc));
    rf_session_verbose(s, "trainer ready");
    char *const recomputed = rf_recompute_text(s->trainer);
    return recomputed != NULL ? rf_session_note(s, recomputed) : RF_OK;
}

void rf_session_print(const rf_session *s) {
    const rf_device_info *device = rf_device_describe(s->device);
    char count[32];
    rf_print_line("device   %s (%s)", device->name, device->selector);
    rf_print_line("data     %s", s->data_text);
    rf_print_line("network  %s, %s parameters", rf_model_name(s->model),
                  rf_count_text(count, rf_model_parameter_count(s->model)));
    if (s->common->dist == NULL) return;
    rf_str ranks = {0};
    rf_str_addf(&ranks, "%d, each with %d of a step's %d images", rf_dist_size(s->common->dist),
                s->desc.batch, rf_session_batch(s));
    if (computes_on_cores(s))
        rf_str_addf(&ranks, ", on %d core%s", rf_cpu_count(), rf_cpu_count() == 1 ? "" : "s");
    rf_print_line("ranks    %s", rf_str_text(&ranks));
    rf_str_free(&ranks);
}

static bool has_row(const rf_option *rows, const char *name) {
    while (rows->name != NULL && strcmp(rows->name, name) != 0) rows++;
    return rows->name != NULL;
}

void rf_session_add_options(rf_str *line, const rf_session *s) {
    const rf_settings *settings = &s->common->settings;
    for (size_t i = 0; i < settings->count; i++) {
        const rf_setting *row = &settings->rows[i];
        const bool known = has_row(rf_training_rows(), row->name) || has_row(rf_optimizing_rows(), row->name);
        if (!known || !rf_settings_given(settings, row->name)) continue;
        const bool whole =
            s->common->dist != NULL && strcmp(row->name, "batch") == 0; /* rf_session_settings */
        rf_str_addf(line, " --%s", whole ? "global-batch" : row->name);
        if (strcmp(row->value, "yes") != 0) rf_add_word(line, row->value);
    }
}

rf_status rf_session_settings(rf_settings *settings, const rf_session *s) {
    RF_TRY(rf_optimizing_settings(settings, &s->training->optimizer));
    if (s->common->dist == NULL)
        return rf_settings_set(settings, "device", rf_device_describe(s->device)->selector);
    char batch[16]; /* what one process would be given */
    snprintf(batch, sizeof batch, "%d", rf_session_batch(s));
    return rf_settings_set(settings, "batch", batch);
}

void rf_session_release(rf_session *s) {
    for (size_t i = 0; i < s->note_count; i++) free(s->notes[i]);
    for (size_t i = 0; i < RF_MAX_REPEATS; i++) free((char *)s->groups[i].pattern);
    free(s->notes);
    free(s->optimizer);
    free(s->data_text);
    rf_trainer_free(s->trainer);
    rf_dataset_free(s->balanced);
    rf_dataset_free(s->part);
    rf_dataset_free(s->held_out);
    rf_model_free(s->model);
    if (s->opened == NULL) {
        rf_dataset_free(s->dataset);
        rf_device_close(s->device);
    }
    free(s->mean);
    free(s->std);
    free(s->class_weights);
}

char *rf_next_free_folder(const char *parent) {
    for (int i = 1;; i++) {
        char *path = rf_format("%s/%d", parent, i);
        if (path == NULL || access(path, F_OK) != 0) return path;
        free(path);
    }
}
