/* Schedules: one file each. */
#ifndef RF_OPTIM_SCHEDULE_H
#define RF_OPTIM_SCHEDULE_H

#include <math.h>

#include "base/spec.h"

/* What a schedule sees: the part of the run between warm-up and cool-down. */
typedef struct rf_schedule_run {
    const double *o; /* its own options' numbers */
    size_t count;    /* of them */
    double steps;    /* how long it is */
    double epoch;    /* steps in one */
} rf_schedule_run;

/* What a schedule that follows the losses remembers. */
typedef struct rf_schedule_memory {
    double factor; /* of all later steps' rates */
    double best, bad, resting;
} rf_schedule_memory;

typedef struct rf_schedule {
    rf_spec_kind kind;
    double (*factor)(const rf_schedule_run *run, double step); /* step: from 0 */
    /* After an epoch with this loss, of a run at the learning rate lr; NULL: the losses have no influence. */
    void (*observe)(rf_schedule_memory *memory, const double *o, double lr, double loss);
    /* How it runs between rates: the option that sets the lowest one, as a share of the highest, or as what divides it;
     * NULL: none does. */
    const char *low_option;
    bool low_divides;
    bool spans; /* it rises to the end of a range, rather than to the suggestion */
} rf_schedule;

/* Options of every schedule, which stand first in its table; they are not among a run's numbers. */
#define RF_SCHEDULE_COMMON                                                                                   \
    {"warmup", 1, {0}, 0, 1e6}, {"warmup_from", 1, {0}, 0, 1}, {                                             \
        "cooldown", 1, {0}, 0, 1e6                                                                           \
    }
enum { RF_WARMUP, RF_WARMUP_FROM, RF_COOLDOWN, RF_SCHEDULE_OWN };

/* Every schedule there is: the only registration. */
#define RF_SCHEDULE_LIST(X)                                                                                  \
    X(constant)                                                                                              \
    X(table)                                                                                                 \
    X(step)                                                                                                  \
    X(multistep)                                                                                             \
    X(exponential)                                                                                           \
    X(polynomial)                                                                                            \
    X(cosine)                                                                                                \
    X(restarts)                                                                                              \
    X(onecycle)                                                                                              \
    X(triangular)                                                                                            \
    X(triangular2)                                                                                           \
    X(exp_range)                                                                                             \
    X(plateau)
#define RF_SCHEDULE_DECLARE(name) extern const rf_schedule rf_schedule_##name;
RF_SCHEDULE_LIST(RF_SCHEDULE_DECLARE)
#undef RF_SCHEDULE_DECLARE

/* A schedule for a run. */
typedef struct rf_schedule_setup {
    const rf_schedule *schedule;
    rf_spec spec;
    rf_schedule_run run;
    double lr, warmup, cooldown; /* both in steps */
    rf_schedule_memory memory;
} rf_schedule_setup;
/* Errors: as rf_schedule_rates. */
rf_status rf_schedule_open(rf_schedule_setup *out, const char *text, double lr, size_t steps,
                           size_t steps_per_epoch);
void rf_schedule_close(rf_schedule_setup *setup);
double rf_schedule_rate(const rf_schedule_setup *setup, size_t step);
void rf_schedule_observe(rf_schedule_setup *setup, double loss); /* after an epoch */

/* From `from` at 0 to `to` at 1, along half a cosine. */
static inline double rf_cosine_between(double from, double to, double share) {
    return to + (from - to) / 2 * (1 + cos(acos(-1) * share));
}

#endif
