/* The rules that the tables compare: a new one is a function and a line in rules.c. */
#ifndef REGRET_RULES_H
#define REGRET_RULES_H

#include "rangefinder/finder.h"
#include "results.h"
#include "task.h"

typedef struct rule {
    const char *name;
    /* The rate, or NAN for none. argument: of the table's row. */
    double (*suggest)(const rf_curve *curve, const task *t, double argument);
    double argument;
} rule;

enum { RULES = 16 }; /* as many as the table has */
extern const rule rules[RULES];

/* The verdict, with what is known of the task; rules[0] is its rate. */
rf_verdict judge(const rf_curve *curve, const task *t);
/* The range test of `find` where no number of steps is given: a closer one where the usual one shows nothing.  NULL: not run yet. */
const rf_curve *test_of_find(const results *r, int seed, const task *t);

#endif
