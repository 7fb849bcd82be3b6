/* Reports: each format is read back, on curves of every shape. */
#include <float.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/report.h"
#include "report/axis.h"
#include "report/line.h"
#ifdef RF_PLOTS
#include "report/ink.h"
#endif

/* A report and everything that it points to. */
typedef struct sample {
    rf_report report;
    rf_curve *curve;
    rf_suggestion *suggestions;
    rf_verdict verdict;
} sample;

static sample judged(rf_curve *curve) {
    sample made = {.curve = curve};
    size_t count;
    curve->usual_lr = 0.1;
    assert_int_equal(rf_curve_suggest(&made.suggestions, &count, curve, NULL), RF_OK);
    assert_int_equal(rf_curve_judge(&made.verdict, curve), RF_OK);
    made.report = (rf_report){.curve = curve, .suggestions = made.suggestions, .suggestion_count = count};
    return made;
}

static void release(sample *made) {
    free(made->suggestions);
    rf_curve_free(made->curve);
}

static rf_curve *curve_of(double (*loss_at)(double place), int count, double start, double end, bool linear) {
    double *const lr = rf_alloc((size_t)count, sizeof *lr), *const loss =
                                                                rf_alloc((size_t)count, sizeof *loss);
    rf_curve *curve;
    for (int i = 0; i < count; i++) {
        const double place = count > 1 ? i / (count - 1.) : 0;
        lr[i] = linear ? start + place * (end - start) : exp(log(start) + place * (log(end) - log(start)));
        loss[i] = loss_at(place);
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, (size_t)count), RF_OK);
    free(lr);
    free(loss);
    return curve;
}

static double valley(double place) {
    return 2.3 - 1.7 / (1 + exp(-25 * (place - 0.6))) + exp(30 * (place - 0.9)) +
           0.01 * sin(9000 * place * place);
}
static double constant(double place) {
    return place * 0 + 2.3;
}
static double zero(double place) {
    return place * 0;
}
static double enormous(double place) {
    return place < 0.5 ? -1.7e308 : 1.7e308;
}
static double negative(double place) {
    return valley(place) - 100;
}
static double denormal(double place) {
    return place < 0.5 ? 5e-324 : 0;
}
static double nearly_equal(double place) {
    return place < 0.5 ? 1e300 : nextafter(1e300, 0);
}
static double ending_in_nan(double place) {
    return place < 0.999 ? valley(place) : NAN;
}
static double only_nan(double place) {
    return place * NAN;
}

/* Curves that break careless drawing. */
static const struct {
    double (*loss)(double);
    int count;
    double start, end;
    bool linear;
} shapes[] = {
    {valley, 100, 1e-6, 10, false},      {valley, 1, 1e-6, 10, false},
    {valley, 2, 1e-6, 10, false},        {valley, 60, 1e-6, 10, true},
    {valley, 100, 0.1, 0.1001, false},   {valley, 100, 0.01, 0.05, false},
    {valley, 300, 1e-300, 1e300, false}, {constant, 50, 1e-6, 10, false},
    {zero, 50, 1e-6, 10, false},         {enormous, 50, 1e-6, 10, false},
    {negative, 100, 1e-6, 10, false},    {ending_in_nan, 100, 1e-6, 10, false},
    {only_nan, 1, 1e-6, 10, false},      {valley, 20000, 1e-6, 10, false},
    {valley, 1, 5e-324, 1, false},       {valley, 1, 1e308, 1, false},
    {valley, 3, 5e-324, 2e-323, true},   {valley, 100, 1e-323, 1.7e308, false},
    {valley, 50, 1e300, 1.7e308, true},  {denormal, 50, 1e-6, 10, false},
    {nearly_equal, 50, 1e-6, 10, false},
};

static sample shaped(size_t i) {
    return judged(
        curve_of(shapes[i].loss, shapes[i].count, shapes[i].start, shapes[i].end, shapes[i].linear));
}

static char folder[] = "/tmp/rangefinder-report-XXXXXX";
static char path[128];

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static const char *file_named(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *read_back(size_t *length) {
    void *data;
    size_t ignored;
    assert_int_equal(rf_file_read(&data, length ? length : &ignored, path, 64 << 20), RF_OK);
    unlink(path);
    return data;
}

/* ---- axes ---- */

/* Whatever the ends are: a bounded number of ticks, within the axis and rising. */
static void ticks_are_few_and_within_any_axis(void **state) {
    static const rf_axis axes[] = {{1e-6, 10, true},
                                   {5e-324, 1.5e-323, true},
                                   {5e-324, DBL_MAX, true},
                                   {1e308, DBL_MAX, true},
                                   {0, 10, true},
                                   {0, INFINITY, true},
                                   {1, 1, true},
                                   {2, 1, true},
                                   {1, 1 + 1e-15, true},
                                   {0, 5e-324, false},
                                   {-DBL_MAX, DBL_MAX, false},
                                   {1e300, 1e300, false},
                                   {1, NAN, false},
                                   {-1e-300, 1e300, false},
                                   {1e16, 1e16 + 2, false},
                                   {1e-310, 1e-308, true}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(axes); i++) {
        for (int wanted = 1; wanted < 20; wanted++) {
            rf_tick ticks[RF_TICKS_MAX];
            const int count = rf_axis_ticks(ticks, &axes[i], wanted);
            assert_in_range(count, 0, RF_TICKS_MAX);
            for (int k = 0; k < count; k++) {
                const double place = rf_axis_position(&axes[i], ticks[k].at);
                assert_true(place >= -0.01 && place <= 1.01);
                if (k > 0) assert_true(ticks[k].at >= ticks[k - 1].at);
            }
        }
    }
}

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
    static const char *const keys[] = {"device",         "model",   "parameters",       "data",     "batch",
                                       "optimizer",      "seed",    "iterations",       "curve",    "stop",
                                       "suggestions",    "verdict", "time_ms",          "notes",    "version",
                                       "command",        "options", "normalisation",    "usual_lr", "chance",
                                       "training_steps", "test_ms", "data_fingerprint", "race"};
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
    assert_int_equal(rf_report_json(&made.report, file_named("a.json")), RF_OK);
    assert_int_equal(rf_curve_read(&again, path), RF_OK);
    assert_int_equal(again->planned, 250);
    assert_int_equal(again->stop, RF_STOP_DIVERGED);
    assert_true(again->chance == 2.25);
    assert_true(again->usual_lr == 0.125);
    assert_true(again->training_steps == 1500);
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

/* ---- the line ---- */

/* 0.77, and from one step to the next 9: the verdict's Gaussian is 2 and more three steps before. */
static double cliff(double place) {
    return place < 0.9 ? 2.3 - 1.53 * fmin(place / 0.6, 1) : 9;
}

static void the_line_runs_through_the_dots_up_to_the_cliff(void **state) {
    static const int counts[] = {40, 100, 300, 1000};
    (void)state;
    for (size_t c = 0; c < RF_COUNT(counts); c++) {
        rf_curve *const curve = curve_of(cliff, counts[c], 1e-6, 10, false);
        double *line, farthest = 0, farthest_smoothed = 0;
        assert_int_equal(rf_line_create(&line, curve), RF_OK);
        for (size_t i = 0; i < curve->count; i++) {
            farthest = fmax(farthest, fabs(line[i] - curve->loss[i]));
            farthest_smoothed = fmax(farthest_smoothed, fabs(curve->smoothed[i] - curve->loss[i]));
        }
        assert_true(farthest_smoothed > 1);
        if (farthest > 0.12) fail_msg("%d points: %g from a dot", counts[c], farthest);
        free(line);
        rf_curve_free(curve);
    }
}

/* Noise of 0.1 about a level: the line stays within a tenth, where one loss of 9 stands alone too. */
static void the_line_averages_noise_and_passes_by_lone_losses(void **state) {
    double lr[100], loss[100], *line;
    rf_curve *curve;
    rf_random random;
    (void)state;
    rf_random_init(&random, 3, 0);
    for (int i = 0; i < 100; i++) {
        lr[i] = pow(10, -6 + 0.07 * i);
        loss[i] = i == 50 ? 9 : 2 + 0.1 * (double)rf_random_normal(&random);
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, 100), RF_OK);
    assert_int_equal(rf_line_create(&line, curve), RF_OK);
    for (int i = 5; i < 95; i++) assert_true(fabs(line[i] - 2) < 0.1);
    free(line);
    rf_curve_free(curve);
}

/* ---- pictures ---- */

#ifdef RF_PLOTS

/* Are tags closed in the order in which they were opened? */
static bool well_formed(const char *text) {
    const char *open[256];
    size_t depth = 0, elements = 0;
    for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
        const char *const end = strchr(at, '>');
        const char *const name = at[1] == '/' ? at + 2 : at + 1;
        const size_t length = strcspn(name, " />\n");
        if (!end) return false;
        if (at[1] == '?' || at[1] == '!') continue;
        if (at[1] == '/') {
            if (depth == 0 || strncmp(open[--depth], name, length) != 0) return false;
        } else if (end[-1] != '/') {
            if (depth == RF_COUNT(open)) return false;
            open[depth++] = name;
        }
        elements++;
    }
    return depth == 0 && elements > 10;
}

static void check_svg(void) {
    char *const text = read_back(NULL);
    assert_ptr_equal(strstr(text, "<?xml"), text);
    assert_non_null(strstr(text, "width=\"960px\" height=\"540px\""));
    assert_null(strstr(text, "nan"));
    assert_true(well_formed(text));
    free(text);
}

static void check_png(void) {
    cairo_surface_t *const picture = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(picture), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(picture), 1920);
    assert_int_equal(cairo_image_surface_get_height(picture), 1080);
    const unsigned char *const pixels = cairo_image_surface_get_data(picture);
    assert_int_equal(pixels[3], 0); /* outside of the card's round corner */
    assert_int_equal(pixels[4 * 40 + 3 + 40 * cairo_image_surface_get_stride(picture)],
                     255); /* on the card */
    cairo_surface_destroy(picture);
    unlink(path);
}

static void check_pdf(void) {
    size_t length;
    char *const data = read_back(&length);
    assert_memory_equal(data, "%PDF-", 5);
    assert_memory_equal(data + length - 6, "%%EOF\n", 6);
    free(data);
}

static void pictures_can_be_read(void **state) {
    static const struct {
        const char *name;
        void (*check)(void);
    } formats[] = {{"a.svg", check_svg}, {"a.PNG", check_png}, {"a.pdf", check_pdf}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(shapes); i++) {
        sample made = shaped(i);
        if (i != 1) made.report.verdict = &made.verdict;
        for (size_t k = 0; k < RF_COUNT(formats); k++) {
            assert_int_equal(rf_report_plot(&made.report, file_named(formats[k].name)), RF_OK);
            formats[k].check();
        }
        release(&made);
    }
}

static void names_may_be_long_or_no_utf8(void **state) {
    (void)state;
    sample made = shaped(0);
    char name[5000];
    memset(name, 'w', sizeof name);
    name[sizeof name - 1] = '\0';
    made.report.verdict = &made.verdict;
    made.report.model = name;
    made.report.device = "\xff\xfe\x01 <&> \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc3";
    made.report.data = "";
    made.report.optimizer = name;
    assert_int_equal(rf_report_plot(&made.report, file_named("a.svg")), RF_OK);
    check_svg();
    made.report.model = "\xf0\x9f\x98\x80\xed\xa0\x80";
    assert_int_equal(rf_report_plot(&made.report, file_named("a.svg")), RF_OK);
    check_svg();
    release(&made);
}

/* In every picture's title: the network, and of a long name of the data the end, behind an ellipsis. */
static void a_long_name_of_data_keeps_its_end(void **state) {
    static const struct {
        const char *model, *data, *begin, *end;
    } names[] = {
        {"resnet20",
         "/home/someone/photographs/2026/november/butterflies-and-moths-of-europe/seen-in-june/train-32",
         "resnet20 on \u2026", "/train-32"},
        {NULL,
         "range-test-of-the-large-network-with-all-the-options-that-we-tried-in-the-evening-batch-128.csv",
         "\u2026", "-batch-128.csv"},
        {"resnet20", "photos", "resnet20 on photos", "resnet20 on photos"},
        {"\u00fcbernetz",
         "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
         "\u00fc\u00fc\u00fc\u00fc\u00fc"
         "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
         "\u00fc\u00fc\u00fc\u00fc\u00fc",
         "\u00fcbernetz on \u2026\u00fc", "\u00fc"},
    };
    cairo_surface_t *const surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 8, 8);
    cairo_t *const cr = cairo_create(surface);
    const rf_font font = {22, true, RF_INK(0, 1)};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        char *const whole = rf_format("%s%s%s", names[i].model ? names[i].model : "",
                                      names[i].model ? " on " : "", names[i].data);
        char cut[RF_CUT_BYTES];
        rf_text_cut(cut, cr, font, 420, strlen(whole) - strlen(names[i].data), whole);
        assert_true(rf_text_width(cr, font, cut) <= 420);
        assert_memory_equal(cut, names[i].begin, strlen(names[i].begin));
        assert_string_equal(cut + strlen(cut) - strlen(names[i].end), names[i].end);
        free(whole);
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
}

static void other_endings_are_refused(void **state) {
    static const char *const names[] = {"plot", "plot.jpg", "plot.svg.bak", "svg", "", "."};
    (void)state;
    sample made = shaped(0);
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        assert_int_equal(rf_report_plot(&made.report, names[i]), RF_E_USAGE);
        assert_non_null(strstr(rf_error_message(), ".svg, .png or .pdf"));
        assert_int_equal(rf_report_plot_check(names[i]), RF_E_USAGE);
    }
    assert_int_equal(rf_report_plot_check("a.b/c.PDF"), RF_OK);
    assert_int_equal(rf_report_plot(&made.report, "/no/such/folder/a.svg"), RF_E_IO);
    release(&made);
}

#else
static void plots_are_refused_without_cairo(void **state) {
    (void)state;
    sample made = shaped(0);
    assert_int_equal(rf_report_plot_check("a.svg"), RF_E_USAGE);
    assert_non_null(strstr(rf_error_message(), "a.svg: this build draws no plots"));
    assert_int_equal(rf_report_plot(&made.report, file_named("a.svg")), RF_E_USAGE);
    assert_int_not_equal(access(path, F_OK), 0);
    release(&made);
}
#endif

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

/* ---- the terminal ---- */

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
        cmocka_unit_test(ticks_are_few_and_within_any_axis),
        cmocka_unit_test(csv_reads_back_the_same),
        cmocka_unit_test(json_has_every_key_and_reads_back),
        cmocka_unit_test(a_race_is_in_json_words_and_picture),
        cmocka_unit_test(json_keeps_what_is_known_of_the_run),
        cmocka_unit_test(json_seed_is_a_whole_number_of_64_bits),
        cmocka_unit_test(the_line_runs_through_the_dots_up_to_the_cliff),
        cmocka_unit_test(the_line_averages_noise_and_passes_by_lone_losses),
#ifdef RF_PLOTS
        cmocka_unit_test(pictures_can_be_read),
        cmocka_unit_test(names_may_be_long_or_no_utf8),
        cmocka_unit_test(a_long_name_of_data_keeps_its_end),
        cmocka_unit_test(other_endings_are_refused),
#else
        cmocka_unit_test(plots_are_refused_without_cairo),
#endif
        cmocka_unit_test(a_page_has_the_verdict_and_escapes_names),
        cmocka_unit_test(a_missing_folder_or_a_full_disk_is_an_error),
        cmocka_unit_test(text_fits_the_terminal),
        cmocka_unit_test(the_terminal_shows_curve_range_and_suggestion),
        cmocka_unit_test(the_verdict_begins_with_the_number),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
