/* Less by `factor` once the loss has not improved for `patience` epochs: torch's ReduceLROnPlateau, whose cooldown is `rest`
 * here. */
#include <math.h>

#include "optim/schedule.h"

enum { FACTOR, PATIENCE, THRESHOLD, REST, MIN_LR };
static const rf_spec_option options[] = {RF_SCHEDULE_COMMON,
                                         {"factor", 1, {0.1}, 0, 1},
                                         {"patience", 1, {10}, 0, 1e6},
                                         {"threshold", 1, {1e-4}, 0, 1},
                                         {"rest", 1, {0}, 0, 1e6},
                                         {"min_lr", 1, {0}, 0, 1e6},
                                         {NULL}};

/* Every epoch brings an improvement, until observe is told otherwise. */
static double factor(const rf_schedule_run *run, double step) {
    (void)run, (void)step;
    return 1;
}

static void observe(rf_schedule_memory *m, const double *o, double lr, double loss) {
    const bool better = loss < m->best * (1 - o[THRESHOLD]);
    if (better) m->best = loss;
    m->bad = better ? 0 : m->bad + 1;
    if (m->resting > 0) {
        m->resting--;
        m->bad = 0;
    }
    if (m->bad <= o[PATIENCE]) return;
    const double lower = fmax(m->factor * o[FACTOR], fmin(o[MIN_LR] / lr, m->factor));
    if ((m->factor - lower) * lr > 1e-8) m->factor = lower; /* PyTorch's eps */
    m->resting = o[REST];
    m->bad = 0;
}

const rf_schedule rf_schedule_plateau = {
    {"plateau", "less once the loss of an epoch no longer improves", options, NULL}, factor, observe};
