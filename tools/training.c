/* Options of the commands that train. */
#include "training.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "augment/augment.h"
#include "balancing.h"
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
         "results; auto: where the training does not fit otherwise, or it costs little:",
         "auto", .parse = rf_opt_choice, AT(recompute), .choices = rf_recompute_names},
        {"half", NULL,
         "store activations as 16-bit floats, in half the memory; all is computed, and sums and parameters "
         "are "
         "stored, in 32 bits",
         .parse = rf_opt_flag, AT(half)},
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

rf_status rf_training_groups(rf_parameter_group groups[RF_MAX_REPEATS], const rf_training *training) {
    const rf_texts *texts = &training->groups;
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

rf_status rf_training_check(const rf_training *training) {
    RF_TRY(check_weights(training));
    RF_TRY(check_loss(training));
    return check_exclusion(training->decay_exclude);
}

rf_status rf_training_batch(int *batch, const rf_training *t, const rf_common *common) {
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

static rf_status per_class(float **out, const rf_numbers *numbers, int classes) {
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

rf_status rf_training_fit(double **mean, double **std, float **class_weights, const rf_training *training,
                          const rf_dataset *data) {
    RF_TRY(check_augment(training, data));
    RF_TRY(per_channel(mean, &training->mean, "mean", data->channels));
    RF_TRY(per_channel(std, &training->std, "std", data->channels));
    return per_class(class_weights, &training->class_weights, data->classes);
}
