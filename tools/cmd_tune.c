/* rangefinder tune: find the fastest solvers for a network on this device, and keep them. */
#include <math.h>

#include "command.h"
#include "graph/tuning.h"

typedef struct tune_args {
    rf_common common;
    const char *model, *device;
    rf_maps input;
    int batch, classes;
    double limit_s;
} tune_args;

#define AT(field) .offset = offsetof(tune_args, field)
static const rf_option options[] = {
    {"model", "NAME|FILE", "a network by name, or a file: in the model language, or ONNX", "simplecnn",
     .parse = rf_opt_text, AT(model), .choices = rf_model_names, .files = true, .letter = 'm'},
    {"input", "CxHxW", "the images it is for" RF_USUAL_INPUT, .parse = rf_opt_maps, AT(input), .min = 1,
     .max = 16384},
    {"classes", "N", "how many classes they have" RF_USUAL_CLASSES, .parse = rf_opt_int, AT(classes),
     .min = 2, .max = 1000000},
    {"batch", "N", "images a step", "64", .parse = rf_opt_int, AT(batch), .min = 1, .max = 65536,
     .letter = 'b'},
    {"device", "WHICH", "as 'find' takes it", .parse = rf_opt_text, AT(device), .choices = rf_device_choices},
    {"limit", "SECONDS", "begin nothing new after that", "120", .parse = rf_opt_number, AT(limit_s), .min = 1,
     .max = 86400},
    RF_OPT_END,
};

typedef struct tuning_run {
    rf_table table;
    rf_progress progress;
    double before_ms, after_ms;
} tuning_run;

static bool show(void *context, const rf_tune_row *row, int done, int total) {
    tuning_run *run = context;
    if (row->solver != NULL && isfinite(row->default_ms)) {
        rf_table_cell(&run->table, "%s", row->problem);
        rf_table_cell(&run->table, "%s", row->solver);
        rf_table_cell(&run->table, "%s", row->config);
        rf_table_cell(&run->table, "%.3f", row->default_ms);
        rf_table_cell(&run->table, "%.3f", row->best_ms);
        rf_table_cell(&run->table, "%d", row->tried);
        rf_table_cell(&run->table, "%d", row->wrong);
        run->before_ms += row->default_ms;
        run->after_ms += row->best_ms;
    }
    rf_progress_draw(&run->progress, "tuning: step %d of %d, %s", done, total, row->problem);
    return !rf_interrupted();
}

static rf_status tune_main(void *given, char **operands) {
    static const char *const heading[] = {"problem",  "best solver", "tunables", "ms before",
                                          "ms after", "tried",       "wrong"};
    (void)operands;
    const tune_args *args = given;
    const rf_image_shape images = rf_images_named(args->model, args->input, args->classes);
    tuning_run run = {0};
    rf_device *device = NULL;
    rf_model *model = NULL;
    rf_table_begin(&run.table, "lllrrrr");
    for (size_t i = 0; i < RF_COUNT(heading); i++) rf_table_cell(&run.table, "%s", heading[i]);
    rf_progress_begin(&run.progress, !args->common.no_progress && !args->common.quiet);
    rf_status status = rf_model_create(&model, args->model, images, 0);
    if (status == RF_OK && rf_model_note(model) != NULL) rf_say("note: %s", rf_model_note(model));
    if (status == RF_OK) status = rf_open_device(&device, args->device);
    if (status == RF_OK)
        status = rf_tune(&(rf_tune_desc){.device = device,
                                         .model = model,
                                         .batch = args->batch,
                                         .limit_ms = args->limit_s * 1e3,
                                         .progress = show,
                                         .context = &run});
    rf_progress_end(&run.progress);
    if (status != RF_OK) rf_error_hold();
    rf_status printed = rf_table_end(&run.table, status == RF_OK ? stdout : NULL);
    if (status != RF_OK) rf_error_release();
    if (status == RF_OK) status = printed;
    if (status == RF_OK) putchar('\n');
    if (status == RF_OK)
        rf_print_line(
            "%s, batch %d, on %s: %.2f ms before, %.2f ms after (each kernel alone); kept for later runs",
            rf_model_name(model), args->batch, rf_device_describe(device)->name, run.before_ms, run.after_ms);
    rf_model_free(model);
    rf_device_close(device);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder tune -m resnet20 -b 128", "keeps the fastest kernels for this network on this device"},
    {NULL},
};

const rf_command rf_command_tune = {
    .name = "tune",
    .examples = examples,
    .summary = "Find the fastest kernels for a network on this device, and keep them",
    .details =
        "Tries every applicable solver with every value of its tunables on the layers of the network, checks "
        "each against the reference before it may win, and stores the result in the user's cache folder, by "
        "device and driver. Later runs of any command take it from there.",
    .options = options,
    .args_size = sizeof(tune_args),
    .run = tune_main,
};
