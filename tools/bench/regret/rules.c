#include "rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/features.h"
#include "curve/method_list.h"
#include "finder/range.h"
#include "optim/optimizer.h"

/* By the factors of the schedule; every one that is not constant is half of its rate in the mean. */
static double training_steps(const task *t) {
    return strcmp(t->schedule, "constant") == 0 ? t->steps : 0.5 * t->steps;
}

rf_verdict judge(const rf_curve *curve, const task *t) {
    rf_curve known = *curve;
    rf_verdict verdict;
    rf_optimizer_setup setup;
    optimizer_kind kind;
    if (rf_optimizer_parse(&setup, task_optimizer(t, &kind)) == RF_OK) {
        known.usual_lr = rf_optimizer_usual_lr(&setup);
        rf_optimizer_release(&setup);
    }
    for (size_t r = 0; r < curve->run_count; r++) curve->runs[r]->usual_lr = known.usual_lr;
    known.training_steps = training_steps(t);
    if (rf_curve_judge(&verdict, &known) != RF_OK) verdict = (rf_verdict){.lr = NAN};
    return verdict;
}

const rf_curve *test_of_find(const results *r, int seed, const task *t) {
    const rf_curve *const usual = results_curve(r, seed, RF_RANGE_STEPS), *const closer =
                                                                              results_closer(r, seed);
    if (!usual || !closer) return usual;
    const rf_verdict verdict = judge(usual, t);
    return rf_range_wants_more(&verdict) ? closer : usual;
}

static double ours(const rf_curve *curve, const task *t, double unused) {
    (void)unused;
    return judge(curve, t).lr;
}

/* argument: place in the library's list of methods. */
static double from_curve(const rf_curve *curve, const task *t, double unused) {
    rf_verdict verdict;
    (void)t, (void)unused;
    return rf_curve_judge(&verdict, curve) == RF_OK ? verdict.lr : NAN;
}

static double method(const rf_curve *curve, const task *t, double argument) {
    rf_suggestion *list;
    size_t count;
    (void)t;
    if (rf_curve_suggest(&list, &count, curve, NULL) != RF_OK) return NAN;
    const double lr = list[(size_t)argument].lr;
    free(list);
    return lr;
}

/* The rate of the smoothed minimum over the argument. */
static double below_minimum(const rf_curve *curve, const task *t, double argument) {
    rf_features features = {0};
    (void)t;
    double lr = NAN;
    if (rf_features_measure(&features, curve) == RF_OK && features.n > 0)
        lr = curve->lr[features.lowest] / argument;
    rf_features_release(&features);
    return lr;
}

/* What many take without looking. */
static double fixed(const rf_curve *curve, const task *t, double unused) {
    static const double usual[OPTIMIZER_KINDS] = {[PLAIN] = 0.1, [MOMENTUM] = 0.01, [ADAPTIVE] = 0.001};
    optimizer_kind kind;
    (void)curve, (void)unused;
    task_optimizer(t, &kind);
    return usual[kind];
}

enum method_index {
#define INDEX(key, library, smooth, rule) INDEX_##key,
    RF_METHOD_LIST(INDEX)
#undef INDEX
};

const rule rules[RULES] = {
    {"rangefinder", ours, 0},
    {"rangefinder, optimizer not known", from_curve, 0},
#define METHOD(key, library, smooth, rule) {#key " (" library ")", method, INDEX_##key},
    RF_METHOD_LIST(METHOD)
#undef METHOD
        {"minimum / 1.26", below_minimum, 1.26},
    {"minimum / 1.6", below_minimum, 1.6},
    {"minimum / 2", below_minimum, 2},
    {"minimum / 2.5", below_minimum, 2.5},
    {"minimum / 3.2", below_minimum, 3.2},
    {"minimum / 5", below_minimum, 5},
    {"fixed 0.1 / 0.01 / 0.001", fixed, 0},
};
