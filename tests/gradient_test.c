/* Gradients of whole networks: branches, values read twice, sums of sums, whatever may share memory.
 *
 * One step of plain gradient descent at learning rate 1 shows the gradient; it must agree with differences of the
 * loss, along one random direction for each parameter, and with the gradient on the reference, where nothing
 * is fused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/rangefinder.h"

enum { IMAGES = 4, CHANNELS = 2, SIDE = 6, CLASSES = 3, RANDOM_NETWORKS = 60 };
static const rf_image_shape images = {CHANNELS, SIDE, SIDE, CLASSES};
static rf_device *device, *reference;
static rf_dataset *dataset;

#define CHECK(call, what)                                                                                    \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", what, rf_error_message());                                   \
    } while (0)

/* ---- one step ---- */

/* One step at `lr`; returns the loss before it, and with after != NULL stores the parameters behind it there.
 */
static double step_with(const char *recompute, rf_device *on, const rf_model *model, double lr,
                        rf_model *after, const char *what) {
    const rf_trainer_desc desc = {.device = on,
                                  .model = model,
                                  .dataset = dataset,
                                  .batch = IMAGES,
                                  .no_shuffle = true,
                                  .recompute = recompute};
    rf_trainer *trainer = NULL;
    double loss = NAN;
    CHECK(rf_trainer_create(&trainer, &desc), what);
    CHECK(rf_trainer_run(trainer, lr, 1, &loss), what);
    if (after != NULL) CHECK(rf_trainer_export(trainer, after), what);
    rf_trainer_free(trainer);
    return loss;
}

static double step(rf_device *on, const rf_model *model, double lr, rf_model *after, const char *what) {
    return step_with("off", on, model, lr, after, what);
}

static rf_model *parsed(const char *text) {
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, text, "test", images, 1), text);
    return model;
}

static bool is_trained(const rf_parameter_view *view) {
    return strstr(view->name, "running_") == NULL;
}

/* The loss with parameter `index` moved by `distance` along random signs, of which the sum with g comes out
 * too. */
static double loss_along(const char *text, size_t index, double distance, const float *g, double *slope) {
    rf_model *model = parsed(text);
    rf_parameter_view view;
    rf_random random;
    rf_random_init(&random, 5, (uint32_t)index);
    assert_true(rf_model_parameter(model, index, &view));
    const double each = 1 / sqrt((double)view.count);
    *slope = 0;
    for (size_t i = 0; i < view.count; i++) {
        const double sign = rf_random_u32(&random) & 1 ? each : -each;
        *slope += sign * (double)g[i];
        view.values[i] += (float)(sign * distance);
    }
    const double loss = step(device, model, 0, NULL, text);
    rf_model_free(model);
    return loss;
}

/* The gradient of each parameter, in `after`'s place: before - after, as the learning rate is 1. */
static void gradients(rf_device *on, const char *text, rf_model *gradient) {
    rf_model *before = parsed(text);
    rf_parameter_view from, to;
    step(on, before, 1, gradient, text);
    for (size_t p = 0; rf_model_parameter(before, p, &from) && rf_model_parameter(gradient, p, &to); p++)
        for (size_t i = 0; i < from.count && is_trained(&from); i++)
            to.values[i] = from.values[i] - to.values[i];
    rf_model_free(before);
}

static void agrees_with_differences(const char *text) {
    static const double distance = 0.01;
    rf_model *gradient = parsed(text);
    rf_parameter_view g;
    gradients(device, text, gradient);
    for (size_t p = 0; rf_model_parameter(gradient, p, &g); p++) {
        double slope, norm = 0;
        if (!is_trained(&g)) continue;
        for (size_t i = 0; i < g.count; i++) norm += (double)g.values[i] * g.values[i];
        const double up = loss_along(text, p, distance, g.values, &slope);
        const double down = loss_along(text, p, -distance, g.values, &slope),
                     difference = (up - down) / (2 * distance);
        if (!(fabs(difference - slope) <= 0.01 * sqrt(norm) + 2e-4))
            fail_msg("%s\n%s: the gradient says %g along a direction, differences of the loss %g (norm %g)",
                     text, g.name, slope, difference, sqrt(norm));
    }
    rf_model_free(gradient);
}

static void agrees_with_reference(const char *text) {
    rf_model *expected = parsed(text), *got = parsed(text);
    rf_parameter_view e, g;
    gradients(reference, text, expected);
    gradients(device, text, got);
    for (size_t p = 0; rf_model_parameter(expected, p, &e) && rf_model_parameter(got, p, &g); p++) {
        double norm = 0, worst = 0;
        for (size_t i = 0; i < e.count; i++) norm += (double)e.values[i] * e.values[i];
        for (size_t i = 0; i < e.count; i++) worst = fmax(worst, fabs((double)e.values[i] - g.values[i]));
        if (!(worst <= 1e-4 * sqrt(norm) + 1e-5))
            fail_msg("%s\n%s: off the reference by %g (norm %g)", text, e.name, worst, sqrt(norm));
    }
    rf_model_free(expected);
    rf_model_free(got);
}

/* Bit by bit, buffers included, with activations that are computed again. */
static void agrees_recomputed(const char *text) {
    rf_model *model = parsed(text), *expected = parsed(text), *got = parsed(text);
    rf_parameter_view e, g;
    step(device, model, 1, expected, text);
    step_with("on", device, model, 1, got, text);
    for (size_t p = 0; rf_model_parameter(expected, p, &e) && rf_model_parameter(got, p, &g); p++)
        if (memcmp(e.values, g.values, e.count * sizeof *e.values) != 0)
            fail_msg("%s\n%s: another with recomputation", text, e.name);
    rf_model_free(model);
    rf_model_free(expected);
    rf_model_free(got);
}

/* Differences of the loss are of no use where it has kinks. */
static void check_network(const char *text, bool smooth) {
    agrees_recomputed(text);
    if (smooth) agrees_with_differences(text);
    if (device != reference) agrees_with_reference(text);
}

/* ---- chosen networks ---- */

#define HEAD(value) "f: flatten <- " value "\nfc: linear classes\n"
static const char *const networks[] = {
    /* one value twice, three times, with another */
    "a: conv 4 3 pad=1\ns: add <- a, a\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: conv 4 1 <- a\ns: add <- a, a, b\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: conv 4 1 <- a\ns: add <- b, a, b, a\nt: add <- s, b\n" HEAD("t"),
    "a: conv 4 3 pad=1\nc: concat <- a, a\n" HEAD("c"),
    "a: conv 4 3 pad=1\nb: conv 4 1 <- a\nc: concat <- b, a, b\nd: conv 4 1\ns: add <- d, a, a\n" HEAD("s"),
    "a: conv 4 3 pad=1\ns: add <- a, a\nt: add <- s, s\nu: add <- t, a\n" HEAD("u"),
    /* two operands of a sum, one of which is worked on in place */
    "a: conv 4 3 pad=1\nc: conv 4 3 pad=1 <- images\nb: tanh <- c\ns: add <- a, b\n" HEAD("s"),
    "c: conv 4 3 pad=1\nb: tanh <- c\na: conv 4 3 pad=1 <- images\ns: add <- b, a\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: tanh\nd: batch_norm <- a\ns: add <- b, d, a\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: dropout 0.3\nc: sigmoid <- a\ns: add <- b, c\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: leaky_relu\nc: leaky_relu\nd: dropout 0.5\ns: add <- a, d\n" HEAD("s"),
    /* residuals: an identity, a projection, nested ones, one that is read a third time */
    "a: conv 4 3 pad=1\nb: batch_norm\nc: tanh\nd: conv 4 3 pad=1\ne: batch_norm\ns: add <- e, a\nt: "
    "tanh\n" HEAD("t"),
    "a: conv 4 3 pad=1\nb: conv 4 3 pad=1\nc: batch_norm\nd: conv 4 1 <- a\ne: batch_norm\ns: add <- c, "
    "e\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: conv 4 1\ns: add <- b, a\nc: conv 4 1\nt: add <- c, s\nu: add <- t, a\n" HEAD("u"),
    "a: conv 4 3 pad=1\nb: batch_norm\ns: add <- b, a\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: batch_norm\ns: add <- b, b\n" HEAD("s"),
    "a: conv 4 3 pad=1\nb: batch_norm\nc: batch_norm <- a\ns: add <- b, c\nt: add <- s, a\n" HEAD("t"),
    "a: conv 4 3 pad=1\ns: add <- a, a\nb: batch_norm <- s\nt: add <- b, s\nu: tanh\nv: add <- u, t\n" HEAD(
        "v"),
    /* flattened and not, at once */
    "a: conv 4 3 pad=1\nf: flatten\nb: conv 4 1 <- a\ng: flatten\ns: add <- f, g\nfc: linear classes\n",
    "a: conv 4 3 pad=1\nf: flatten\ng: flatten <- a\nt: tanh <- f\ns: add <- f, g, t\nfc: linear classes\n",
    "a: conv 4 3 pad=1\nf: flatten\nx: linear 5\ny: tanh\nz: linear 5 <- f\ns: add <- x, y, z\nt: tanh\nfc: "
    "linear classes\n",
    "flatten\na: linear 8\nb: sigmoid\nc: linear 8\nd: sigmoid\ns: add <- b, d, a\nc2: concat <- s, b, "
    "s\nfc: linear classes\n",
    /* products: by a gate, of a value with itself, by one gate twice */
    "a: conv 4 3 pad=1\np: adaptive_avg_pool 1\ng: conv 4 1\ns: sigmoid\nm: multiply <- a, s\nt: add <- m, "
    "a\n" HEAD("t"),
    "a: conv 4 3 pad=1\nb: tanh\nm: multiply <- a, b\nn: multiply <- m, m\n" HEAD("n"),
    "a: conv 4 3 pad=1\np: adaptive_avg_pool 1\ne: flatten\ng: linear 4\nm: multiply <- a, g\nn: multiply <- "
    "m, g\n" HEAD("n"),
    /* pools, groups, strides */
    "a: conv 4 3 pad=1\np: max_pool 2\nq: avg_pool 2 <- a\ns: add <- p, q\nd: conv 4 3 pad=1 groups=4\nt: "
    "add <- d, s\n" HEAD("t"),
    "a: conv 6 3 pad=1 groups=2 stride=2\nb: gelu\nc: silu <- a\ns: add <- b, c\ng: adaptive_avg_pool 1\nh: "
    "flatten\nfc: linear classes\n",
    /* weights that are computed: in panels, one of them not full, in groups, with all that they may have, pooled */
    "a: conv_standardized 18 3 pad=1\nb: tanh\nc: conv_standardized 6 3 pad=1 groups=2 gain=yes factor=0.5 "
    "bias=no\n" HEAD("c"),
    "a: conv_standardized 4 3 pad=1 gain=yes factor=2 eps=0.1\nb: max_pool 2\nc: conv_standardized 4 1 "
    "gain=yes <- a\nd: avg_pool 2\ns: add <- b, d\n" HEAD("s"),
};

static void gradients_of_branching_networks_are_right(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(networks); i++) check_network(networks[i], true);
}

/* More branches are summed one after the other than may wait for one gradient tensor. */
static void gradients_of_many_branches_are_right(void **state) {
    (void)state;
    const int branches = 70;
    rf_str text = {0};
    rf_str_add(&text, "a: conv 1 3 pad=1\n");
    for (int i = 0; i < branches; i++) rf_str_addf(&text, "x%d: conv 1 1 bias=no <- a\n", i);
    rf_str_add(&text, "s0: add <- x0, a\n");
    for (int i = 1; i < branches; i++) rf_str_addf(&text, "s%d: add <- s%d, x%d\n", i, i - 1, i);
    rf_str_addf(&text, "m: adaptive_avg_pool 1 <- s%d\n" HEAD("m"), branches - 1);
    assert_false(text.failed);
    check_network(text.data, true);
    rf_str_free(&text);
}

/* ---- random networks ---- */

static const char *any_value(rf_random *random, int count) {
    static char names[8][8];
    static int next;
    char *name = names[next++ % 8];
    snprintf(name, 8, "v%d", (int)rf_random_below(random, (uint32_t)count));
    return name;
}

/* A network of maps of 4 channels: convolutions, activations, sums and concatenations of any earlier values;
 * what nobody has read is summed up at the end. */
static char *random_network(uint32_t seed, bool smooth) {
    static const char *const plain[] = {
        "conv 4 3 pad=1", "conv 4 3 pad=1 groups=2",   "conv 4 1", "batch_norm", "batch_norm",
        "dropout 0.2",    "avg_pool 3 stride=1 pad=1", "sigmoid",  "silu",       "tanh"};
    static const char *const kinked[] = {"relu", "relu", "relu6", "max_pool 3 stride=1 pad=1", "leaky_relu"};
    rf_str text = {0};
    rf_random random;
    rf_random_init(&random, 11, seed);
    const int count = 3 + (int)rf_random_below(&random, 9);
    bool read[16] = {false};
    rf_str_add(&text, "v0: conv 4 3 pad=1\n");
    for (int v = 1; v < count; v++) {
        const uint32_t kind = rf_random_below(&random, 10), operands = 2 + rf_random_below(&random, 3);
        if (kind < 5) {
            const char *input = any_value(&random, v);
            read[atoi(input + 1)] = true;
            const char *op = smooth || rf_random_below(&random, 2)
                                 ? plain[rf_random_below(&random, RF_COUNT(plain))]
                                 : kinked[rf_random_below(&random, RF_COUNT(kinked))];
            rf_str_addf(&text, "v%d: %s <- %s\n", v, op, input);
            continue;
        }
        rf_str_addf(&text, kind < 9 ? "v%d: add <- " : "c%d: concat <- ", v);
        for (uint32_t i = 0; i < operands; i++) {
            const char *input = any_value(&random, v);
            read[atoi(input + 1)] = true;
            rf_str_addf(&text, "%s%s", i > 0 ? ", " : "", input);
        }
        rf_str_add(&text, "\n");
        if (kind == 9) rf_str_addf(&text, "v%d: conv 4 1 <- c%d\n", v, v);
    }
    rf_str_addf(&text, "last: add <- v%d, %s", count - 1, any_value(&random, count));
    for (int v = 0, more = 0; v < count - 1; v++)
        if (!read[v] && more++ < 6) rf_str_addf(&text, ", v%d", v);
    rf_str_add(&text, "\n" HEAD("last"));
    return text.data;
}

static void gradients_of_random_networks_are_right(void **state) {
    (void)state;
    const char *rounds = getenv("RF_FUZZ_ROUNDS");
    const uint32_t count = rounds != NULL ? (uint32_t)atoi(rounds) : RANDOM_NETWORKS;
    for (uint32_t i = 0; i < count; i++) {
        const bool smooth = i % 3 > 0;
        char *text = random_network(i, smooth);
        check_network(text, smooth);
        free(text);
    }
}

static void make_dataset(void) {
    uint8_t pixels[IMAGES * CHANNELS * SIDE * SIDE];
    const int32_t labels[IMAGES] = {0, 1, 2, 1};
    rf_random random;
    rf_random_init(&random, 3, 0);
    for (size_t i = 0; i < RF_COUNT(pixels); i++) pixels[i] = (uint8_t)rf_random_u32(&random);
    rf_dataset_from_memory(&dataset, "test", pixels, labels, IMAGES, CHANNELS, SIDE, SIDE, CLASSES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_branching_networks_are_right),
        cmocka_unit_test(gradients_of_many_branches_are_right),
        cmocka_unit_test(gradients_of_random_networks_are_right),
    };
    make_dataset();
    if (dataset == NULL || rf_device_open(&device, NULL) != RF_OK ||
        rf_device_open(&reference, "reference") != RF_OK) {
        fprintf(stderr, "gradient_test: %s\n", rf_error_message());
        return 1;
    }
    if (rf_device_describe(device)->kind == RF_DEVICE_REFERENCE) {
        rf_device_close(reference);
        reference = device;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (reference != device) rf_device_close(reference);
    rf_device_close(device);
    rf_dataset_free(dataset);
    return failed;
}
