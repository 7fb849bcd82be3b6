/* rangefinder devices: the devices present, their properties, and which one `auto` would take. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "command.h"
#include "device/device.h"
#include "tune/bench.h"

typedef struct devices_args {
    rf_common common;
    bool json, measure;
} devices_args;

static const rf_option options[] = {
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, .offset = offsetof(devices_args, json)},
    {"measure", NULL,
     "train a small ResNet on each device for a moment, and let 'auto' take the fastest of a kind",
     .parse = rf_opt_flag, .offset = offsetof(devices_args, measure)},
    RF_OPT_END,
};

static const char *kind_text(rf_device_kind kind) {
    switch (kind) {
    case RF_DEVICE_CPU:
        return "cpu";
    case RF_DEVICE_GPU:
        return "gpu";
    case RF_DEVICE_ACCELERATOR:
        return "accelerator";
    case RF_DEVICE_REFERENCE:
        break;
    }
    return "reference";
}

static void add_device(rf_json *json, const rf_device_info *d) {
    const double speed = rf_device_speed(d);
    rf_json_open(json, NULL, '{');
    rf_json_string(json, "selector", d->selector);
    rf_json_string(json, "name", d->name);
    rf_json_string(json, "kind", kind_text(d->kind));
    rf_json_string(json, "vendor", d->vendor);
    rf_json_string(json, "platform", d->platform);
    rf_json_string(json, "version", d->version);
    rf_json_string(json, "driver", d->driver);
    rf_json_count(json, "compute_units", (uint64_t)d->compute_units);
    rf_json_count(json, "vector_width", (uint64_t)d->vector_width);
    rf_json_count(json, "memory_bytes", d->memory_bytes);
    rf_json_count(json, "max_alloc_bytes", d->max_alloc_bytes);
    rf_json_count(json, "local_memory_bytes", d->local_memory_bytes);
    rf_json_count(json, "max_work_group", d->max_work_group);
    rf_json_bool(json, "host_memory", d->host_memory);
    rf_json_bool(json, "fp64", d->fp64);
    rf_json_bool(json, "fp16", d->fp16);
    rf_json_number(json, "images_per_second", speed > 0 ? speed : NAN);
    rf_json_close(json);
}

static rf_status print_as_json(const rf_device_info *list, size_t count, size_t automatic, const char *why) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_open(&json, "devices", '[');
    for (size_t i = 0; i < count; i++) add_device(&json, &list[i]);
    rf_json_close(&json);
    rf_json_string(&json, "auto", list[automatic].selector);
    rf_json_string(&json, "why", why);
    rf_json_bool(&json, "clblast", rf_gemm_library() != NULL);
    return rf_json_write(&json, "-");
}

static rf_status print_as_table(const rf_device_info *list, size_t count, size_t automatic, const char *why) {
    rf_table table;
    char memory[32], local[32];
    rf_table_begin(&table, "llllrrrrrl");
    static const char *const heading[] = {"",       "device", "kind",  "name",     "units",
                                          "vector", "memory", "local", "images/s", "platform, driver"};
    for (size_t i = 0; i < RF_COUNT(heading); i++) rf_table_cell(&table, "%s", heading[i]);
    for (size_t i = 0; i < count; i++) {
        const rf_device_info *d = &list[i];
        rf_table_cell(&table, "%s", i == automatic ? "*" : "");
        rf_table_cell(&table, "%s", d->selector);
        rf_table_cell(&table, "%s", kind_text(d->kind));
        rf_table_cell(&table, "%s", d->name);
        rf_table_cell(&table, "%d", d->compute_units);
        rf_table_cell(&table, "%d", d->vector_width);
        rf_table_cell(&table, "%s", rf_bytes_text(memory, (double)d->memory_bytes));
        rf_table_cell(&table, "%s", rf_bytes_text(local, (double)d->local_memory_bytes));
        double speed = rf_device_speed(d);
        if (speed > 0)
            rf_table_cell(&table, "%.0f", speed);
        else
            rf_table_cell(&table, "%s", "");
        rf_table_cell(&table, "%s%s%s", d->platform, d->driver[0] != '\0' ? ", " : "", d->driver);
    }
    RF_TRY(rf_table_end(&table, stdout));
    putchar('\n');
    rf_print_line("* is what 'auto' takes%s%s", why[0] != '\0' ? ": " : ".", why);
    rf_print_line("%s", rf_library_text());
    return RF_OK;
}

enum { MEASURE_BATCH = 16, MEASURE_STEPS = 5 };

/* Measures ResNet-20: convolutions, batch norms and additions of several sizes. */
static rf_status measure(const rf_device_info *info, const rf_dataset *images, const rf_model *model) {
    rf_device *device = NULL;
    rf_trainer *trainer = NULL;
    rf_bench bench = {0};
    rf_status status = rf_device_open(&device, info->selector);
    if (status == RF_OK)
        status = rf_trainer_create(
            &trainer,
            &(rf_trainer_desc){.device = device, .model = model, .dataset = images, .batch = MEASURE_BATCH});
    if (status == RF_OK) status = rf_bench_trainer(&bench, trainer, MEASURE_STEPS, 0);
    if (status == RF_OK) status = rf_device_record_speed(info, MEASURE_BATCH / bench.step_ms * 1e3);
    rf_bench_free(&bench);
    rf_trainer_free(trainer);
    rf_device_close(device);
    return status;
}

/* A device that cannot be measured is named and left as it is. */
static rf_status measure_all(const rf_device_info *list, size_t count) {
    rf_dataset *images = NULL;
    rf_model *model = NULL;
    rf_status status = rf_dataset_open(&images, "synthetic:3x16x16,10,64", NULL);
    if (status == RF_OK) status = rf_model_create(&model, "resnet20", (rf_image_shape){3, 16, 16, 10}, 0);
    for (size_t i = 0; i < count && status == RF_OK; i++)
        if (measure(&list[i], images, model) != RF_OK)
            rf_say("%s (%s) is not measured: %s", list[i].selector, list[i].name, rf_error_message());
    rf_model_free(model);
    rf_dataset_free(images);
    return status;
}

static rf_status devices_main(void *given, char **operands) {
    (void)operands;
    const devices_args *args = given;
    rf_device_info *list = NULL;
    size_t count = 0, automatic = 0;
    char *why = NULL;
    RF_TRY(rf_device_list(&list, &count, &automatic, &why));
    rf_status status = RF_OK;
    if (args->measure) {
        status = measure_all(list, count);
        free(list);
        free(why);
        list = NULL;
        why = NULL;
        if (status == RF_OK) status = rf_device_list(&list, &count, &automatic, &why);
        if (status != RF_OK) return status;
    }
    status = (args->json ? print_as_json : print_as_table)(list, count, automatic, why != NULL ? why : "");
    free(list);
    free(why);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder devices", "the devices, and which one 'auto' takes"},
    {NULL},
};

const rf_command rf_command_devices = {
    .name = "devices",
    .examples = examples,
    .summary = "List the devices present, and which one would be taken",
    .options = options,
    .args_size = sizeof(devices_args),
    .run = devices_main,
};
