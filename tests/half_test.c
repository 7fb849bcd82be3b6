/* Maps in halves: the conversions, on the host and in kernels; what is stored so, and how much memory that saves; training in
 * them; loss scaling. */
#include "trainers.h"

#include "graph/choose.h"
#include "graph/storage.h"
#include "train/state.h"

/* ---- conversions ---- */

/* IEEE 754: the numbers between which halves lie, and ties, which go to the even one. */
static const struct {
    float value;
    uint16_t half;
} roundings[] = {
    {0.0f, 0x0000},
    {1.0f, 0x3c00},
    {-2.0f, 0xc000},
    {65504.0f, 0x7bff},
    {0x1.ffdffep15f, 0x7bff}, /* below 65520, which is halfway to 65536 */
    {65520.0f, 0x7c00},
    {-65536.0f, 0xfc00},
    {3e38f, 0x7c00},
    {INFINITY, 0x7c00},
    {-INFINITY, 0xfc00},
    {0x1p-14f, 0x0400},     /* the least that is normal */
    {0x1.ff8p-15f, 0x03ff}, /* the largest that is not */
    {0x1.ffcp-15f, 0x0400}, /* a tie */
    {0x1p-24f, 0x0001},
    {0x1p-25f, 0x0000}, /* a tie */
    {0x1.000002p-25f, 0x0001},
    {0x1.8p-24f, 0x0002},  /* a tie */
    {-0x1.4p-23f, 0x8002}, /* a tie */
    {1e-30f, 0x0000},
    {1.0f + 0x1p-11f, 0x3c00}, /* a tie */
    {1.0f + 0x1p-11f + 0x1p-20f, 0x3c01},
    {1.0f + 0x1.8p-10f, 0x3c02}, /* a tie */
    {0x1.fffp0f, 0x4000},        /* carries into the exponent */
};

static void host_rounds_to_the_nearest(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RF_COUNT(roundings); i++)
        if (rf_half_from_float(roundings[i].value) != roundings[i].half)
            fail_msg("%a becomes %#x, not %#x", (double)roundings[i].value,
                     rf_half_from_float(roundings[i].value), roundings[i].half);
    assert_int_equal(rf_half_from_float(-0.0f), 0x8000);
    assert_true(isnan(rf_half_to_float(rf_half_from_float(NAN))));
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float value = rf_half_to_float((uint16_t)h);
        const uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
        const double expected = exponent == 0    ? mantissa * 0x1p-24
                                : exponent == 31 ? INFINITY
                                                 : ldexp(1024 + mantissa, (int)exponent - 25);
        if (exponent == 31 && mantissa != 0) {
            assert_true(isnan(value));
            continue;
        }
        assert_true(value == (float)(h & 0x8000 ? -expected : expected));
        assert_int_equal(rf_half_from_float(value), h);
    }
}

/* Runs 1 * x + 0 by each solver, with x or y in halves; got: y as it is stored. */
static void run_identity(const rf_solver *solver, const void *x, size_t x_bytes, bool half_x, void *y,
                         size_t y_bytes, size_t count) {
    rf_problem problem = {.op = rf_op_find("affine"),
                          .inputs = 1,
                          .x = {{1, (int)count, 1, 1}},
                          .half_x = half_x,
                          .half_y = !half_x};
    rf_tensors tensors = {0};
    rf_sequence *sequence;
    rf_config config;
    rf_attrs_default(&problem.attrs, problem.op);
    CHECK(problem.op->infer(&problem));
    CHECK(rf_buffer_create(&tensors.x[0], device, x_bytes));
    CHECK(rf_buffer_create(&tensors.y, device, y_bytes));
    CHECK(rf_buffer_write(tensors.x[0], 0, x, x_bytes));
    CHECK(rf_sequence_create(&sequence, device));
    rf_solver_defaults(&config, solver, &problem, rf_device_describe(device));
    CHECK(rf_solver_prepare(solver, sequence, &problem, rf_device_describe(device), &tensors, &config));
    CHECK(rf_sequence_run(sequence));
    CHECK(rf_buffer_read(tensors.y, 0, y, y_bytes));
    rf_sequence_free(sequence);
    rf_buffer_free(tensors.x[0]);
    rf_buffer_free(tensors.y);
}

static void kernels_convert_as_the_host(void **unused) {
    (void)unused;
    enum { ALL = 0x10000, COUNT = ALL * 4 + 3 };
    uint16_t *halves = rf_alloc(COUNT, sizeof *halves);
    float *floats = rf_alloc(COUNT, sizeof *floats);
    assert_true(halves != NULL && floats != NULL);
    for (const rf_solver *const *s = rf_op_find("affine")->solvers; *s != NULL; s++) {
        if ((*s)->direction != RF_FORWARD) continue;
        for (size_t h = 0; h < ALL; h++) halves[h] = (uint16_t)h;
        run_identity(*s, halves, ALL * sizeof *halves, true, floats, ALL * sizeof *floats, ALL);
        for (size_t h = 0; h < ALL; h++) {
            const float expected = rf_half_to_float((uint16_t)h);
            if (!(floats[h] == expected || (isnan(floats[h]) && isnan(expected))))
                fail_msg("%s reads %#zx as %a", (*s)->name, h, (double)floats[h]);
        }
        /* Each half, what lies closely above it, halfway to the next, and closely above that; NaN. */
        for (size_t h = 0; h < ALL; h++) {
            const float own = rf_half_to_float((uint16_t)h), next = rf_half_to_float((uint16_t)(h + 1)),
                        middle = own + (next - own) / 2;
            const float all[] = {own, nextafterf(own, INFINITY), middle, nextafterf(middle, INFINITY)};
            for (size_t i = 0; i < 4; i++) floats[4 * h + i] = all[i];
        }
        for (size_t i = 0; i < 3; i++) floats[ALL * 4 + i] = 1e9f * (float)i;
        run_identity(*s, floats, COUNT * sizeof *floats, false, halves, COUNT * sizeof *halves, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            const uint16_t expected = rf_half_from_float(floats[i] + 0.0f);
            const bool both_nan = (halves[i] & 0x7fff) > 0x7c00 && (expected & 0x7fff) > 0x7c00;
            if (halves[i] != expected && !both_nan && (halves[i] | expected) != 0x8000)
                fail_msg("%s writes %a as %#x, not %#x", (*s)->name, (double)floats[i], halves[i], expected);
        }
    }
    free(halves);
    free(floats);
}

/* ---- what is stored in halves ---- */

/* Images and scores are floats, and so is what is concatenated with images. */
static const char mixed[] =
    "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nc: concat <- b, in\nd: conv 8 1\ne: add <- d, a\n"
    "adaptive_avg_pool 1\nf: flatten\ng: linear classes\n";

static void all_but_images_and_scores_is_stored_in_halves(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        bool x, y;
    } expected[] = {{"a", false, true}, {"b", true, false}, {"c", false, true}, {"d", true, true},
                    {"e", true, true},  {"f", true, true},  {"g", true, false}};
    rf_model *model;
    rf_lowered *lowered;
    CHECK(rf_model_parse(&model, mixed, "test", (rf_image_shape){3, 8, 8, 10}, 1));
    CHECK(rf_lower(&lowered, &(rf_lower_desc){.model = model,
                                              .batch = 2,
                                              .training = true,
                                              .loss = rf_op_find("cross_entropy"),
                                              .device = device}));
    CHECK(rf_store_halves(lowered, device));
    for (int k = 0; k < lowered->count; k++) {
        const rf_lowered_node *node = &lowered->nodes[k];
        for (size_t i = 0; i < RF_COUNT(expected); i++)
            if (strcmp(node->name, expected[i].name) == 0 &&
                (node->problem.half_x != expected[i].x || node->problem.half_y != expected[i].y))
                fail_msg("%s: x %d, y %d", node->name, node->problem.half_x, node->problem.half_y);
    }
    const rf_problem *loss = &lowered->nodes[lowered->loss].problem;
    assert_true(!loss->half_x && !loss->half_y);
    rf_lowered_free(lowered);
    rf_model_free(model);
}

/* 2^30 numbers are more than kernels count: such a map stays in floats, for the reference. */
static void maps_too_large_for_kernels_are_floats(void **unused) {
    (void)unused;
    rf_model *model;
    rf_plan *plan;
    CHECK(rf_model_parse(
        &model, "conv 64 3 pad=1\nrelu\nmax_pool 4\nconv 8 3\nadaptive_avg_pool 1\nflatten\nlinear classes\n",
        "test", (rf_image_shape){3, 512, 512, 10}, 1));
    CHECK(rf_plan_create(&plan, &(rf_plan_desc){.device = device,
                                                .model = model,
                                                .batch = 64,
                                                .training = true,
                                                .loss = "cross_entropy",
                                                .limit_bytes = 1,
                                                .half = true}));
    for (size_t i = 0; i < rf_plan_step_count(plan); i++) {
        const char *name;
        const rf_solver *solver;
        const rf_step *step = rf_plan_step(plan, i, &name, &solver);
        assert_false(step->problem.half_y && rf_shape_count(step->problem.y) >= (size_t)1 << 30);
        assert_false(step->converts && step->choice_count == 0);
    }
    assert_true(rf_plan_has_halves(plan));
    rf_plan_free(plan);
    rf_model_free(model);
}

static size_t bytes_of(const rf_model *model, bool half) {
    rf_plan *plan;
    CHECK(rf_plan_create(&plan, &(rf_plan_desc){.device = device,
                                                .model = model,
                                                .batch = 16,
                                                .training = true,
                                                .loss = "cross_entropy",
                                                .half = half}));
    const size_t bytes = rf_plan_memory_bytes(plan);
    assert_true(rf_plan_has_halves(plan) == half);
    rf_plan_free(plan);
    return bytes;
}

/* A chain of sixteen 1x1 convolutions, with 18 maps at once (recompute_test has them counted): in halves half the memory where
 * kernels take them; where they are converted, with two or three maps in floats besides. */
static void halves_need_half_the_memory(void **unused) {
    (void)unused;
    rf_model *model;
    CHECK(
        rf_model_parse(&model,
                       "for i = 1 to 16\nc{i}: conv 16 1 bias=no\nend\nadaptive_avg_pool 1\nflatten\nlinear "
                       "classes\n",
                       "test", (rf_image_shape){1, 32, 32, 10}, 1));
    const double floats = (double)bytes_of(model, false), converted = (double)bytes_of(model, true) / floats;
    const char *given = getenv("RANGEFINDER_SOLVER");
    char *before = given != NULL ? rf_strdup(given) : NULL;
    setenv("RANGEFINDER_SOLVER", "group", 1);
    const double halves = (double)bytes_of(model, true) / floats;
    if (before != NULL)
        setenv("RANGEFINDER_SOLVER", before, 1);
    else
        unsetenv("RANGEFINDER_SOLVER");
    free(before);
    if (!(halves < 0.52)) fail_msg("kernels for halves need %g of the memory", halves);
    if (!(converted < 0.5 + 3.5 / 18)) fail_msg("with conversions it is %g of the memory", converted);
    rf_model_free(model);
}

/* ---- training ---- */

static const char *const networks[] = {
    "conv 8 3 pad=1 bias=no\nbatch_norm\nrelu\np: max_pool 2\nconv 8 3 pad=1 bias=no\nb: batch_norm\nadd <- "
    "b, p\nrelu\nconv 16 3 pad=1 stride=2\nrelu\ndropout 0.1\navg_pool 2\nflatten\nlinear classes\n",
    "a: conv 8 2 stride=2\nlayer_norm\nb: conv 8 3 pad=1 groups=8\nlayer_norm\nconv 16 1\ngelu\nconv 8 1\nz: "
    "scale\nadd <- z, b\ngroup_norm 4\nc: silu\nadaptive_avg_pool 1\nconv 8 1\ng: sigmoid\nmultiply <- c, g\n"
    "adaptive_avg_pool 1\nflatten\nlinear classes\n",
    /* a map in the place of another that is converted; scores that are a sum: of maps in halves, in floats */
    "conv 8 3 pad=1\nconv 8 1\nsoftmax\nconv 8 3 pad=1\nsilu\nf: flatten\nl: linear classes\nm: linear "
    "classes <- f\nadd <- l, m\n",
};

static rf_trainer *train(const rf_model *model, bool half, const char *optimizer, const char *recompute) {
    return trainer_of(
        model,
        (rf_trainer_desc){.accumulate = 2, .optimizer = optimizer, .recompute = recompute, .half = half});
}

/* Losses differ by what 11 bits leave; a gradient that vanished, or was scaled wrongly, changes them by far more. */
static void losses_are_those_in_floats(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RF_COUNT(networks); i++) {
        enum { STEPS = 40 };
        double losses[2][STEPS];
        rf_model *model;
        model = model_of(networks[i]);
        for (int half = 0; half < 2; half++) {
            rf_trainer *trainer = train(model, half, i == 0 ? "sgd momentum=0.9" : "adam", NULL);
            CHECK(rf_trainer_run(trainer, i == 0 ? 0.05 : 0.01, STEPS, losses[half]));
            rf_trainer_free(trainer);
        }
        if (!(losses[0][STEPS - 1] < 0.95 * losses[0][0]))
            fail_msg("network %zu: %g at first, %g at last", i, losses[0][0], losses[0][STEPS - 1]);
        for (int k = 0; k < STEPS; k++)
            if (!(fabs(losses[1][k] - losses[0][k]) < 0.03 * losses[0][k]))
                fail_msg("network %zu, step %d: %g, in floats %g", i, k, losses[1][k], losses[0][k]);
        rf_model_free(model);
    }
}

static float number_of(const rf_state *state, const char *name) {
    const rf_state_entry *entry = rf_state_find(state, name);
    assert_non_null(entry);
    return entry->values[0];
}

/* A scale at which gradients overflow is halved until they do not; meanwhile nothing but it changes. */
static void a_step_that_overflows_is_skipped(void **unused) {
    (void)unused;
    rf_model *model;
    rf_state *before, *after;
    double loss[2];
    model = model_of(networks[1]);
    rf_trainer *trainer = train(model, true, "adam", NULL);
    CHECK(rf_trainer_run(trainer, 0.01, 1, loss));
    before = state_of(trainer);
    assert_true(number_of(before, "loss_scale") == 65536 && number_of(before, "loss_scale_steps") == 1);
    rf_state_entry *scale = (rf_state_entry *)rf_state_find(before, "loss_scale");
    scale->values[0] = 0x1p30f;
    CHECK(rf_trainer_set_state(trainer, before));
    CHECK(rf_trainer_run(trainer, 0.01, 1, loss));
    assert_true(isfinite(loss[0]));
    after = state_of(trainer);
    assert_true(number_of(after, "loss_scale") == 0x1p29f && number_of(after, "loss_scale_steps") == 0);
    for (size_t i = 0; i < after->array_count; i++) {
        const rf_state_entry *a = &after->arrays[i], *b = rf_state_find(before, a->name);
        if (strncmp(a->name, "loss_scale", 10) != 0 && a->values[0] != b->values[0])
            fail_msg("%s has changed", a->name);
    }
    rf_state_free(after);
    double losses[30];
    CHECK(rf_trainer_run(trainer, 0.01, 30, losses));
    after = state_of(trainer);
    const float settled = number_of(after, "loss_scale");
    if (!(settled < 0x1p29f && settled >= 256)) fail_msg("the scale is %g", (double)settled);
    assert_true(losses[29] < losses[0]);
    rf_state_free(after);
    rf_state_free(before);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* After so many steps without an overflow it is doubled. */
static void the_scale_grows_again(void **unused) {
    (void)unused;
    rf_model *model;
    rf_state *state;
    double loss[2];
    model = model_of(networks[0]);
    rf_trainer *trainer = train(model, true, NULL, NULL);
    state = state_of(trainer);
    ((rf_state_entry *)rf_state_find(state, "loss_scale"))->values[0] = 1024;
    ((rf_state_entry *)rf_state_find(state, "loss_scale_steps"))->values[0] = 1998;
    CHECK(rf_trainer_set_state(trainer, state));
    rf_state_free(state);
    for (int step = 0; step < 2; step++) {
        CHECK(rf_trainer_run(trainer, 0.01, 1, loss));
        state = state_of(trainer);
        assert_true(number_of(state, "loss_scale") == (step == 0 ? 1024 : 2048));
        rf_state_free(state);
    }
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* The same bits, whether the run went on or was continued from its state. */
static void a_run_is_resumed_with_the_same_bits(void **unused) {
    (void)unused;
    rf_model *model;
    rf_state *middle, *expected, *got;
    double loss[8];
    model = model_of(networks[0]);
    rf_trainer *trainer = train(model, true, "sgd momentum=0.9", NULL),
               *other = train(model, true, "sgd momentum=0.9", NULL);
    CHECK(rf_trainer_run(trainer, 0.05, 4, loss));
    middle = state_of(trainer);
    CHECK(rf_trainer_run(trainer, 0.05, 4, loss));
    expected = state_of(trainer);
    CHECK(rf_trainer_set_state(other, middle));
    CHECK(rf_trainer_run(other, 0.05, 4, loss));
    got = state_of(other);
    if (rf_state_compare(expected, got) != RF_OK) fail_msg("%s", rf_error_message());
    rf_state_free(middle);
    rf_state_free(expected);
    rf_state_free(got);
    rf_trainer_free(trainer);
    rf_trainer_free(other);
    rf_model_free(model);
}

/* Activations that are computed again from halves have the same bits. */
static void recomputation_gives_the_same_bits(void **unused) {
    (void)unused;
    const char *const repeating[] = {
        "conv 8 3 pad=1 bias=no\nbatch_norm\np: relu\nconv 8 3 pad=1 bias=no\nb: batch_norm\nadd <- b, "
        "p\nrelu\n"
        "max_pool 2\nconv 16 3 pad=1 stride=2\nrelu\ndropout 0.1\navg_pool 2\nflatten\nlinear classes\n",
        networks[1], networks[2]};
    for (size_t i = 0; i < RF_COUNT(repeating); i++) {
        rf_state *state[2];
        double loss[3];
        rf_model *model;
        model = model_of(repeating[i]);
        for (int again = 0; again < 2; again++) {
            rf_trainer *trainer = train(model, true, "sgd momentum=0.9", again ? "on" : "off");
            assert_true((rf_plan_repeated(trainer->plan).share > 0) == again);
            CHECK(rf_trainer_run(trainer, 0.05, 3, loss));
            state[again] = state_of(trainer);
            rf_trainer_free(trainer);
        }
        if (rf_state_compare(state[0], state[1]) != RF_OK) fail_msg("network %zu: %s", i, rf_error_message());
        rf_state_free(state[0]);
        rf_state_free(state[1]);
        rf_model_free(model);
    }
}

static void the_reference_has_floats_alone(void **unused) {
    (void)unused;
    rf_device *reference;
    rf_model *model;
    rf_trainer *trainer;
    CHECK(rf_device_open(&reference, "reference"));
    model = model_of(networks[0]);
    assert_int_equal(
        rf_trainer_create(
            &trainer,
            &(rf_trainer_desc){.device = reference, .model = model, .dataset = digits, .half = true}),
        RF_E_USAGE);
    assert_non_null(strstr(rf_error_message(), "floats alone"));
    rf_model_free(model);
    rf_device_close(reference);
}

int main(void) {
    const struct CMUnitTest everywhere[] = {
        cmocka_unit_test(host_rounds_to_the_nearest),
        cmocka_unit_test(the_reference_has_floats_alone),
    };
    const struct CMUnitTest devices[] = {
        cmocka_unit_test(kernels_convert_as_the_host),
        cmocka_unit_test(all_but_images_and_scores_is_stored_in_halves),
        cmocka_unit_test(maps_too_large_for_kernels_are_floats),
        cmocka_unit_test(halves_need_half_the_memory),
        cmocka_unit_test(losses_are_those_in_floats),
        cmocka_unit_test(a_step_that_overflows_is_skipped),
        cmocka_unit_test(the_scale_grows_again),
        cmocka_unit_test(a_run_is_resumed_with_the_same_bits),
        cmocka_unit_test(recomputation_gives_the_same_bits),
    };
    if (!open_digits()) return 1;
    int failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    if (rf_device_describe(device)->kind != RF_DEVICE_REFERENCE)
        failed += cmocka_run_group_tests(devices, NULL, NULL);
    return close_digits(failed);
}
