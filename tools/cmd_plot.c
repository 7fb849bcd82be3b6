/* rangefinder plot: the curves of several range tests, or of training runs, in one picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "data/listing.h"
#include "outputs.h"
#include "report/chart.h"
#include "report/line.h"
#include "runs.h"

typedef struct plot_args {
    rf_common common;
    rf_outputs outputs;
} plot_args;

static const rf_option options[] = {
    {"plot", "FILE", "the picture: .svg, .png or .pdf; - writes SVG to stdout", "curves.svg",
     .parse = rf_opt_text, .offset = offsetof(plot_args, outputs.paths[RF_OUTPUT_plot]), .files = true},
    RF_OPT_END,
};

/* Curves that were read, and the lines through their losses; all owned. */
typedef struct curves {
    rf_curve **curve;
    rf_chart_line *line;
    double **heights; /* what the lines' y are */
    size_t count;
} curves;

static void release(curves *all) {
    for (size_t i = 0; i < all->count; i++) {
        rf_curve_free(all->curve[i]);
        free(all->heights[i]);
    }
    free(all->curve);
    free(all->line);
    free(all->heights);
}

static rf_status read_one(curves *all, const char *path) {
    const size_t i = all->count++; /* released, whatever happens */
    const char *slash = strrchr(path, '/');
    RF_TRY(rf_curve_read(&all->curve[i], path));
    RF_TRY(rf_line_create(&all->heights[i], all->curve[i]));
    all->line[i] = (rf_chart_line){.name = slash != NULL ? slash + 1 : path,
                                   .x = all->curve[i]->lr,
                                   .y = all->heights[i],
                                   .count = rf_curve_finite(all->curve[i])};
    return RF_OK;
}

/* Wide enough for both. */
static rf_axis join(rf_axis a, rf_axis b) {
    return (rf_axis){.low = fmin(a.low, b.low), .high = fmax(a.high, b.high), .logarithmic = a.logarithmic};
}

static rf_status draw(const curves *all, const char *path) {
    char subtitle[64];
    rf_chart chart = {.title = "Learning-rate range tests",
                      .subtitle = subtitle,
                      .x_label = "learning rate",
                      .y_label = "loss",
                      .lines = all->line,
                      .count = all->count};
    for (size_t i = 0; i < all->count; i++) {
        rf_axis x = rf_axis_of_rates(all->curve[i]), y = rf_axis_of_losses(all->curve[i], all->heights[i]);
        if (!x.logarithmic) x = (rf_axis){all->curve[i]->lr[0], x.high, true}; /* one kind of axis for all */
        chart.x = i == 0 ? x : join(chart.x, x);
        chart.y = i == 0 ? y : join(chart.y, y);
    }
    snprintf(subtitle, sizeof subtitle, "%zu curve%s, each smoothed without lag", all->count,
             all->count == 1 ? "" : "s");
    return rf_chart_plot(&chart, path);
}

static rf_status plot_main(void *given, char **operands) {
    const plot_args *args = given;
    const char *path = args->outputs.paths[RF_OUTPUT_plot];
    curves all = {0};
    size_t count = 0;
    while (operands[count] != NULL) count++;
    RF_TRY(rf_outputs_check(&args->outputs, (const char *const *)operands));
    if (rf_is_folder(operands[0])) {
        RF_TRY(rf_runs_plot(path, (const char *const *)operands));
        if (!args->common.quiet && !rf_is_stdout(path)) rf_print_line("written: %s", path);
        return RF_OK;
    }
    all.curve = rf_alloc(count, sizeof(rf_curve *));
    all.line = rf_alloc(count, sizeof *all.line);
    all.heights = rf_alloc(count, sizeof(double *));
    rf_status status = all.curve != NULL && all.line != NULL && all.heights != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t i = 0; i < count && status == RF_OK; i++) status = read_one(&all, operands[i]);
    if (status == RF_OK) status = draw(&all, path);
    if (status == RF_OK && !args->common.quiet && !rf_is_stdout(path)) rf_print_line("written: %s", path);
    release(&all);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder plot sgd.json adam.json lion.json --plot optimizers.svg",
     "the curves of three range tests in one picture"},
    {"rangefinder plot runs/1 runs/2 --plot runs.svg", "the losses of two training runs"},
    {NULL},
};

const rf_command rf_command_plot = {
    .name = "plot",
    .examples = examples,
    .operands = "FILE|RUN...",
    .operand_count = 1,
    .more_operands = true,
    .summary = "The curves of several range tests, or of training runs, in one picture",
    .details =
        "Each FILE is CSV or JSON as 'suggest' takes it: what 'find' wrote by --csv or --json, or "
        "another library's.  RUN is the folder of a training run: of one its losses and error are drawn, "
        "of several the loss of each.",
    .options = options,
    .args_size = sizeof(plot_args),
    .run = plot_main,
};
