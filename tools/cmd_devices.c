/* rangefinder devices: what is there, what each can do, and which one `auto` would take. */
#include <stdlib.h>

#include "command.h"

typedef struct devices_args {
    rf_common common;
    bool json;
} devices_args;

static const rf_option options[] = {
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, .offset = offsetof(devices_args, json)},
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

static json_t *device_json(const rf_device_info *d) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:b, s:b, s:b}",
                     "selector", d->selector, "name", d->name, "kind", kind_text(d->kind), "vendor",
                     d->vendor, "platform", d->platform, "version", d->version, "driver", d->driver,
                     "compute_units", d->compute_units, "vector_width", d->vector_width, "memory_bytes",
                     (json_int_t)d->memory_bytes, "max_alloc_bytes", (json_int_t)d->max_alloc_bytes,
                     "local_memory_bytes", (json_int_t)d->local_memory_bytes, "max_work_group",
                     (json_int_t)d->max_work_group, "host_memory", d->host_memory, "fp64", d->fp64, "fp16",
                     d->fp16);
}

static rf_status print_as_json(const rf_device_info *list, size_t count, size_t automatic, const char *why) {
    json_t *devices = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(devices, device_json(&list[i]));
    return rf_print_json(
        json_pack("{s:o, s:s, s:s}", "devices", devices, "auto", list[automatic].selector, "why", why));
}

static rf_status print_as_table(const rf_device_info *list, size_t count, size_t automatic, const char *why) {
    rf_table table;
    char memory[32], local[32];
    rf_table_begin(&table, "llllrrrrl");
    static const char *const heading[] = {
        "", "device", "kind", "name", "units", "vector", "memory", "local", "platform, driver"};
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
        rf_table_cell(&table, "%s%s%s", d->platform, d->driver[0] != '\0' ? ", " : "", d->driver);
    }
    RF_TRY(rf_table_end(&table, stdout));
    printf("\n* is what 'auto' takes%s%s\n", why[0] != '\0' ? ": " : ".", why);
    return RF_OK;
}

static rf_status devices_main(void *given, char **operands) {
    (void)operands;
    const devices_args *args = given;
    rf_device_info *list = NULL;
    size_t count = 0, automatic = 0;
    char *why = NULL;
    RF_TRY(rf_device_list(&list, &count, &automatic, &why));
    rf_status status =
        (args->json ? print_as_json : print_as_table)(list, count, automatic, why != NULL ? why : "");
    free(list);
    free(why);
    return status;
}

const rf_command rf_command_devices = {
    .name = "devices",
    .summary = "List the devices present, and which one would be taken",
    .options = options,
    .args_size = sizeof(devices_args),
    .run = devices_main,
};
