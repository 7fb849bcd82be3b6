/* rangefinder find: the main job.  Opens device, data and network, runs the range test, reports. */
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "device/device.h"
#include "optim/optimizer.h"
#include "optimizing.h"
#include "outputs.h"
#include "reading.h"
#include "train/trainer.h"

typedef struct find_args {
    rf_common common;
    rf_outputs outputs;
    const char *data, *model, *device, *mode, *loss, *weights;
    int batch, iterations, accumulate, validation;
    double start_lr, end_lr, diverge, label_smoothing;
    rf_numbers class_weights, mean, std;
    rf_texts groups;
    rf_reading reading;
    rf_optimizing optimizer;
    bool no_shuffle, skip_bad;
    uint64_t seed;
} find_args;

/* ---- options ---- */

static const char *const *mode_names(void) {
    static const char *const names[] = {"exp", "linear", NULL};
    return names;
}
/* A number, or "never", which the library writes as a negative one. */
static rf_status parse_diverge(void *target, const rf_option *option, const char *text) {
    if (strcmp(text, "never") != 0) return rf_opt_number(target, option, text);
    *(double *)target = -1;
    return RF_OK;
}

#define AT(field) .offset = offsetof(find_args, field)
#define FLAG(name, field, help)                                                                              \
    { name, NULL, help, .parse = rf_opt_flag, AT(field) }
#define TEXT(name, metavar, field, help)                                                                     \
    { name, metavar, help, .parse = rf_opt_text, AT(field) }
#define CHOICE(name, metavar, field, names, default_, help)                                                  \
    { name, metavar, help, default_, .parse = rf_opt_choice, AT(field), .choices = names }
#define INT(name, field, low, high, default_, help)                                                          \
    { name, "N", help, default_, .parse = rf_opt_int, AT(field), .min = low, .max = high }
#define NUMBER(name, field, low, high, default_, help)                                                       \
    { name, "X", help, default_, .parse = rf_opt_number, AT(field), .min = low, .max = high }
#define NUMBERS(name, metavar, field, low, high, help)                                                       \
    { name, metavar, help, .parse = rf_opt_numbers, AT(field), .min = low, .max = high }

static const rf_option options[] = {
    {"data", "SPEC",
     "images: a folder, IMAGES,LABELS (IDX files), a CIFAR .bin file, synthetic:CxHxW[,CLASSES[,COUNT]]",
     "digits:", .parse = rf_opt_text, AT(data), .choices = rf_data_choices, .files = true, .letter = 'd'},
    {"model", "NAME|FILE", "a network by name, or a file in the model language", "simplecnn",
     .parse = rf_opt_text, AT(model), .choices = rf_model_names, .files = true, .letter = 'm'},
    {"device", "WHICH",
     "auto, cpu, gpu, reference, PLATFORM:DEVICE, or a part of a name; see 'rangefinder devices'",
     .parse = rf_opt_text, AT(device), .choices = rf_device_choices},
    {"batch", "N", "images a step", "64", .parse = rf_opt_int, AT(batch), .min = 1, .max = 65536,
     .letter = 'b'},
    {"optimizer", "NAME", "how parameters follow gradients:", "sgd", .parse = rf_opt_choice,
     AT(optimizer.name), .choices = rf_optimizer_names, .letter = 'o'},
    NUMBER("start-lr", start_lr, 1e-12, 1e6, "1e-6", "learning rate of the first step"),
    NUMBER("end-lr", end_lr, 1e-12, 1e6, "10", "learning rate of the last step"),
    INT("iterations", iterations, 2, 100000, "300", "steps"),
    CHOICE("mode", "HOW", mode, mode_names, "exp", "how the learning rate rises:"),
    RF_OUTPUT_OPTIONS(find_args),
    {"group", "PATTERN=MULTIPLIER",
     "parameters whose name matches (* and ?) have their learning rate multiplied; repeatable",
     .parse = rf_opt_texts, AT(groups)},
    INT("accumulate", accumulate, 1, 65536, "1", "batches whose gradients make one step"),
    INT("validation", validation, 0, 1000000, "0", "images held out: the curve is then of their loss"),
    {"diverge", "X|never", "stop when the smoothed loss exceeds X times its best", "4",
     .parse = parse_diverge, AT(diverge), .min = 1, .max = 1e9},
    CHOICE("loss", "NAME", loss, rf_loss_names, "cross_entropy", "what the training minimises:"),
    NUMBER("label-smoothing", label_smoothing, 0, 1, "0", "of cross_entropy"),
    NUMBERS("class-weights", "W,...", class_weights, 0, 1e6, "of cross_entropy, one a class"),
    {"weights", "FILE", "start from these weights (safetensors) rather than from PyTorch's initialisation",
     .parse = rf_opt_text, AT(weights), .files = true},
    NUMBERS("mean", "M,...", mean, -1e6, 1e6,
            "of pixels scaled to 0..1, one a channel or one for all (measured)"),
    NUMBERS("std", "S,...", std, 1e-6, 1e6, "like --mean (measured)"),
    RF_READING_OPTIONS(find_args),
    FLAG("no-shuffle", no_shuffle, "images in the order of the files, again and again"),
    FLAG("skip-bad", skip_bad, "leave out images that cannot be read"),
    {"seed", "N", "of initialisation, order and dropout", "0", .parse = rf_opt_seed, AT(seed)},
    RF_OPT_END,
};

/* ---- interpreting the options ---- */

/* "fc*=10": the patterns are owned by the caller. */
static rf_status read_groups(rf_parameter_group groups[RF_MAX_REPEATS], const rf_texts *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->values[i], *equals = strrchr(text, '=');
        double lr_multiplier;
        if (equals == NULL || equals == text || !rf_parse_number(&lr_multiplier, equals + 1) ||
            lr_multiplier < 1e-9 || lr_multiplier > 1e9)
            return rf_fail(
                RF_E_USAGE,
                "--group: '%s' is not PATTERN=MULTIPLIER, like 'fc*=10', with a multiplier above 0", text);
        groups[i] = (rf_parameter_group){.pattern = rf_format("%.*s", (int)(equals - text), text),
                                         .lr_multiplier = lr_multiplier};
        if (groups[i].pattern == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

static rf_status check_together(const find_args *args) {
    if (args->start_lr >= args->end_lr)
        return rf_fail(RF_E_USAGE, "--start-lr %g is not below --end-lr %g; the rate has to rise",
                       args->start_lr, args->end_lr);
    bool cross_entropy = strcmp(args->loss, "cross_entropy") == 0;
    if (!cross_entropy && (args->label_smoothing > 0 || args->class_weights.values != NULL))
        return rf_fail(RF_E_USAGE, "--%s has no effect with --loss %s",
                       args->label_smoothing > 0 ? "label-smoothing" : "class-weights", args->loss);
    return RF_OK;
}

/* One number a channel; a single one is repeated.  *out is owned; NULL where nothing was given. */
static rf_status per_channel(double **out, const rf_numbers *numbers, const char *option, int channels) {
    *out = NULL;
    if (numbers->values == NULL) return RF_OK;
    if (numbers->count != 1 && numbers->count != (size_t)channels)
        return rf_fail(RF_E_USAGE, "--%s: %zu numbers for images of %d channel%s; give 1 or %d", option,
                       numbers->count, channels, channels == 1 ? "" : "s", channels);
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

/* ---- the run ---- */

/* All that a run holds; everything is owned. */
typedef struct find_run {
    rf_device *device;
    rf_dataset *dataset;
    rf_model *model;
    rf_trainer *trainer;
    rf_curve *curve;
    rf_suggestion *suggestions;
    size_t suggestion_count;
    rf_verdict verdict;
    double *mean, *std;
    float *class_weights;
    char *optimizer;          /* with its options */
    char *data_text, **notes; /* notes end with NULL; NULL: there are none */
    size_t note_count;
    double started_ms;
} find_run;

static void release_run(find_run *run) {
    for (size_t i = 0; i < run->note_count; i++) free(run->notes[i]);
    free(run->notes);
    free(run->optimizer);
    free(run->data_text);
    free(run->suggestions);
    rf_curve_free(run->curve);
    rf_trainer_free(run->trainer);
    rf_model_free(run->model);
    rf_dataset_free(run->dataset);
    rf_device_close(run->device);
    free(run->mean);
    free(run->std);
    free(run->class_weights);
}

/* A note for the user, on stderr and in the reports. Takes ownership of it. */
static rf_status add_note(find_run *run, char *note) {
    char **notes = note != NULL ? rf_resize(run->notes, run->note_count + 2, sizeof *notes) : NULL;
    if (notes == NULL) {
        free(note);
        return RF_E_MEMORY;
    }
    run->notes = notes;
    notes[run->note_count++] = note;
    notes[run->note_count] = NULL;
    rf_say("%s", note);
    return RF_OK;
}

static rf_status note_data(find_run *run) {
    const rf_dataset *data = run->dataset;
    for (size_t i = 0; i < data->note_count; i++) RF_TRY(add_note(run, rf_format("%s", data->notes[i])));
    if (data->bad_count == 0) return RF_OK;
    return add_note(run, rf_format("%zu file%s left out; 'rangefinder data' lists them", data->bad_count,
                                   data->bad_count == 1 ? "" : "s"));
}

static rf_status note_device(find_run *run) {
    const rf_quarantine *list = NULL;
    size_t quarantined = rf_device_quarantined(run->device, &list);
    const char *reason = rf_device_reason(run->device);
    bool reference = rf_device_describe(run->device)->kind == RF_DEVICE_REFERENCE;
    if (reason[0] != '\0' && reference) RF_TRY(add_note(run, rf_format("%s", reason)));
    for (size_t i = 0; i < quarantined; i++)
        RF_TRY(add_note(run, rf_format("%s runs on the reference: %s", list[i].op, list[i].reason)));
    return RF_OK;
}

static void verbose(const find_args *args, const find_run *run, const char *what) {
    if (args->common.verbose) rf_say("%6.0f ms  %s", rf_time_ms() - run->started_ms, what);
}

/* Cheap inputs first, so that mistakes are reported before anything slow begins. */
static rf_status open_inputs(find_run *run, const find_args *args) {
    rf_dataset_options reading = rf_reading_options(&args->reading);
    reading.skip_bad = args->skip_bad;
    reading.seed = args->seed;
    if (rf_ahead_data() != NULL)
        RF_TRY(rf_dataset_open(&run->dataset, rf_ahead_data(), NULL));
    else
        RF_TRY(rf_dataset_open(&run->dataset, args->data, &reading));
    RF_TRY(note_data(run));
    const rf_dataset *data = run->dataset;
    verbose(args, run, "images read");
    RF_TRY(per_channel(&run->mean, &args->mean, "mean", data->channels));
    RF_TRY(per_channel(&run->std, &args->std, "std", data->channels));
    RF_TRY(class_weights(&run->class_weights, &args->class_weights, data->classes));
    const rf_image_shape images = {data->channels, data->height, data->width, data->classes};
    RF_TRY(rf_model_create(&run->model, args->model, images, args->seed));
    if (args->weights != NULL && rf_ahead_data() == NULL)
        RF_TRY(rf_model_load_weights(run->model, args->weights));
    verbose(args, run, "network made");
    RF_TRY(rf_open_device(&run->device, args->device));
    verbose(args, run, "device opened");
    if (args->common.verbose && rf_device_reason(run->device)[0] != '\0')
        rf_say("%s", rf_device_reason(run->device));
    run->data_text = rf_format("%s: %d images %dx%dx%d, %d classes", data->name, data->count, data->channels,
                               data->height, data->width, data->classes);
    return run->data_text != NULL ? RF_OK : RF_E_MEMORY;
}

static rf_status make_trainer(find_run *run, const find_args *args, const rf_parameter_group *groups) {
    const rf_trainer_desc desc = {
        .device = run->device,
        .model = run->model,
        .dataset = run->dataset,
        .batch = args->batch,
        .optimizer = run->optimizer,
        .groups = groups,
        .group_count = args->groups.count,
        .loss = args->loss,
        .label_smoothing = args->label_smoothing,
        .class_weights = run->class_weights,
        .mean = run->mean,
        .std = run->std,
        .no_shuffle = args->no_shuffle,
        .accumulate = args->accumulate,
        .validation = args->validation,
        .seed = args->seed,
    };
    if (rf_ahead_data() != NULL) {
        rf_device_compile_ahead(run->device);
        return rf_trainer_compile(&desc);
    }
    rf_ahead_begin(run->device, run->dataset, args->batch + args->validation);
    RF_TRY(rf_trainer_create(&run->trainer, &desc));
    verbose(args, run, "trainer ready");
    return RF_OK;
}

static bool on_progress(void *context, const rf_range_test_progress *now) {
    char left[32];
    rf_progress_draw(context, "step %d/%d  rate %.3g  loss %.4g  %.0f images/s  %s left", now->step,
                     now->steps, now->lr, now->loss, now->images_per_second,
                     rf_time_text(left, now->remaining_ms));
    return !rf_interrupted();
}

static rf_status run_test(find_run *run, const find_args *args) {
    rf_progress progress;
    rf_progress_begin(&progress, !args->common.quiet && !args->common.no_progress);
    const rf_range_test_desc desc = {
        .start_lr = args->start_lr,
        .end_lr = args->end_lr,
        .iterations = args->iterations,
        .linear = strcmp(args->mode, "linear") == 0,
        .diverge = args->diverge,
        .progress = on_progress,
        .progress_context = &progress,
    };
    rf_status status = rf_range_test_run(&run->curve, run->trainer, &desc);
    rf_progress_end(&progress);
    if (rf_interrupted()) return RF_E_INTERRUPTED;
    rf_ahead_end();
    RF_TRY(status);
    verbose(args, run, "range test done");
    RF_TRY(rf_curve_suggest(&run->suggestions, &run->suggestion_count, run->curve, NULL));
    return rf_curve_judge(&run->verdict, run->curve);
}

static void print_heading(const find_run *run, const find_args *args) {
    const rf_device_info *device = rf_device_describe(run->device);
    char count[32];
    rf_print_line("device   %s (%s)", device->name, device->selector);
    rf_print_line("data     %s", run->data_text);
    rf_print_line("network  %s, %s parameters", rf_model_name(run->model),
                  rf_count_text(count, rf_model_parameter_count(run->model)));
    printf("test     %s, batch %d, rate %g to %g in %d steps\n\n", args->optimizer.name, args->batch,
           args->start_lr, args->end_lr, args->iterations);
    fflush(stdout);
}

/* Settings that were left to a default which is not the table's: the device, the optimizer's own. */
static rf_status complete_settings(find_args *args, const find_run *run) {
    rf_settings *settings = &args->common.settings;
    RF_TRY(rf_optimizing_settings(settings, &args->optimizer));
    return rf_settings_set(settings, "device", rf_device_describe(run->device)->selector);
}

static rf_status report(const find_run *run, const find_args *args) {
    const rf_report all = {
        .curve = run->curve,
        .suggestions = run->suggestions,
        .suggestion_count = run->suggestion_count,
        .verdict = &run->verdict,
        .device = rf_device_describe(run->device)->name,
        .model = rf_model_name(run->model),
        .data = run->dataset->name,
        .optimizer = args->optimizer.name,
        .parameters = rf_model_parameter_count(run->model),
        .batch = args->batch,
        .seed = args->seed,
        .time_ms = rf_time_ms() - run->started_ms,
        .notes = (const char *const *)run->notes,
        .command = args->common.command,
        .settings = args->common.settings.rows,
        .setting_count = args->common.settings.count,
        .mean = run->trainer->mean,
        .std = run->trainer->std,
        .channels = run->dataset->channels,
    };
    return rf_outputs_finish(&args->outputs, &args->common, &all);
}

/* What to do with the number, where parameter groups do not make it several. */
static rf_status print_next(const find_run *run, const find_args *args) {
    rf_optimizer_setup setup;
    rf_str text = {0};
    if (args->groups.count > 0) return RF_OK;
    RF_TRY(rf_optimizer_parse(&setup, run->optimizer));
    rf_optimizer_add_pytorch(&text, &setup, run->verdict.lr);
    rf_optimizer_release(&setup);
    if (text.length > 0)
        printf(
            "\nTo train with it in PyTorch:\n"
            "  optimizer = %s\n"
            "  scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=%.2g, total_steps=STEPS)\n",
            text.data, run->verdict.lr);
    rf_status status = rf_str_status(&text);
    rf_str_free(&text);
    return status;
}

static rf_status find_main(void *given, char **operands) {
    (void)operands;
    const find_args *args = given;
    rf_parameter_group groups[RF_MAX_REPEATS] = {0};
    find_run run = {.started_ms = rf_time_ms()};
    const char *const inputs[] = {args->data, args->model, args->weights, NULL};
    rf_status status = check_together(args);
    if (status == RF_OK) status = rf_optimizing_text(&run.optimizer, &args->optimizer);
    if (status == RF_OK) status = read_groups(groups, &args->groups);
    if (status == RF_OK) status = rf_outputs_check(&args->outputs, inputs);
    if (status == RF_OK) status = open_inputs(&run, args);
    if (status == RF_OK) status = make_trainer(&run, args, groups);
    if (rf_ahead_data() != NULL) goto done; /* the helper has compiled, and reports nothing */
    if (status == RF_OK && rf_outputs_for_people(&args->outputs, &args->common)) print_heading(&run, args);
    if (status == RF_OK) status = run_test(&run, args);
    if (status == RF_OK) status = note_device(&run);
    if (status == RF_OK) status = complete_settings(given, &run);
    if (status == RF_OK) status = report(&run, args);
    if (status == RF_OK && rf_outputs_for_people(&args->outputs, &args->common))
        status = print_next(&run, args);
done:
    release_run(&run);
    for (size_t i = 0; i < RF_MAX_REPEATS; i++) free((char *)groups[i].pattern);
    return status;
}

static void release(void *given) {
    find_args *args = given;
    rf_optimizing_free(&args->optimizer);
    free(args->class_weights.values);
    free(args->mean.values);
    free(args->std.values);
}

static const rf_example examples[] = {
    {"rangefinder find", "a small network on handwritten digits that are built in"},
    {"rangefinder find -d photos/ -m resnet18 --image-size 64 --plot lr.png",
     "ResNet-18 on a folder with one sub-folder of images a class; the curve as a picture"},
    {"rangefinder find -d train-images.gz,train-labels.gz -m mynet.net -o adamw -b 128 --json lr.json",
     "a network in the model language on MNIST's files; everything as JSON"},
    {"rangefinder find -d photos/ -q --print suggestion",
     "one number for scripts; exit status 1 if there is none"},
    {NULL},
};

static const rf_shared_options shared[] = {{rf_optimizing_rows, offsetof(find_args, optimizer)}, {NULL, 0}};

const rf_command rf_command_find = {
    .name = "find",
    .examples = examples,
    .summary = "Find the learning rate of a network on images",
    .details =
        "Raises the learning rate from one step to the next, records the loss, and says which range to train "
        "with. Without options: a small network on handwritten digits that are built in.",
    .options = options,
    .shared = shared,
    .args_size = sizeof(find_args),
    .run = find_main,
    .release = release,
};
