/* rangefinder plot: the curves of several range tests, or of training runs, in one picture. */
#include "curves.h"
#include "data/listing.h"
#include "outputs.h"
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

static rf_status plot_main(void *given, char **operands) {
    const plot_args *args = given;
    const char *path = args->outputs.paths[RF_OUTPUT_plot];
    const char *const *files = (const char *const *)operands;
    RF_TRY(rf_outputs_check(&args->outputs, files));
    RF_TRY(rf_is_folder(files[0]) ? rf_runs_plot(path, files) : rf_curves_plot(path, files, NULL));
    if (!args->common.quiet && !rf_is_stdout(path)) rf_print_line("written: %s", path);
    return RF_OK;
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
