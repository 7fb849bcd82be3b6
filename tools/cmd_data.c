/* rangefinder data: what a data set holds, and which of its files are bad. */
#include <stdlib.h>

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
    rf_dataset_statistics(data, facts->mean, facts->std);
    return RF_OK;
}

/* The class's name, or its number, written into `number`. */
static const char *class_name(char number[16], const rf_dataset *data, int index) {
    if (data->class_names != NULL) return data->class_names[index];
    snprintf(number, 16, "%d", index);
    return number;
}

/* jansson takes UTF-8 only; the names of files and folders may be anything. */
static json_t *any_text(const char *text) {
    json_t *value = json_string(text);
    if (value != NULL) return value;
    rf_str clean = {0};
    for (; *text != '\0'; text++) rf_str_addf(&clean, "%c", (unsigned char)*text < 0x80 ? *text : '?');
    value = json_string(rf_str_text(&clean));
    rf_str_free(&clean);
    return value;
}

static rf_status print_as_json(const rf_dataset *data, const data_facts *facts) {
    json_t *classes = json_array(), *mean = json_array(), *std = json_array(), *bad = json_array(),
           *notes = json_array();
    for (int i = 0; i < data->classes; i++) {
        char number[16];
        json_array_append_new(classes, json_pack("{s:o, s:i}", "name", any_text(class_name(number, data, i)),
                                                 "images", facts->counts[i]));
    }
    for (int c = 0; c < data->channels; c++) {
        json_array_append_new(mean, rf_json_number(facts->mean[c]));
        json_array_append_new(std, rf_json_number(facts->std[c]));
    }
    for (size_t i = 0; i < data->bad_count; i++)
        json_array_append_new(bad, json_pack("{s:o, s:o}", "path", any_text(data->bad[i].path), "reason",
                                             any_text(data->bad[i].reason)));
    for (size_t i = 0; i < data->note_count; i++) json_array_append_new(notes, any_text(data->notes[i]));
    return rf_print_json(json_pack("{s:o, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "data",
                                   any_text(data->name), "images", data->count, "channels", data->channels,
                                   "height", data->height, "width", data->width, "classes", classes, "mean",
                                   mean, "std", std, "bad", bad, "notes", notes));
}

static void print_channels(const char *name, const double *values, int channels) {
    printf("%-8s", name);
    for (int c = 0; c < channels; c++) printf(" %.4f", values[c]);
    putchar('\n');
}

static rf_status print_as_text(const rf_dataset *data, const data_facts *facts) {
    rf_table table;
    char count[32], number[16];
    printf("data     %s\nimages   %s, %d channel%s, %dx%d (height x width), %d classes\n", data->name,
           rf_count_text(count, (unsigned long long)data->count), data->channels,
           data->channels == 1 ? "" : "s", data->height, data->width, data->classes);
    print_channels("mean", facts->mean, data->channels);
    print_channels("std", facts->std, data->channels);
    for (size_t i = 0; i < data->note_count; i++) printf("note     %s\n", data->notes[i]);
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

/* Bad files are what one wants to see here, so they are listed rather than end the reading. */
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
