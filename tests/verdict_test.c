/* The verdict on curves of every kind, with numbers that can be worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/finder.h"

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

static rf_verdict judge(const corner *corners, size_t count, double noise, int steps) {
    rf_curve *const curve = draw(corners, count, noise, steps);
    rf_verdict verdict;
    assert_int_equal(rf_judge(&verdict, curve), RF_OK);
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

static const corner valley[] = {{0, 2}, {50, 2}, {80, 0.5}, {99, 1.45}};

/* Smoothing leaves straight lines alone and rounds corners: s[80] = 0.5 + 0.05 E|z| = 0.62, so the drop
 * is 1.38; a tenth of it is made at step 53 (0.05 E max(0, 3 + z) = 0.163), and a fifth is lost again at step
 * 88 (0.05 E|8 + z| = 0.40). */
static void a_valley_gives_the_range(void **state) {
    (void)state;
    const rf_verdict verdict = judge(valley, RF_COUNT(valley), 0, STEPS);
    assert_int_equal(verdict.kind, RF_VERDICT_RANGE);
    assert_float_equal(verdict.lr / (lr_of(80) / 5), 1, 1e-9);
    assert_float_equal(verdict.lr_min / lr_of(53), 1, 1e-9);
    assert_float_equal(verdict.lr_max / (lr_of(88) / 2), 1, 1e-9);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_HIGH);
    assert_string_equal(verdict.reason,
                        "The loss falls from 2 to 0.619, is lowest at 0.45 and rises again from 1.7 on.");
    assert_string_equal(verdict.advice, "");
}

static void noise_lowers_the_confidence(void **state) {
    (void)state;
    const rf_verdict little = judge(valley, RF_COUNT(valley), 0.05, STEPS);
    const rf_verdict some = judge(valley, RF_COUNT(valley), 0.25, STEPS);
    const rf_verdict much = judge(valley, RF_COUNT(valley), 0.7, STEPS);
    assert_int_equal(little.confidence, RF_CONFIDENCE_HIGH);
    assert_int_equal(some.confidence, RF_CONFIDENCE_MEDIUM);
    assert_int_equal(much.confidence, RF_CONFIDENCE_LOW);
    assert_non_null(strstr(some.reason, "Confidence is medium:"));
    assert_non_null(strstr(much.advice, "--iterations 300"));
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
    assert_non_null(strstr(rising.advice, "labels"));
}

static void a_curve_without_divergence_asks_for_higher_rates(void **state) {
    static const corner falling[] = {{0, 2}, {40, 2}, {99, 0.5}};
    (void)state;
    const rf_verdict verdict = judge(falling, 3, 0.02, STEPS);
    assert_int_equal(verdict.kind, RF_VERDICT_NONE);
    assert_string_equal(verdict.cause, "no_divergence");
    assert_string_equal(verdict.advice, "Go higher: --end-lr 100.");
}

/* The minimum is seen, the upper end is not: a range up to the last rate's half, less sure. */
static void a_plateau_at_the_end_is_less_sure(void **state) {
    static const corner plateau[] = {{0, 2}, {50, 2}, {80, 0.5}, {88, 0.55}, {99, 0.6}};
    (void)state;
    const rf_verdict verdict = judge(plateau, RF_COUNT(plateau), 0, STEPS);
    assert_int_equal(verdict.kind, RF_VERDICT_RANGE);
    assert_int_equal(verdict.confidence, RF_CONFIDENCE_MEDIUM);
    assert_float_equal(verdict.lr_max / (lr_of(99) / 2), 1, 1e-9);
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
    assert_int_equal(rf_judge(&verdict, curve), RF_OK);
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
    assert_float_equal(fallen.lr_max / (lr_of(81) / 2), 1, 1e-9);
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
        assert_float_equal(judge(scaled, RF_COUNT(valley), 0, STEPS).lr / (lr_of(80) / 5), 1, 1e-9);
        for (size_t k = 0; k < RF_COUNT(valley); k++) scaled[k].loss -= 3 * scales[i];
        assert_float_equal(judge(scaled, RF_COUNT(valley), 0, STEPS).lr / (lr_of(80) / 5), 1, 1e-9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valley_gives_the_range),
        cmocka_unit_test(noise_lowers_the_confidence),
        cmocka_unit_test(noise_larger_than_the_drop_gives_none),
        cmocka_unit_test(a_flat_curve_gives_none),
        cmocka_unit_test(a_curve_without_divergence_asks_for_higher_rates),
        cmocka_unit_test(a_plateau_at_the_end_is_less_sure),
        cmocka_unit_test(divergence_at_once_asks_for_lower_rates),
        cmocka_unit_test(an_optimum_at_the_lower_edge_gives_none),
        cmocka_unit_test(too_few_points_give_none),
        cmocka_unit_test(a_loss_that_is_not_finite_ends_the_curve),
        cmocka_unit_test(scale_and_sign_of_the_loss_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
