/* Guarantees of training and range tests: the state is restored bit by bit, the same seed gives the same bits, and the
 * curve is the same with streaming, without fusion, with other solvers, or the reference in place of broken kernels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "finder/budget.h"
#include "finder/race.h"
#include "rangefinder/rangefinder.h"
#include "train/trainer.h"

static rf_device *device;
static rf_dataset *digits;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

static const char small[] = "conv1: conv 4 3 pad=1\nrelu\nmax_pool 2\nflatten\nfc1: linear classes\n";
/* Everything that carries state: running statistics, and random numbers.  (A bias before batch norm has a
 * gradient of nothing but rounding, which Adam makes large.) */
static const char stateful[] = "conv1: conv 8 3 pad=1 bias=no\nbatch_norm\nrelu\nmax_pool 2\n"
                               "drop: dropout 0.3\nconv2: conv 8 3 pad=1 bias=no\n"
                               "bn2: batch_norm\nadd <- bn2, drop\nrelu\nflatten\nfc1: linear classes\n";
static const char *const optimizers[] = {
    "sgd",
    "sgd momentum=0.9 nesterov weight_decay=1e-3",
    "adam",
    "adamw",
    "rmsprop momentum=0.5",
    "adagrad",
    "adadelta eps=1",
    "adamax",
    "nadam",
    "radam",
    "lion",
    "lars trust=1",
    "lamb",
    "adamw_schedule_free",
    "prodigy d0=0.1",
};

/* ---- making and running ---- */

static rf_model *model_of(const char *text) {
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, text, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    return model;
}

static rf_trainer *trainer_of(const rf_model *model, rf_trainer_desc desc) {
    rf_trainer *trainer = NULL;
    desc.model = model;
    if (desc.device == NULL) desc.device = device;
    if (desc.dataset == NULL) desc.dataset = digits;
    if (desc.batch == 0) desc.batch = 16;
    CHECK(rf_trainer_create(&trainer, &desc));
    return trainer;
}

static rf_curve *curve_of(rf_trainer *trainer, const rf_range_test_desc *desc) {
    rf_curve *curve = NULL;
    CHECK(rf_range_test_run(&curve, trainer, desc));
    return curve;
}

static rf_state *state_of(rf_trainer *trainer) {
    rf_state *state;
    CHECK(rf_trainer_get_state(&state, trainer));
    return state;
}

static void expect_same_state(const rf_state *expected, rf_trainer *trainer, bool same) {
    rf_state *now = state_of(trainer);
    const rf_status status = rf_state_compare(expected, now);
    if ((status == RF_OK) != same) fail_msg("%s", same ? rf_error_message() : "the states are the same");
    rf_state_free(now);
}

/* The curve of a whole set-up, on a device opened now, so that the environment is read again. */
typedef struct outcome {
    rf_curve *curve;
    char quarantined[512]; /* "op: reason;" for each */
} outcome;

static outcome run_afresh(const char *network, rf_trainer_desc desc) {
    static const rf_range_test_desc test = {.start_lr = 1e-4, .end_lr = 0.1, .iterations = 12};
    outcome out = {.quarantined = ""};
    CHECK(rf_device_open(&desc.device, NULL));
    rf_model *model = model_of(network);
    rf_trainer *trainer = trainer_of(model, desc);
    out.curve = curve_of(trainer, &test);
    const rf_quarantine *list;
    size_t used = 0;
    for (size_t i = 0, n = rf_device_quarantined(desc.device, &list); i < n && used < sizeof out.quarantined;
         i++)
        used += (size_t)snprintf(out.quarantined + used, sizeof out.quarantined - used, "%s: %s;", list[i].op,
                                 list[i].reason);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_device_close(desc.device);
    return out;
}

static double largest_difference(const rf_curve *a, const rf_curve *b) {
    double worst = 0;
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const double difference = fabs(a->loss[i] - b->loss[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/* ---- state ---- */

static bool stop_at_five(void *context, const rf_range_test_progress *progress) {
    (void)context;
    return progress->step < 5;
}

static const struct {
    rf_range_test_desc test;
    rf_stop_reason stop;
} endings[] = {
    {{.start_lr = 1e-5, .end_lr = 0.01, .iterations = 10, .diverge = -1}, RF_STOP_COMPLETED},
    {{.start_lr = 1e-3, .end_lr = 1e3, .iterations = 60, .diverge = 1.5}, RF_STOP_DIVERGED},
    {{.start_lr = 1e36, .end_lr = 1e38, .iterations = 20, .diverge = -1}, RF_STOP_NOT_FINITE},
    {{.start_lr = 1e-5, .end_lr = 0.01, .iterations = 40, .diverge = -1, .progress = stop_at_five},
     RF_STOP_INTERRUPTED},
};

static void state_is_bit_identical_after_a_range_test(void **unused) {
    (void)unused;
    rf_model *model = model_of(stateful);
    for (size_t o = 0; o < RF_COUNT(optimizers); o++) {
        const rf_trainer_desc desc = {.optimizer = optimizers[o], .seed = 5};
        rf_trainer *trainer = trainer_of(model, desc), *untouched = trainer_of(model, desc);
        double loss[4], expected[4];
        CHECK(rf_trainer_run(trainer, 1e-3, 3, NULL));
        CHECK(rf_trainer_run(untouched, 1e-3, 3, NULL));
        rf_state *before = state_of(trainer);
        for (size_t e = 0; e < RF_COUNT(endings); e++) {
            rf_curve *curve = curve_of(trainer, &endings[e].test);
            if (curve->stop != endings[e].stop)
                fail_msg("%s: ending %zu stopped with %d, not %d", optimizers[o], e, curve->stop,
                         endings[e].stop);
            assert_int_equal(curve->planned, endings[e].test.iterations);
            expect_same_state(before, trainer, true);
            rf_curve_free(curve);
        }
        CHECK(rf_trainer_run(trainer, 1e-3, 4, loss)); /* and it trains on as if nothing had been */
        CHECK(rf_trainer_run(untouched, 1e-3, 4, expected));
        assert_memory_equal(loss, expected, sizeof loss);
        expect_same_state(before, trainer, false);
        rf_state *after = state_of(untouched);
        expect_same_state(after, trainer, true);
        rf_state_free(before);
        rf_state_free(after);
        rf_trainer_free(trainer);
        rf_trainer_free(untouched);
    }
    rf_model_free(model);
}

/* The first is as if it were alone; the others differ from it, each by other images, dropout and augmentation. */
static void several_range_tests_leave_the_state_and_differ(void **unused) {
    (void)unused;
    rf_model *model = model_of(stateful);
    rf_trainer *trainer =
        trainer_of(model, (rf_trainer_desc){.augment = "shift", .validation = 100, .seed = 5});
    rf_range_test_desc test = endings[0].test;
    CHECK(rf_trainer_run(trainer, 1e-3, 3, NULL));
    rf_state *before = state_of(trainer);
    rf_curve *alone = curve_of(trainer, &test);
    test.seeds = 3;
    rf_curve *median = curve_of(trainer, &test);
    expect_same_state(before, trainer, true);
    assert_null(alone->runs);
    assert_int_equal(median->run_count, 3);
    assert_memory_equal(alone->loss, median->runs[0]->loss, alone->count * sizeof *alone->loss);
    for (size_t i = 0; i < median->count; i++) {
        int below = 0, above = 0;
        for (size_t r = 0; r < 3; r++) {
            below += median->runs[r]->loss[i] < median->loss[i];
            above += median->runs[r]->loss[i] > median->loss[i];
        }
        assert_true(below == 1 && above == 1);
    }
    test.progress = stop_at_five;
    rf_curve *none = NULL;
    assert_int_equal(rf_range_test_run(&none, trainer, &test), RF_E_INTERRUPTED);
    test.seeds = 100;
    assert_int_equal(rf_range_test_run(&none, trainer, &test), RF_E_USAGE);
    assert_null(none);
    expect_same_state(before, trainer, true);
    rf_state_free(before);
    rf_curve_free(alone);
    rf_curve_free(median);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* Of grey images alike nothing can be learned: only where the number of steps is left open more are made. */
static void a_flat_test_is_made_longer(void **unused) {
    (void)unused;
    enum { IMAGES = 40 };
    static const int planned[][2] = {{0, 1000}, {300, 300}};
    static uint8_t pixels[IMAGES];
    int32_t labels[IMAGES];
    rf_dataset *grey = NULL;
    for (int i = 0; i < IMAGES; i++) labels[i] = i % 2;
    CHECK(rf_dataset_from_memory(&grey, "grey", pixels, labels, IMAGES, 1, 1, 1, 2));
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, "flatten\nlinear classes\n", "test", (rf_image_shape){1, 1, 1, 2}, 3));
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.dataset = grey, .batch = IMAGES});
    rf_state *before = state_of(trainer);
    for (size_t i = 0; i < RF_COUNT(planned); i++) {
        rf_curve *curve =
            curve_of(trainer, &(rf_range_test_desc){.iterations = planned[i][0], .end_lr = 1e-3});
        rf_verdict verdict;
        CHECK(rf_curve_judge(&verdict, curve));
        assert_string_equal(verdict.cause, "flat");
        assert_int_equal(curve->planned, planned[i][1]);
        rf_curve_free(curve);
    }
    expect_same_state(before, trainer, true);
    rf_state_free(before);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(grey);
}

/* Four epochs of 120 steps by a cosine: each training of the race has a twelfth, 40 steps, at every twelfth rate. */
static void a_race_is_the_plan_shortened_and_leaves_the_state(void **unused) {
    (void)unused;
    enum { STEPS = 40, PLAN = 480 };
    rf_model *model = model_of(stateful);
    rf_dataset *few = NULL;
    CHECK(rf_dataset_open(&few, "digits:", &(rf_dataset_options){.limit = 2 * 120 + 50}));
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.dataset = few,
                                                              .batch = 2,
                                                              .optimizer = "adam",
                                                              .augment = "shift",
                                                              .validation = 50,
                                                              .seed = 5});
    CHECK(rf_trainer_run(trainer, 1e-3, 3, NULL));
    rf_state *before = state_of(trainer);
    rf_race *race = NULL;
    rf_race_desc desc = {.lr = 1e-3, .epochs = 4, .schedule = "cosine"};
    CHECK(rf_race_run(&race, trainer, &desc));
    expect_same_state(before, trainer, true);
    assert_int_equal(race->plan_steps, PLAN);
    assert_int_equal(race->count, 4);
    for (size_t i = 0; i < race->count; i++) {
        const rf_trial *t = &race->trials[i];
        double lr[STEPS], loss[STEPS], tail = 0;
        rf_run_result result;
        assert_float_equal(log10(t->lr), -3.5 + 0.5 * (double)i, 1e-9);
        assert_int_equal(t->done, STEPS);
        for (int k = 0; k < STEPS; k++) lr[k] = t->lr * (1 + cos(acos(-1) * (12 * k + 6) / PLAN)) / 2;
        rf_trainer *alone = trainer_of(model, (rf_trainer_desc){.dataset = few,
                                                                .batch = 2,
                                                                .optimizer = "adam",
                                                                .augment = "shift",
                                                                .validation = 50,
                                                                .seed = 5});
        CHECK(rf_trainer_run(alone, 1e-3, 3, NULL));
        CHECK(rf_trainer_execute(&result, loss, NULL, alone, &(rf_run_desc){.lr = lr, .steps = STEPS}));
        for (int k = 0; k < STEPS; k++) assert_float_equal(loss[k], t->losses[k], 1e-6);
        for (int k = STEPS - 4; k < STEPS; k++) tail += loss[k] / 4;
        assert_float_equal(t->loss, tail, 1e-6);
        assert_true(t->validation_loss > 0 && t->accuracy >= 0 && t->accuracy <= 1);
        rf_trainer_free(alone);
    }
    rf_race_free(race);
    desc.progress = stop_at_five;
    assert_int_equal(rf_race_run(&race, trainer, &desc), RF_E_INTERRUPTED);
    assert_null(race);
    expect_same_state(before, trainer, true);
    double step_ms = 0;
    size_t steps = 0;
    CHECK(rf_step_time(&step_ms, trainer));
    assert_true(step_ms > 0 && isfinite(step_ms));
    expect_same_state(before, trainer, true);
    CHECK(rf_race_steps(&steps, trainer,
                        &desc)); /* with 30 for batch norm, and 50 images in batches of 2, a third each */
    assert_int_equal(steps, 4 * (STEPS + 30 + 8));
    desc.lr = 0;
    assert_int_equal(rf_race_run(&race, trainer, &desc), RF_E_USAGE);
    desc = (rf_race_desc){.lr = 1e30, .epochs = 1}; /* none is finite, and as few steps as there may be */
    CHECK(rf_race_run(&race, trainer, &desc));
    assert_int_equal(race->trials[3].steps, 10);
    assert_true(race->trials[3].done < 10 && isinf(race->trials[3].validation_loss) && !race->clear);
    expect_same_state(before, trainer, true);
    rf_race_free(race);
    rf_state_free(before);
    rf_trainer_free(trainer);
    rf_dataset_free(few);
    rf_model_free(model);
}

static void a_budget_takes_the_test_then_the_race_then_other_orders(void **unused) {
    (void)unused;
    static const struct {
        double steps;
        bool fits, race;
        int iterations, seeds;
    } cases[] = {{99, false, false, 300, 1}, {100, true, false, 100, 1}, {299, true, false, 299, 1},
                 {599, true, false, 300, 1}, {600, true, false, 300, 2}, {999, true, false, 300, 3},
                 {1000, true, true, 300, 1}, {1300, true, true, 300, 2}, {1e9, true, true, 300, 5}};
    for (size_t c = 0; c < RF_COUNT(cases); c++) {
        rf_budget budget = {.iterations = 300, .race_steps = 700};
        assert_int_equal(rf_budget_fit(&budget, cases[c].steps), cases[c].fits);
        assert_int_equal(budget.iterations, cases[c].iterations);
        assert_int_equal(budget.seeds, cases[c].seeds);
        assert_int_equal(budget.race, cases[c].race);
    }
    rf_budget few = {.iterations = 20};
    assert_true(rf_budget_fit(&few, 20));
}

/* Runs `steps` steps of an ending's rates and returns how many were made. */
static size_t execute(rf_trainer *trainer, size_t ending, size_t steps, bool stopping, rf_stop_reason *stop) {
    const rf_range_test_desc *test = &endings[ending].test;
    double lr[64], loss[64];
    rf_run_result result;
    for (int i = 0; i < test->iterations; i++)
        lr[i] = test->start_lr * pow(test->end_lr / test->start_lr, (double)i / (test->iterations - 1));
    CHECK(rf_trainer_execute(&result, loss, NULL, trainer,
                             &(rf_run_desc){.lr = lr,
                                            .steps = steps,
                                            .diverge = stopping ? test->diverge : 0,
                                            .observe_every = trainer->desc.validation > 0,
                                            .judge_validation = trainer->desc.validation > 0,
                                            .progress = stopping ? test->progress : NULL}));
    *stop = result.stop;
    return result.steps;
}

/* Also in what the device had begun already, in the order of the images, and in what follows. */
static void state_after_a_stop_is_that_of_as_many_steps(void **unused) {
    (void)unused;
    static const rf_trainer_desc descs[] = {
        {.optimizer = "sgd momentum=0.9", .batch = 100, .seed = 5}, /* 17 batches an epoch */
        {.optimizer = "adam", .accumulate = 3, .seed = 5},
        {.optimizer = "rmsprop", .accumulate = 2, .validation = 300, .seed = 5},
        {.optimizer = "prodigy", .clip_norm = 0.1, .clip_value = 0.01, .ema = 0.9, .seed = 5},
    };
    rf_model *model = model_of(stateful);
    for (size_t d = 0; d < RF_COUNT(descs) * 2; d++) {
        setenv("RANGEFINDER_STREAM", d % 2 == 0 ? "0" : "1", 1);
        for (size_t e = 1; e < RF_COUNT(endings); e++) {
            rf_trainer *stopped = trainer_of(model, descs[d / 2]), *whole = trainer_of(model, descs[d / 2]);
            rf_stop_reason stop;
            double loss[2] = {0}, expected[2] = {0};
            const size_t steps = execute(stopped, e, (size_t)endings[e].test.iterations, true, &stop);
            assert_int_equal(stop, endings[e].stop);
            assert_true(steps > 0 && steps < (size_t)endings[e].test.iterations);
            assert_int_equal(execute(whole, e, steps, false, &stop), steps);
            rf_state *state = state_of(whole);
            expect_same_state(state, stopped, true);
            rf_state_free(state);
            if (endings[e].stop != RF_STOP_NOT_FINITE) {
                CHECK(rf_trainer_run(stopped, 1e-3, 2, loss));
                CHECK(rf_trainer_run(whole, 1e-3, 2, expected));
                assert_memory_equal(loss, expected, sizeof loss);
            }
            rf_trainer_free(stopped);
            rf_trainer_free(whole);
        }
    }
    unsetenv("RANGEFINDER_STREAM");
    rf_model_free(model);
}

static void same_seed_same_bits(void **unused) {
    (void)unused;
    static const rf_range_test_desc test = {.start_lr = 1e-4, .end_lr = 1, .iterations = 20};
    rf_model *model = model_of(stateful);
    for (size_t o = 0; o < RF_COUNT(optimizers); o++) {
        rf_curve *curve[3];
        rf_state *state[3];
        for (size_t i = 0; i < 3; i++) {
            rf_trainer *trainer =
                trainer_of(model, (rf_trainer_desc){.optimizer = optimizers[o], .seed = i < 2 ? 7 : 8});
            curve[i] = curve_of(trainer, &test);
            CHECK(rf_trainer_run(trainer, 1e-3, 5, NULL));
            state[i] = state_of(trainer);
            rf_trainer_free(trainer);
        }
        assert_int_equal(curve[0]->count, curve[1]->count);
        assert_memory_equal(curve[0]->loss, curve[1]->loss, curve[0]->count * sizeof(double));
        CHECK(rf_state_compare(state[0], state[1]));
        assert_memory_not_equal(curve[0]->loss, curve[2]->loss, 2 * sizeof(double));
        assert_int_equal(rf_state_compare(state[0], state[2]), RF_E_FAILED);
        for (size_t i = 0; i < 3; i++) rf_curve_free(curve[i]), rf_state_free(state[i]);
    }
    rf_model_free(model);
}

/* More steps than lie on the device at once. */
static void long_runs_are_as_many_short_ones(void **unused) {
    (void)unused;
    enum { LONG = 1100, FIRST = 500 };
    static double loss[LONG], parts[LONG];
    rf_model *model = model_of("flatten\nfc1: linear 3\nfc2: linear classes\n");
    const rf_trainer_desc desc = {.batch = 2, .optimizer = "adam", .seed = 1};
    rf_trainer *whole = trainer_of(model, desc), *split = trainer_of(model, desc);
    CHECK(rf_trainer_run(whole, 1e-3, LONG, loss));
    CHECK(rf_trainer_run(split, 1e-3, FIRST, parts));
    CHECK(rf_trainer_run(split, 1e-3, LONG - FIRST, parts + FIRST));
    assert_memory_equal(loss, parts, sizeof loss);
    rf_state *state = state_of(whole);
    expect_same_state(state, split, true);
    rf_state_free(state);
    rf_trainer_free(whole);
    rf_trainer_free(split);
    rf_model_free(model);
}

/* ---- stops ---- */

static void range_test_stops_where_it_should(void **unused) {
    (void)unused;
    rf_model *model = model_of(small);
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.seed = 2});
    rf_range_test_desc test = {.start_lr = 1e-3, .end_lr = 1e3, .iterations = 50};
    rf_curve *never, *diverged = curve_of(trainer, &test);
    assert_int_equal(diverged->stop, RF_STOP_DIVERGED);
    assert_true(diverged->count > 5 && diverged->count < 50);
    test.diverge = -1;
    never = curve_of(trainer, &test);
    assert_true(never->count > diverged->count);
    assert_memory_equal(never->loss, diverged->loss, diverged->count * sizeof(double));
    for (size_t i = 0; i < never->count; i++) {
        assert_true(isfinite(never->loss[i]) || (i == never->count - 1 && never->stop == RF_STOP_NOT_FINITE));
        assert_true(fabs(never->lr[i] / (1e-3 * pow(1e6, (double)i / 49)) - 1) < 1e-9);
    }
    rf_curve_free(never);
    rf_curve_free(diverged);
    test = (rf_range_test_desc){.start_lr = 1e30, .end_lr = 1e31, .iterations = 10}; /* finite, then not */
    never = curve_of(trainer, &test);
    assert_int_equal(never->stop, RF_STOP_NOT_FINITE);
    assert_in_range(never->count, 2, 3);
    assert_true(isfinite(never->loss[0]) && !isfinite(never->loss[never->count - 1]));
    rf_curve_free(never);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

static bool stop_at_once(void *context, const rf_range_test_progress *progress) {
    (void)context, (void)progress;
    return false;
}

static void wrong_requests_are_refused(void **unused) {
    (void)unused;
    static const rf_range_test_desc wrong[] = {
        {.start_lr = -1},     {.start_lr = NAN}, {.start_lr = 1, .end_lr = 0.5},
        {.end_lr = INFINITY}, {.end_lr = NAN},   {.iterations = 1},
        {.iterations = -5},
    };
    static const rf_parameter_group nobody = {"nothing*", 2}, negative = {"*", -1},
                                    negative_decay = {"*", 1, true, -1}, no_decay = {"*", 1, true, NAN};
    const rf_trainer_desc bad[] = {
        {.batch = 5000},
        {.batch = -1},
        {.accumulate = -1},
        {.validation = 5000},
        {.loss = "relu"},
        {.loss = "no"},
        {.label_smoothing = 2},
        {.optimizer = "sdg"},
        {.groups = &nobody, .group_count = 1},
        {.groups = &negative, .group_count = 1},
        {.groups = &negative_decay, .group_count = 1},
        {.groups = &no_decay, .group_count = 1},
        {.groups = NULL, .group_count = 1},
        {.groups = &(const rf_parameter_group){NULL, 1}, .group_count = 1},
        {.loss = "mse", .label_smoothing = 0.1},
        {.loss = "mse", .class_weights = (const float[10]){1}},
        {.class_weights = (const float[10]){1, -1}},
        {.class_weights = (const float[10]){1, 1, 1, 1, 1, 1, 1, 1, 1, NAN}},
        {.std = (const double[]){0}},
        {.mean = (const double[]){NAN}},
        {.clip_norm = -1},
        {.clip_norm = NAN},
        {.clip_value = -1},
        {.clip_value = INFINITY},
        {.decay_exclude = "norms"},
        {.decay_exclude = "bias norm"},
        {.freeze = "conv1.weight,nothing*"},
        {.freeze = "conv*,fc*"},
        {.ema = 1},
        {.ema = -0.1},
        {.ema = NAN},
        {.ema = 0.9, .optimizer = "adamw_schedule_free"},
    };
    rf_model *model = model_of(small);
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.seed = 0});
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        rf_curve *curve = (void *)model;
        assert_int_equal(rf_range_test_run(&curve, trainer, &wrong[i]), RF_E_USAGE);
        assert_null(curve);
    }
    rf_curve *curve;
    const rf_range_test_desc impatient = {.iterations = 20, .progress = stop_at_once};
    rf_status status = rf_range_test_run(&curve, trainer, &impatient);
    assert_true(status == RF_E_INTERRUPTED || (status == RF_OK && curve->stop == RF_STOP_INTERRUPTED));
    if (status == RF_OK) rf_curve_free(curve);
    rf_trainer_free(trainer);
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        rf_trainer_desc desc = bad[i];
        desc.device = device;
        desc.model = model;
        desc.dataset = digits;
        if (rf_trainer_create(&trainer, &desc) != RF_E_USAGE) fail_msg("case %zu: %s", i, rf_error_message());
        assert_null(trainer);
    }
    rf_model_free(model);
    CHECK(rf_model_begin(&model, "unfinished", (rf_image_shape){1, 8, 8, 10}));
    const rf_trainer_desc missing[] = {{.device = device, .model = model, .dataset = digits},
                                       {.device = device, .dataset = digits},
                                       {.device = device, .model = model},
                                       {.model = model, .dataset = digits}};
    for (size_t i = 0; i < RF_COUNT(missing); i++)
        assert_int_equal(rf_trainer_create(&trainer, &missing[i]), RF_E_USAGE);
    rf_model_free(model);
}

/* Without numbers: 300 steps from 1e-6 to 10. The curve knows the loss of guessing among the ten digits, and the rate that suits
 * the optimizer: a gradient is applied 1 / (1 - momentum) times. */
static void a_range_test_has_its_defaults(void **unused) {
    (void)unused;
    static const struct {
        const char *loss, *optimizer;
        double chance, usual_lr;
    } cases[] = {{NULL, NULL, 2.302585093, 0.2},
                 {"cross_entropy", "sgd momentum=0.95", 2.302585093, 0.01},
                 {"mse", "adamw", 0.09, 0.001},
                 {"mse", "lion", 0.09, 0}};
    rf_model *model = model_of(small);
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        char *const name = cases[i].loss ? rf_strdup(cases[i].loss) : NULL;
        rf_trainer *trainer =
            trainer_of(model, (rf_trainer_desc){.batch = 5, .loss = name, .optimizer = cases[i].optimizer});
        free(name); /* it is not read any more */
        rf_curve *curve = curve_of(trainer, &(rf_range_test_desc){0});
        assert_int_equal(curve->planned, 300);
        assert_true(curve->lr[0] == 1e-6);
        assert_true(fabs(curve->lr[1] / 1e-6 - pow(1e7, 1 / 299.)) < 1e-9);
        assert_true(fabs(curve->chance - cases[i].chance) < 1e-9);
        assert_true(fabs(curve->usual_lr - cases[i].usual_lr) < 1e-9);
        rf_curve_free(curve);
        rf_trainer_free(trainer);
    }
    rf_model_free(model);
}

/* Steps of the training that follows count by their factors. */
static void a_range_test_knows_the_training_that_follows(void **unused) {
    (void)unused;
    static const struct {
        int epochs;
        const char *schedule;
        double steps; /* in units of an epoch's */
    } cases[] = {
        {0, NULL, 0}, {4, NULL, 4}, {4, "1x1,0.1x3", 1.3}, {4, "constant warmup=2 warmup_from=1", 4}};
    rf_model *model = model_of(small);
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.batch = 5});
    const double epoch = digits->count / 5;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_curve *curve = curve_of(trainer, &(rf_range_test_desc){.iterations = 10,
                                                                  .epochs = cases[i].epochs,
                                                                  .schedule = cases[i].schedule});
        assert_true(fabs(curve->training_steps - cases[i].steps * epoch) < 1e-6);
        rf_curve_free(curve);
    }
    rf_curve *curve = NULL;
    assert_int_equal(rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.epochs = -1}), RF_E_USAGE);
    assert_int_equal(
        rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.epochs = 1, .schedule = "cosin"}),
        RF_E_USAGE);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* Descs of programs whose headers are older, or newer, than the library. */
static void descs_of_other_versions_are_understood(void **unused) {
    (void)unused;
    struct {
        rf_trainer_desc desc;
        int more;
    } later = {.more = 0};
    rf_trainer *trainer = NULL, *same = NULL;
    rf_model *model = model_of(small);
    later.desc =
        (rf_trainer_desc){.device = device, .model = model, .dataset = digits, .batch = 16, .seed = 77};
    CHECK(
        rf_trainer_create_sized(&trainer, &later.desc, offsetof(rf_trainer_desc, seed))); /* knows no seed */
    rf_state *state = state_of(trainer);
    assert_string_equal(rf_state_text(state, "seed"), "0");
    CHECK(rf_trainer_create_sized(&same, &later.desc, sizeof later));
    rf_state_free(state);
    state = state_of(same);
    assert_string_equal(rf_state_text(state, "seed"), "77");
    rf_state_free(state);
    rf_trainer_free(trainer);
    rf_trainer_free(same);
    later.more = 1;
    assert_int_equal(rf_trainer_create_sized(&trainer, &later.desc, sizeof later), RF_E_USAGE);
    assert_non_null(strstr(rf_error_message(), "later version"));
    assert_null(trainer);
    rf_model_free(model);
}

/* ---- what training means ---- */

static void micro_batches_add_up(void **unused) {
    (void)unused;
    static const rf_range_test_desc test = {.start_lr = 1e-3, .end_lr = 0.3, .iterations = 12, .diverge = -1};
    rf_model *model = model_of(small);
    rf_curve *curve[2];
    for (int i = 0; i < 2; i++) {
        rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.batch = i == 0 ? 20 : 5,
                                                                  .accumulate = i == 0 ? 1 : 4,
                                                                  .no_shuffle = true,
                                                                  .optimizer = optimizers[1]});
        curve[i] = curve_of(trainer, &test);
        rf_trainer_free(trainer);
    }
    assert_true(largest_difference(curve[0], curve[1]) < 1e-4);
    rf_curve_free(curve[0]);
    rf_curve_free(curve[1]);
    rf_model_free(model);
}

static void lr_multiplier_zero_freezes_parameters(void **unused) {
    (void)unused;
    static const rf_parameter_group frozen[] = {{"conv1.*", 0}};
    rf_model *model = model_of(small), *after = model_of(small);
    for (size_t o = 0; o < RF_COUNT(optimizers); o++) {
        rf_trainer *trainer = trainer_of(
            model, (rf_trainer_desc){.optimizer = optimizers[o], .groups = frozen, .group_count = 1});
        rf_parameter_view from, to;
        CHECK(rf_trainer_run(trainer, 0.01, 5, NULL));
        CHECK(rf_trainer_export(trainer, after));
        for (size_t p = 0; rf_model_parameter(model, p, &from) && rf_model_parameter(after, p, &to); p++)
            assert_int_equal(memcmp(from.values, to.values, from.count * sizeof(float)) == 0,
                             strncmp(from.name, "conv1", 5) == 0);
        rf_trainer_free(trainer);
    }
    rf_model_free(model);
    rf_model_free(after);
}

/* A parameter, buffer or slot of a state; NULL: there is none. */
static const float *array_of(const rf_state *state, const char *name) {
    rf_parameter_view view;
    for (size_t i = 0; rf_state_array(state, i, &view); i++)
        if (strcmp(view.name, name) == 0) return view.values;
    return NULL;
}

static void frozen_parameters_stay_and_need_no_memory(void **unused) {
    (void)unused;
    static const char patterns[] = "conv1.*,batch_norm_2.weight,bn2.*";
    rf_model *model = model_of(stateful);
    for (size_t o = 0; o < RF_COUNT(optimizers); o++) {
        rf_trainer *trainer =
            trainer_of(model, (rf_trainer_desc){.optimizer = optimizers[o], .freeze = patterns, .ema = 0});
        rf_state *before = state_of(trainer);
        CHECK(rf_trainer_run(trainer, 0.01, 5, NULL));
        rf_state *after = state_of(trainer);
        rf_parameter_view p;
        size_t frozen = 0;
        for (size_t i = 0; rf_model_parameter(model, i, &p); i++) {
            const float *from = array_of(before, p.name), *to = array_of(after, p.name);
            const bool buffer = strstr(p.name, ".running") != NULL,
                       trained = strcmp(p.name, "batch_norm_2.bias") == 0 ||
                                 strncmp(p.name, "conv2", 5) == 0 || strncmp(p.name, "fc1", 3) == 0;
            char *slot = rf_format("optimizer.exp_avg_sq.%s", p.name);
            frozen += !trained && !buffer;
            if ((memcmp(from, to, p.count * sizeof *from) != 0) != (trained || buffer))
                fail_msg("%s: %s", optimizers[o], p.name);
            if (!trained) assert_null(array_of(after, slot));
            free(slot);
        }
        assert_int_equal(frozen, 4);
        rf_state_free(before);
        rf_state_free(after);
        rf_trainer_free(trainer);
    }
    rf_model_free(model);
}

/* With plain gradient descent the parameters move by the rate times the clipped gradient. */
static void gradients_are_clipped_to_a_norm_or_a_value(void **unused) {
    (void)unused;
    static const double limits[] = {1e-3, 1e-2, 1e6}; /* the last one is above any gradient */
    rf_model *model = model_of(small);
    for (size_t i = 0; i < RF_COUNT(limits) * 2; i++) {
        const double limit = limits[i / 2];
        rf_trainer_desc desc = {.accumulate = 2, .clip_norm = i % 2 == 0 ? limit : 0};
        if (i % 2 == 1) desc.clip_value = limit;
        rf_trainer *trainer = trainer_of(model, desc);
        rf_state *before = state_of(trainer);
        CHECK(rf_trainer_run(trainer, 1, 1, NULL));
        rf_state *after = state_of(trainer);
        rf_parameter_view from, to;
        double squares = 0, most = 0;
        for (size_t p = 0; rf_state_array(before, p, &from) && rf_state_array(after, p, &to); p++)
            for (size_t k = 0; k < from.count; k++) {
                const double moved = fabs((double)to.values[k] - from.values[k]);
                squares += moved * moved;
                most = fmax(most, moved);
            }
        const double reached = i % 2 == 0 ? sqrt(squares) : most;
        if (limit > 1)
            assert_true(reached > 0.02 && reached < 100);
        else
            assert_true(fabs(reached - limit) < 1e-3 * limit);
        rf_state_free(before);
        rf_state_free(after);
        rf_trainer_free(trainer);
    }
    rf_model_free(model);
}

/* AveragedModel's definition, by hand: a copy after the first step, then average += (1 - decay) * (parameter - average). */
static void the_moving_average_is_exported(void **unused) {
    (void)unused;
    enum { STEPS = 4, COUNT = 4 * 9 };
    rf_model *model = model_of(small);
    rf_trainer *trainer = trainer_of(model, (rf_trainer_desc){.optimizer = "sgd momentum=0.9", .ema = 0.75});
    double average[COUNT];
    rf_parameter_view exported;
    for (int step = 0; step < STEPS; step++) {
        CHECK(rf_trainer_run(trainer, 0.1, 1, NULL));
        CHECK(rf_trainer_export(trainer, model));
        rf_state *state = state_of(trainer);
        const float *now = array_of(state, "conv1.weight");
        assert_true(rf_model_parameter(model, 0, &exported));
        assert_memory_equal(exported.values, array_of(state, "ema.conv1.weight"), sizeof(float[COUNT]));
        for (int i = 0; i < COUNT; i++) {
            average[i] = step == 0 ? now[i] : average[i] + 0.25 * (now[i] - average[i]);
            assert_true(fabs(exported.values[i] - average[i]) < 1e-6);
        }
        assert_int_equal(memcmp(exported.values, now, sizeof(float[COUNT])) == 0, step == 0);
        rf_state_free(state);
    }
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* The cross-entropy of a linear network on images [first, end), by hand. */
static double loss_by_hand(const rf_model *model, int first, int end) {
    rf_parameter_view weight, bias;
    double total = 0, mean, std;
    assert_true(rf_model_parameter(model, 0, &weight) && rf_model_parameter(model, 1, &bias));
    assert_int_equal(rf_dataset_statistics(digits, &mean, &std), RF_OK);
    for (int i = first; i < end; i++) {
        double score[10], sum = 0;
        for (int k = 0; k < 10; k++) {
            score[k] = bias.values[k];
            for (int p = 0; p < 64; p++)
                score[k] += weight.values[k * 64 + p] * (digits->pixels[i * 64 + p] / 255.0 - mean) / std;
            sum += exp(score[k]);
        }
        total += log(sum) - score[digits->labels[i]];
    }
    return total / (end - first);
}

/* Of networks with more classes than the data has, which promise fewer weights.  PyTorch's definition, by hand: the
 * classes that no label names weigh 1. */
static void class_weights_are_those_of_the_classes_of_the_data(void **unused) {
    (void)unused;
    enum { CLASSES = 13, GIVEN = 10, BATCH = 20 };
    rf_model *model = NULL;
    rf_parameter_view weight, bias;
    double mean, std, loss, total = 0, weights = 0;
    float *given = malloc(GIVEN * sizeof *given); /* not a byte more, for AddressSanitizer */
    assert_non_null(given);
    for (int c = 0; c < GIVEN; c++) given[c] = 0.25f * (float)(c + 1);
    CHECK(rf_model_parse(&model, "flatten\nfc1: linear classes\n", "test", (rf_image_shape){1, 8, 8, CLASSES},
                         3));
    rf_trainer *trainer = trainer_of(
        model, (rf_trainer_desc){
                   .batch = BATCH, .no_shuffle = true, .class_weights = given, .label_smoothing = 0.1});
    CHECK(rf_trainer_run(trainer, 0, 1, &loss));
    assert_true(rf_model_parameter(model, 0, &weight) && rf_model_parameter(model, 1, &bias));
    assert_int_equal(rf_dataset_statistics(digits, &mean, &std), RF_OK);
    for (int i = 0; i < BATCH; i++) {
        double score[CLASSES], sum = 0;
        for (int k = 0; k < CLASSES; k++) {
            score[k] = bias.values[k];
            for (int p = 0; p < 64; p++)
                score[k] += weight.values[k * 64 + p] * (digits->pixels[i * 64 + p] / 255.0 - mean) / std;
            sum += exp(score[k]);
        }
        for (int k = 0; k < CLASSES; k++)
            total += 0.1 / CLASSES * (k < GIVEN ? given[k] : 1) * (log(sum) - score[k]);
        total += 0.9 * given[digits->labels[i]] * (log(sum) - score[digits->labels[i]]);
        weights += given[digits->labels[i]];
    }
    assert_true(fabs(loss - total / weights) < 1e-5);
    free(given);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* A copy on the heap, to be spoilt. */
static void *copy_of(const void *data, size_t size) {
    void *copy = malloc(size);
    assert_non_null(copy);
    return memcpy(copy, data, size);
}

static void spoil(void *copy, size_t size) {
    memset(copy, 'z', size);
    free(copy);
}

/* AddressSanitizer detects late reads, the state their effects. */
static void inputs_may_be_freed_after_creation(void **unused) {
    (void)unused;
    static const float weights[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const double half = 0.5;
    static const char pattern[] = "fc*", loss[] = "cross_entropy", freeze[] = "conv1.*",
                      exclude[] = "norm,bias";
    for (size_t o = 0; o < RF_COUNT(optimizers); o++) {
        rf_parameter_group group = {pattern, 0.5};
        rf_model *model[2] = {model_of(stateful), model_of(stateful)};
        rf_trainer_desc desc = {.optimizer = optimizers[o],
                                .groups = &group,
                                .group_count = 1,
                                .loss = loss,
                                .class_weights = weights,
                                .mean = &half,
                                .std = &half,
                                .validation = 20,
                                .decay_exclude = exclude,
                                .freeze = freeze};
        rf_trainer *trainer[2] = {trainer_of(model[0], desc)};
        group.pattern = copy_of(pattern, sizeof pattern);
        desc.groups = copy_of(&group, sizeof group);
        desc.optimizer = copy_of(optimizers[o], strlen(optimizers[o]) + 1);
        desc.loss = copy_of(loss, sizeof loss);
        desc.class_weights = copy_of(weights, sizeof weights);
        desc.mean = copy_of(&half, sizeof half);
        desc.std = copy_of(&half, sizeof half);
        desc.decay_exclude = copy_of(exclude, sizeof exclude);
        desc.freeze = copy_of(freeze, sizeof freeze);
        trainer[1] = trainer_of(model[1], desc);
        spoil((void *)group.pattern, sizeof pattern);
        spoil((void *)desc.groups, sizeof group);
        spoil((void *)desc.optimizer, strlen(optimizers[o]) + 1);
        spoil((void *)desc.loss, sizeof loss);
        spoil((void *)desc.class_weights, sizeof weights);
        spoil((void *)desc.mean, sizeof half);
        spoil((void *)desc.std, sizeof half);
        spoil((void *)desc.decay_exclude, sizeof exclude);
        spoil((void *)desc.freeze, sizeof freeze);
        rf_model_free(model[1]);
        for (int i = 0; i < 2; i++) {
            rf_curve *curve = curve_of(trainer[i], &(rf_range_test_desc){.iterations = 4});
            rf_curve_free(curve);
            CHECK(rf_trainer_run(trainer[i], 1e-3, 3, NULL));
        }
        rf_state *state = state_of(trainer[0]);
        expect_same_state(state, trainer[1], true);
        rf_state_free(state);
        CHECK(rf_trainer_export(trainer[1], model[0]));
        for (int i = 0; i < 2; i++) rf_trainer_free(trainer[i]);
        rf_model_free(model[0]);
    }
}

static void validation_losses_are_those_after_the_step(void **unused) {
    (void)unused;
    static const struct {
        int held_out;
        const char *optimizer;
        double ema;
    } runs[] = {{1, "sgd", 0},   {100, "sgd", 0},   {256, "sgd", 0},
                {300, "sgd", 0}, {600, "sgd", 0.5}, {300, "adamw_schedule_free", 0}};
    rf_model *model = model_of("flatten\nfc1: linear classes\n");
    for (size_t v = 0; v < RF_COUNT(runs); v++) {
        const int held_out = runs[v].held_out;
        const rf_trainer_desc desc = {.batch = 10,
                                      .no_shuffle = true,
                                      .validation = held_out,
                                      .optimizer = runs[v].optimizer,
                                      .ema = runs[v].ema};
        const rf_range_test_desc test = {.start_lr = 0.01, .end_lr = 0.1, .iterations = 3, .linear = true};
        rf_trainer *trainer = trainer_of(model, desc), *stepwise = trainer_of(model, desc);
        rf_curve *curve = curve_of(trainer, &test);
        rf_model *after = model_of("flatten\nfc1: linear classes\n");
        for (int i = 0; i < 3; i++) {
            CHECK(rf_trainer_run(stepwise, curve->lr[i], 1, NULL));
            CHECK(rf_trainer_export(stepwise, after));
            const double expected = loss_by_hand(after, digits->count - held_out, digits->count);
            assert_true(fabs(curve->loss[i] - expected) < 1e-5 * fmax(1, expected));
        }
        rf_curve_free(curve);
        rf_trainer_free(trainer);
        rf_trainer_free(stepwise);
        rf_model_free(after);
    }
    rf_model_free(model);
}

/* Losses of training are the same whether it is observed or not, and how often; what is observed is the loss after the
 * step. */
static void observing_disturbs_nothing(void **unused) {
    (void)unused;
    enum { STEPS = 10 };
    static const double lr[STEPS] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    rf_model *model = model_of(stateful);
    const rf_trainer_desc desc = {.optimizer = "adam", .validation = 300, .accumulate = 2, .seed = 5};
    double expected[STEPS], each[STEPS];
    rf_state *state = NULL;
    for (int every = 0; every <= 4; every++) {
        double loss[STEPS], observed[STEPS];
        rf_run_result result;
        rf_trainer *trainer = trainer_of(model, desc);
        CHECK(rf_trainer_execute(&result, loss, observed, trainer,
                                 &(rf_run_desc){.lr = lr, .steps = STEPS, .observe_every = every}));
        assert_int_equal(result.steps, STEPS);
        if (every == 0) {
            memcpy(expected, loss, sizeof loss);
            state = state_of(trainer);
        }
        if (every == 1) memcpy(each, observed, sizeof each);
        assert_memory_equal(loss, expected, sizeof loss);
        expect_same_state(state, trainer, true);
        for (int i = 0; i < STEPS; i++) {
            const bool is_observed = every > 0 && (i + 1) % every == 0;
            assert_int_equal(isnan(observed[i]), !is_observed);
            if (is_observed) assert_true(observed[i] == each[i]);
        }
        rf_trainer_free(trainer);
    }
    rf_state_free(state);
    rf_model_free(model);
}

/* ---- other ways to the same curve ---- */

static bool has_kernels(void) {
    return rf_device_describe(device)->kind != RF_DEVICE_REFERENCE;
}

static void every_way_leads_to_the_same_curve(void **unused) {
    (void)unused;
    static const struct {
        const char *variable, *value;
        double tolerance;
        const char *quarantined;
    } ways[] = {
        {"RANGEFINDER_STREAM", "1", 0, NULL},
        {"RANGEFINDER_FUSION", "0", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "group", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "tile", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "reference", 1e-4, NULL},
        {"RANGEFINDER_QUARANTINE", "conv", 1e-4, "conv: "},
        {"RANGEFINDER_QUARANTINE", "conv.forward,batch_norm.backward_data,linear", 1e-4,
         "batch_norm.backward_data: "},
    };
    const rf_trainer_desc descs[] = {
        {.seed = 4, .optimizer = optimizers[1]},
        {.seed = 4, .optimizer = optimizers[2], .accumulate = 2, .validation = 30},
        {.seed = 4, .optimizer = "prodigy d0=0.01", .validation = 30, .clip_norm = 0.5, .ema = 0.7}};
    for (size_t d = 0; d < RF_COUNT(descs); d++) {
        const outcome straight = run_afresh(stateful, descs[d]);
        assert_string_equal(straight.quarantined, "");
        for (size_t i = 0; i < RF_COUNT(ways); i++) {
            setenv(ways[i].variable, ways[i].value, 1);
            const outcome other = run_afresh(stateful, descs[d]);
            unsetenv(ways[i].variable);
            const double difference = largest_difference(straight.curve, other.curve);
            if (!(difference <= ways[i].tolerance))
                fail_msg("%s=%s: losses differ by %g", ways[i].variable, ways[i].value, difference);
            if (ways[i].quarantined != NULL && has_kernels() &&
                strstr(other.quarantined, ways[i].quarantined) == NULL)
                fail_msg("%s=%s: quarantined is '%s'", ways[i].variable, ways[i].value, other.quarantined);
            if (ways[i].quarantined == NULL || !has_kernels()) assert_string_equal(other.quarantined, "");
            rf_curve_free(other.curve);
        }
        rf_curve_free(straight.curve);
    }
}

/* Kernels that do not compile, or compute something else, affect only their own op. */
static void broken_kernels_leave_their_op_to_the_reference(void **unused) {
    (void)unused;
    static const struct {
        const char *file, *head, *op, *says;
    } breaks[] = {
        {"pool.cl", "this is not OpenCL\n", "max_pool", "pool"},
        {"pool.cl", "#include \"common.clh\"\n#define put(v, p, left) put((v) + 1.0f, p, left)\n", "max_pool",
         "disagrees"},
        {"activation.cl", "#define KIND undefined_kind\n", "relu", "activation"},
    };
    char folder[] = "/tmp/rangefinder-trainer-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("RANGEFINDER_FUSION", "0", 1);
    const outcome straight = run_afresh(stateful, (rf_trainer_desc){.seed = 4});
    for (size_t i = 0; i < RF_COUNT(breaks); i++) {
        char *path = rf_format("%s/%s", folder, breaks[i].file),
             *from = rf_format(RF_TEST_DATA "/../../kernels/%s", breaks[i].file);
        void *source;
        size_t length;
        CHECK(rf_file_read(&source, &length, from, 1 << 20));
        char *text = rf_format("%s%s", breaks[i].head, (const char *)source);
        CHECK(rf_file_write(path, text, strlen(text)));
        setenv("RANGEFINDER_KERNELS", folder, 1);
        const outcome broken = run_afresh(stateful, (rf_trainer_desc){.seed = 4});
        unsetenv("RANGEFINDER_KERNELS");
        assert_true(largest_difference(straight.curve, broken.curve) < 1e-4);
        if (has_kernels() && (strstr(broken.quarantined, breaks[i].op) == NULL ||
                              strstr(broken.quarantined, breaks[i].says) == NULL))
            fail_msg("%s: quarantined is '%s'", breaks[i].file, broken.quarantined);
        assert_null(strstr(broken.quarantined, "conv"));
        rf_curve_free(broken.curve);
        unlink(path);
        free(path);
        free(from);
        free(text);
        free(source);
    }
    unsetenv("RANGEFINDER_FUSION");
    rmdir(folder);
    rf_curve_free(straight.curve);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_bit_identical_after_a_range_test),
        cmocka_unit_test(several_range_tests_leave_the_state_and_differ),
        cmocka_unit_test(a_flat_test_is_made_longer),
        cmocka_unit_test(a_race_is_the_plan_shortened_and_leaves_the_state),
        cmocka_unit_test(a_budget_takes_the_test_then_the_race_then_other_orders),
        cmocka_unit_test(state_after_a_stop_is_that_of_as_many_steps),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(long_runs_are_as_many_short_ones),
        cmocka_unit_test(range_test_stops_where_it_should),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(a_range_test_has_its_defaults),
        cmocka_unit_test(a_range_test_knows_the_training_that_follows),
        cmocka_unit_test(descs_of_other_versions_are_understood),
        cmocka_unit_test(micro_batches_add_up),
        cmocka_unit_test(lr_multiplier_zero_freezes_parameters),
        cmocka_unit_test(frozen_parameters_stay_and_need_no_memory),
        cmocka_unit_test(gradients_are_clipped_to_a_norm_or_a_value),
        cmocka_unit_test(the_moving_average_is_exported),
        cmocka_unit_test(class_weights_are_those_of_the_classes_of_the_data),
        cmocka_unit_test(inputs_may_be_freed_after_creation),
        cmocka_unit_test(validation_losses_are_those_after_the_step),
        cmocka_unit_test(observing_disturbs_nothing),
        cmocka_unit_test(every_way_leads_to_the_same_curve),
        cmocka_unit_test(broken_kernels_leave_their_op_to_the_reference),
    };
    if (rf_device_open(&device, NULL) != RF_OK || rf_dataset_open(&digits, "digits", NULL) != RF_OK) {
        fprintf(stderr, "trainer_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_dataset_free(digits);
    rf_device_close(device);
    return failed;
}
