/* What of a range test, its repetitions and a race fits into a time. */
#ifndef RF_FINDER_BUDGET_H
#define RF_FINDER_BUDGET_H

#include "train/trainer.h"

/* Milliseconds of a step: the fastest of some, after others that compile.  The trainer's state is as before. */
rf_status rf_step_time(double *ms, rf_trainer *trainer);

typedef struct rf_budget {
    int iterations;    /* of a range test: those wanted, or fewer */
    size_t race_steps; /* that a race takes in all */
    int seeds;         /* range tests */
    bool race;
} rf_budget;
/* iterations and race_steps are given.  One range test first, shorter if need be; then the race; then more range tests.
 * steps: how many fit.  False: not even a short range test does. */
bool rf_budget_fit(rf_budget *budget, double steps);

#endif
