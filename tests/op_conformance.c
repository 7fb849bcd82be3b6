/* Every solver of every op against the reference, on one device.  Nobody writes a test for a new solver: its op's cases
 * are the test.
 *
 *   op_conformance [--halves] [--quick] [--defaults] [--most=N] [OP...]
 *       --halves stores maps in halves: of each three cases x and y, y alone, x alone.
 *       --quick leaves out the cases marked `large`, --defaults all values of tunables but those that are taken
 *       where nothing was tuned, --most=N all cases of a solver but N, spread over those that it takes, unless
 *       $RANGEFINDER_TEST_ALL is set: nearly all of the time goes into compiling.  Without arguments, all three
 *       with one case a solver, unless that is set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "launch/sequence.h"
#include "op_cases.h"

enum { MAX_SOLVERS = 64 };

static rf_device *device;
static bool quick, defaults, halves;
static int most; /* 0: all */

/* What is stored in halves in the turn-th case of a solver. */
static void store(rf_problem *problem, const rf_solver *solver, int turn) {
    if (!halves) return;
    problem->half_x = solver->half == RF_HALF_ALIKE || turn % 3 != 1;
    problem->half_y = solver->half == RF_HALF_ALIKE || turn % 3 != 2;
}

static bool applies(const rf_solver *solver, const rf_case *c, const rf_problem *problem) {
    return (solver->direction == RF_FORWARD || !c->inference) &&
           rf_solver_claim(solver, problem, rf_device_describe(device)) != RF_MATCH_NONE;
}

static void check_one(const rf_case *c, const rf_sample *sample, const rf_solver *solver,
                      const rf_config *config, const char *how, int *failures) {
    const rf_problem *p = &sample->problem;
    rf_check_result result;
    char text[192];
    const rf_status status = rf_check_sample(&result, device, sample, solver, config);
    if (status != RF_OK)
        COMPLAIN(failures, "%s %s %s '%s'%s: %s", p->op->name, rf_direction_names[solver->direction],
                 solver->name, c->label, how, rf_error_message());
    else if (!rf_check_passed(&result))
        COMPLAIN(failures, "%s %s %s '%s'%s: %s", p->op->name, rf_direction_names[solver->direction],
                 solver->name, c->label, how, rf_check_text(text, &result));
    else if (getenv("RANGEFINDER_VERBOSE"))
        print_message("  %s %s %s '%s'%s: %.3g tolerances\n", p->op->name,
                      rf_direction_names[solver->direction], solver->name, c->label, how, result.worst);
}

/* The cases that `solver` takes, of those that try values of tunables. */
static int cases_of(const rf_op *op, const rf_solver *solver) {
    int count = 0;
    for (const rf_case *c = op->cases; c->label; ++c) {
        rf_problem problem;
        cleanly(rf_problem_from_case(&problem, op, c), c->label);
        store(&problem, solver, 0);
        count += !c->large && applies(solver, c, &problem);
    }
    return count;
}

/* Whether a solver is checked on case number `turn` of those that it takes. */
static bool is_due(const rf_op *op, const rf_solver *solver, int turn) {
    const int cases = cases_of(op, solver);
    return turn == 0 || most == 0 || most >= cases || turn * most / cases > (turn - 1) * most / cases;
}

/* Each value is a program to compile: case number `turn` of the solver's tries two of each tunable's, or as many
 * as it takes that all are tried by some case, with the others as they are where nothing was tuned. */
static void check_tunables(const rf_case *c, const rf_sample *sample, const rf_solver *solver, int turn,
                           int *failures) {
    const int cases = cases_of(sample->problem.op, solver);
    for (int i = 0; solver->tunables && i < RF_MAX_TUNABLES && solver->tunables[i].name; ++i) {
        const int *values = solver->tunables[i].values;
        int count = 0;
        while (count < (int)RF_COUNT(solver->tunables[i].values) && values[count]) ++count;
        const int some = RF_MIN(RF_MAX(2, (count + cases - 1) / cases), count);
        for (int k = 0; k < some; ++k) {
            rf_config config;
            char how[64];
            rf_solver_defaults(&config, solver, &sample->problem, rf_device_describe(device));
            config.value[i] = values[(turn * some + k) % count];
            snprintf(how, sizeof how, " %s=%d", solver->tunables[i].name, config.value[i]);
            check_one(c, sample, solver, &config, how, failures);
        }
    }
}

/* turns: of each solver, the small cases before that it takes. */
static void check_case(const rf_op *op, const rf_case *c, int *turns, int *failures) {
    static const struct {
        const char *how;
        rf_sample_options options;
        bool other_accumulate;
    } ways[] = {{"", {.seed = 1}, false},
                {" with ties, dx the other way", {.seed = 2, .ties = true}, true},
                {" with a NaN", {.seed = 3, .poison = true}, false}};
    const size_t count = c->large ? 1 : RF_COUNT(ways);
    for (size_t w = 0; w < count; ++w) {
        rf_case as = *c;
        as.accumulate ^= ways[w].other_accumulate;
        rf_sample *sample = sample_of(op, &as, &ways[w].options);
        for (int s = 0; op->solvers && op->solvers[s]; ++s) {
            const rf_solver *solver = op->solvers[s];
            store(&sample->problem, solver, turns[s]);
            if (!applies(solver, c, &sample->problem)) continue;
            if (is_due(op, solver, turns[s])) {
                check_one(c, sample, solver, NULL, ways[w].how, failures);
                if (w == 0 && !c->large && !defaults) check_tunables(c, sample, solver, turns[s], failures);
            }
            if (w + 1 == count) turns[s] += !c->large;
        }
        rf_sample_free(sample);
    }
}
static void solvers_agree_with_the_reference(void **state) {
    const rf_op *op = *state;
    int failures = 0, turns[MAX_SOLVERS] = {0}, solvers = 0;
    while (op->solvers && op->solvers[solvers]) ++solvers;
    assert_in_range(solvers, 0, MAX_SOLVERS);
    for (const rf_case *c = op->cases; c->label; ++c)
        if (!(c->large && quick)) check_case(op, c, turns, &failures);
    assert_int_equal(failures, 0);
}

/* ---- the check itself: it must detect a solver that writes wrong results ---- */

static const rf_solver *honest;
static struct { size_t tensor, element; } damage;

static void spoil(const void *context, void *const *data) {
    float *victim = (float *)data[0] + damage.element;
    (void)context;
    *victim = isnan(*victim) ? 0 : *victim + 0.001f;
}

static rf_status prepare_and_spoil(rf_sequence *sequence, const rf_problem *problem,
                                   const rf_device_info *info, const rf_tensors *tensors,
                                   const rf_config *config) {
    rf_buffer *buffer;
    memcpy(&buffer, (const char *)tensors + damage.tensor * sizeof buffer, sizeof buffer);
    RF_TRY(honest->prepare(sequence, problem, info, tensors, config));
    return rf_emit_host(sequence, spoil, &damage, sizeof damage, &buffer, 1, 0, 0);
}

static void check_finds_what_is_spoiled(void **state) {
    const rf_op *op = rf_op_find("relu");
    (void)state;
    rf_sample *sample = sample_of(op, &op->cases[1], NULL);
    honest = op->solvers[0];
    rf_solver spoiled = *honest;
    spoiled.prepare = prepare_and_spoil;
    const struct {
        size_t tensor, element;
        const char *trouble;
    } damages[] = {{TENSOR(y), 17, ""},
                   {TENSOR(x), 3, "only be read"},
                   {TENSOR(y), sample->counts.y + 5, "past its end"}};
    for (size_t i = 0; i < RF_COUNT(damages); ++i) {
        rf_check_result result;
        char text[192];
        damage.tensor = damages[i].tensor;
        damage.element = damages[i].element;
        cleanly(rf_check_sample(&result, device, sample, &spoiled, NULL), "spoiled");
        assert_false(rf_check_passed(&result));
        assert_non_null(strstr(rf_check_text(text, &result), damages[i].trouble));
        if (i == 0) assert_int_equal(result.element, 17);
    }
    rf_sample_free(sample);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest check = cmocka_unit_test(check_finds_what_is_spoiled),
                                   kinds[] = {cmocka_unit_test(solvers_agree_with_the_reference)};
    const bool all = getenv("RANGEFINDER_TEST_ALL") != NULL;
    quick = defaults = argc == 1 && !all;
    most = quick;
    for (int i = 1; i < argc; ++i) {
        const char *const word = argv[i];
        if (!strcmp(word, "--halves")) {
            halves = true;
        } else if (!strcmp(word, "--quick")) {
            quick = true;
        } else if (!strcmp(word, "--defaults")) {
            defaults = true;
        } else if (!strncmp(word, "--most=", 7)) {
            if (!all) most = atoi(word + 7);
        } else if (!rf_op_find(word)) {
            fprintf(stderr, "op_conformance: %s: neither an option nor an op\n", word);
            return 2;
        }
    }
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "op_conformance: %s\n", rf_error_message());
        return 1;
    }
    printf("op_conformance on %s%s", rf_device_describe(device)->name,
           quick ? ", without the large cases" : "");
    if (most > 0) printf(", at most %d cases a solver", most);
    printf("\n");
    const int failed = run_kinds(&check, kinds, RF_COUNT(kinds), argc, argv);
    rf_device_close(device);
    return failed;
}
