/* What the runs say of a task: the loss at each rate, the best one, and what another rate loses. */
#ifndef REGRET_ORACLE_H
#define REGRET_ORACLE_H

#include "results.h"

/* What is measured at the end of a run; smaller is better. */
typedef enum measure { SETTLED_LOSS, LOSS, SETTLED_ERROR, MEASURES } measure;
extern const char *const measure_names[MEASURES];

/* A point at each rate that was run, in ascending order. */
typedef struct oracle_point {
    int sixths, seeds;
    double mean;      /* of the seeds; what is worse than guessing counts as guessing */
    double deviation; /* between the seeds; 0 for one */
} oracle_point;
enum { POINTS_MAX = 64 };
typedef struct oracle {
    oracle_point point[POINTS_MAX];
    size_t count, best;
    double chance;
} oracle;

oracle oracle_of(const results *r, measure m);
/* (mean at the rate - mean at the best) / (chance - mean at the best), interpolated in the rate's logarithm; beyond the
 * first and the last rate it is theirs.  A rate that is not finite has regret 1: no answer. */
double oracle_regret(const oracle *o, double lr);
/* The same of a value that something else has reached: below 0 where that is better than the best. */
double oracle_regret_of(const oracle *o, double value);
/* The standard error of the regret at the best rate, from its seeds. */
double oracle_noise(const oracle *o);

#endif
