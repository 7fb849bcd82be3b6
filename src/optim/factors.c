/* The factors of a step that several optimizers share. */
#include "optim/optimizer.h"

void rf_plain_factors(float out[RF_STEP_FACTORS], const rf_optimizer_options *options, double lr, long t) {
    (void)options;
    out[0] = out[3] = (float)lr;
    out[1] = t == 1;
    out[2] = 1;
}
