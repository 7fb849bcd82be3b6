/* Raw results: a text file to which each is appended as soon as it is there.
 *
 *   task   NAME  CLASSES  CHANCE  MAJORITY  IMAGES        the loss and the accuracy of guessing by the classes' shares
 *   run    NAME  SEED  SIXTHS  LOSS  ACCURACY  SETTLED_LOSS  SETTLED_ACCURACY  TRAIN
 *   curve  NAME  SEED  STEPS  STOP  LOSSES        of a range test from 1e-6 to 10; separated by blanks
 *   closer NAME  SEED  STEPS  STOP  FIRST LAST LOSSES        where that of `find` showed nothing: its second one, from FIRST to LAST
 *   rival  NAME  SEED  RIVAL  RATE  SETTLED_LOSS  SETTLED_ACCURACY        of a search the rate that it finds, and nan
 *   trial  NAME  SEED  STEPS  RATE  TRAIN  SETTLED_LOSS  SETTLED_ACCURACY        of a race: the plan, shortened
 *
 * The columns are separated by tabs.  A rate is 10^(SIXTHS / 6).  LOSS and ACCURACY are of the images held out, at the
 * end of the training; settled: after batch norm's statistics have been measured again, with the weights as they are;
 * TRAIN: the mean training loss of the last tenth of the steps.  A training whose loss was not finite has inf. */
#ifndef REGRET_RESULTS_H
#define REGRET_RESULTS_H

#include <stdio.h>

#include "finder/range.h"
#include "rangefinder/finder.h"
#include "task.h"

enum { SEEDS = 3 }; /* of the runs: 1, 2, ... */

typedef struct run_result {
    int seed, sixths;
    double loss, accuracy, settled_loss, settled_accuracy, train;
} run_result;

typedef struct curve_result {
    int seed;
    bool closer;
    rf_curve *curve; /* owned */
} curve_result;

typedef struct trial_result {
    int seed;
    rf_trial trial; /* without its losses */
} trial_result;

typedef struct rival_result {
    int seed, rival; /* its place in the list of rivals */
    double lr, loss, accuracy;
} rival_result;

/* All there is of a task. */
typedef struct results {
    const task *task;
    int classes;             /* 0: not known yet */
    double chance, majority; /* the loss and the accuracy of guessing */
    int images;
    run_result *runs;
    curve_result *curves;
    trial_result *trials;
    rival_result *rivals;
    size_t run_count, curve_count, trial_count, rival_count;
} results;

/* The range tests of a task: of so many steps, with the seeds from TEST_SEED on. */
enum { TEST_SEED = 101, TEST_LENGTHS = 3, TEST_SEEDS = 3 }; /* TEST_SEEDS: the most */
extern const struct range_test { int steps, seeds; } range_tests[TEST_LENGTHS];

/* The trainings of a task's races: around the suggestion of a range test of so many steps with the same seed, of parts of the
 * plan's length. */
enum { RACE_SEEDS = 2, RACE_RATES = 5, RACE_LENGTHS = 4 };
extern const double race_factors[RACE_RATES];
extern const int race_parts[RACE_LENGTHS];

double rate_of(double sixths);

/* Reads what the file has of each task.  Shape: (task_count), owned. A file that does not exist has nothing. */
rf_status results_read(results **out, const char *path);
void results_free(results *all);

/* The median of the task's range tests of so many steps; the caller frees it. */
rf_status results_median(rf_curve **out, const results *r, int steps);
bool results_complete(const results *r); /* the oracle and the usual range tests */
size_t results_count(const results *r);

/* Opens the file to append to it. */
rf_status results_open(FILE **out, const char *path);
/* Appends a line, to the file and to *r. */
rf_status results_add_task(results *r, FILE *file, const task *t);
rf_status results_add_run(results *r, FILE *file, const task *t, const run_result *run);
/* Takes the curve. */
rf_status results_add_curve(results *r, FILE *file, const task *t, const curve_result *curve);
rf_status results_add_rival(results *r, FILE *file, const task *t, const rival_result *rival);
rf_status results_add_trial(results *r, FILE *file, const task *t, int seed, const rf_trial *trial);

const run_result *results_run(const results *r, int seed, int sixths);    /* NULL: there is none */
const rf_curve *results_curve(const results *r, int seed, int steps);     /* NULL: there is none */
const rf_curve *results_closer(const results *r, int seed);               /* NULL: there is none */
const rival_result *results_rival(const results *r, int seed, int rival); /* NULL: there is none */
/* Of about that rate.  NULL: there is none. */
const rf_trial *results_trial(const results *r, int seed, size_t steps, double lr);

#endif
