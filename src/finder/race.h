/* A race's trainings, one by one: also for tools/bench/regret. */
#ifndef RF_FINDER_RACE_H
#define RF_FINDER_RACE_H

#include "train/trainer.h"

/* The loss of the best constant prediction: a uniform distribution, or for mse the mean of the one-hot targets. */
double rf_loss_of_guessing(const rf_trainer *trainer);

/* The training that is planned. */
typedef struct rf_race_plan {
    const char *schedule; /* as rf_schedule_rates takes it */
    size_t steps, epoch;  /* of all, of an epoch */
    bool (*progress)(void *context, const rf_range_test_progress *progress); /* of each training; or NULL */
    void *progress_context;
} rf_race_plan;

enum { RF_RACE_RATES = 4 };
extern const double rf_race_factors[RF_RACE_RATES]; /* of the suggestion */

/* Trains for `steps` steps at a rate, from where the snapshot was taken; the plan's schedule is shortened to them, and so is
 * a moving average of the weights.  Then the statistics of batch norm are measured with the weights as they are, and the
 * validation images are evaluated, if there are any.  Owns: the caller frees out->losses, also on failure.  Errors:
 * RF_E_INTERRUPTED when progress returned false. */
rf_status rf_race_try(rf_trial *out, rf_trainer *trainer, const rf_host_state *start,
                      const rf_race_plan *plan, double lr, size_t steps);
/* About how many steps such a race takes in all, with its evaluations: a forward pass is a third of a step. */
rf_status rf_race_steps(size_t *steps, rf_trainer *trainer, const rf_race_desc *desc);

#endif
