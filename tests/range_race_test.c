/* Range tests, races and budgets: where they stop, what they leave behind (the state, bit by bit), and what a curve knows. */
#include "trainers.h"

#include "finder/budget.h"
#include "finder/race.h"

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

/* The rate from which on the smoothed loss stays a fifth above ln 2. */
static double first_harmful(const rf_curve *curve) {
    size_t i = curve->count;
    while (i > 0 && curve->smoothed[i - 1] > 1.2 * log(2)) i--;
    return i < curve->count ? curve->lr[i] : INFINITY;
}

/* Of grey images alike nothing can be learned, and small batches of them do harm at high rates. Only where the number of steps is
 * left open the test is made again: over three and a half decades up to a hundred times the optimizer's usual rate, or to three
 * times what does harm, within what was asked for. */
static void a_flat_test_is_made_again_closer(void **unused) {
    (void)unused;
    enum { IMAGES = 40 };
    static const struct {
        const char *optimizer;
        int batch;
        rf_range_test_desc test;
        double start, end; /* of the second test; end 0: by the harm, start then a 3000th */
    } cases[] = {
        {"sgd", IMAGES, {0}, 3.3e-3, 10},
        {"sgd momentum=0.9", IMAGES, {0}, 6.7e-4, 2},
        {"adam", IMAGES, {.diverge = -1}, 3.3e-5, 0.1},
        {"sgd", IMAGES, {.end_lr = 1e-3}, 1e-6, 1e-3},
        {"sgd", IMAGES, {.start_lr = 0.01, .end_lr = 1}, 0.01, 1},
        {"sgd momentum=0.9", 2, {0}, 0, 0},
        {"sgd", IMAGES, {.iterations = 300}, 1e-6, 10},
    };
    static uint8_t pixels[IMAGES];
    int32_t labels[IMAGES];
    rf_dataset *grey = NULL;
    for (int i = 0; i < IMAGES; i++) labels[i] = i % 2;
    CHECK(rf_dataset_from_memory(&grey, "grey", pixels, labels, IMAGES, 1, 1, 1, 2));
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, "flatten\nlinear classes\n", "test", (rf_image_shape){1, 1, 1, 2}, 3));
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_trainer *trainer = trainer_of(
            model,
            (rf_trainer_desc){.dataset = grey, .batch = cases[i].batch, .optimizer = cases[i].optimizer});
        rf_state *before = state_of(trainer);
        rf_curve *curve = curve_of(trainer, &cases[i].test);
        double start = cases[i].start, end = cases[i].end, tolerance = 0.05;
        if (end == 0) {
            rf_curve *first = curve_of(trainer, &(rf_range_test_desc){.iterations = 300});
            assert_true(first_harmful(first) < 0.6);
            end = 3 * first_harmful(first);
            start = end / 3000;
            tolerance = 0.3; /* noise counts, too */
            rf_curve_free(first);
        }
        assert_int_equal(curve->planned, cases[i].test.iterations > 0 ? 300 : 1000);
        if (fabs(log(curve->lr[0] / start)) > tolerance || fabs(log(curve->planned_lr / end)) > tolerance)
            fail_msg("case %zu: from %g to %g, not from %g to %g", i, curve->lr[0], curve->planned_lr, start,
                     end);
        rf_curve_free(curve);
        expect_same_state(before, trainer, true);
        rf_state_free(before);
        rf_trainer_free(trainer);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_bit_identical_after_a_range_test),
        cmocka_unit_test(several_range_tests_leave_the_state_and_differ),
        cmocka_unit_test(a_flat_test_is_made_again_closer),
        cmocka_unit_test(a_race_is_the_plan_shortened_and_leaves_the_state),
        cmocka_unit_test(a_budget_takes_the_test_then_the_race_then_other_orders),
        cmocka_unit_test(state_after_a_stop_is_that_of_as_many_steps),
        cmocka_unit_test(range_test_stops_where_it_should),
        cmocka_unit_test(a_range_test_has_its_defaults),
        cmocka_unit_test(a_range_test_knows_the_training_that_follows),
    };
    if (!open_digits()) return 1;
    return close_digits(cmocka_run_group_tests(tests, NULL, NULL));
}
