/* Where the results of `find` and `suggest` go. */
#include "outputs.h"

#include <stdlib.h>
#include <string.h>

typedef struct output {
    const char *option, *path;
    rf_status (*write)(const rf_report *report, const char *path);
} output;

enum { OUTPUTS = 3 };

static void list_outputs(output list[OUTPUTS], const rf_outputs *outputs) {
    list[0] = (output){"--plot", outputs->plot, rf_report_plot};
    list[1] = (output){"--csv", outputs->csv, rf_report_csv};
    list[2] = (output){"--json", outputs->json, rf_report_json};
}

const char *const *rf_print_choices(void) {
    static const char *const choices[] = {"suggestion", "range", NULL};
    return choices;
}

static bool is_stdout(const char *path) {
    return path != NULL && strcmp(path, "-") == 0;
}

static rf_status check_names(const output list[OUTPUTS], const char *print) {
    const char *taker = print != NULL ? "--print" : NULL;
    for (int i = 0; i < OUTPUTS; i++) {
        if (is_stdout(list[i].path) && taker != NULL)
            return rf_fail(RF_E_USAGE, "%s -: %s writes to stdout already; give one of them a file",
                           list[i].option, taker);
        if (is_stdout(list[i].path)) taker = list[i].option;
        for (int k = 0; k < i && list[i].path != NULL && !is_stdout(list[i].path); k++)
            if (list[k].path != NULL && strcmp(list[k].path, list[i].path) == 0 &&
                strncmp(list[i].path, "/dev/", 5) != 0)
                return rf_fail(RF_E_USAGE, "%s %s: %s writes the same file; give it another name",
                               list[i].option, list[i].path, list[k].option);
    }
    return RF_OK;
}

rf_status rf_outputs_check(const rf_outputs *outputs) {
    output list[OUTPUTS];
    list_outputs(list, outputs);
    RF_TRY(check_names(list, outputs->print));
    if (outputs->plot != NULL) RF_TRY(rf_report_plot_check(outputs->plot));
    for (int i = 0; i < OUTPUTS; i++) {
        rf_outfile *file = NULL;
        if (list[i].path == NULL || is_stdout(list[i].path)) continue;
        rf_status status = rf_outfile_open(&file, list[i].path);
        rf_outfile_abort(file);
        if (status != RF_OK) return rf_fail_prefix(status, "%s", list[i].option);
    }
    return RF_OK;
}

bool rf_outputs_for_people(const rf_outputs *outputs, const rf_common *common) {
    output list[OUTPUTS];
    list_outputs(list, outputs);
    bool taken = outputs->print != NULL || common->quiet;
    for (int i = 0; i < OUTPUTS; i++) taken |= is_stdout(list[i].path);
    return !taken;
}

static rf_status show(const rf_common *common, const rf_report *report) {
    rf_terminal_options terminal = rf_terminal_describe(common->no_color);
    char *plot = NULL, *verdict = NULL;
    rf_status status = rf_report_terminal(&plot, report, &terminal);
    if (status == RF_OK) status = rf_report_verdict(&verdict, report, &terminal);
    if (status == RF_OK) printf("%s\n%s", plot, verdict);
    free(plot);
    free(verdict);
    return status;
}

/* Tells a person where the files are. */
static rf_status list_files(const output list[OUTPUTS]) {
    rf_str names = {0};
    for (int i = 0; i < OUTPUTS; i++)
        if (list[i].path != NULL) rf_str_addf(&names, "%s%s", names.length > 0 ? ", " : "", list[i].path);
    rf_status status = rf_str_status(&names);
    if (status == RF_OK && names.length > 0) {
        putchar('\n');
        rf_print_line("written: %s", names.data);
    }
    rf_str_free(&names);
    return status;
}

static void print_values(const char *what, const rf_verdict *verdict) {
    if (verdict->kind == RF_VERDICT_NONE) return;
    if (strcmp(what, "range") == 0)
        printf("%.6g %.6g\n", verdict->lr_min, verdict->lr_max);
    else
        printf("%.6g\n", verdict->lr);
}

rf_status rf_outputs_finish(const rf_outputs *outputs, const rf_common *common, const rf_report *report) {
    output list[OUTPUTS];
    list_outputs(list, outputs);
    for (int i = 0; i < OUTPUTS; i++)
        if (list[i].path != NULL) RF_TRY(list[i].write(report, list[i].path));
    if (outputs->print != NULL) print_values(outputs->print, report->verdict);
    if (rf_outputs_for_people(outputs, common)) {
        RF_TRY(show(common, report));
        RF_TRY(list_files(list));
    }
    if (report->verdict->kind == RF_VERDICT_RANGE) return RF_OK;
    const char *advice = report->verdict->advice;
    return rf_fail(RF_E_FAILED, "no learning rate to suggest: %s%s%s", report->verdict->reason,
                   advice[0] != '\0' ? " " : "", advice);
}
