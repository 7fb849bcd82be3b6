/* rangefinder bench: the time of a training step and of each kernel, in % of the device's measured peak. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/zoo.h"
#include "outputs.h"
#include "train/trainer.h"
#include "tune/bench.h"
#include "tune/peak.h"

typedef struct bench_args {
    rf_common common;
    bool json, inference, half;
    const char *model, *data, *device, *recompute, *trace;
    int batch, steps;
} bench_args;

#define AT(field) .offset = offsetof(bench_args, field)
static const rf_option options[] = {
    {"model", "NAME|FILE", "a network by name, or a file: in the model language, or ONNX", "simplecnn",
     .parse = rf_opt_text, AT(model), .choices = rf_model_names, .files = true, .letter = 'm'},
    {"data", "SPEC",
     "images, as 'find' takes them; by default synthetic ones of the size that the network is for",
     .parse = rf_opt_text, AT(data), .choices = rf_data_choices, .files = true, .letter = 'd'},
    {"device", "WHICH", "as 'find' takes it", .parse = rf_opt_text, AT(device), .choices = rf_device_choices},
    {"batch", "N", "images a step", "64", .parse = rf_opt_int, AT(batch), .min = 1, .max = 65536,
     .letter = 'b'},
    {"recompute", "WHEN", "as 'find' takes it:", "auto", .parse = rf_opt_choice, AT(recompute),
     .choices = rf_recompute_names},
    {"half", NULL, "as 'find' takes it", .parse = rf_opt_flag, AT(half)},
    {"steps", "N", "steps to time", "20", .parse = rf_opt_int, AT(steps), .min = 1, .max = 100000},
    {"inference", NULL,
     "time batches of images on their way to scores, as 'predict' runs them, rather than training",
     .parse = rf_opt_flag, AT(inference)},
    {"trace", "FILE", "write the kernels of one step, or batch, as a trace for Chrome or Perfetto; - is stdout",
     .parse = rf_opt_text, AT(trace), .files = true},
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, AT(json)},
    RF_OPT_END,
};

/* All that was opened and measured; everything is owned. */
typedef struct bench_run {
    rf_device *device;
    rf_dataset *dataset;
    rf_model *model;
    rf_trainer *trainer;
    rf_peak peak;
    rf_bench result;
    double kernels_ms; /* the sum of all rows */
} bench_run;

static void release_run(bench_run *run) {
    rf_bench_free(&run->result);
    rf_trainer_free(run->trainer);
    rf_model_free(run->model);
    rf_dataset_free(run->dataset);
    rf_device_close(run->device);
}

/* Synthetic images for the model: two batches of them at least. */
static rf_status make_images(bench_run *run, int batch) {
    enum { BYTES = 16 << 20 };
    const rf_image_shape *images = &run->model->images;
    const size_t bytes = (size_t)images->channels * (size_t)images->height * (size_t)images->width;
    char text[96];
    snprintf(text, sizeof text, "synthetic:%dx%dx%d,%d,%zu", images->channels, images->height, images->width,
             images->classes, RF_MAX(2 * (size_t)batch, BYTES / bytes));
    return rf_dataset_open(&run->dataset, text, NULL);
}

/* Opens the data and makes the network for it, or the other way round where no data is named. */
static rf_status open_inputs(bench_run *run, const bench_args *args) {
    if (args->data == NULL) {
        RF_TRY(rf_model_create(&run->model, args->model, rf_model_usual_images(args->model), 0));
        return make_images(run, args->batch);
    }
    RF_TRY(rf_dataset_open(&run->dataset, args->data, NULL));
    const rf_dataset *data = run->dataset;
    const rf_image_shape images = {data->channels, data->height, data->width, data->classes};
    return rf_model_create(&run->model, args->model, images, 0);
}

enum { PROFILED = 20 };

static rf_status measure_inference(bench_run *run, const bench_args *args) {
    const rf_evaluate_desc desc = {
        .device = run->device, .model = run->model, .dataset = run->dataset, .batch = args->batch};
    return rf_bench_inference(&run->result, &desc, args->steps, RF_MIN(args->steps, PROFILED));
}

static rf_status measure_training(bench_run *run, const bench_args *args) {
    const rf_trainer_desc desc = {.device = run->device,
                                  .model = run->model,
                                  .dataset = run->dataset,
                                  .batch = args->batch,
                                  .optimizer = "sgd momentum=0.9",
                                  .recompute = args->recompute,
                                  .half = args->half};
    RF_TRY(rf_trainer_create_emptying(&run->trainer, &desc, run->model));
    RF_TRY(rf_bench_trainer(&run->result, run->trainer, args->steps, RF_MIN(args->steps, PROFILED)));
    rf_trainer_free(run->trainer); /* or its memory and the peak's would be there at once */
    run->trainer = NULL;
    return RF_OK;
}

static rf_status measure(bench_run *run, const bench_args *args) {
    RF_TRY(open_inputs(run, args));
    if (rf_model_note(run->model) != NULL) rf_say("note: %s", rf_model_note(run->model));
    RF_TRY(rf_open_device(&run->device, args->device));
    RF_TRY(rf_peak_measure(&run->peak, run->device));
    RF_TRY(args->inference ? measure_inference(run, args) : measure_training(run, args));
    RF_TRY(rf_peak_measure(&run->peak, run->device));
    for (size_t i = 0; i < run->result.row_count; i++) run->kernels_ms += run->result.rows[i].time_ms;
    return RF_OK;
}

/* The minimum time that the device's limits allow, over the time it took; NAN where there is nothing to
 * compare. */
static double share_of_limit(const rf_bench_row *row, const rf_peak *peak) {
    if (!(peak->gflops > 0) || !(peak->gbs > 0) || !(row->time_ms > 0) || row->flops + row->bytes <= 0)
        return NAN;
    return fmax(row->flops / peak->gflops, row->bytes / peak->gbs) / 1e6 / row->time_ms;
}

static double rate(double work, double time_ms) {
    return time_ms > 0 ? work / time_ms / 1e6 : NAN;
}

/* A cell that stays empty where there is no number. */
static void number_cell(rf_table *table, const char *format, double value) {
    char text[32] = "";
    if (isfinite(value) && value > 0) snprintf(text, sizeof text, format, value);
    rf_table_cell(table, "%s", text);
}

/* What a launch is an instance of: "forward.conv_tile" of "layer1.0.conv1.forward.conv_tile"; the whole label
 * where it has no layer. */
static const char *family_of(const char *label) {
    const char *family = label, *before = label;
    for (const char *dot = strchr(label, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        family = before;
        before = dot + 1;
    }
    return family;
}

/* The rows of the same kernel for the same purpose added up; their order is that of their first. *count is
 * how many. */
static rf_bench_row *add_up(const rf_bench *result, int *calls, size_t *count) {
    rf_bench_row *sums = rf_alloc(result->row_count, sizeof *sums);
    *count = 0;
    for (size_t i = 0; sums != NULL && i < result->row_count; i++) {
        const rf_bench_row *row = &result->rows[i];
        const char *family = family_of(row->label);
        size_t at = 0;
        while (at < *count &&
               (strcmp(sums[at].label, family) != 0 || strcmp(sums[at].kernel, row->kernel) != 0))
            at++;
        if (at == *count) {
            sums[at] = *row;
            snprintf(sums[at].label, sizeof sums[at].label, "%s", family);
            calls[(*count)++] = 1;
            continue;
        }
        sums[at].time_ms += row->time_ms;
        sums[at].flops += row->flops;
        sums[at].bytes += row->bytes;
        calls[at]++;
    }
    return sums;
}

static void print_step(const bench_run *run, const bench_args *args) {
    const rf_bench *result = &run->result;
    rf_print_line("%s, batch %d, on %s", rf_model_name(run->model), args->batch,
                  rf_device_describe(run->device)->name);
    printf("%-8s %.3f ms (minimum), %.3f ms (median), %.0f images/s; the first %.0f ms\n",
           args->inference ? "forward" : "step", result->step_ms, result->step_median_ms,
           args->batch / result->step_ms * 1000, result->first_ms);
}

static void print_memory(const rf_bench *result) {
    char bytes[32];
    printf("memory   %s on the device", rf_bytes_text(bytes, (double)result->memory_bytes));
    if (result->repeated.share > 0)
        printf(" rather than %s; %.2g %% of the forward pass is done twice",
               rf_bytes_text(bytes, (double)result->repeated.bytes), 100 * result->repeated.share);
    printf("\n");
}

static rf_status print_as_table(const bench_run *run, const bench_args *args) {
    static const char *const heading[] = {"step",      "kernel",  "calls", "ms",
                                          "% of step", "GFLOP/s", "GB/s",  "% of peak"};
    const rf_bench *result = &run->result;
    size_t count = 0;
    rf_table table;
    int *calls = rf_alloc(result->row_count, sizeof *calls);
    rf_bench_row *sums = calls != NULL ? add_up(result, calls, &count) : NULL;
    const rf_bench_row *rows = args->common.verbose ? result->rows : sums;
    if (args->common.verbose) count = result->row_count;
    rf_table_begin(&table, "llrrrrrr");
    for (size_t i = 0; i < RF_COUNT(heading); i++) rf_table_cell(&table, "%s", heading[i]);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        const rf_bench_row *row = &rows[i];
        rf_table_cell(&table, "%s", row->label);
        rf_table_cell(&table, "%s", row->kernel);
        rf_table_cell(&table, "%d", args->common.verbose ? 1 : calls[i]);
        rf_table_cell(&table, "%.3f", row->time_ms);
        rf_table_cell(&table, "%.1f", run->kernels_ms > 0 ? 100 * row->time_ms / run->kernels_ms : 0);
        number_cell(&table, "%.1f", rate(row->flops, row->time_ms));
        number_cell(&table, "%.1f", rate(row->bytes, row->time_ms));
        number_cell(&table, "%.0f", 100 * share_of_limit(row, &run->peak));
    }
    table.failed |= rows == NULL;
    free(sums);
    free(calls);
    RF_TRY(rf_table_end(&table, stdout));
    putchar('\n');
    print_step(run, args);
    if (!args->inference) print_memory(result);
    if (run->peak.gflops > 0)
        printf("limits   %.0f GFLOP/s, %.1f GB/s; the %s runs at %.1f GFLOP/s\n", run->peak.gflops,
               run->peak.gbs, args->inference ? "forward pass" : "step",
               rate(result->flops, result->step_ms));
    return RF_OK;
}

static void add_row(rf_json *json, const rf_bench_row *row, const rf_peak *peak) {
    rf_json_open(json, NULL, '{');
    rf_json_string(json, "step", row->label);
    rf_json_string(json, "kernel", row->kernel);
    rf_json_number(json, "time_ms", row->time_ms);
    rf_json_number(json, "flops", row->flops);
    rf_json_number(json, "bytes", row->bytes);
    rf_json_number(json, "share_of_limit", share_of_limit(row, peak));
    rf_json_close(json);
}

static rf_status print_as_json(const bench_run *run, const bench_args *args) {
    const rf_bench *result = &run->result;
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "device", rf_device_describe(run->device)->name);
    rf_json_string(&json, "model", rf_model_name(run->model));
    rf_json_count(&json, "batch", (uint64_t)args->batch);
    rf_json_number(&json, "step_ms", result->step_ms);
    rf_json_number(&json, "step_median_ms", result->step_median_ms);
    rf_json_number(&json, "first_ms", result->first_ms);
    if (!args->inference) {
        rf_json_number(&json, "early_ms", result->early_ms);
        rf_json_number(&json, "late_ms", result->late_ms);
        rf_json_count(&json, "memory_bytes", result->memory_bytes);
        rf_json_count(&json, "memory_bytes_without_recompute", result->repeated.bytes);
        rf_json_number(&json, "forward_share_repeated", result->repeated.share);
    }
    rf_json_number(&json, "flops", result->flops);
    rf_json_open(&json, "limits", '{');
    rf_json_number(&json, "gflops", run->peak.gflops);
    rf_json_number(&json, "gbs", run->peak.gbs);
    rf_json_close(&json);
    rf_json_open(&json, "kernels", '[');
    for (size_t i = 0; i < result->row_count; i++) add_row(&json, &result->rows[i], &run->peak);
    return rf_json_write(&json, "-");
}

/* The trace event format: complete events ("X"), times in microseconds. */
static void add_event(rf_json *json, const rf_bench_row *row) {
    rf_json_open(json, NULL, '{');
    rf_json_string(json, "name", row->label);
    rf_json_string(json, "cat", row->kernel);
    rf_json_string(json, "ph", "X");
    rf_json_count(json, "pid", 1);
    rf_json_count(json, "tid", 1);
    rf_json_number(json, "ts", row->start_ms * 1000);
    rf_json_number(json, "dur", row->last_ms * 1000);
    rf_json_open(json, "args", '{');
    rf_json_number(json, "flops", row->flops);
    rf_json_number(json, "bytes", row->bytes);
    rf_json_close(json);
    rf_json_close(json);
}

static rf_status write_trace(const bench_run *run, const char *path) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_open(&json, "traceEvents", '[');
    for (size_t i = 0; i < run->result.row_count; i++) add_event(&json, &run->result.rows[i]);
    rf_json_close(&json);
    rf_json_string(&json, "displayTimeUnit", "ms");
    return rf_json_write(&json, path);
}

static rf_status bench_main(void *given, char **operands) {
    (void)operands;
    const bench_args *args = given;
    bench_run run = {0};
    const char *const inputs[] = {args->data != NULL ? args->data : "", args->model, NULL};
    if (args->inference && rf_settings_given(&args->common.settings, "recompute"))
        return rf_fail(RF_E_USAGE, "--recompute has no effect with --inference");
    if (args->inference && args->half) return rf_fail(RF_E_USAGE, "--half has no effect with --inference");
    bool trace_on_stdout = args->trace != NULL && rf_is_stdout(args->trace);
    if (args->trace != NULL) RF_TRY(rf_output_check("--trace", args->trace, inputs));
    if (trace_on_stdout && args->json)
        return rf_fail(RF_E_USAGE, "--trace -: --json writes to stdout already; give --trace a file");
    rf_status status = measure(&run, args);
    if (status == RF_OK && args->trace != NULL) status = write_trace(&run, args->trace);
    if (status == RF_OK && args->json)
        status = print_as_json(&run, args);
    else if (status == RF_OK && !trace_on_stdout)
        status = print_as_table(&run, args);
    release_run(&run);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder bench -m resnet20 -b 128", "the time of a step of ResNet-20, and where it goes"},
    {"rangefinder bench -m resnet50 -d synthetic:3x224x224,1000,256 -b 32 --inference",
     "images a second of a ResNet-50 that predicts"},
    {NULL},
};

const rf_command rf_command_bench = {
    .name = "bench",
    .examples = examples,
    .summary = "Time of a training step and of each kernel, in % of the device's peak",
    .details = "Runs training steps (SGD with momentum) whole, then kernel by kernel by the device's own "
               "clock. The limit of a kernel is what the measured peak of multiply-adds or of memory allows, "
               "whichever is reached first. Times are the minimum of all runs, limits the best of before and "
               "after. The table adds up the launches of a kernel; --verbose shows each.",
    .options = options,
    .args_size = sizeof(bench_args),
    .run = bench_main,
};
