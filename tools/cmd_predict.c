/* rangefinder predict: the classes that a trained network sees in images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/collect.h"
#include "data/conversions.h"
#include "data/format.h"
#include "data/listing.h"
#include "data/source.h"
#include "outputs.h"
#include "trained.h"

typedef struct predict_args {
    rf_common common;
    rf_trained_options trained;
    int top;
    bool skip_bad;
    const char *json;
} predict_args;

#define AT(field) .offset = offsetof(predict_args, field)

static const rf_option options[] = {
    RF_TRAINED_OPTIONS(predict_args),
    {"top", "N", "how many classes of each image, the most probable first", "1", .parse = rf_opt_int, AT(top),
     .min = 1, .max = 1000},
    {"json", "FILE", "write JSON lines, one an image; - is stdout", .missing = "-", .parse = rf_opt_text,
     AT(json), .files = true},
    {"skip-bad", NULL, "leave out images that cannot be read", .parse = rf_opt_flag, AT(skip_bad)},
    RF_OPT_END,
};

enum { AT_ONCE = 1024 };

/* An image of those in work. */
typedef struct picture {
    const char *path;
    char *reason; /* why it cannot be read; owned */
    rf_status status;
    rf_image_info info;
} picture;

typedef struct predict_run {
    const predict_args *args;
    rf_trained trained;
    char **paths; /* of all images; owned */
    size_t count, capacity;
    rf_walk walk; /* of the folders named */
    rf_conversions conversions;
    picture images[AT_ONCE]; /* those in work */
    rf_dataset *data;        /* their pixels */
    rf_reader reader;
    size_t first;   /* number of the first of them */
    int32_t *order; /* classes, by probability */
    double *probability;
    rf_outfile *file;
    rf_status written;
    FILE *stream; /* where the lines go; NULL: nowhere */
} predict_run;

static void release_run(predict_run *run) {
    for (size_t i = 0; i < run->count; i++) free(run->paths[i]);
    for (size_t i = 0; i < AT_ONCE; i++) free(run->images[i].reason);
    rf_outfile_abort(run->file);
    rf_dataset_free(run->data);
    rf_trained_release(&run->trained);
    free(run->paths);
    free(run->order);
    free(run->probability);
}

/* ---- which images ---- */

/* Takes ownership of the path. */
static rf_status add_path(void *context, char *path) {
    predict_run *run = context;
    if (path != NULL && run->count == run->capacity) {
        const size_t capacity = RF_MAX(2 * run->capacity, (size_t)256);
        char **grown = rf_resize(run->paths, capacity, sizeof *grown);
        if (grown != NULL) {
            run->paths = grown;
            run->capacity = capacity;
        }
    }
    if (path == NULL || run->count == run->capacity) {
        free(path);
        return RF_E_MEMORY;
    }
    run->paths[run->count++] = path;
    return RF_OK;
}

static rf_status collect(predict_run *run, char **operands) {
    for (; *operands != NULL; operands++) {
        const size_t before = run->count;
        RF_TRY(rf_is_folder(*operands) ? rf_walk_images(&run->walk, *operands, NULL)
                                       : add_path(run, rf_strdup(*operands)));
        if (run->count == before)
            return rf_fail(RF_E_INPUT, "%s: no image in this folder; %s can be read", *operands,
                           rf_image_kinds);
    }
    return RF_OK;
}

/* ---- reading ---- */

static void read_image(void *context, size_t i) {
    predict_run *run = context;
    rf_dataset *data = run->data;
    picture *image = &run->images[i];
    image->path = run->paths[run->first + i];
    image->status = rf_reader_probe(&image->info, &run->reader, image->path);
    if (image->status == RF_OK)
        image->status = rf_reader_read(data->pixels + i * rf_dataset_image_bytes(data), &run->reader,
                                       image->path, &image->info);
    if (image->status != RF_OK) image->reason = rf_strdup(rf_error_message());
}

static rf_status read_images(predict_run *run, size_t count) {
    const rf_image_shape *images = &run->trained.record.images;
    const rf_data_shape shape = {.count = count,
                                 .channels = (uint64_t)images->channels,
                                 .height = (uint64_t)images->height,
                                 .width = (uint64_t)images->width,
                                 .classes = (uint64_t)images->classes};
    if (images->channels != 1 && images->channels != 3)
        return rf_fail(RF_E_USAGE, "the network takes images of %d channels; image files have 1 or 3",
                       images->channels);
    rf_dataset_free(run->data);
    run->data = NULL;
    RF_TRY(rf_dataset_create(&run->data, "images", shape));
    const rf_dataset_options reading = rf_trained_reading(&run->trained);
    run->reader = (rf_reader){images->height, images->width, images->channels, reading.fit, reading.no_exif};
    rf_gate_create(&run->reader.gate, rf_dataset_budget() / 2);
    rf_parallel_for(count, 0, read_image, run);
    rf_gate_destroy(&run->reader.gate);
    for (size_t i = 0; i < count; i++) {
        if (run->images[i].status == RF_OK) {
            rf_conversions_add(&run->conversions, &run->images[i].info, &run->reader);
            continue;
        }
        const char *reason = run->images[i].reason != NULL ? run->images[i].reason : "out of memory";
        if (!run->args->skip_bad)
            return rf_fail(run->images[i].status, "%s; --skip-bad leaves it out", reason);
        rf_say("%s; left out", reason);
    }
    return RF_OK;
}

/* ---- predicting ---- */

static void softmax(double *probability, const float *scores, int classes) {
    double highest = -INFINITY, total = 0;
    for (int c = 0; c < classes; c++) highest = fmax(highest, (double)scores[c]);
    for (int c = 0; c < classes; c++) total += probability[c] = exp((double)scores[c] - highest);
    for (int c = 0; c < classes; c++) probability[c] /= total;
}

/* The first `top` of order, by selection. */
static void choose_top(int32_t *order, const double *probability, int classes, int top) {
    for (int c = 0; c < classes; c++) order[c] = c;
    for (int i = 0; i < top; i++) {
        int best = i;
        for (int k = i + 1; k < classes; k++)
            if (probability[order[k]] > probability[order[best]]) best = k;
        const int32_t chosen = order[best];
        memmove(order + i + 1, order + i, (size_t)(best - i) * sizeof *order); /* equals stay in order */
        order[i] = chosen;
    }
}

static rf_status write_json(predict_run *run, const char *path, int top) {
    rf_json json = {.flat = true};
    char number[16];
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "file", path);
    rf_json_string(&json, "class", rf_trained_class(number, &run->trained, run->order[0]));
    rf_json_count(&json, "index", (uint64_t)run->order[0]);
    rf_json_number(&json, "probability", run->probability[run->order[0]]);
    if (top > 1) {
        rf_json_open(&json, "top", '[');
        for (int i = 0; i < top; i++) {
            rf_json_open(&json, NULL, '{');
            rf_json_string(&json, "class", rf_trained_class(number, &run->trained, run->order[i]));
            rf_json_number(&json, "probability", run->probability[run->order[i]]);
            rf_json_close(&json);
        }
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_status status = rf_json_end(&json);
    if (status == RF_OK) fprintf(run->stream, "%s\n", json.text.data);
    rf_str_free(&json.text);
    return status;
}

static rf_status print(predict_run *run, const char *path, int top) {
    rf_str line = {0};
    char number[16];
    for (int i = 0; i < top; i++)
        rf_str_addf(&line, "  %s %.1f %%", rf_trained_class(number, &run->trained, run->order[i]),
                    100 * run->probability[run->order[i]]);
    rf_status status = rf_str_status(&line);
    if (status == RF_OK) rf_print_line("%s%s", path, line.data);
    rf_str_free(&line);
    return status;
}

static bool on_scores(void *context, size_t first, size_t count, const float *scores) {
    predict_run *run = context;
    const int classes = run->trained.record.images.classes, top = RF_MIN(run->args->top, classes);
    for (size_t i = 0; i < count; i++, scores += classes) {
        const picture *image = &run->images[first + i];
        if (image->status != RF_OK) continue;
        softmax(run->probability, scores, classes);
        choose_top(run->order, run->probability, classes, top);
        if (run->stream != NULL) run->written = write_json(run, image->path, top);
        if (run->written == RF_OK && run->stream != stdout && !run->args->common.quiet)
            run->written = print(run, image->path, top);
        if (run->written != RF_OK) return false;
    }
    return !rf_interrupted();
}

static rf_status predict(predict_run *run, size_t count) {
    const rf_trained *t = &run->trained;
    rf_evaluation *evaluation;
    RF_TRY(read_images(run, count));
    rf_status status = rf_evaluate(&evaluation, &(rf_evaluate_desc){.device = t->device,
                                                                    .model = t->model,
                                                                    .dataset = run->data,
                                                                    .mean = t->record.mean,
                                                                    .std = t->record.std,
                                                                    .scores = on_scores,
                                                                    .context = run});
    if (run->written != RF_OK) return rf_fail(run->written, "out of memory");
    RF_TRY(status);
    rf_evaluation_free(evaluation);
    for (size_t i = 0; i < count; i++) {
        free(run->images[i].reason);
        run->images[i] = (picture){.path = NULL};
    }
    return RF_OK;
}

/* What was left out and converted, once for all images. */
static rf_status say_notes(predict_run *run) {
    rf_conversions *n = &run->conversions;
    n->fit = run->reader.fit;
    n->sized = n->settled = true; /* by the training */
    RF_TRY(rf_walk_note(run->data, &run->walk));
    RF_TRY(rf_conversions_note(run->data, n));
    for (size_t i = 0; i < run->data->note_count; i++) rf_say("%s", run->data->notes[i]);
    return RF_OK;
}

static rf_status open_output(predict_run *run) {
    const size_t classes = (size_t)run->trained.record.images.classes;
    const char *json = run->args->json;
    run->order = rf_alloc(classes, sizeof *run->order);
    run->probability = rf_alloc(classes, sizeof *run->probability);
    if (run->order == NULL || run->probability == NULL) return RF_E_MEMORY;
    if (json == NULL) return RF_OK;
    if (rf_is_stdout(json)) {
        run->stream = stdout;
        return RF_OK;
    }
    RF_TRY(rf_outfile_open(&run->file, json));
    run->stream = rf_outfile_stream(run->file);
    return RF_OK;
}

static rf_status predict_main(void *given, char **operands) {
    const predict_args *args = given;
    predict_run *run = rf_alloc(1, sizeof *run);
    if (run == NULL) return RF_E_MEMORY;
    run->args = args;
    run->walk = (rf_walk){.image = add_path, .context = run};
    rf_status status =
        args->json != NULL ? rf_output_check("--json", args->json, (const char *const *)operands) : RF_OK;
    if (status == RF_OK) status = rf_trained_open(&run->trained, &args->trained);
    if (status == RF_OK) status = collect(run, operands);
    if (status == RF_OK) status = open_output(run);
    for (; status == RF_OK && run->first < run->count; run->first += AT_ONCE)
        status = predict(run, RF_MIN(run->count - run->first, (size_t)AT_ONCE));
    if (status == RF_OK) status = say_notes(run);
    if (status == RF_OK && run->file != NULL) {
        status = rf_outfile_commit(run->file);
        run->file = NULL;
    }
    release_run(run);
    free(run);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder predict --run runs/1 cat.jpg dog.png", "a class and its probability for each image"},
    {"rangefinder predict --run runs/1 photos/ --top 3 --json -",
     "every image of a folder, its three most probable classes, as JSON lines"},
    {NULL},
};

const rf_command rf_command_predict = {
    .name = "predict",
    .examples = examples,
    .operands = "FILE|FOLDER...",
    .operand_count = 1,
    .more_operands = true,
    .summary = "What a trained network sees in images",
    .details =
        "Reads images as the run's training did, of whatever size and colours, and prints for each the class "
        "that the network takes it for, and the probability that it gives to that.",
    .options = options,
    .args_size = sizeof(predict_args),
    .run = predict_main,
};
