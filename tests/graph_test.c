/* From a model to a plan: what a batch does not allow, which tensors share memory, and that compiling takes time in
 * proportion to the network. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/base.h"
#include "graph/arena.h"
#include "graph/autodiff.h"

static rf_device *device;

static rf_model *model_of(const char *text, rf_image_shape images) {
    rf_model *model = NULL;
    if (rf_model_parse(&model, text, "t", images, 1) != RF_OK) fail_msg("%s", rf_error_message());
    return model;
}

/* ---- the batch ---- */

static rf_status lower(const char *text, rf_image_shape images, int batch, bool training) {
    rf_model *model = model_of(text, images);
    rf_lowered *lowered = NULL;
    const rf_lower_desc desc = {.model = model, .batch = batch, .training = training, .device = device};
    const rf_status status = rf_lower(&lowered, &desc);
    assert_true((status == RF_OK) == (lowered != NULL));
    rf_lowered_free(lowered);
    rf_model_free(model);
    return status;
}

static void batch_norm_needs_two_values_a_channel_to_train(void **state) {
    (void)state;
    static const char text[] = "flatten\nlinear 4\nb: batch_norm\nlinear classes\n";
    const rf_image_shape images = {1, 2, 2, 2};
    assert_int_equal(lower(text, images, 1, true), RF_E_SHAPE);
    assert_non_null(strstr(rf_error_message(), "layer 'b': batch_norm: one image"));
    assert_int_equal(lower(text, images, 1, false), RF_OK);
    assert_int_equal(lower(text, images, 2, true), RF_OK);
}

static void batches_too_large_to_count_are_refused(void **state) {
    (void)state;
    const rf_image_shape images = {16, 1 << 12, 1 << 12, 2};
    assert_int_equal(lower("r: relu\nadaptive_avg_pool 1\nflatten\nlinear classes\n", images, INT_MAX, true),
                     RF_E_SHAPE);
    assert_non_null(strstr(rf_error_message(), "layer 'r'"));
    assert_int_equal(
        lower("c: conv 1 1\nadaptive_avg_pool 1\nflatten\nlinear classes\n", images, INT_MAX, true),
        RF_E_SHAPE);
    assert_non_null(strstr(rf_error_message(), "layer 'c'"));
}

/* ---- shared memory ---- */

/* The last step of an op in a direction. */
static const rf_step *step_of(const rf_steps *steps, const char *op, rf_direction direction) {
    for (int i = steps->count - 1; i >= 0; i--)
        if (steps->steps[i].direction == direction && strcmp(steps->steps[i].problem.op->name, op) == 0)
            return &steps->steps[i];
    fail_msg("no step %s.%s", op, rf_direction_names[direction]);
    return NULL;
}

static rf_steps *steps_of(const char *text, bool training) {
    rf_model *model = model_of(text, (rf_image_shape){3, 8, 8, 2});
    rf_lowered *lowered = NULL;
    rf_steps *steps = NULL;
    const rf_lower_desc desc = {.model = model,
                                .batch = 2,
                                .training = training,
                                .loss = training ? rf_op_find("cross_entropy") : NULL,
                                .device = device};
    if (rf_lower(&lowered, &desc) != RF_OK ||
        rf_steps_create(&steps, lowered, model, training, device, NULL) != RF_OK)
        fail_msg("%s", rf_error_message());
    rf_lowered_free(lowered);
    rf_model_free(model);
    return steps;
}

/* Whether the last layer of that op writes its output over its first input. */
static bool runs_in_place(const char *text, const char *op, bool training) {
    rf_steps *steps = steps_of(text, training);
    const rf_step *step = step_of(steps, op, RF_FORWARD);
    const bool same = step->y == step->x[0];
    rf_steps_free(steps);
    return same;
}

static void outputs_replace_inputs_that_nobody_needs(void **state) {
    (void)state;
#define END "adaptive_avg_pool 1\nflatten\nlinear classes\n"
    static const char chain[] = "conv 4 1\navg_pool 2\nsigmoid\n" END;
    static const char fork[] = "conv 4 1\nm: avg_pool 2\ns: sigmoid\nadd <- s, m\n" END;
    static const char from_x[] = "conv 4 1\navg_pool 2\ngelu\n" END; /* its gradient reads its input */
    assert_true(runs_in_place(chain, "sigmoid", false));
    assert_true(runs_in_place(chain, "sigmoid", true));
    assert_false(runs_in_place(fork, "sigmoid", false));
    assert_true(runs_in_place(fork, "add", false));
    assert_false(runs_in_place(from_x, "gelu", true));
    assert_false(runs_in_place("sigmoid\n" END, "sigmoid", false)); /* the images are the caller's */
}

/* Both terms of a sum get its own gradient, and a flattened map is the map. */
static void what_an_op_passes_on_is_not_copied(void **state) {
    (void)state;
    rf_steps *steps = steps_of("a: conv 4 1\nc: conv 4 1 <- images\nadd <- a, c\n" END, true);
    const rf_step *pool = step_of(steps, "adaptive_avg_pool", RF_BACKWARD_DATA);
    const rf_step *conv = step_of(steps, "conv", RF_BACKWARD_PARAMS);
    assert_int_equal(conv[0].dy, pool->dx[0]);
    assert_int_equal(conv[-1].dy, pool->dx[0]);
    assert_string_equal(conv[-1].problem.op->name, "conv");
    assert_int_equal(step_of(steps, "linear", RF_FORWARD)->x[0],
                     step_of(steps, "adaptive_avg_pool", RF_FORWARD)->y);
    rf_steps_free(steps);
#undef END
}

/* ---- time ---- */

static const struct {
    const char *what, *first, *layer; /* {i} is the number of the layer, {i-1} that of the one before */
} networks[] = {
    {"a chain", "l0: conv 2 1\n", "l{i}: tanh\n"},
    {"convolutions", "l0: conv 2 1\n", "c{i}: conv 2 1\nb{i}: batch_norm\nl{i}: relu\n"},
    {"residuals", "l0: conv 2 1\n", "c{i}: conv 2 1\na{i}: add <- c{i}, l{i-1}\nl{i}: relu\n"},
    {"one read by all", "l0: conv 2 1\n", "l{i}: add <- l{i-1}, l0\n"},
};

/* Seconds of this thread's own, whatever else the machine does, for text to derived steps and their memory. */
static double compile_seconds(size_t network, int layers) {
    rf_str text = {0};
    struct timespec before, after;
    rf_str_addf(&text, "%sfor i = 1 to %d\n%send\nadaptive_avg_pool 1\nflatten\nlinear classes\n",
                networks[network].first, layers, networks[network].layer);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    rf_model *model = model_of(text.data, (rf_image_shape){1, 1, 1, 2});
    rf_lowered *lowered = NULL;
    rf_steps *steps = NULL;
    rf_arena *arena = NULL;
    const rf_lower_desc desc = {
        .model = model, .batch = 2, .training = true, .loss = rf_op_find("cross_entropy"), .device = device};
    if (rf_lower(&lowered, &desc) != RF_OK ||
        rf_steps_create(&steps, lowered, model, true, device, NULL) != RF_OK ||
        rf_arena_create(&arena, device, steps->tensors, (size_t)steps->tensor_count) != RF_OK ||
        rf_arena_allocate(arena) != RF_OK)
        fail_msg("%s", rf_error_message());
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    rf_arena_free(arena);
    rf_steps_free(steps);
    rf_lowered_free(lowered);
    rf_model_free(model);
    rf_str_free(&text);
    return (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
}

/* 16 times the layers: 16 times the time where it is linear, 256 times where it is quadratic. */
static void compiling_takes_time_in_proportion_to_the_layers(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(networks); i++) {
        double few = compile_seconds(i, 2000);
        few = RF_MAX(few, compile_seconds(i, 2000)); /* the slower one, against outliers */
        double many = compile_seconds(i, 32000);
        if (many > 64 * few) many = RF_MIN(many, compile_seconds(i, 32000));
        if (many > 64 * few)
            fail_msg("%s: 2000 layers take %.3f s of the processor, 32000 take %.3f s", networks[i].what, few,
                     many);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_needs_two_values_a_channel_to_train),
        cmocka_unit_test(batches_too_large_to_count_are_refused),
        cmocka_unit_test(outputs_replace_inputs_that_nobody_needs),
        cmocka_unit_test(what_an_op_passes_on_is_not_copied),
        cmocka_unit_test(compiling_takes_time_in_proportion_to_the_layers),
    };
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "graph_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(device);
    return failed;
}
