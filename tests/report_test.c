/* Reports as files: CSV and JSON are read back, pages are looked through. */
#include <jansson.h>
#include <limits.h>

#include "reports.h"

/* ---- CSV and JSON ---- */

static void csv_reads_back_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(shapes); i++) {
        sample made = shaped(i);
        made.report.verdict = &made.verdict;
        assert_int_equal(rf_report_csv(&made.report, file_named("a.csv")), RF_OK);
        rf_curve *again;
        assert_int_equal(rf_curve_read(&again, path), RF_OK);
        assert_int_equal(again->count, made.curve->count);
        for (size_t k = 0; k < again->count; k++) {
            assert_true(again->lr[k] == made.curve->lr[k]);
            assert_true(again->loss[k] == made.curve->loss[k] || isnan(made.curve->loss[k]));
        }
        char *const text = read_back(NULL);
        assert_ptr_equal(strstr(text, "lr,loss,smoothed\n"), text);
        free(text);
        rf_curve_free(again);
        release(&made);
    }
}

static void json_has_every_key_and_reads_back(void **state) {
    static const char *const keys[] = {
        "device",   "model",      "parameters",     "data",        "batch",       "optimizer",
        "seed",     "iterations", "curve",          "stop",        "suggestions", "verdict",
        "time_ms",  "notes",      "version",        "command",     "options",     "normalisation",
        "usual_lr", "chance",     "training_steps", "epoch_steps", "test_ms",     "data_fingerprint",
        "race"};
    static const char *const verdict_keys[] = {"kind",  "lr_min", "lr",     "lr_max",    "confidence",
                                               "cause", "reason", "advice", "lr_lowest", "lr_highest"};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(shapes); i++) {
        sample made = shaped(i);
        made.report.verdict = &made.verdict;
        made.report.device = "half a \xff byte";
        assert_int_equal(rf_report_json(&made.report, file_named("a.json")), RF_OK);
        rf_curve *again;
        assert_int_equal(rf_curve_read(&again, path), RF_OK);
        assert_int_equal(again->count, made.curve->count);
        assert_true(again->lr[again->count - 1] == made.curve->lr[again->count - 1]);
        rf_curve_free(again);

        char *const text = read_back(NULL);
        json_t *const root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        assert_int_equal(json_object_size(root), RF_COUNT(keys));
        for (size_t k = 0; k < RF_COUNT(keys); k++) assert_non_null(json_object_get(root, keys[k]));
        const json_t *const verdict = json_object_get(root, "verdict");
        for (size_t k = 0; k < RF_COUNT(verdict_keys); k++)
            assert_non_null(json_object_get(verdict, verdict_keys[k]));
        const bool range = made.verdict.kind == RF_VERDICT_RANGE;
        assert_string_equal(json_string_value(json_object_get(verdict, "kind")), range ? "range" : "none");
        assert_int_equal(json_is_real(json_object_get(verdict, "lr")), range);
        assert_int_equal(json_object_size(json_object_get(root, "suggestions")),
                         made.report.suggestion_count);
        assert_string_equal(json_string_value(json_object_get(root, "device")), "half a ? byte");
        json_decref(root);
        free(text);
        release(&made);
    }
}

/* Also of trainings that stopped at once, at a loss that is not finite. */
static void a_race_is_in_json_words_and_picture(void **state) {
    double losses[2][12] = {{2.3, 2.2, 2.1, 2, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2}, {NAN}};
    rf_trial trials[] = {{0.01, 12, 12, 1.25, 1.3, 0.5, losses[0]},
                         {0.1, 12, 1, INFINITY, INFINITY, NAN, losses[1]}};
    const rf_race race = {
        .trials = trials, .count = 2, .plan_steps = 144, .chance = 2.3, .lr = 0.01, .reason = "So be it."};
    sample made = shaped(0);
    char *words;
    (void)state;
    made.report.race = &race;
    assert_int_equal(rf_report_json(&made.report, file_named("a.json")), RF_OK);
    char *const text = read_back(NULL);
    json_t *const root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *const read = json_object_get(json_object_get(root, "race"), "trials");
    assert_int_equal(json_array_size(read), 2);
    assert_true(json_real_value(json_object_get(json_array_get(read, 0), "validation_loss")) == 1.3);
    assert_true(json_is_null(json_object_get(json_array_get(read, 1), "validation_loss")));
    assert_int_equal(json_array_size(json_object_get(json_array_get(read, 1), "losses")), 1);
    json_decref(root);
    free(text);
    assert_int_equal(rf_report_verdict(&words, &made.report, &(rf_terminal_options){.columns = 80}), RF_OK);
    assert_non_null(strstr(words, "\n  0.01              12           1.25            1.3   50.00 %  best\n"
                                  "  0.1                1     not finite     not finite\nSo be it.\n"));
    free(words);
#ifdef RF_PLOTS
    assert_int_equal(rf_report_plot(&made.report, file_named("a.png")), RF_OK);
    unlink(path);
#endif
    release(&made);
}

/* A run that was stopped tells how many steps were planned: rules that count from the plan's length need it.  With what else
 * is known of the run, the verdict on the file is that on the run. */
static void json_keeps_what_is_known_of_the_run(void **state) {
    (void)state;
    sample made = shaped(0);
    rf_curve *again;
    made.curve->planned = 250;
    made.curve->stop = RF_STOP_DIVERGED;
    made.curve->chance = 2.25;
    made.curve->usual_lr = 0.125;
    made.curve->training_steps = 1500;
    made.curve->epoch_steps = 47;
    assert_int_equal(rf_report_json(&made.report, file_named("a.json")), RF_OK);
    assert_int_equal(rf_curve_read(&again, path), RF_OK);
    assert_int_equal(again->planned, 250);
    assert_int_equal(again->stop, RF_STOP_DIVERGED);
    assert_true(again->chance == 2.25);
    assert_true(again->usual_lr == 0.125);
    assert_true(again->training_steps == 1500);
    assert_true(again->epoch_steps == 47);
    char *const text = read_back(NULL);
    assert_non_null(strstr(text, "\"stop\": {\"step\": 100, \"reason\": \"diverged\"}"));
    free(text);
    rf_curve_free(again);
    release(&made);
}

static void json_seed_is_a_whole_number_of_64_bits(void **state) {
    (void)state;
    sample made = shaped(0);
    rf_curve *again;
    made.report.seed = ULLONG_MAX;
    made.report.parameters = SIZE_MAX;
    assert_int_equal(rf_report_json(&made.report, file_named("a.json")), RF_OK);
    assert_int_equal(rf_curve_read(&again, path), RF_OK);
    assert_int_equal(again->planned, made.curve->planned);
    char *const text = read_back(NULL);
    assert_non_null(strstr(text, "\"seed\": 18446744073709551615,"));
    assert_non_null(strstr(text, "\"parameters\": 18446744073709551615,"));
    free(text);
    rf_curve_free(again);
    release(&made);
}

/* ---- pages ---- */

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++) count++;
    return count;
}

/* Whatever the curve and the names are: the verdict's numbers with all their digits, a mark and a row for each method, one
 * script, which is ours, and no address but those of the pictures in it. */
static void a_page_has_the_verdict_and_escapes_names(void **state) {
    static const char evil[] = "</title><script>alert('1')</script>&amp;\"\xff\x01https://x/";
    (void)state;
    for (size_t i = 0; i < RF_COUNT(shapes); i++) {
        sample made = shaped(i);
        const char *const notes[] = {evil, NULL};
        const rf_setting setting = {"data", evil};
        const double numbers[] = {made.verdict.lr_min, made.verdict.lr, made.verdict.lr_max};
        made.report.verdict = &made.verdict;
        made.report.device = made.report.model = made.report.data = made.report.optimizer = evil;
        made.report.command = made.report.train = made.report.pytorch = evil;
        made.report.notes = notes;
        made.report.settings = &setting;
        made.report.setting_count = 1;
        assert_int_equal(rf_report_html(&made.report, file_named("a.html")), RF_OK);
        char *const page = read_back(NULL);
        for (size_t k = 0; made.verdict.kind == RF_VERDICT_RANGE && k < RF_COUNT(numbers); k++) {
            rf_str title = {0};
            rf_str_add(&title, "title=\"");
            rf_str_add_number(&title, numbers[k]);
            assert_non_null(strstr(page, title.data));
            rf_str_free(&title);
        }
        const char *const after = strstr(page, "What the known libraries say"), *const methods =
                                                                                    after ? after : "";
        for (size_t k = 0; k < made.report.suggestion_count; k++)
            assert_non_null(strstr(methods, made.suggestions[k].method));
        assert_true(count_of(page, "<script") <= 1); /* none in a build without pictures */
        assert_null(strstr(page, "http:"));
        assert_true(count_of(page, "https:") > 10);
        assert_int_equal(
            count_of(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;&quot;??https:"),
            count_of(page, "https:"));
        release(&made);
        free(page);
    }
}

static void a_missing_folder_or_a_full_disk_is_an_error(void **state) {
    (void)state;
    sample made = shaped(0);
    assert_int_equal(rf_report_csv(&made.report, "/no/such/folder/a.csv"), RF_E_IO);
    assert_int_equal(rf_report_json(&made.report, "/no/such/folder/a.json"), RF_E_IO);
    assert_int_equal(rf_report_csv(&made.report, "/dev/full"), RF_E_IO);
    assert_int_equal(rf_report_json(&made.report, "/dev/full"), RF_E_IO);
    assert_int_equal(rf_report_html(&made.report, "/dev/full"), RF_E_IO);
#ifdef RF_PLOTS
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"full.svg", "full.png", "full.pdf"};
        assert_int_equal(symlink("/dev/full", file_named(names[i])), 0);
        assert_int_equal(rf_report_plot(&made.report, path), RF_E_IO);
        unlink(path);
    }
#endif
    release(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_reads_back_the_same),
        cmocka_unit_test(json_has_every_key_and_reads_back),
        cmocka_unit_test(a_race_is_in_json_words_and_picture),
        cmocka_unit_test(json_keeps_what_is_known_of_the_run),
        cmocka_unit_test(json_seed_is_a_whole_number_of_64_bits),
        cmocka_unit_test(a_page_has_the_verdict_and_escapes_names),
        cmocka_unit_test(a_missing_folder_or_a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
