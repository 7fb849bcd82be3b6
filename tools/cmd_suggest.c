/* rangefinder suggest: every method's answer, and ours, for a curve that someone else recorded. */
#include <stdlib.h>
#include <string.h>

#include "outputs.h"

typedef struct suggest_args {
    rf_common common;
    rf_outputs outputs;
    const char *smooth;
} suggest_args;

static const char *const *smooth_choices(void) {
    static const char *const choices[] = {"own", "0", NULL};
    return choices;
}

static const rf_option options[] = {
    {"smooth", "own|0", "smooth as each library does, or take the losses as they are", "own",
     .parse = rf_opt_choice, .offset = offsetof(suggest_args, smooth), .choices = smooth_choices},
    RF_OUTPUT_OPTIONS(suggest_args),
    RF_OPT_END,
};

static rf_status suggest_main(void *given, char **operands) {
    const suggest_args *args = given;
    const rf_suggest_options how = {.raw = strcmp(args->smooth, "0") == 0};
    const char *slash = strrchr(operands[0], '/');
    rf_curve *curve = NULL;
    rf_suggestion *suggestions = NULL;
    rf_verdict verdict;
    size_t count = 0;
    RF_TRY(rf_outputs_check(&args->outputs));
    rf_status status = rf_curve_read(&curve, operands[0]);
    if (status == RF_OK) status = rf_suggest(&suggestions, &count, curve, &how);
    if (status == RF_OK) status = rf_judge(&verdict, curve);
    if (status == RF_OK) {
        const rf_report report = {
            .curve = curve,
            .suggestions = suggestions,
            .suggestion_count = count,
            .verdict = &verdict,
            .data = slash != NULL ? slash + 1 : operands[0],
            .command = args->common.command,
            .settings = args->common.settings.rows,
            .setting_count = args->common.settings.count,
        };
        status = rf_outputs_finish(&args->outputs, &args->common, &report);
    }
    free(suggestions);
    rf_curve_free(curve);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder suggest lr.csv", "what every library says of a curve that was recorded elsewhere"},
    {NULL},
};

const rf_command rf_command_suggest = {
    .name = "suggest",
    .examples = examples,
    .operands = "FILE",
    .operand_count = 1,
    .summary = "What each known method says of a curve that was recorded elsewhere",
    .details = "FILE is CSV (lr,loss; with or without a heading) or JSON ({\"lr\": [], \"loss\": []}: the "
               "history of "
               "pytorch-lr-finder, the results of Lightning, or our own --json).",
    .options = options,
    .args_size = sizeof(suggest_args),
    .run = suggest_main,
};
