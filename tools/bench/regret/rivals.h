/* Rivals that train, rather than read a range test: searches for a rate that take as many steps as one, and optimizers that
 * need no search. */
#ifndef REGRET_RIVALS_H
#define REGRET_RIVALS_H

#include "task.h"

typedef struct rival_kind {
    const char *key;  /* in the file of results */
    const char *name; /* in the tables */
    int rungs; /* of a search: behind each but the last the better half of the rates goes on; 0: none */
    /* Trains the plan with this instead of the task's optimizer, at this rate. */
    const char *optimizer;
    double lr;
    const char *schedule; /* NULL: the plan's */
} rival_kind;

enum { RIVALS = 4 }; /* as many as the table has */
extern const rival_kind rivals[RIVALS];

/* The rates of a search, half a decade apart, and the steps that it makes in all. */
enum { SEARCH_RATES = 8, SEARCH_STEPS = 300 };
double rival_rate(const task *t, int index);

#endif
