/* The memory arena: no two tensors that are alive at the same time share a byte, and what it takes in all.  The device
 * is the reference with another description, so that each placement is tested on any machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "device/backend.h"
#include "graph/arena.h"

enum { ALIGNMENT = 64 };

static rf_device *device;

/* On a GPU slots are reused whole; allocations are of at most `limit` bytes. */
static void describe(rf_device_kind kind, size_t limit) {
    device->info.kind = kind;
    device->info.alignment_bytes = ALIGNMENT;
    device->info.max_alloc_bytes = limit;
}

static rf_arena *placed(rf_tensor *tensors, size_t count) {
    rf_arena *arena = NULL;
    if (rf_arena_create(&arena, device, tensors, count) != RF_OK || rf_arena_allocate(arena) != RF_OK)
        fail_msg("%s", rf_error_message());
    return arena;
}

/* The bytes that these take together. */
static size_t bytes_of(const rf_tensor *tensors, size_t count) {
    rf_tensor copy[16];
    assert_in_range(count, 0, RF_COUNT(copy));
    for (size_t i = 0; i < count; i++) copy[i] = tensors[i];
    rf_arena *arena = placed(copy, count);
    const size_t bytes = rf_arena_bytes(arena);
    rf_arena_free(arena);
    return bytes;
}

/* ---- no overlap ---- */

/* Owner of each unit of memory at each step: every tensor writes its number to its units, which must be free. */
static void expect_no_overlap(const rf_tensor *tensors, int count, int steps, size_t bytes, size_t chunk) {
    const size_t units = bytes / ALIGNMENT;
    int *owner = rf_alloc(units * (size_t)steps, sizeof *owner);
    assert_non_null(owner);
    for (int i = 0; i < count; i++) {
        const rf_tensor *t = &tensors[i];
        assert_true(t->offset % ALIGNMENT == 0 && t->offset + t->bytes <= bytes);
        assert_true(t->offset / chunk == (t->offset + t->bytes - 1) / chunk);
        for (int step = t->first; step <= t->last; step++)
            for (size_t u = t->offset / ALIGNMENT; u < (t->offset + t->bytes) / ALIGNMENT; u++) {
                int *here = &owner[(size_t)step * units + u];
                if (*here != 0) fail_msg("tensors %d and %d of %d share memory", *here - 1, i, count);
                *here = i + 1;
            }
    }
    free(owner);
}

/* Every 7th tensor is never used, every 11th lives all the time. */
static void draw(rf_tensor *tensors, int count, int steps, rf_random *random) {
    for (int i = 0; i < count; i++) {
        const int first = (int)rf_random_below(random, (uint32_t)steps),
                  last = first + (int)rf_random_below(random, 20);
        tensors[i] = (rf_tensor){.bytes = (size_t)rf_random_below(random, 9 * ALIGNMENT),
                                 .first = first,
                                 .last = RF_MIN(last, steps - 1)};
        if (i % 7 == 0) tensors[i].first = INT32_MAX, tensors[i].last = -1;
        if (i % 11 == 0) tensors[i].first = 0, tensors[i].last = steps - 1;
    }
}

static void tensors_alive_together_share_no_byte(void **state) {
    (void)state;
    static const struct {
        rf_device_kind kind;
        size_t limit;
        int count, steps;
    } ways[] = {{RF_DEVICE_CPU, 1 << 30, 400, 80},          {RF_DEVICE_CPU, 20 * ALIGNMENT, 400, 80},
                {RF_DEVICE_GPU, 1 << 30, 400, 80},          {RF_DEVICE_GPU, 20 * ALIGNMENT, 400, 80},
                {RF_DEVICE_CPU, 1 << 30, 9000, 500}, /* so many are placed by time */
                {RF_DEVICE_GPU, 100 * ALIGNMENT, 9000, 500}};
    rf_random random;
    rf_random_init(&random, 9, 0);
    for (size_t w = 0; w < RF_COUNT(ways); w++) {
        rf_tensor *tensors = rf_alloc((size_t)ways[w].count, sizeof *tensors);
        assert_non_null(tensors);
        describe(ways[w].kind, ways[w].limit);
        draw(tensors, ways[w].count, ways[w].steps, &random);
        rf_arena *arena = placed(tensors, (size_t)ways[w].count);
        expect_no_overlap(tensors, ways[w].count, ways[w].steps, rf_arena_bytes(arena), ways[w].limit);
        rf_arena_free(arena);
        free(tensors);
    }
}

/* ---- how much ---- */

/* What is alive in the busiest step: no arena can do with less. */
static size_t busiest_bytes(const rf_tensor *tensors, int count, int steps) {
    size_t most = 0;
    for (int step = 0; step < steps; step++) {
        size_t sum = 0;
        for (int i = 0; i < count; i++)
            if (tensors[i].first <= step && step <= tensors[i].last) sum += tensors[i].bytes;
        most = RF_MAX(most, sum);
    }
    return most;
}

static void random_tensors_take_little_more_than_is_alive(void **state) {
    (void)state;
    enum { COUNT = 300, STEPS = 60 };
    rf_tensor tensors[COUNT];
    rf_random random;
    rf_random_init(&random, 5, 0);
    describe(RF_DEVICE_CPU, 1 << 30);
    for (int round = 0; round < 20; round++) {
        draw(tensors, COUNT, STEPS, &random);
        rf_arena *arena = placed(tensors, COUNT);
        const size_t minimum = busiest_bytes(tensors, COUNT, STEPS);
        assert_in_range(rf_arena_bytes(arena), minimum, minimum + minimum / 4);
        rf_arena_free(arena);
    }
}

/* Each is alive with the one before and the one behind: two slots are enough, and tensors in the same slot share its
 * region. */
static void a_chain_takes_two_slots(void **state) {
    (void)state;
    rf_tensor chain[5];
    const rf_device_kind kinds[] = {RF_DEVICE_CPU, RF_DEVICE_GPU};
    for (size_t k = 0; k < RF_COUNT(kinds); k++) {
        describe(kinds[k], 1 << 30);
        for (int i = 0; i < 5; i++) chain[i] = (rf_tensor){.bytes = 128, .first = i, .last = i + 1};
        rf_arena *arena = placed(chain, 5);
        assert_int_equal(rf_arena_bytes(arena), 2 * 128);
        assert_ptr_equal(chain[0].buffer, chain[2].buffer);
        assert_ptr_equal(chain[1].buffer, chain[3].buffer);
        assert_ptr_not_equal(chain[0].buffer, chain[1].buffer);
        rf_arena_free(arena);
    }
}

static void a_long_chain_takes_two_slots(void **state) {
    (void)state;
    enum { LONG = 9000 };
    static rf_tensor chain[LONG];
    describe(RF_DEVICE_CPU, 1 << 30);
    for (int i = 0; i < LONG; i++) chain[i] = (rf_tensor){.bytes = 64, .first = i, .last = i + 1};
    rf_arena *arena = placed(chain, LONG);
    assert_int_equal(rf_arena_bytes(arena), 2 * 64);
    rf_arena_free(arena);
}

/* Step 1 has 192 + 64 + 64 bytes, and so has step 2. */
static void a_skip_connection_keeps_its_slot(void **state) {
    (void)state;
    const rf_tensor tensors[] = {{.bytes = 192, .first = 0, .last = 1},
                                 {.bytes = 64, .first = 1, .last = 2},
                                 {.bytes = 192, .first = 2, .last = 3},
                                 {.bytes = 64, .first = 0, .last = 3}};
    describe(RF_DEVICE_CPU, 1 << 30);
    assert_int_equal(bytes_of(tensors, RF_COUNT(tensors)), 320);
    describe(RF_DEVICE_GPU, 1 << 30);
    assert_int_equal(bytes_of(tensors, RF_COUNT(tensors)), 320);
}

/* 128 and 64 bytes fit where 192 were; reused whole, the slot holds one of them. */
static void a_gpu_reuses_slots_whole(void **state) {
    (void)state;
    const rf_tensor tensors[] = {{.bytes = 192, .first = 0, .last = 0},
                                 {.bytes = 128, .first = 1, .last = 1},
                                 {.bytes = 64, .first = 1, .last = 1}};
    describe(RF_DEVICE_CPU, 1 << 30);
    assert_int_equal(bytes_of(tensors, RF_COUNT(tensors)), 192);
    describe(RF_DEVICE_GPU, 1 << 30);
    assert_int_equal(bytes_of(tensors, RF_COUNT(tensors)), 192 + 64);
}

/* ---- edges ---- */

static void no_tensor_takes_no_memory(void **state) {
    (void)state;
    describe(RF_DEVICE_CPU, 1 << 30);
    assert_int_equal(bytes_of(NULL, 0), 0);
}

static void one_tensor_is_rounded_up_to_the_alignment(void **state) {
    (void)state;
    rf_tensor one = {.bytes = 100, .first = 3, .last = 3};
    describe(RF_DEVICE_CPU, 1 << 30);
    rf_arena *arena = placed(&one, 1);
    assert_int_equal(one.offset, 0);
    assert_int_equal(rf_arena_bytes(arena), 128);
    assert_int_equal(rf_arena_largest(arena), 128);
    assert_int_equal(rf_buffer_bytes(one.buffer), 128);
    rf_arena_free(arena);
}

/* 192 bytes, then 64 that are left to the border at 256, then 192 behind it. */
static void no_tensor_lies_across_two_allocations(void **state) {
    (void)state;
    const rf_tensor tensors[] = {
        {.bytes = 192, .last = 1}, {.bytes = 192, .last = 1}, {.bytes = 64, .last = 1}};
    describe(RF_DEVICE_CPU, 256);
    assert_int_equal(bytes_of(tensors, 2), 256 + 192);
    assert_int_equal(bytes_of(tensors, 3), 256 + 192);
}

/* Whoever plans compares it with the device's limit, and says so. */
static void a_tensor_above_the_limit_is_placed_all_the_same(void **state) {
    (void)state;
    rf_tensor large = {.bytes = 320};
    rf_arena *arena;
    describe(RF_DEVICE_CPU, 256);
    assert_int_equal(rf_arena_create(&arena, device, &large, 1), RF_OK);
    assert_int_equal(rf_arena_largest(arena), 320);
    rf_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_alive_together_share_no_byte),
        cmocka_unit_test(random_tensors_take_little_more_than_is_alive),
        cmocka_unit_test(a_chain_takes_two_slots),
        cmocka_unit_test(a_long_chain_takes_two_slots),
        cmocka_unit_test(a_skip_connection_keeps_its_slot),
        cmocka_unit_test(a_gpu_reuses_slots_whole),
        cmocka_unit_test(no_tensor_takes_no_memory),
        cmocka_unit_test(one_tensor_is_rounded_up_to_the_alignment),
        cmocka_unit_test(no_tensor_lies_across_two_allocations),
        cmocka_unit_test(a_tensor_above_the_limit_is_placed_all_the_same),
    };
    if (rf_device_open(&device, "reference") != RF_OK) {
        fprintf(stderr, "arena_test: %s\n", rf_error_message());
        return 1;
    }
    const rf_device_info info = device->info;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device->info = info;
    rf_device_close(device);
    return failed;
}
