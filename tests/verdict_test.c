/* The verdict on curves of every kind, with numbers that can be worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "curve/curve.h"

enum { STEPS = 100 };

/* A curve through given corners, straight in between, on the ladder 1e-6 -> 10; noise is a standard
 * deviation. */
typedef struct corner {
    int step;
    double loss;
} corner;

static double lr_of(int step) {
    return 1e-6 * pow(1e7, step / (STEPS - 1.));
}

static rf_curve *draw(const corner *corners, size_t count, double noise, int steps) {
    double lr[STEPS], loss[STEPS];
    rf_random random;
    rf_curve *curve;
    size_t next = 1;
    rf_random_init(&random, 7, 0);
    for (int i = 0; i < steps; i++) {
        while (next + 1 < count && i > corners[next].step) next++;
        const corner a = corners[next - 1], b = corners[next];
        lr[i] = lr_of(i);
        loss[i] =
            a.loss + (b.loss - a.loss) * (i - a.step) / (b.step - a.step) + noise * rf_random_normal(&random);
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, (size_t)steps), RF_OK);
    return curve;
}

/* Frees the curve. */
static rf_verdict judged(rf_curve *curve) {
    rf_verdict verdict;
    assert_int_equal(rf_curve_judge(&verdict, curve), RF_OK);
    rf_curve_free(curve);
    assert_string_not_equal(verdict.reason, "");
    if (verdict.kind == RF_VERDICT_RANGE) {
        assert_true(0 < verdict.lr_min && verdict.lr_min <= verdict.lr && verdict.lr <= verdict.lr_max);
        assert_string_equal(verdict.cause, "ok");
    } else {
        assert_true(isnan(verdict.lr) && isnan(verdict.lr_min) && isnan(verdict.lr_max));
        assert_string_not_equal(verdict.advice, "");
    }
    return verdict;
}

static rf_verdict judge(const corner *corners, size_t count, double noise, int steps) {
    return judged(draw(corners, count, noise, steps));
}

/* With an optimizer that 0.01 suits. */
static rf_verdict judge_known(const corner *corners, size_t count, double noise) {
    rf_curve *const curve = draw(corners, count, noise, STEPS);
    curve->usual_lr = 0.01;
    return judged(curve);
}

static const corner valley[] = {{0, 2}, {50, 2}, {80, 0.5}, {99, 1.45}};

/* Smoothing leaves straight lines alone and rounds corners: s[80] = 0.5 + 0.05 E|z| = 0.62, so the drop
 * is 1.38; seven tenths of it are made at step 70 (2 - 0.05 * 20 = 1.0), and a fifth is lost again at step
 * 88 (0.05 E|8 + z| = 0.40).
 * With n = 99 / 7 steps a decade q = 1.5 / sqrt(n) = 0.3989: log10 lr is -6 + 7 * 80 / 99 - q = -0.7423, and 0.5983 of the way
 * from there to log10 0.01, which is the optimizer's, -1.4948.  The rates of steps 0..70 sum up to 0.5925. */
static void a_valley_gives_the_range(void **state) {
    (void)state;
    const rf_verdict verdict = judge_known(valley, RF_COUNT(valley), 0);
    assert_int_equal(verdict.kind, RF_VERDICT_RANGE);
    assert_float_equal(log10(verdict.lr), -1.4948, 1e-4);
    assert_float_equal(verdict.lr_min, 2.5 * 0.5925 / 100, 1e-6);
    assert_float_equal(verdict.lr_max / lr_of(88), 1, 1e-9);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_HIGH);
    assert_string_equal(verdict.reason,
                        "The loss falls from 2 to 0.619, is lowest at 0.45 and rises again from 1.7 on.");
    assert_string_equal(verdict.advice, "");
}

/* The optimizer's rate draws the suggestion, but not out of the range or off the curve. */
static void the_suggestion_stays_in_the_range(void **state) {
    (void)state;
    rf_curve *const high = draw(valley, RF_COUNT(valley), 0, STEPS), *const low = draw(
                                                                         valley, RF_COUNT(valley), 0, STEPS);
    high->usual_lr = 1e6;
    low->usual_lr = 1e-30;
    const rf_verdict highest = judged(high), lowest = judged(low);
    assert_float_equal(highest.lr / lr_of(88), 1, 1e-9);
    assert_float_equal(lowest.lr / lr_of(0), 1, 1e-9);
}

static void an_unknown_optimizer_leaves_what_the_curve_says(void **state) {
    (void)state;
    const rf_verdict verdict = judge(valley, RF_COUNT(valley), 0, STEPS);
    assert_float_equal(log10(verdict.lr), -0.7423, 1e-4);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_MEDIUM);
    assert_non_null(strstr(verdict.reason, "the optimizer is not known"));
}

/* Half a decade lower where a training of many passes over the images, by its steps or else by the test's, met a loss that fell by less
 * than two fifths of that of guessing: the valley falls from 2 by 1.38, which is 0.69 of 2, and 0.28 of 5. */
static void what_is_learned_by_heart_wants_lower_rates(void **state) {
    (void)state;
    static const struct {
        double chance, training_steps, epoch_steps, lower;
        const char *told;
    } cases[] = {
        {5, 300, 30, 0.5, "Going over the images 10 times"},
        {5, 300, 31, 0, NULL},
        {5, 0, 10, 0.5, "Going over the images 10 times"}, /* the test has a hundred steps */
        {5, 0, 11, 0, NULL},
        {5, 330, 33, 0.5, "Going over the images 10 times"}, /* the test sees them three times */
        {5, 340, 34, 0, NULL},                               /* not quite */
        {5, 300, 0, 0, NULL},
        {2, 300, 3, 0, NULL},
    };
    for (size_t c = 0; c < RF_COUNT(cases); c++) {
        static const corner far[] = {{0, 5}, {50, 5}, {80, 3.5}, {99, 4.45}}; /* the valley, 3 higher */
        const bool hard = cases[c].chance == 5;
        rf_curve *const curve = draw(hard ? far : valley, RF_COUNT(valley), 0, STEPS);
        curve->usual_lr = 0.01;
        curve->chance = cases[c].chance;
        curve->training_steps = cases[c].training_steps;
        curve->epoch_steps = cases[c].epoch_steps;
        const rf_verdict verdict = judged(curve);
        assert_float_equal(log10(verdict.lr), -1.4948 - cases[c].lower, 1e-4);
        assert_int_equal(verdict.by_heart, cases[c].lower > 0);
        assert_true(verdict.lr_min <= verdict.lr);
        assert_int_equal(strstr(verdict.reason, "by heart") != NULL, cases[c].told != NULL);
        if (cases[c].told != NULL) assert_non_null(strstr(verdict.reason, cases[c].told));
    }
}

static void noise_lowers_the_confidence(void **state) {
    (void)state;
    const rf_verdict little = judge_known(valley, RF_COUNT(valley), 0.05);
    const rf_verdict some = judge_known(valley, RF_COUNT(valley), 0.25);
    const rf_verdict much = judge_known(valley, RF_COUNT(valley), 0.7);
    assert_int_equal(little.confidence, RF_CONFIDENCE_HIGH);
    assert_int_equal(some.confidence, RF_CONFIDENCE_MEDIUM);
    assert_int_equal(much.confidence, RF_CONFIDENCE_LOW);
    assert_non_null(strstr(some.reason, "Confidence is medium:"));
    assert_non_null(strstr(much.advice, "--iterations 300"));
}

/* High takes two fifths of the loss, or of that of guessing where the test begins above it. */
static void learning_little_lowers_the_confidence(void **state) {
    static const struct {
        double start, lowest, chance;
        rf_confidence confidence;
    } cases[] = {{2, 1, 0, RF_CONFIDENCE_HIGH},     {2, 1.4, 0, RF_CONFIDENCE_MEDIUM},
                 {2, 1.85, 0, RF_CONFIDENCE_LOW},   {9, 1, 2, RF_CONFIDENCE_HIGH},
                 {9, 1.4, 2, RF_CONFIDENCE_MEDIUM}, {9, 2.5, 2, RF_CONFIDENCE_LOW},
                 {1, 0.55, 2, RF_CONFIDENCE_HIGH}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        const double start = cases[i].start, lowest = cases[i].lowest;
        const corner corners[] = {{0, start}, {40, start}, {70, lowest}, {80, lowest}, {99, 3 * start}};
        rf_curve *const curve = draw(corners, RF_COUNT(corners), 0, STEPS);
        curve->chance = cases[i].chance;
        curve->usual_lr = 0.01;
        assert_int_equal(judged(curve).confidence, cases[i].confidence);
    }
}

static void noise_larger_than_the_drop_gives_none(void **state) {
    static const corner level[] = {{0, 2}, {99, 2}}, slight[] = {{0, 2}, {50, 2}, {85, 1.9}, {99, 3}};
    (void)state;
    assert_string_equal(judge(level, 2, 0.3, STEPS).cause, "noise");
    assert_string_equal(judge(slight, 4, 0.4, STEPS).cause, "noise");
}

static void a_flat_curve_gives_none(void **state) {
    static const corner level[] = {{0, 2.3}, {99, 2.29}}, late[] = {{0, 2.3}, {70, 2.3}, {99, 9}};
    (void)state;
    const rf_verdict flat = judge(level, 2, 0, STEPS), rising = judge(late, 3, 0, STEPS);
    assert_string_equal(flat.cause, "flat");
    assert_non_null(strstr(flat.advice, "--end-lr 1e4"));
    assert_string_equal(rising.cause, "flat");
    assert_non_null(strstr(rising.reason, "before it diverges at "));
    /* Labels are suspected where the loss stays that of guessing (ln 10), and only there. */
    assert_null(strstr(rising.advice, "labels"));
    rf_curve *const guessing = draw(late, 3, 0, STEPS);
    guessing->chance = log(10);
    assert_non_null(strstr(judged(guessing).advice, "labels"));
}

/* A network that was trained before: its loss is low at once, against that of guessing between two, or as many
 * classes as there are. */
static void a_loss_that_is_low_from_the_start_is_recognised(void **state) {
    static const corner harmed[] = {{0, 0.05}, {70, 0.05}, {85, 0.6}}, still[] = {{0, 0.05}, {99, 0.05}},
                        fair[] = {{0, 1}, {70, 1}, {85, 4}};
    (void)state;
    const rf_verdict rising = judge(harmed, 3, 0.01, 86);
    assert_string_equal(rising.cause, "low_from_start");
    assert_non_null(strstr(rising.reason, "low from the start, 0.05"));
    const char *const from = strstr(rising.reason, "Rates from ");
    assert_non_null(from);
    const double harm = strtod(from + strlen("Rates from "), NULL);
    assert_true(harm >= lr_of(66) && harm <= lr_of(74));
    assert_null(strstr(rising.advice, "labels"));
    assert_string_equal(judge(still, 2, 0.01, STEPS).cause, "low_from_start");

    assert_string_equal(judge(fair, 3, 0, 86).cause, "flat");
    rf_curve *const thousand = draw(fair, 3, 0, 86);
    thousand->chance = log(1000);
    assert_string_equal(judged(thousand).cause, "low_from_start");
}

/* ---- one loss decides nothing ---- */

/* No single loss, however wrong, moves the suggestion or an end of the range by more than a few steps of 18 %. */
static void one_noisy_loss_decides_nothing(void **state) {
    static const double factors[] = {0.1, 0.7, 1.3, 3, 10, 1000};
    (void)state;
    rf_curve *const curve = draw(valley, RF_COUNT(valley), 0.02, STEPS);
    rf_verdict before;
    assert_int_equal(rf_curve_judge(&before, curve), RF_OK);
    for (size_t f = 0; f < RF_COUNT(factors); f++) {
        for (int i = 0; i < STEPS - 2; i++) {
            double loss[STEPS];
            rf_curve *changed;
            memcpy(loss, curve->loss, sizeof loss);
            loss[i] *= factors[f];
            assert_int_equal(rf_curve_create(&changed, curve->lr, loss, STEPS), RF_OK);
            const rf_verdict after = judged(changed);
            assert_int_equal(after.kind, RF_VERDICT_RANGE);
            const double apart[] = {after.lr_min / before.lr_min, after.lr / before.lr,
                                    after.lr_max / before.lr_max};
            for (int k = 0; k < 3; k++)
                if (fabs(log(apart[k])) > log(1.7))
                    fail_msg("loss %d times %g moves rate %d by a factor of %g", i, factors[f], k, apart[k]);
        }
    }
    rf_curve_free(curve);
}

/* Two bad losses at the start, as a first step from a bad place leaves them. */
static void a_bad_start_is_not_the_level(void **state) {
    (void)state;
    rf_curve *const curve = draw(valley, RF_COUNT(valley), 0.02, STEPS);
    double loss[STEPS];
    rf_curve *changed;
    const rf_verdict before = judge(valley, RF_COUNT(valley), 0.02, STEPS);
    memcpy(loss, curve->loss, sizeof loss);
    loss[0] = 9, loss[1] = 5;
    assert_int_equal(rf_curve_create(&changed, curve->lr, loss, STEPS), RF_OK);
    rf_curve_free(curve);
    const rf_verdict after = judged(changed);
    assert_true(fabs(log(after.lr_min / before.lr_min)) < 0.4);
    assert_true(fabs(log(after.lr_max / before.lr_max)) < 0.4);
}

/* If the minimum lies before a bump, the range ends after it; if it lies after it, the range begins there. */
static void a_bump_that_recovers_is_not_the_end(void **state) {
    static const corner before[] = {{0, 2}, {30, 2}, {45, 0.5}, {55, 1.5}, {65, 0.55}, {80, 0.55}, {99, 2}},
                        after[] = {{0, 2}, {20, 2}, {40, 1}, {50, 2}, {55, 2}, {75, 0.5}, {99, 2}};
    (void)state;
    const rf_verdict recovered = judge(before, RF_COUNT(before), 0, STEPS);
    assert_true(recovered.lr_max > lr_of(80) && recovered.lr_max < lr_of(92));
    const rf_verdict fallen = judge(after, RF_COUNT(after), 0, STEPS);
    assert_true(fallen.lr_min >= fmin(lr_of(55), fallen.lr));
}

/* A single early dip is no fall yet: the fall is that of the valley. */
static void an_early_dip_is_no_fall(void **state) {
    static const corner dipped[] = {{0, 2}, {15, 2}, {20, 0.7}, {25, 2}, {50, 2}, {80, 0.5}, {99, 1.45}};
    (void)state;
    const rf_verdict verdict = judge(dipped, RF_COUNT(dipped), 0, STEPS);
    assert_float_equal(verdict.lr_min, 2.5 * 0.5925 / 100, 1e-5);
}

/* ---- what is said of the run ---- */

static void a_test_that_stopped_early_says_when_and_why(void **state) {
    static const struct {
        rf_stop_reason stop;
        const char *words;
    } stops[] = {{RF_STOP_DIVERGED, "The test stopped at step 95 of 300: the loss had diverged."},
                 {RF_STOP_INTERRUPTED, "The test stopped at step 95 of 300: it was interrupted."}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(stops); i++) {
        rf_curve *const curve = draw(valley, RF_COUNT(valley), 0, 95);
        curve->planned = 300;
        curve->stop = stops[i].stop;
        assert_non_null(strstr(judged(curve).reason, stops[i].words));
    }
    assert_null(strstr(judge(valley, RF_COUNT(valley), 0, STEPS).reason, "stopped"));
}

/* What is advised can be typed: --start-lr and --end-lr take 1e-12 to 1e6. */
static void advice_stays_within_what_the_options_take(void **state) {
    static const double rates[] = {5e-324, 1e-12, 1e-3, 1e6, 1e308};
    static const corner shapes[][2] = {{{0, 2}, {99, 2}}, {{0, 2}, {99, 0.5}}, {{0, 2}, {99, 400}}};
    (void)state;
    for (size_t r = 0; r < RF_COUNT(rates); r++) {
        for (size_t k = 0; k < RF_COUNT(shapes); k++) {
            double lr[40], loss[40];
            rf_curve *curve;
            for (int i = 0; i < 40; i++) {
                lr[i] = rates[r] * (1 + i * 0.01) + i * 5e-324;
                loss[i] = shapes[k][0].loss + (shapes[k][1].loss - shapes[k][0].loss) * i / 39;
            }
            assert_int_equal(rf_curve_create(&curve, lr, loss, 40), RF_OK);
            const rf_verdict verdict = judged(curve);
            for (const char *at = verdict.advice; (at = strstr(at, "-lr ")); at++) {
                const double rate = strtod(at + 4, NULL);
                assert_true(rate >= 1e-12 && rate <= 1e6);
            }
        }
    }
}

static void a_curve_without_divergence_asks_for_higher_rates(void **state) {
    static const corner falling[] = {{0, 2}, {40, 2}, {99, 0.5}};
    (void)state;
    const rf_verdict verdict = judge(falling, 3, 0.02, STEPS);
    assert_int_equal(verdict.kind, RF_VERDICT_NONE);
    assert_string_equal(verdict.cause, "no_divergence");
    assert_string_equal(verdict.advice, "Go higher: --end-lr 100.");
}

/* Images learned by heart: the loss stays low, and its minimum says nothing.  At the corner s[50 + i] = 0.01 + 0.2985 E max(0,
 * z - i / 3), which falls below a twentieth of the drop at i = 1: 0.086.  With q = 0.3989 log10 lr = -6 + 7 * 51 / 99 + 1 - q. */
static void a_long_plateau_counts_for_a_decade(void **state) {
    static const corner plateau[] = {{0, 2}, {30, 2}, {50, 0.01}, {99, 0}};
    (void)state;
    const rf_verdict verdict = judge(plateau, RF_COUNT(plateau), 0, STEPS);
    assert_int_equal(verdict.kind, RF_VERDICT_RANGE);
    assert_float_equal(log10(verdict.lr), -1.7928, 1e-4);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_LOW);
}

/* The minimum is seen, the upper end is not: a range up to the last rate, less sure. */
static void a_plateau_at_the_end_is_less_sure(void **state) {
    static const corner plateau[] = {{0, 2}, {50, 2}, {80, 0.5}, {88, 0.55}, {99, 0.6}};
    (void)state;
    const rf_verdict verdict = judge_known(plateau, RF_COUNT(plateau), 0);
    assert_int_equal(verdict.kind, RF_VERDICT_RANGE);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_MEDIUM);
    assert_float_equal(verdict.lr_max / lr_of(99), 1, 1e-9);
    assert_non_null(strstr(verdict.reason, "never diverged"));
    assert_non_null(strstr(verdict.advice, "--end-lr 100"));
}

static void divergence_at_once_asks_for_lower_rates(void **state) {
    static const corner rising[] = {{0, 2}, {5, 2}, {20, 20}, {99, 20}}, burst[] = {{0, 2}, {3, 100}};
    (void)state;
    assert_string_equal(judge(rising, 4, 0, STEPS).cause, "diverged_at_once");
    const rf_verdict verdict = judge(burst, 2, 0, 4);
    assert_string_equal(verdict.cause, "diverged_at_once");
    assert_string_equal(verdict.advice, "Start lower: --start-lr 1e-9.");
}

/* The minimum lies at step 9, less than a factor of five above the first rate. */
static void an_optimum_at_the_lower_edge_gives_none(void **state) {
    static const corner early[] = {{0, 2}, {9, 0.5}, {30, 5}, {99, 5}};
    (void)state;
    assert_true(lr_of(9) < 5 * lr_of(0));
    assert_string_equal(judge(early, 4, 0, STEPS).cause, "edge");
}

static void too_few_points_give_none(void **state) {
    (void)state;
    for (int steps = 1; steps < 10; steps++) {
        const rf_verdict verdict = judge(valley, RF_COUNT(valley), 0, steps);
        assert_string_equal(verdict.cause, "too_few");
    }
    assert_string_equal(judge(valley, RF_COUNT(valley), 0, 10).cause, "flat");
}

static rf_verdict judge_until_nan(const corner *corners, size_t count, int steps) {
    double lr[STEPS], loss[STEPS];
    rf_verdict verdict;
    rf_curve *const drawn = draw(corners, count, 0, steps);
    memcpy(lr, drawn->lr, (size_t)steps * sizeof *lr);
    memcpy(loss, drawn->loss, (size_t)steps * sizeof *loss);
    rf_curve_free(drawn);
    rf_curve *curve;
    loss[steps - 1] = NAN;
    assert_int_equal(rf_curve_create(&curve, lr, loss, (size_t)steps), RF_OK);
    assert_int_equal(rf_curve_judge(&verdict, curve), RF_OK);
    rf_curve_free(curve);
    return verdict;
}

static void a_loss_that_is_not_finite_ends_the_curve(void **state) {
    static const corner level[] = {{0, 2}, {99, 2}};
    (void)state;
    /* After a fall it is where the curve diverges... */
    const rf_verdict fallen = judge_until_nan(valley, RF_COUNT(valley), 83);
    assert_int_equal(fallen.kind, RF_VERDICT_RANGE);
    assert_non_null(strstr(fallen.reason, "is not finite at step 83"));
    assert_float_equal(fallen.lr_max / lr_of(81), 1, 1e-9);
    /* ... and without one, all there is to tell. */
    const rf_verdict none = judge_until_nan(level, 2, 60);
    assert_string_equal(none.cause, "not_finite");
    assert_non_null(strstr(none.reason, "step 60"));
    assert_string_equal(judge_until_nan(level, 2, 1).cause, "not_finite");
    assert_string_equal(judge_until_nan(level, 2, 5).cause, "not_finite");
}

static void scale_and_sign_of_the_loss_do_not_matter(void **state) {
    static const double scales[] = {1e-200, 1e-6, 1, 1e6, 1e200};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(scales); i++) {
        corner scaled[RF_COUNT(valley)];
        for (size_t k = 0; k < RF_COUNT(valley); k++)
            scaled[k] = (corner){valley[k].step, scales[i] * valley[k].loss};
        assert_float_equal(log10(judge(scaled, RF_COUNT(valley), 0, STEPS).lr), -0.7423, 1e-4);
        for (size_t k = 0; k < RF_COUNT(valley); k++) scaled[k].loss -= 3 * scales[i];
        assert_float_equal(log10(judge(scaled, RF_COUNT(valley), 0, STEPS).lr), -0.7423, 1e-4);
    }
}

static rf_curve *median_of(rf_curve *a, rf_curve *b, rf_curve *c) {
    rf_curve **const runs = rf_alloc(3, sizeof *runs), *median;
    assert_non_null(runs);
    runs[0] = a, runs[1] = b, runs[2] = c;
    assert_int_equal(rf_curve_median(&median, runs, 3), RF_OK);
    return median;
}

/* Valleys at steps 60, 60 and `third`; the suggestion lies below each by the same factor. */
static rf_verdict judge_orders(int third) {
    rf_curve *runs[3];
    for (int r = 0; r < 3; r++) {
        const int at = r == 2 ? third : 60;
        const corner corners[] = {{0, 2.3}, {at - 20, 2.3}, {at, 0.5}, {at + 15, 5}, {99, 9}};
        runs[r] = draw(corners, RF_COUNT(corners), 0.01, STEPS);
        runs[r]->usual_lr = lr_of(55);
    }
    return judged(median_of(runs[0], runs[1], runs[2]));
}

static void the_spread_of_several_tests_limits_the_confidence(void **state) {
    (void)state;
    const rf_verdict alike = judge_orders(61), apart = judge_orders(80);
    assert_int_equal(alike.confidence, RF_CONFIDENCE_HIGH);
    assert_int_equal(apart.confidence, RF_CONFIDENCE_MEDIUM);
    assert_non_null(strstr(apart.reason, "differ by more than a factor of 3"));
    /* 20 steps are 1.414 decades, of which the usual rate takes 0.6 (share 1.5 q, q = 1.5 / sqrt(14.14) = 0.399). */
    assert_true(fabs(log10(apart.lr_highest / apart.lr_lowest) - 1.414 * (1 - 0.598)) < 0.01);
    assert_true(apart.lr_lowest <= apart.lr * 1.1 && apart.lr <= apart.lr_highest);
}

static rf_curve *falling(const double *loss, size_t count, size_t planned) {
    double lr[8];
    rf_curve *curve;
    for (size_t i = 0; i < count; i++) lr[i] = pow(10, (double)i - 6);
    assert_int_equal(rf_curve_create(&curve, lr, loss, count), RF_OK);
    curve->planned = planned;
    if (curve->stop == RF_STOP_COMPLETED && count < planned) curve->stop = RF_STOP_DIVERGED;
    return curve;
}

static void a_median_ends_where_half_of_its_tests_have(void **state) {
    (void)state;
    const double a[] = {3, 1, 2}, b[] = {1, 4, 2.5, 1, 8, 7}, c[] = {2, 2, 4, 5, NAN};
    rf_curve *median = median_of(falling(a, 3, 6), falling(b, 6, 6), falling(c, 5, 6));
    const double expected[] = {2, 2, 2.5, 5};
    assert_int_equal(median->count, 5);
    for (int i = 0; i < 4; i++) assert_true(median->loss[i] == expected[i]);
    assert_true(isnan(median->loss[4]));
    assert_int_equal(median->stop, RF_STOP_NOT_FINITE);
    assert_int_equal(median->planned, 6);
    assert_int_equal(median->runs[1]->count, 5); /* no longer than the median */
    rf_curve_free(median);
    median = median_of(falling(a, 3, 6), falling(b, 6, 6), falling(a, 3, 6));
    assert_int_equal(median->count, 3);
    assert_int_equal(median->stop, RF_STOP_DIVERGED);
    rf_curve_free(median);
    median = median_of(falling(b, 6, 6), falling(b, 6, 6), falling(a, 3, 6));
    assert_int_equal(median->count, 6);
    assert_int_equal(median->stop, RF_STOP_COMPLETED);
    rf_curve_free(median);
}

/* A race of 36 steps at 0.01, 0.0316, 0.1 and 0.316, of which the second was suggested; guessing costs 2.3. */
static rf_race race_of(const double loss[4], rf_trial trials[4]) {
    for (int i = 0; i < 4; i++)
        trials[i] = (rf_trial){
            .lr = 0.01 * pow(10, 0.5 * i), .steps = 36, .done = 36, .loss = 1, .validation_loss = loss[i]};
    rf_race race = {.trials = trials, .count = 4, .suggested = 1, .chance = 2.3};
    rf_race_decide(&race);
    return race;
}

static void a_race_leaves_the_suggestion_for_a_clear_gain_alone(void **state) {
    (void)state;
    static const struct {
        const char *what, *told;
        double loss[4];
        size_t best;
        double lr; /* over that of the suggestion */
    } cases[] = {
        {"the suggestion is best", "confirms", {1, 0.3, 0.5, 1}, 1, 1},
        {"a higher one gains a tenth of 2", "half-way", {1, 0.51, 0.3, 1}, 2, 1.7783},
        {"a little less", "not clear", {1, 0.49, 0.3, 1}, 2, 1},
        {"a lower one gains", "is clear", {0.3, 0.6, 0.7, 2}, 0, 0.31623},
        {"the suggestion fails", "is clear", {0.3, INFINITY, INFINITY, INFINITY}, 0, 0.31623},
        {"the next higher one fails", "next higher rate fails", {1, 0.6, 0.3, 2.4}, 2, 1},
        {"the last one is best, but the one below it counts", "half-way", {1, 0.8, 0.5, 0.3}, 3, 1.7783},
        {"none learns", "says nothing", {2.3, 2.4, INFINITY, INFINITY}, 1, 1},
    };
    for (size_t c = 0; c < RF_COUNT(cases); c++) {
        rf_trial trials[4];
        const rf_race race = race_of(cases[c].loss, trials);
        if (race.best != cases[c].best || fabs(race.lr / trials[1].lr / cases[c].lr - 1) > 1e-4 ||
            race.clear != (cases[c].lr != 1) || strstr(race.reason, cases[c].told) == NULL)
            fail_msg("%s: %s %g", cases[c].what, race.reason, race.lr);
    }
    rf_trial trials[4];
    rf_race lowered = race_of(cases[1].loss, trials);
    lowered.only_lower = true;
    rf_race_decide(&lowered);
    assert_true(!lowered.clear && lowered.lr == trials[1].lr && lowered.best == 2);
    assert_non_null(strstr(lowered.reason, "learns by heart"));
    rf_race race = race_of((const double[]){1, 0.6, 0.3, 1}, trials);
    for (int i = 0; i < 4; i++)
        trials[i].validation_loss = NAN; /* then by the loss of training, which is the same */
    rf_race_decide(&race);
    assert_false(race.clear);
    assert_non_null(strstr(race.reason, "confirms"));
}

static void a_verdict_takes_a_clear_answer(void **state) {
    (void)state;
    rf_trial trials[4];
    const rf_race clear = race_of((const double[]){0.3, 0.6, 0.7, 2}, trials);
    rf_verdict verdict = {.kind = RF_VERDICT_RANGE, .lr_min = 0.02, .lr = 0.0316, .lr_max = 0.3};
    rf_verdict_confirm(&verdict, &clear);
    assert_true(verdict.lr == trials[0].lr && verdict.lr_min == trials[0].lr && verdict.lr_max == 0.3);
    verdict = (rf_verdict){.kind = RF_VERDICT_NONE, .lr = NAN};
    rf_verdict_confirm(&verdict, &clear);
    assert_true(isnan(verdict.lr));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valley_gives_the_range),
        cmocka_unit_test(the_suggestion_stays_in_the_range),
        cmocka_unit_test(an_unknown_optimizer_leaves_what_the_curve_says),
        cmocka_unit_test(what_is_learned_by_heart_wants_lower_rates),
        cmocka_unit_test(noise_lowers_the_confidence),
        cmocka_unit_test(learning_little_lowers_the_confidence),
        cmocka_unit_test(noise_larger_than_the_drop_gives_none),
        cmocka_unit_test(a_flat_curve_gives_none),
        cmocka_unit_test(a_loss_that_is_low_from_the_start_is_recognised),
        cmocka_unit_test(one_noisy_loss_decides_nothing),
        cmocka_unit_test(a_bad_start_is_not_the_level),
        cmocka_unit_test(a_bump_that_recovers_is_not_the_end),
        cmocka_unit_test(an_early_dip_is_no_fall),
        cmocka_unit_test(a_test_that_stopped_early_says_when_and_why),
        cmocka_unit_test(advice_stays_within_what_the_options_take),
        cmocka_unit_test(a_curve_without_divergence_asks_for_higher_rates),
        cmocka_unit_test(a_long_plateau_counts_for_a_decade),
        cmocka_unit_test(a_plateau_at_the_end_is_less_sure),
        cmocka_unit_test(divergence_at_once_asks_for_lower_rates),
        cmocka_unit_test(an_optimum_at_the_lower_edge_gives_none),
        cmocka_unit_test(too_few_points_give_none),
        cmocka_unit_test(a_loss_that_is_not_finite_ends_the_curve),
        cmocka_unit_test(scale_and_sign_of_the_loss_do_not_matter),
        cmocka_unit_test(the_spread_of_several_tests_limits_the_confidence),
        cmocka_unit_test(a_median_ends_where_half_of_its_tests_have),
        cmocka_unit_test(a_race_leaves_the_suggestion_for_a_clear_gain_alone),
        cmocka_unit_test(a_verdict_takes_a_clear_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
