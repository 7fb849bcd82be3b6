/* rangefinder data: what a data set holds, and which of its files are bad. */
#include <stdlib.h>

#include "base/json.h"
#include "reading.h"

typedef struct data_args {
    rf_common common;
    bool json;
    rf_reading reading;
} data_args;

#define AT(field) .offset = offsetof(data_args, field)
static const rf_option options[] = {
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, AT(json)},
    RF_READING_OPTIONS(data_args),
    RF_OPT_END,
};

/* What is computed of a data set; the arrays are owned. */
typedef struct data_facts {
    int *counts;        /* of each class */
    double *mean, *std; /* of each channel */
} data_facts;

static rf_status gather(data_facts *facts, const rf_dataset *data) {
    facts->counts = rf_alloc((size_t)data->classes, sizeof *facts->counts);
    facts->mean = rf_alloc((size_t)data->channels, sizeof *facts->mean);
    facts->std = rf_alloc((size_t)data->channels, sizeof *facts->std);
    if (facts->counts == NULL || facts->mean == NULL || facts->std == NULL) return RF_E_MEMORY;
    for (int i = 0; i < data->count; i++) facts->counts[data->labels[i]]++;
    return rf_dataset_statistics(data, facts->mean, facts->std);
}

/* The class's name, or its number, written into `number`. */
static const char *class_name(char number[16], const rf_dataset *data, int index) {
    if (data->class_names != NULL) return data->class_names[index];
    snprintf(number, 16, "%d", index);
    return number;
}

static rf_status print_as_json(const rf_dataset *data, const data_facts *facts) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "data", data->name);
    rf_json_count(&json, "images", (uint64_t)data->count);
    rf_json_count(&json, "channels", (uint64_t)data->channels);
    rf_json_count(&json, "height", (uint64_t)data->height);
    rf_json_count(&json, "width", (uint64_t)data->width);
    rf_json_open(&json, "classes", '[');
    for (int i = 0; i < data->classes; i++) {
        char number[16];
        rf_json_open(&json, NULL, '{');
        rf_json_string(&json, "name", class_name(number, data, i));
        rf_json_count(&json, "images", (uint64_t)facts->counts[i]);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_numbers(&json, "mean", facts->mean, (size_t)data->channels);
    rf_json_numbers(&json, "std", facts->std, (size_t)data->channels);
    rf_json_open(&json, "bad", '[');
    for (size_t i = 0; i < data->bad_count; i++) {
        rf_json_open(&json, NULL, '{');
        rf_json_string(&json, "path", data->bad[i].path);
        rf_json_string(&json, "reason", data->bad[i].reason);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_open(&json, "notes", '[');
    for (size_t i = 0; i < data->note_count; i++) rf_json_string(&json, NULL, data->notes[i]);
    rf_json_close(&json);
    return rf_json_write(&json, "-");
}

static void print_channels(const char *name, const double *values, int channels) {
    printf("%-8s", name);
    for (int c = 0; c < channels; c++) printf(" %.4f", values[c]);
    putchar('\n');
}

static rf_status print_as_text(const rf_dataset *data, const data_facts *facts) {
    rf_table table;
    char count[32], number[16];
    rf_print_line("data     %s", data->name);
    printf("images   %s, %d channel%s, %dx%d (height x width), %d classes\n",
           rf_count_text(count, (unsigned long long)data->count), data->channels,
           data->channels == 1 ? "" : "s", data->height, data->width, data->classes);
    print_channels("mean", facts->mean, data->channels);
    print_channels("std", facts->std, data->channels);
    for (size_t i = 0; i < data->note_count; i++) rf_print_line("note     %s", data->notes[i]);
    putchar('\n');
    rf_table_begin(&table, "lr");
    rf_table_cell(&table, "class");
    rf_table_cell(&table, "images");
    for (int i = 0; i < data->classes; i++) {
        rf_table_cell(&table, "%s", class_name(number, data, i));
        rf_table_cell(&table, "%s", rf_count_text(count, (unsigned long long)facts->counts[i]));
    }
    RF_TRY(rf_table_end(&table, stdout));
    if (data->bad_count == 0) return RF_OK;
    printf("\n%zu bad file%s\n", data->bad_count, data->bad_count == 1 ? "" : "s");
    rf_table_begin(&table, "ll");
    for (size_t i = 0; i < data->bad_count; i++) {
        rf_table_cell(&table, "%s", data->bad[i].path);
        rf_table_cell(&table, "%s", data->bad[i].reason);
    }
    return rf_table_end(&table, stdout);
}

/* Bad files are listed here rather than fatal. */
static rf_status data_main(void *given, char **operands) {
    const data_args *args = given;
    rf_dataset_options reading = rf_reading_options(&args->reading);
    reading.skip_bad = true;
    rf_dataset *data = NULL;
    data_facts facts = {0};
    rf_status status = rf_dataset_open(&data, operands[0], &reading);
    if (status == RF_OK) status = gather(&facts, data);
    if (status == RF_OK) status = (args->json ? print_as_json : print_as_text)(data, &facts);
    free(facts.counts);
    free(facts.mean);
    free(facts.std);
    rf_dataset_free(data);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder data photos/", "classes, sizes, mean and deviation, files that cannot be read"},
    {NULL},
};

const rf_command rf_command_data = {
    .name = "data",
    .examples = examples,
    .operand_choices = rf_data_choices,
    .operands = "SPEC",
    .operand_count = 1,
    .summary =
        "What a data set holds: images, classes, shape, mean and deviation, what was left out or changed",
    .details =
        "SPEC is what 'find' takes as --data: digits, a folder of IDX files, of CIFAR .bin files, or of one "
        "folder of images a class; IMAGES,LABELS (two IDX files); a CIFAR .bin file; "
        "synthetic:CxHxW[,CLASSES[,COUNT]].",
    .options = options,
    .args_size = sizeof(data_args),
    .run = data_main,
};
