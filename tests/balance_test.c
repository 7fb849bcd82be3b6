/* Parts of data sets: subsets, splits, and classes of unequal size made equal; expected counts and weights by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/dataset.h"

/* Images of one pixel, whose value is their index; the class of image i is labels[i]. */
static rf_dataset *indexed(const int32_t *labels, int count, int classes) {
    rf_dataset *d = NULL;
    uint8_t *pixels = malloc((size_t)count);
    for (int i = 0; i < count; i++) pixels[i] = (uint8_t)i;
    assert_int_equal(rf_dataset_from_memory(&d, "m", pixels, labels, count, 1, 1, 1, classes), RF_OK);
    free(pixels);
    return d;
}

static int index_of(const rf_dataset *d, int i) {
    uint8_t pixel;
    assert_int_equal(rf_dataset_read(&pixel, d, i), RF_OK);
    return pixel;
}

/* 12 images of class 0, 6 of class 1, 2 of class 2, mixed. */
static const int32_t uneven[20] = {0, 0, 1, 0, 2, 0, 1, 0, 0, 1, 0, 0, 1, 2, 0, 1, 0, 0, 1, 0};

static void a_subset_has_the_images_of_its_indices(void **state) {
    (void)state;
    rf_dataset *d = indexed(uneven, 20, 3), *part, *part_of_part;
    assert_int_equal(rf_dataset_subset(&part, d, (int32_t[]){4, 0, 4, 19}, 4), RF_OK);
    assert_int_equal(rf_dataset_subset(&part_of_part, part, (int32_t[]){3, 2}, 2), RF_OK);
    static const int expected[] = {4, 0, 4, 19};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(index_of(part, i), expected[i]);
        assert_int_equal(part->labels[i], uneven[expected[i]]);
    }
    assert_int_equal(index_of(part_of_part, 0), 19);
    assert_int_equal(index_of(part_of_part, 1), 4);
    double mean, std; /* of 4, 0, 4, 19 */
    assert_int_equal(rf_dataset_statistics(part, &mean, &std), RF_OK);
    assert_true(fabs(mean - 6.75 / 255) < 1e-9);
    assert_true(fabs(std - sqrt(393.0 / 4 - 6.75 * 6.75) / 255) < 1e-9);
    rf_dataset_free(part_of_part);
    rf_dataset_free(part);
    assert_int_equal(rf_dataset_subset(&part, d, (int32_t[]){20}, 1), RF_E_USAGE);
    assert_int_equal(rf_dataset_subset(&part, d, NULL, 0), RF_E_INPUT);
    uint8_t pixel;
    assert_int_equal(rf_dataset_read(&pixel, d, 20), RF_E_USAGE);
    rf_dataset_free(d);
}

static void assert_counts(const rf_dataset *d, int a, int b, int c) {
    int counts[3];
    rf_dataset_class_counts(counts, d);
    assert_int_equal(counts[0], a);
    assert_int_equal(counts[1], b);
    assert_int_equal(counts[2], c);
}

static void a_split_keeps_the_proportions_and_loses_no_image(void **state) {
    (void)state;
    rf_dataset *d = indexed(uneven, 20, 3), *train, *held, *again, *held_again;
    static const struct {
        double held_out;
        int counts[3];
    } cases[] = {
        {0.5, {6, 3, 1}},  {10, {6, 3, 1}},  {0.2, {3, 1, 0}}, /* 2.4 + 1.2 + 0.4 */
        {0.05, {1, 0, 0}}, {19, {11, 6, 2}},                   /* 11.4 + 5.7 + 1.9 */
    };
    for (size_t k = 0; k < RF_COUNT(cases); k++) {
        const int *n = cases[k].counts;
        int seen[20] = {0};
        assert_int_equal(rf_dataset_split(&train, &held, d, cases[k].held_out, 42), RF_OK);
        assert_counts(held, n[0], n[1], n[2]);
        assert_counts(train, 12 - n[0], 6 - n[1], 2 - n[2]);
        for (int i = 0; i < train->count; i++) seen[index_of(train, i)]++;
        for (int i = 0; i < held->count; i++) seen[index_of(held, i)]++;
        for (int i = 0; i < 20; i++) assert_int_equal(seen[i], 1);
        rf_dataset_free(train);
        rf_dataset_free(held);
    }
    assert_int_equal(rf_dataset_split(&train, &held, d, 0.5, 1), RF_OK);
    assert_int_equal(rf_dataset_split(&again, &held_again, d, 0.5, 1), RF_OK);
    for (int i = 0; i < 10; i++) assert_int_equal(index_of(train, i), index_of(again, i));
    rf_dataset_free(again);
    rf_dataset_free(held_again);
    bool other = false;
    assert_int_equal(rf_dataset_split(&again, &held_again, d, 0.5, 2), RF_OK);
    for (int i = 0; i < 10; i++) other |= index_of(train, i) != index_of(again, i);
    assert_true(other);
    rf_dataset *all[] = {train, held, again, held_again};
    for (size_t i = 0; i < RF_COUNT(all); i++) rf_dataset_free(all[i]);
    static const double refused[] = {0, -1, 20, 0.001, 1e30, NAN};
    for (size_t i = 0; i < RF_COUNT(refused); i++)
        assert_int_equal(rf_dataset_split(&train, &held, d, refused[i], 1), RF_E_USAGE);
    rf_dataset_free(d);
}

static void undersampling_draws_without_replacement(void **state) {
    (void)state;
    rf_dataset *d = indexed(uneven, 20, 3), *balanced;
    int drawn[20] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        assert_int_equal(rf_dataset_balance(&balanced, d, RF_BALANCE_UNDERSAMPLE, seed), RF_OK);
        assert_counts(balanced, 2, 2, 2);
        for (int i = 0; i < 6; i++) {
            drawn[index_of(balanced, i)]++;
            if (i > 0) assert_true(index_of(balanced, i) > index_of(balanced, i - 1));
        }
        rf_dataset_free(balanced);
    }
    for (int i = 0; i < 20; i++) { /* 200 draws of 2 of n: mean 400/n, here within 4 standard deviations */
        static const int sizes[] = {12, 6, 2};
        double p = 2.0 / sizes[uneven[i]];
        assert_true(fabs(drawn[i] - 200 * p) <= 4 * sqrt(200 * p * (1 - p)));
    }
    rf_dataset_free(d);
}

static void oversampling_keeps_every_image(void **state) {
    (void)state;
    rf_dataset *d = indexed(uneven, 20, 3), *balanced;
    int seen[20] = {0};
    assert_int_equal(rf_dataset_balance(&balanced, d, RF_BALANCE_OVERSAMPLE, 42), RF_OK);
    assert_counts(balanced, 12, 12, 12);
    for (int i = 0; i < 36; i++) seen[index_of(balanced, i)]++;
    for (int i = 0; i < 20; i++) assert_in_range(seen[i], 1, uneven[i] == 0 ? 1 : 11);
    rf_dataset_free(balanced);
    rf_dataset_free(d);
}

static void class_weights_follow_their_formulas(void **state) {
    (void)state;
    rf_dataset *d = indexed(uneven, 20, 3);
    float weights[3];
    assert_int_equal(rf_dataset_class_weights(weights, d, RF_BALANCE_WEIGHTS), RF_OK);
    assert_float_equal(weights[0], 20.0 / 36, 1e-6);
    assert_float_equal(weights[1], 20.0 / 18, 1e-6);
    assert_float_equal(weights[2], 20.0 / 6, 1e-6);
    /* 0.0001 / (1 - 0.9999^n): 0.08337917, 0.16670834, 0.50002500; times 3 / 0.75011251 */
    assert_int_equal(rf_dataset_class_weights(weights, d, RF_BALANCE_EFFECTIVE), RF_OK);
    assert_float_equal(weights[0], 0.3334666, 1e-5);
    assert_float_equal(weights[1], 0.6667334, 1e-5);
    assert_float_equal(weights[2], 1.9998000, 1e-5);
    rf_dataset_free(d);
}

static void what_cannot_be_balanced_is_refused(void **state) {
    (void)state;
    rf_dataset *d = indexed((int32_t[]){0, 2, 2}, 3, 3), *balanced = d;
    float weights[3];
    assert_int_equal(rf_dataset_balance(&balanced, d, RF_BALANCE_OVERSAMPLE, 0), RF_E_INPUT);
    assert_null(balanced);
    assert_non_null(strstr(rf_error_message(), "class 1 has no image"));
    assert_int_equal(rf_dataset_class_weights(weights, d, RF_BALANCE_EFFECTIVE), RF_E_INPUT);
    assert_int_equal(rf_dataset_balance(&balanced, d, RF_BALANCE_WEIGHTS, 0), RF_E_USAGE);
    assert_int_equal(rf_dataset_class_weights(weights, d, RF_BALANCE_NONE), RF_E_USAGE);
    rf_dataset_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subset_has_the_images_of_its_indices),
        cmocka_unit_test(a_split_keeps_the_proportions_and_loses_no_image),
        cmocka_unit_test(undersampling_draws_without_replacement),
        cmocka_unit_test(oversampling_keeps_every_image),
        cmocka_unit_test(class_weights_follow_their_formulas),
        cmocka_unit_test(what_cannot_be_balanced_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
