/* Pictures of curves: axes, the line, and files that can be read. */
#include <float.h>

#include "reports.h"

#include "report/axis.h"
#include "report/line.h"
#ifdef RF_PLOTS
#include "report/ink.h"
#endif

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

/* In pixels of the SVG, of which a PNG has two. */
static int height_drawn(const rf_report *report) {
    assert_int_equal(rf_report_plot(report, file_named("a.png")), RF_OK);
    cairo_surface_t *const picture = cairo_image_surface_create_from_png(path);
    const int height = cairo_image_surface_get_height(picture);
    cairo_surface_destroy(picture);
    unlink(path);
    return height / 2;
}

/* What reproduces the run is there whole: the picture is higher where that takes more lines. */
static void a_long_command_gets_lines_of_its_own(void **state) {
    (void)state;
    sample made = shaped(0);
    char words[1200], word[1200];
    const int without = height_drawn(&made.report);
    made.report.command = "rangefinder find";
    const int with = height_drawn(&made.report);
    assert_true(with > without);
    for (size_t i = 0; i < sizeof words; i++) words[i] = i % 8 == 7 ? ' ' : 'o', word[i] = 'o';
    words[sizeof words - 1] = word[sizeof word - 1] = '\0';
    made.report.command = words;
    const int spaced = height_drawn(&made.report);
    assert_true(spaced >= with + 5 * 15); /* 1,200 letters of some 6 pixels, in lines of 892 */
    made.report.command = word;
    assert_in_range(height_drawn(&made.report), spaced - 15, spaced + 15);
    release(&made);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_few_and_within_any_axis),
        cmocka_unit_test(the_line_runs_through_the_dots_up_to_the_cliff),
        cmocka_unit_test(the_line_averages_noise_and_passes_by_lone_losses),
#ifdef RF_PLOTS
        cmocka_unit_test(pictures_can_be_read),
        cmocka_unit_test(names_may_be_long_or_no_utf8),
        cmocka_unit_test(a_long_name_of_data_keeps_its_end),
        cmocka_unit_test(a_long_command_gets_lines_of_its_own),
        cmocka_unit_test(other_endings_are_refused),
#else
        cmocka_unit_test(plots_are_refused_without_cairo),
#endif
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
