/* Recomputation of activations: training gives the same bits with it and without, in less memory, by as much as a
 * calculation by hand says; where memory is short, it is chosen by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "graph/recompute.h"
#include "rangefinder/rangefinder.h"
#include "train/trainer.h"

static rf_device *device, *reference;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

#define HEAD "adaptive_avg_pool 1\nflatten\nlinear classes\n"

/* ---- the same bits ---- */

static const char *const networks[] = {
    /* residuals, of an identity and of a projection, pools, dropout in place */
    "conv 8 3 pad=1 bias=no\nbatch_norm\nrelu\np: max_pool 2\n"
    "conv 8 3 pad=1 bias=no <- p\nbatch_norm\nrelu\nconv 8 3 pad=1 bias=no\nb: batch_norm\nadd <- b, p\nr: "
    "relu\n"
    "conv 12 3 pad=1 stride=2 bias=no\nc: batch_norm\nconv 12 1 stride=2 bias=no <- r\nd: batch_norm\nadd <- "
    "c, d\n"
    "relu\ndropout 0.3\n" HEAD,
    /* concatenations, as DenseNet has them, and a pooling of a convolution */
    "a: conv 8 3 pad=1\nbatch_norm\nrelu\nb: conv 4 3 pad=1\nc: concat <- a, b\nbatch_norm\nrelu\nd: conv 4 "
    "3 pad=1\n"
    "concat <- a, b, d\nbatch_norm\nrelu\nconv 16 3 pad=1\nrelu\nmax_pool 2\nconv 8 1\navg_pool 2\n" HEAD,
    /* a gate, and branches that are left out at random */
    "a: conv 8 3 pad=1\nsilu\nb: conv 8 3 pad=1 groups=8\nbatch_norm\ns: silu\nadaptive_avg_pool 1\nconv 4 "
    "1\nsilu\nconv 8 1\ng: sigmoid\nm: multiply <- s, g\nconv 8 1\nd: stochastic_depth 0.4\nt: add <- d, a\n"
    "layer_norm\nconv 16 1\ngelu\nconv 8 1\nz: scale\nadd <- z, t\n" HEAD,
};

static rf_state *state_after_steps(rf_plan_repeats *repeats, size_t *bytes, const char *network,
                                   const char *recompute, const rf_dataset *data) {
    rf_model *model;
    rf_trainer *trainer;
    rf_state *state;
    double loss[3];
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){3, 16, 16, 10}, 1));
    CHECK(rf_trainer_create(&trainer, &(rf_trainer_desc){.device = device,
                                                         .model = model,
                                                         .dataset = data,
                                                         .batch = 8,
                                                         .accumulate = 2,
                                                         .optimizer = "sgd momentum=0.9",
                                                         .recompute = recompute}));
    *repeats = rf_plan_repeated(trainer->plan);
    *bytes = rf_plan_memory_bytes(trainer->plan);
    CHECK(rf_trainer_run(trainer, 0.05, 3, loss));
    CHECK(rf_trainer_get_state(&state, trainer));
    rf_trainer_free(trainer);
    rf_model_free(model);
    return state;
}

/* Parameters, running statistics, momentum. */
static void training_gives_the_same_bits(void **unused) {
    (void)unused;
    rf_dataset *data;
    CHECK(rf_dataset_open(&data, "synthetic:3x16x16,10,64", NULL));
    for (size_t i = 0; i < RF_COUNT(networks); i++) {
        rf_plan_repeats kept, repeated;
        size_t all, fewer;
        rf_state *expected = state_after_steps(&kept, &all, networks[i], "off", data);
        rf_state *got = state_after_steps(&repeated, &fewer, networks[i], "on", data);
        if (rf_state_compare(expected, got) != RF_OK) fail_msg("network %zu: %s", i, rf_error_message());
        assert_true(kept.share == 0 && kept.bytes == all);
        assert_true(repeated.share > 0 && repeated.bytes == all && fewer < all);
        rf_state_free(expected);
        rf_state_free(got);
    }
    rf_dataset_free(data);
}

/* ---- the memory ---- */

static const char chain[] = "for i = 1 to 16\nc{i}: conv 4 1 bias=no\nend\n" HEAD;

/* A chain of sixteen 1x1 convolutions of maps of S bytes, on the reference, where nothing is fused.  At the gradient of the
 * last one there are its dy and dx, the images and fifteen maps: 18 S.  In segments of four: dy, dx, the images, the maps at
 * three borders, and three within the segment: 9 S. */
static void a_chain_needs_what_a_calculation_says(void **unused) {
    (void)unused;
    const double S = 4 * 4 * 16 * 16 * sizeof(float);
    rf_model *model;
    rf_lowered *lowered;
    rf_steps *steps;
    rf_arena *arena;
    CHECK(rf_model_parse(&model, chain, "test", (rf_image_shape){4, 16, 16, 10}, 1));
    CHECK(rf_lower(&lowered, &(rf_lower_desc){.model = model,
                                              .batch = 4,
                                              .training = true,
                                              .loss = rf_op_find("cross_entropy"),
                                              .device = reference}));
    CHECK(rf_steps_create(&steps, lowered, model, true, reference, NULL));
    CHECK(rf_arena_create(&arena, reference, steps->tensors, (size_t)steps->tensor_count));
    const double whole = (double)rf_arena_bytes(arena) / S;
    if (!(whole >= 18 && whole < 18.5)) fail_msg("%g maps are needed at once", whole);
    CHECK(rf_recompute(&steps, &arena, reference, 1, false));
    const double least = (double)rf_arena_bytes(arena) / S;
    if (!(least < 9.5)) fail_msg("%g maps are needed at once", least);
    /* at most each convolution is done twice, and none of the last segment's */
    int repeated = 0;
    for (int i = 0; i < steps->count; i++) repeated += steps->steps[i].repeats >= 0;
    assert_in_range(repeated, 9, 16);
    rf_arena_free(arena);
    rf_steps_free(steps);
    rf_lowered_free(lowered);
    rf_model_free(model);
}

/* A limit between the two is kept, with less work than the least memory takes. */
static void no_more_is_repeated_than_the_limit_demands(void **unused) {
    (void)unused;
    rf_model *model;
    rf_plan *plan[3];
    size_t bytes[3];
    double share[3];
    CHECK(rf_model_parse(&model, chain, "test", (rf_image_shape){4, 16, 16, 10}, 1));
    rf_plan_desc desc = {
        .device = device, .model = model, .batch = 8, .training = true, .loss = "cross_entropy"};
    for (int i = 0; i < 3; i++) {
        desc.limit_bytes = i == 0 ? 0 : i == 1 ? 1 : (bytes[0] + bytes[1]) / 2;
        CHECK(rf_plan_create(&plan[i], &desc));
        bytes[i] = rf_plan_memory_bytes(plan[i]);
        share[i] = rf_plan_repeated(plan[i]).share;
        rf_plan_free(plan[i]);
    }
    if (!(bytes[1] < bytes[2] && bytes[2] <= (bytes[0] + bytes[1]) / 2))
        fail_msg("%zu bytes, %zu at least, %zu between", bytes[0], bytes[1], bytes[2]);
    assert_true(share[0] == 0 && 0 < share[2] && share[2] < share[1]);
    rf_model_free(model);
}

/* ---- the choice ---- */

/* Plans alone, for nothing of this size is computed here. */
static void what_costs_next_to_nothing_is_repeated_in_any_case(void **unused) {
    (void)unused;
    static const struct {
        const char *network;
        int batch;
        bool repeats; /* passes over memory: convnext_tiny's GELU and norms, vgg11_bn's first batch norms */
    } cases[] = {{"convnext_tiny", 16, true},
                 {"vgg11_bn", 16, true},
                 {"mobilenet_v2", 16, false},
                 {"convnext_tiny", 2, false}};
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_model *model;
        rf_plan *plan;
        CHECK(rf_model_create(&model, cases[i].network, (rf_image_shape){3, 224, 224, 10}, 1));
        rf_plan_desc desc = {.device = device,
                             .model = model,
                             .batch = cases[i].batch,
                             .training = true,
                             .loss = "cross_entropy",
                             .recompute_cheap = true};
        CHECK(rf_plan_create(&plan, &desc));
        const rf_plan_repeats repeated = rf_plan_repeated(plan);
        const size_t bytes = rf_plan_memory_bytes(plan);
        rf_plan_free(plan);
        if (repeated.share > 0.1 || (repeated.share > 0) != cases[i].repeats ||
            (cases[i].repeats ? bytes > repeated.bytes / 4 * 3 : bytes != repeated.bytes))
            fail_msg("%s, batch %d: %zu bytes rather than %zu, for %g of the forward pass", cases[i].network,
                     cases[i].batch, bytes, repeated.bytes, repeated.share);
        desc.limit_bytes = bytes / 20 * 19; /* which only more work can keep to */
        CHECK(rf_plan_create(&plan, &desc));
        assert_in_range(rf_plan_memory_bytes(plan), 1, desc.limit_bytes);
        assert_true(rf_plan_repeated(plan).share > repeated.share);
        rf_plan_free(plan);
        rf_model_free(model);
    }
}

static rf_status create(rf_trainer **out, const rf_model *model, const rf_dataset *data,
                        const char *recompute, int mebibytes) {
    char limit[16];
    snprintf(limit, sizeof limit, "%d", mebibytes);
    setenv("RANGEFINDER_MEMORY", limit, 1);
    const rf_status status = rf_trainer_create(
        out, &(rf_trainer_desc){
                 .device = device, .model = model, .dataset = data, .batch = 32, .recompute = recompute});
    unsetenv("RANGEFINDER_MEMORY");
    return status;
}

static void auto_recomputes_small_networks_only_where_memory_is_short(void **unused) {
    (void)unused;
    static const char network[] = "for i = 1 to 8\nc{i}: conv 16 3 pad=1\nrelu\nend\n" HEAD;
    rf_dataset *data;
    rf_model *model;
    rf_trainer *trainer;
    int low = 1, high = 200;
    CHECK(rf_dataset_open(&data, "synthetic:3x32x32,10,64", NULL));
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){3, 32, 32, 10}, 1));
    while (high - low > 1) { /* the limit that suffices when everything is kept */
        const int middle = (low + high) / 2;
        *(create(&trainer, model, data, "off", middle) == RF_OK ? &high : &low) = middle;
        rf_trainer_free(trainer);
    }
    CHECK(create(&trainer, model, data, NULL, high));
    assert_true(rf_plan_repeated(trainer->plan).share == 0);
    rf_trainer_free(trainer);
    const int limit = high * 2 / 3;
    assert_int_equal(create(&trainer, model, data, "off", limit), RF_E_MEMORY);
    assert_non_null(strstr(rf_error_message(), "use --recompute auto"));
    CHECK(create(&trainer, model, data, NULL, limit));
    assert_true(rf_plan_repeated(trainer->plan).share > 0);
    rf_trainer_free(trainer);
    assert_int_equal(create(&trainer, model, data, "on", 5), RF_E_MEMORY);
    assert_non_null(strstr(rf_error_message(), "even with activations computed again"));
    assert_int_equal(create(&trainer, model, data, "always", 200), RF_E_USAGE);
    rf_model_free(model);
    rf_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_gives_the_same_bits),
        cmocka_unit_test(a_chain_needs_what_a_calculation_says),
        cmocka_unit_test(no_more_is_repeated_than_the_limit_demands),
        cmocka_unit_test(what_costs_next_to_nothing_is_repeated_in_any_case),
        cmocka_unit_test(auto_recomputes_small_networks_only_where_memory_is_short),
    };
    if (rf_device_open(&device, NULL) != RF_OK || rf_device_open(&reference, "reference") != RF_OK) {
        fprintf(stderr, "recompute_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(reference);
    rf_device_close(device);
    return failed;
}
