/* The order of batches: whole epochs, nothing twice, the held-out images never, the same from any position. */
#include "data/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

static rf_order *order_of(rf_order_desc desc) {
    rf_order *order = NULL;
    assert_int_equal(rf_order_create(&order, &desc), RF_OK);
    return order;
}

static void every_epoch_holds_each_image_at_most_once(void **state) {
    (void)state;
    enum { COUNT = 103, BATCH = 10, EPOCHS = 5 };
    rf_order *order = order_of((rf_order_desc){.count = COUNT, .batch = BATCH, .seed = 7});
    int32_t last[COUNT] = {0};
    assert_int_equal(rf_order_batches_per_epoch(order), 10);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        int32_t all[COUNT];
        int seen[COUNT] = {0};
        rf_order_fill(order, all, 10);
        for (int i = 0; i < 100; i++) {
            assert_in_range(all[i], 0, COUNT - 1);
            assert_int_equal(seen[all[i]]++, 0);
        }
        assert_true(memcmp(all, last, sizeof(int32_t) * 100) != 0);
        memcpy(last, all, sizeof last);
    }
    rf_order_free(order);
}

static void no_shuffle_is_the_order_of_the_files_again_and_again(void **state) {
    (void)state;
    rf_order *order = order_of((rf_order_desc){.count = 11, .batch = 4, .validation = 1, .no_shuffle = true});
    for (int epoch = 0; epoch < 3; epoch++)
        for (int batch = 0; batch < 2; batch++) {
            const int32_t *indices = rf_order_next(order);
            for (int i = 0; i < 4; i++) assert_int_equal(indices[i], batch * 4 + i);
        }
    size_t count;
    assert_int_equal(rf_order_validation(order, &count)[0], 10);
    assert_int_equal(count, 1);
    rf_order_free(order);
}

static void held_out_images_never_train(void **state) {
    (void)state;
    rf_order *order = order_of((rf_order_desc){.count = 50, .batch = 8, .validation = 20, .seed = 3});
    size_t count;
    const int32_t *held = rf_order_validation(order, &count);
    assert_int_equal(count, 20);
    bool is_held[50] = {false};
    for (size_t i = 0; i < count; i++) is_held[held[i]] = true;
    for (int step = 0; step < 100; step++) {
        const int32_t *indices = rf_order_next(order);
        for (int i = 0; i < 8; i++) assert_false(is_held[indices[i]]);
    }
    rf_order_free(order);
}

static void seeking_brings_the_same_batches_back(void **state) {
    (void)state;
    rf_order_desc desc = {.count = 40, .batch = 6, .validation = 3, .seed = 99};
    rf_order *order = order_of(desc), *other = order_of(desc);
    int32_t skipped[6 * 20], expected[6 * 20], again[6 * 20];
    rf_order_fill(order, skipped, 17);
    rf_order_state place = rf_order_tell(order);
    rf_order_fill(order, expected, 20);
    rf_order_seek(order, place);
    rf_order_fill(order, again, 20);
    assert_memory_equal(again, expected, sizeof again);
    rf_order_seek(other, place);
    rf_order_fill(other, again, 20);
    assert_memory_equal(again, expected, sizeof again);
    rf_order_free(order);
    rf_order_free(other);
}

static void ranks_share_the_batches_of_one_process(void **state) {
    (void)state;
    enum { COUNT = 47, BATCH = 5, RANKS = 3 };
    rf_order *whole =
        order_of((rf_order_desc){.count = COUNT, .batch = BATCH * RANKS, .validation = 2, .seed = 4});
    rf_order *part[RANKS];
    for (int r = 0; r < RANKS; r++)
        part[r] = order_of((rf_order_desc){
            .count = COUNT, .batch = BATCH, .validation = 2, .seed = 4, .rank = r, .ranks = RANKS});
    assert_int_equal(rf_order_batches_per_epoch(part[0]), 3);
    for (int step = 0; step < 7; step++) {
        const int32_t *batch = rf_order_next(whole);
        for (int r = 0; r < RANKS; r++)
            assert_memory_equal(rf_order_next(part[r]), batch + r * BATCH, BATCH * sizeof *batch);
    }
    for (int r = 0; r < RANKS; r++) rf_order_free(part[r]);
    rf_order_free(whole);
}

static void seeds_differ_and_repeat(void **state) {
    (void)state;
    rf_order *a = order_of((rf_order_desc){.count = 1000, .batch = 100, .seed = 1});
    rf_order *b = order_of((rf_order_desc){.count = 1000, .batch = 100, .seed = 1});
    rf_order *c = order_of((rf_order_desc){.count = 1000, .batch = 100, .seed = 2});
    const int32_t *first = rf_order_next(a);
    assert_memory_equal(first, rf_order_next(b), 100 * sizeof *first);
    assert_memory_not_equal(first, rf_order_next(c), 100 * sizeof *first);
    rf_order_free(a);
    rf_order_free(b);
    rf_order_free(c);
}

static void too_few_images_are_refused_with_a_remedy(void **state) {
    (void)state;
    static const struct {
        rf_order_desc desc;
        const char *says;
    } cases[] = {
        {{.count = 32, .batch = 64}, "--batch 32 or less"},
        {{.count = 100, .batch = 64, .validation = 50}, "--batch 50 or less"},
        {{.count = 10, .batch = 2, .validation = 10}, "--validation 8 or less"},
        {{.count = 10, .batch = 2, .validation = -1}, "-1"},
        {{.count = 10, .batch = 0}, "batch of 0"},
        {{.count = 0, .batch = 1}, "no images"},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_order *order;
        assert_int_equal(rf_order_create(&order, &cases[i].desc), RF_E_USAGE);
        assert_null(order);
        assert_non_null(strstr(rf_error_message(), cases[i].says));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_epoch_holds_each_image_at_most_once),
        cmocka_unit_test(no_shuffle_is_the_order_of_the_files_again_and_again),
        cmocka_unit_test(held_out_images_never_train),
        cmocka_unit_test(seeking_brings_the_same_batches_back),
        cmocka_unit_test(ranks_share_the_batches_of_one_process),
        cmocka_unit_test(seeds_differ_and_repeat),
        cmocka_unit_test(too_few_images_are_refused_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
