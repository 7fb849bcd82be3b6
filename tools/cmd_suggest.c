/* rangefinder suggest: every method's suggestion, and ours, for a curve that someone else recorded. */
#include <stdlib.h>
#include <string.h>

#include "outputs.h"

typedef struct suggest_args {
    rf_common common;
    rf_outputs outputs;
    const char *smooth;
} suggest_args;

/* What the losses in the file are: the words of rf_smoothing, or 0 for losses that every rule takes as they are. */
static const char *const smooth_words[] = {
#define WORD(name, text) text,
    RF_SMOOTHING_MAP(WORD)
#undef WORD
        "0",
    NULL};

static const char *const *smooth_choices(void) {
    return smooth_words;
}

static const rf_option options[] = {
    {"smooth", "WHOSE",
     "who smoothed the losses in FILE: pytorch-lr-finder, fastai, lightning; own: nobody, so that each "
     "library's "
     "own follows; 0: take them as they are (as the kind of file says)",
     .parse = rf_opt_choice, .offset = offsetof(suggest_args, smooth), .choices = smooth_choices},
    RF_OUTPUT_OPTIONS(suggest_args),
    RF_OPT_END,
};

/* The given word overrides what the kind of file says. */
static rf_status set_smoothing(rf_curve *curve, const char *word) {
    size_t i = 0;
    if (word == NULL) return RF_OK;
    while (smooth_words[i] != NULL && strcmp(smooth_words[i], word) != 0) i++;
    return rf_curve_set_smoothing(curve, strcmp(word, "0") == 0 ? RF_SMOOTHING_NONE : (rf_smoothing)i);
}

static void print_heading(const rf_curve *curve, const char *path) {
    const bool smoothed = curve->recorded != NULL;
    rf_print_line("curve    %s: %zu points%s%s%s", path, curve->count, smoothed ? ", smoothed by " : "",
                  smoothed ? smooth_words[curve->smoothing] : "",
                  smoothed ? "; raw losses computed back" : "");
    printf("\n");
}

static rf_status suggest_main(void *given, char **operands) {
    const suggest_args *args = given;
    const rf_suggest_options how = {.raw = args->smooth != NULL && strcmp(args->smooth, "0") == 0};
    const char *slash = strrchr(operands[0], '/');
    rf_curve *curve = NULL;
    rf_suggestion *suggestions = NULL;
    rf_verdict verdict;
    size_t count = 0;
    const char *file = strcmp(operands[0], "-") == 0 ? "/dev/stdin" : operands[0];
    RF_TRY(rf_outputs_check(&args->outputs, (const char *const[]){file, NULL}));
    rf_status status = rf_curve_read(&curve, operands[0]);
    if (status == RF_OK) status = set_smoothing(curve, args->smooth);
    if (status == RF_OK && rf_outputs_for_people(&args->outputs, &args->common))
        print_heading(curve, operands[0]);
    if (status == RF_OK) status = rf_curve_suggest(&suggestions, &count, curve, &how);
    if (status == RF_OK) status = rf_curve_judge(&verdict, curve);
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
    .details =
        "FILE is CSV or JSON with columns named lr and loss (or learning_rate, train_loss and the like), as "
        "pandas, Keras and Lightning write them, or our own. JSON of the arrays lr and loss alone is the "
        "history of pytorch-lr-finder or the results of Lightning, of lrs and losses fastai's recorder: "
        "their "
        "losses are smoothed, and the raw ones are computed back from them.",
    .options = options,
    .args_size = sizeof(suggest_args),
    .run = suggest_main,
};
