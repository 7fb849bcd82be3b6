/* Curves and verdicts as text. */
#include "reports.h"

static int width_of(const char *line, size_t length) {
    int width = 0;
    for (size_t i = 0; i < length; i++) width += (line[i] & 0xC0) != 0x80;
    return width;
}

static void check_text(const char *text, const rf_terminal_options *options, int rows) {
    int lines = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1, lines++)
        if (!options->colour) assert_true(width_of(line, strcspn(line, "\n")) <= options->columns);
    if (rows) assert_int_equal(lines, rows);
    for (const char *at = text; *at; at++) {
        if (!options->unicode) assert_true((*at >= ' ' && *at <= '~') || *at == '\n' || *at == '\033');
        if (!options->colour) assert_true(*at != '\033');
    }
}

static void text_fits_the_terminal(void **state) {
    static const rf_terminal_options sizes[] = {{80, 20, true, false},
                                                {80, 20, false, false},
                                                {24, 8, true, false},
                                                {200, 60, true, true},
                                                {40, 10, false, true}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(shapes); i++) {
        sample made = shaped(i);
        made.report.verdict = &made.verdict;
        for (size_t k = 0; k < RF_COUNT(sizes); k++) {
            char *text;
            assert_int_equal(rf_report_terminal(&text, &made.report, &sizes[k]), RF_OK);
            check_text(text, &sizes[k], sizes[k].rows);
            free(text);
        }
        release(&made);
    }
}

static void the_terminal_shows_curve_range_and_suggestion(void **state) {
    (void)state;
    sample made = shaped(0);
    char *text;
    made.report.verdict = &made.verdict;
    assert_int_equal(made.verdict.kind, RF_VERDICT_RANGE);
    assert_int_equal(rf_report_terminal(&text, &made.report, &(rf_terminal_options){80, 20, false, false}),
                     RF_OK);
    assert_non_null(strstr(text, "==v=="));
    assert_non_null(strstr(text, "==#=="));
    assert_non_null(strstr(text, "***"));
    assert_non_null(strstr(text, "1e-6"));
    free(text);
    release(&made);
}

static void the_verdict_begins_with_the_number(void **state) {
    (void)state;
    static const rf_terminal_options plain = {80, 20, false, false};
    sample good = shaped(0), flat = shaped(7);
    char *text;
    good.report.verdict = &good.verdict;
    flat.report.verdict = &flat.verdict;
    assert_int_equal(rf_report_verdict(&text, &good.report, &plain), RF_OK);
    assert_true(strtod(text, NULL) > 0.9 * good.verdict.lr && strtod(text, NULL) < 1.1 * good.verdict.lr);
    assert_non_null(strstr(text, "confidence: high"));
    assert_non_null(strstr(text, "  valley     fastai "));
    check_text(text, &plain, 0);
    free(text);
    assert_int_equal(rf_report_verdict(&text, &flat.report, &plain), RF_OK);
    assert_ptr_equal(strstr(text, "No learning rate can be suggested."), text);
    assert_non_null(strstr(text, "The loss is flat"));
    assert_non_null(strstr(text, "--end-lr"));
    free(text);
    release(&good);
    release(&flat);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_fits_the_terminal),
        cmocka_unit_test(the_terminal_shows_curve_range_and_suggestion),
        cmocka_unit_test(the_verdict_begins_with_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
