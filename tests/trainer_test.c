/* What training means: the same seed gives the same bits, options do what they say, wrong ones are refused, nothing borrowed is
 * read late. */
#include "trainers.h"

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

static void a_model_may_be_emptied_as_its_values_are_uploaded(void **unused) {
    (void)unused;
    rf_model *emptied = model_of(stateful), *exported = model_of(stateful), *kept = model_of(stateful);
    const rf_trainer_desc desc = {
        .device = device, .model = emptied, .dataset = digits, .batch = 4, .freeze = "conv2.*"};
    rf_trainer *trainer;
    CHECK(rf_trainer_create_emptying(&trainer, &desc, emptied));
    CHECK(rf_trainer_export(trainer, exported));
    for (int i = 0; i < kept->parameter_count; i++) {
        const rf_parameter *p = &kept->parameters[i];
        if (emptied->parameters[i].values != NULL) fail_msg("'%s' still has its values", p->name);
        assert_memory_equal(exported->parameters[i].values, p->values,
                            rf_param_count(&p->spec) * sizeof(float));
    }
    rf_trainer_free(trainer);
    rf_model_free(emptied);
    rf_model_free(exported);
    rf_model_free(kept);
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
                      exclude[] = "norm,bias", augment[] = "shift pixels=1", recompute[] = "on";
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
                                .freeze = freeze,
                                .augment = augment,
                                .recompute = recompute};
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
        desc.augment = copy_of(augment, sizeof augment);
        desc.recompute = copy_of(recompute, sizeof recompute);
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
        spoil((void *)desc.augment, sizeof augment);
        spoil((void *)desc.recompute, sizeof recompute);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(a_model_may_be_emptied_as_its_values_are_uploaded),
        cmocka_unit_test(long_runs_are_as_many_short_ones),
        cmocka_unit_test(wrong_requests_are_refused),
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
    };
    if (!open_digits()) return 1;
    return close_digits(cmocka_run_group_tests(tests, NULL, NULL));
}
