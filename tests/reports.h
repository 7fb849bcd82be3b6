/* What the tests of reports share: curves of every shape, judged; and a folder for files. */
#ifndef RF_TESTS_REPORTS_H
#define RF_TESTS_REPORTS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/report.h"

/* A report and everything that it points to. */
typedef struct sample {
    rf_report report;
    rf_curve *curve;
    rf_suggestion *suggestions;
    rf_verdict verdict;
} sample;

static inline sample judged(rf_curve *curve) {
    sample made = {.curve = curve};
    size_t count;
    curve->usual_lr = 0.1;
    assert_int_equal(rf_curve_suggest(&made.suggestions, &count, curve, NULL), RF_OK);
    assert_int_equal(rf_curve_judge(&made.verdict, curve), RF_OK);
    made.report = (rf_report){.curve = curve, .suggestions = made.suggestions, .suggestion_count = count};
    return made;
}

static inline void release(sample *made) {
    free(made->suggestions);
    rf_curve_free(made->curve);
}

static inline rf_curve *curve_of(double (*loss_at)(double place), int count, double start, double end,
                                 bool linear) {
    double *const lr = rf_alloc((size_t)count, sizeof *lr), *const loss =
                                                                rf_alloc((size_t)count, sizeof *loss);
    rf_curve *curve;
    for (int i = 0; i < count; i++) {
        const double place = count > 1 ? i / (count - 1.) : 0;
        lr[i] = linear ? start + place * (end - start) : exp(log(start) + place * (log(end) - log(start)));
        loss[i] = loss_at(place);
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, (size_t)count), RF_OK);
    free(lr);
    free(loss);
    return curve;
}

static inline double valley(double place) {
    return 2.3 - 1.7 / (1 + exp(-25 * (place - 0.6))) + exp(30 * (place - 0.9)) +
           0.01 * sin(9000 * place * place);
}
static inline double constant(double place) {
    return place * 0 + 2.3;
}
static inline double zero(double place) {
    return place * 0;
}
static inline double enormous(double place) {
    return place < 0.5 ? -1.7e308 : 1.7e308;
}
static inline double negative(double place) {
    return valley(place) - 100;
}
static inline double denormal(double place) {
    return place < 0.5 ? 5e-324 : 0;
}
static inline double nearly_equal(double place) {
    return place < 0.5 ? 1e300 : nextafter(1e300, 0);
}
static inline double ending_in_nan(double place) {
    return place < 0.999 ? valley(place) : NAN;
}
static inline double only_nan(double place) {
    return place * NAN;
}

/* Curves that break careless drawing. */
static const struct {
    double (*loss)(double);
    int count;
    double start, end;
    bool linear;
} shapes[] = {
    {valley, 100, 1e-6, 10, false},      {valley, 1, 1e-6, 10, false},
    {valley, 2, 1e-6, 10, false},        {valley, 60, 1e-6, 10, true},
    {valley, 100, 0.1, 0.1001, false},   {valley, 100, 0.01, 0.05, false},
    {valley, 300, 1e-300, 1e300, false}, {constant, 50, 1e-6, 10, false},
    {zero, 50, 1e-6, 10, false},         {enormous, 50, 1e-6, 10, false},
    {negative, 100, 1e-6, 10, false},    {ending_in_nan, 100, 1e-6, 10, false},
    {only_nan, 1, 1e-6, 10, false},      {valley, 20000, 1e-6, 10, false},
    {valley, 1, 5e-324, 1, false},       {valley, 1, 1e308, 1, false},
    {valley, 3, 5e-324, 2e-323, true},   {valley, 100, 1e-323, 1.7e308, false},
    {valley, 50, 1e300, 1.7e308, true},  {denormal, 50, 1e-6, 10, false},
    {nearly_equal, 50, 1e-6, 10, false},
};

static inline sample shaped(size_t i) {
    return judged(
        curve_of(shapes[i].loss, shapes[i].count, shapes[i].start, shapes[i].end, shapes[i].linear));
}

static char folder[] = "/tmp/rangefinder-report-XXXXXX";
static char path[128];

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static inline const char *file_named(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline char *read_back(size_t *length) {
    void *data;
    size_t ignored;
    assert_int_equal(rf_file_read(&data, length ? length : &ignored, path, 64 << 20), RF_OK);
    unlink(path);
    return data;
}

#endif
