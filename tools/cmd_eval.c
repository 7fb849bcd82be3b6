/* rangefinder eval: how a trained network does on labelled images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "outputs.h"
#include "report/matrix.h"
#include "trained.h"

typedef struct eval_args {
    rf_common common;
    rf_trained_options trained;
    rf_outputs outputs;
    const char *data;
    bool skip_bad;
} eval_args;

#define AT(field) .offset = offsetof(eval_args, field)

static const rf_option options[] = {
    RF_TRAINED_OPTIONS(eval_args),
    {"data", "SPEC", "labelled images (those that the run held out for validation)", .parse = rf_opt_text,
     AT(data), .choices = rf_data_choices, .files = true, .letter = 'd'},
    {"skip-bad", NULL, "leave out images that cannot be read", .parse = rf_opt_flag, AT(skip_bad)},
    {"json", "FILE", "write one JSON document; - is stdout", .missing = "-", .parse = rf_opt_text,
     AT(outputs.paths[RF_OUTPUT_json]), .files = true},
    {"csv", "FILE", "write the confusion matrix, a row for each label; - is stdout", .parse = rf_opt_text,
     AT(outputs.paths[RF_OUTPUT_csv]), .files = true},
    {"plot", "FILE", "draw the confusion matrix; .svg, .png or .pdf", .parse = rf_opt_text,
     AT(outputs.paths[RF_OUTPUT_plot]), .files = true},
    RF_OPT_END,
};

typedef struct eval_run {
    rf_trained trained;
    rf_dataset *data, *train, *held_out; /* the parts are views of data */
    const rf_dataset *images;            /* one of them */
    rf_evaluation *evaluation;
    size_t *confusion; /* (classes, classes) */
    const char *what;  /* "held out for validation" */
} eval_run;

static void release_run(eval_run *run) {
    rf_evaluation_free(run->evaluation);
    rf_dataset_free(run->train);
    rf_dataset_free(run->held_out);
    rf_dataset_free(run->data);
    rf_trained_release(&run->trained);
    free(run->confusion);
}

/* The images that were given, else those that the run validated with, else all that it trained with. */
static rf_status open_images(eval_run *run, const eval_args *args) {
    const rf_trained *t = &run->trained;
    const char *val_data = rf_record_option(&t->record, "val-data"),
               *split = rf_record_option(&t->record, "val-split");
    const double share = args->data == NULL && val_data == NULL && split != NULL ? strtod(split, NULL) : 0;
    rf_dataset_options reading = rf_trained_reading(t);
    reading.skip_bad = args->skip_bad || (args->data == NULL && t->training.skip_bad);
    reading.limit = args->data == NULL && val_data == NULL ? reading.limit : 0;
    reading.seed = t->training.seed;
    const char *spec = args->data != NULL ? args->data : val_data != NULL ? val_data : t->training.data;
    RF_TRY(rf_dataset_open(&run->data, spec, &reading));
    for (size_t i = 0; i < run->data->note_count; i++) rf_say("%s", run->data->notes[i]);
    RF_TRY(rf_record_match(&t->record, run->data));
    run->images = run->data;
    run->what = args->data != NULL ? "given"
                : val_data != NULL ? "of --val-data"
                                   : "that the run trained with";
    if (share <= 0) return RF_OK;
    run->what = "held out for validation";
    RF_TRY(rf_dataset_split(&run->train, &run->held_out, run->data, share, t->training.seed));
    run->images = run->held_out;
    return RF_OK;
}

static bool on_scores(void *context, size_t first, size_t count, const float *scores) {
    (void)scores;
    rf_progress_draw(context, "%zu images", first + count);
    return !rf_interrupted();
}

static rf_status evaluate(eval_run *run, const eval_args *args) {
    const rf_trained *t = &run->trained;
    const size_t classes = (size_t)t->record.images.classes;
    rf_progress progress;
    rf_progress_begin(&progress, !args->common.quiet && !args->common.no_progress);
    rf_status status =
        rf_evaluate(&run->evaluation, &(rf_evaluate_desc){.device = t->device,
                                                          .model = t->model,
                                                          .dataset = run->images,
                                                          .mean = t->record.mean,
                                                          .std = t->record.std,
                                                          .loss = t->training.loss,
                                                          .label_smoothing = t->training.label_smoothing,
                                                          .scores = on_scores,
                                                          .context = &progress});
    rf_progress_end(&progress);
    RF_TRY(status);
    if ((run->confusion = rf_alloc(classes * classes, sizeof *run->confusion)) == NULL) return RF_E_MEMORY;
    rf_evaluation_confusion(run->confusion, run->evaluation);
    return RF_OK;
}

/* ---- outputs ---- */

/* Of a class: its images, how many of them were recognised, and how many images were taken for it. */
typedef struct class_counts {
    size_t images, right, taken;
} class_counts;

static class_counts counts_of(const eval_run *run, int c) {
    const int classes = run->evaluation->classes;
    class_counts n = {.right = run->confusion[(size_t)c * (size_t)classes + (size_t)c]};
    for (int k = 0; k < classes; k++) {
        n.images += run->confusion[(size_t)c * (size_t)classes + (size_t)k];
        n.taken += run->confusion[(size_t)k * (size_t)classes + (size_t)c];
    }
    return n;
}

static double share(size_t part, size_t all) {
    return all > 0 ? (double)part / (double)all : 0;
}

static rf_status write_json(const eval_run *run, const char *path) {
    const rf_evaluation *e = run->evaluation;
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "run", run->trained.record.folder);
    rf_json_string(&json, "weights", run->trained.weights);
    rf_json_string(&json, "data", run->images->name);
    rf_json_count(&json, "images", e->count);
    rf_json_number(&json, "loss", e->loss);
    rf_json_number(&json, "accuracy", e->accuracy);
    rf_json_number(&json, "top5", e->accuracy5);
    rf_json_open(&json, "classes", '[');
    for (int c = 0; c < e->classes; c++) {
        const class_counts n = counts_of(run, c);
        char number[16];
        rf_json_open(&json, NULL, '{');
        rf_json_string(&json, "name", rf_trained_class(number, &run->trained, c));
        rf_json_count(&json, "images", n.images);
        rf_json_number(&json, "recall", n.images > 0 ? share(n.right, n.images) : (double)NAN);
        rf_json_number(&json, "precision", n.taken > 0 ? share(n.right, n.taken) : (double)NAN);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_open(&json, "confusion", '[');
    for (int c = 0; c < e->classes; c++) {
        rf_json_open(&json, NULL, '[');
        for (int k = 0; k < e->classes; k++)
            rf_json_count(&json, NULL, run->confusion[(size_t)c * (size_t)e->classes + (size_t)k]);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_close(&json);
    return rf_json_write(&json, path);
}

/* A field of CSV, quoted where it must be (RFC 4180). */
static void add_field(rf_str *text, const char *field) {
    const bool quoted = field[strcspn(field, ",\"\r\n")] != '\0';
    if (quoted) rf_str_add(text, "\"");
    for (; *field != '\0'; field++) {
        if (*field == '"') rf_str_add(text, "\"");
        rf_str_add_bytes(text, field, 1);
    }
    if (quoted) rf_str_add(text, "\"");
}

static rf_status write_csv(const eval_run *run, const char *path) {
    const int classes = run->evaluation->classes;
    char number[16];
    rf_str text = {0};
    rf_str_add(&text, "label");
    for (int k = 0; k < classes; k++) {
        rf_str_add(&text, ",");
        add_field(&text, rf_trained_class(number, &run->trained, k));
    }
    for (int c = 0; c < classes; c++) {
        rf_str_add(&text, "\n");
        add_field(&text, rf_trained_class(number, &run->trained, c));
        for (int k = 0; k < classes; k++)
            rf_str_addf(&text, ",%zu", run->confusion[(size_t)c * (size_t)classes + (size_t)k]);
    }
    rf_str_add(&text, "\n");
    rf_status status = rf_str_status(&text);
    if (status == RF_OK) status = rf_file_write(path, text.data, text.length);
    rf_str_free(&text);
    return status;
}

static rf_status plot(const eval_run *run, const char *path) {
    const rf_evaluation *e = run->evaluation;
    const size_t classes = (size_t)e->classes;
    const char **names = rf_alloc(classes, sizeof *names);
    char(*numbers)[16] = rf_alloc(classes, sizeof *numbers), subtitle[160];
    rf_status status = names != NULL && numbers != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t c = 0; c < classes && status == RF_OK; c++)
        names[c] = rf_trained_class(numbers[c], &run->trained, (int)c);
    snprintf(subtitle, sizeof subtitle, "%zu images, accuracy %.2f %%, loss %.4f", e->count,
             100 * e->accuracy, e->loss);
    if (status == RF_OK)
        status = rf_matrix_plot(&(rf_matrix){.title = run->images->name,
                                             .subtitle = subtitle,
                                             .classes = e->classes,
                                             .names = names,
                                             .counts = run->confusion},
                                path);
    free(names);
    free(numbers);
    return status;
}

/* The class that a class's images are most often taken for; -1: none is. */
static int most_taken_for(const eval_run *run, int c) {
    const int classes = run->evaluation->classes;
    const size_t *row = run->confusion + (size_t)c * (size_t)classes;
    int most = -1;
    for (int k = 0; k < classes; k++)
        if (k != c && row[k] > (most >= 0 ? row[most] : 0)) most = k;
    return most;
}

static rf_status print_classes(const eval_run *run) {
    const int classes = run->evaluation->classes;
    rf_table table;
    char number[16], count[32];
    rf_table_begin(&table, "lrrrl");
    rf_table_cell(&table, "class");
    rf_table_cell(&table, "images");
    rf_table_cell(&table, "recall");
    rf_table_cell(&table, "precision");
    rf_table_cell(&table, "most often taken for");
    for (int c = 0; c < classes; c++) {
        const class_counts n = counts_of(run, c);
        const int other = most_taken_for(run, c);
        if (n.images == 0 && n.taken == 0) continue;
        rf_table_cell(&table, "%s", rf_trained_class(number, &run->trained, c));
        rf_table_cell(&table, "%s", rf_count_text(count, n.images));
        rf_table_cell(&table, n.images > 0 ? "%.1f %%" : "-", 100 * share(n.right, n.images));
        rf_table_cell(&table, n.taken > 0 ? "%.1f %%" : "-", 100 * share(n.right, n.taken));
        if (other >= 0)
            rf_table_cell(&table, "%s (%zu)", rf_trained_class(number, &run->trained, other),
                          run->confusion[(size_t)c * (size_t)classes + (size_t)other]);
        else
            rf_table_cell(&table, "%s", "");
    }
    return rf_table_end(&table, stdout);
}

static rf_status print(const eval_run *run) {
    const rf_evaluation *e = run->evaluation;
    rf_print_line("weights   %s", run->trained.weights);
    rf_print_line("data      %s: %zu images %s", run->images->name, e->count, run->what);
    rf_print_line("loss      %.4f", e->loss);
    rf_print_line("accuracy  %.2f %%", 100 * e->accuracy);
    if (e->classes > 5) rf_print_line("top-5     %.2f %%", 100 * e->accuracy5);
    putchar('\n');
    return print_classes(run);
}

static rf_status eval_main(void *given, char **operands) {
    (void)operands;
    const eval_args *args = given;
    const char *const *paths = args->outputs.paths;
    const char *const inputs[] = {args->data != NULL ? args->data : "", NULL};
    eval_run run = {.what = NULL};
    rf_status status = rf_outputs_check(&args->outputs, inputs);
    if (status == RF_OK) status = rf_trained_open(&run.trained, &args->trained);
    if (status == RF_OK) status = open_images(&run, args);
    if (status == RF_OK) status = evaluate(&run, args);
    if (status == RF_OK && paths[RF_OUTPUT_json] != NULL) status = write_json(&run, paths[RF_OUTPUT_json]);
    if (status == RF_OK && paths[RF_OUTPUT_csv] != NULL) status = write_csv(&run, paths[RF_OUTPUT_csv]);
    if (status == RF_OK && paths[RF_OUTPUT_plot] != NULL) status = plot(&run, paths[RF_OUTPUT_plot]);
    if (status == RF_OK && rf_outputs_for_people(&args->outputs, &args->common)) status = print(&run);
    release_run(&run);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder eval --run runs/1", "on the images that the run held out"},
    {"rangefinder eval --run runs/1 -d test/ --json eval.json --plot confusion.png",
     "on others; everything as JSON, the confusion matrix as a picture"},
    {NULL},
};

const rf_command rf_command_eval = {
    .name = "eval",
    .examples = examples,
    .summary = "How a trained network does: loss, accuracy, classes",
    .details =
        "Evaluates a run's network on labelled images: loss, accuracy, top-5, and for each class recall (the "
        "share of its images that are recognised) and precision (the share of images taken for it that are).",
    .options = options,
    .args_size = sizeof(eval_args),
    .run = eval_main,
};
