/* Where the results of `find` and `suggest` go. */
#include "outputs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/writer.h"

static const struct {
    const char *option;
    rf_status (*check)(const char *path);
    rf_writer *write;
} writers[RF_OUTPUT_COUNT] = {
#define WRITER_ROW(context, name, check, missing, help) {"--" #name, check, rf_report_##name},
    RF_WRITER_LIST(WRITER_ROW, )
#undef WRITER_ROW
};

const char *const *rf_print_choices(void) {
    static const char *const choices[] = {"suggestion", "range", NULL};
    return choices;
}

static bool is_stdout(const char *path) {
    return path != NULL && rf_is_stdout(path);
}

/* At most one may take stdout, and no two the same file. */
static rf_status check_names(const rf_outputs *outputs) {
    const char *const *paths = outputs->paths, *stdout_user = outputs->print != NULL ? "--print" : NULL;
    for (int i = 0; i < RF_OUTPUT_COUNT; i++) {
        const char *path = paths[i], *option = writers[i].option;
        if (path == NULL) continue;
        if (is_stdout(path)) {
            if (stdout_user != NULL)
                return rf_fail(RF_E_USAGE, "%s %s: %s writes to stdout already; give one of them a file",
                               option, path, stdout_user);
            stdout_user = option;
            continue;
        }
        if (rf_same_file(path, "-"))
            return rf_fail(RF_E_USAGE, "%s %s: stdout goes to the same file; give it another name", option,
                           path);
        for (int k = 0; k < i; k++)
            if (paths[k] != NULL && rf_same_file(path, paths[k]))
                return rf_fail(RF_E_USAGE, "%s %s: %s writes the same file; give it another name", option,
                               path, writers[k].option);
    }
    return RF_OK;
}

/* An input may be two files, as IMAGES,LABELS. */
static bool is_input(const char *path, const char *input) {
    const char *comma = strchr(input, ',');
    char first[PATH_MAX];
    if (rf_same_file(path, input)) return true;
    if (comma == NULL || comma - input >= PATH_MAX) return false;
    snprintf(first, sizeof first, "%.*s", (int)(comma - input), input);
    return rf_same_file(path, first) || rf_same_file(path, comma + 1);
}

rf_status rf_output_check(const char *option, const char *path, const char *const inputs[]) {
    for (; *inputs != NULL; inputs++)
        if (is_input(path, *inputs))
            return rf_fail(RF_E_USAGE, "%s %s: is a file that is read; give it another name", option, path);
    const rf_status status = rf_outfile_check(path);
    return status == RF_OK ? RF_OK : rf_fail_prefix(status, "%s", option);
}

rf_status rf_outputs_check(const rf_outputs *outputs, const char *const inputs[]) {
    const char *const *paths = outputs->paths;
    RF_TRY(check_names(outputs));
    for (int i = 0; i < RF_OUTPUT_COUNT; i++)
        if (paths[i] != NULL && writers[i].check != NULL) RF_TRY(writers[i].check(paths[i]));
    for (int i = 0; i < RF_OUTPUT_COUNT; i++)
        if (paths[i] != NULL) RF_TRY(rf_output_check(writers[i].option, paths[i], inputs));
    return RF_OK;
}

bool rf_outputs_for_people(const rf_outputs *outputs, const rf_common *common) {
    bool taken = outputs->print != NULL || common->quiet;
    for (int i = 0; i < RF_OUTPUT_COUNT; i++) taken |= is_stdout(outputs->paths[i]);
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

rf_status rf_outputs_list(const rf_outputs *outputs) {
    rf_str names = {0};
    for (int i = 0; i < RF_OUTPUT_COUNT; i++)
        if (outputs->paths[i] != NULL)
            rf_str_addf(&names, "%s%s", names.length > 0 ? ", " : "", outputs->paths[i]);
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
    for (int i = 0; i < RF_OUTPUT_COUNT; i++)
        if (outputs->paths[i] != NULL) RF_TRY(writers[i].write(report, outputs->paths[i]));
    if (outputs->print != NULL) print_values(outputs->print, report->verdict);
    if (rf_outputs_for_people(outputs, common)) {
        RF_TRY(show(common, report));
        RF_TRY(rf_outputs_list(outputs));
    }
    if (report->verdict->kind == RF_VERDICT_RANGE) return RF_OK;
    const char *advice = report->verdict->advice;
    return rf_fail(RF_E_FAILED, "no learning rate to suggest: %s%s%s", report->verdict->reason,
                   advice[0] != '\0' ? " " : "", advice);
}

char *rf_next_free_folder(const char *parent) {
    for (int i = 1;; i++) {
        char *path = rf_format("%s/%d", parent, i);
        if (path == NULL || access(path, F_OK) != 0) return path;
        free(path);
    }
}
