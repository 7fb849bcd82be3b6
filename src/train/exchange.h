/* What ranks exchange; of one process alone, nothing.  All are collective. */
#ifndef RF_TRAIN_EXCHANGE_H
#define RF_TRAIN_EXCHANGE_H

#include "train/trainer.h"

/* Rank 0's state becomes that of all. */
rf_status rf_exchange_state(rf_trainer *trainer);
/* Between compute and update: sums gradients and losses.  *cancelled: this rank wants the run to end after the step; then
 * whether any does.  judged: the losses of training decide to stop; *stop: RF_RUN_*. */
rf_status rf_exchange_step(uint32_t *stop, bool *cancelled, rf_trainer *trainer, bool judged);
/* Before and after the evaluation of the validation images, of which each rank has its part. */
rf_status rf_exchange_before_observing(rf_trainer *trainer);
rf_status rf_exchange_observed(uint32_t *stop, rf_trainer *trainer, bool judged);

#endif
