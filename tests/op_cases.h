/* What the tests that walk the op table share. */
#ifndef RF_TESTS_OP_CASES_H
#define RF_TESTS_OP_CASES_H

#include "verify/check.h"

enum { MAX_OPS = 256 };

#define TENSOR(field) (offsetof(rf_arrays, field) / sizeof(float *))

/* One failure, said at once; the test fails at its end. */
#define COMPLAIN(count, ...) (++*(count), print_error("  " __VA_ARGS__), print_error("\n"))

static void cleanly(rf_status status, const char *what) {
    if (status != RF_OK) fail_msg("%s: %s: %s", what, rf_status_text(status), rf_error_message());
}

static rf_sample *sample_of(const rf_op *op, const rf_case *c, const rf_sample_options *options) {
    rf_problem problem;
    rf_sample *sample;
    rf_sample_options with = options ? *options : (rf_sample_options){.seed = 1};
    with.offset = c->offset;
    cleanly(rf_problem_from_case(&problem, op, c), c->label);
    cleanly(rf_sample_create(&sample, &problem, &with), c->label);
    return sample;
}

static bool wanted(const rf_op *op, int argc, char **argv) {
    bool any = false;
    for (int i = 1; i < argc; ++i) {
        if (!strcmp(argv[i], op->name)) return true;
        any |= argv[i][0] != '-';
    }
    return !any;
}

/* Runs `before`, unless it is NULL, and then each of `kinds` on each op that argv names, or on all. */
static int run_kinds(const struct CMUnitTest *before, const struct CMUnitTest *kinds, size_t kind_count,
                     int argc, char **argv) {
    enum { MAX_KINDS = 8 };
    static struct CMUnitTest tests[MAX_OPS * MAX_KINDS + 1];
    size_t count = 0;
    if (before) tests[count++] = *before;
    for (size_t i = 0; i < MAX_OPS && rf_op_at(i); ++i)
        for (size_t k = 0; k < kind_count && wanted(rf_op_at(i), argc, argv); ++k)
            tests[count++] = (struct CMUnitTest){rf_format("%s: %s", rf_op_at(i)->name, kinds[k].name),
                                                 kinds[k].test_func, NULL, NULL, (void *)rf_op_at(i)};
    const int failed = _cmocka_run_group_tests("ops", tests, count, NULL, NULL);
    for (size_t i = before != NULL; i < count; ++i) free((char *)tests[i].name);
    return failed ? 1 : 0;
}

#endif
