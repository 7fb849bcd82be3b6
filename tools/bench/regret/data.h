/* The study's data sets. */
#ifndef REGRET_DATA_H
#define REGRET_DATA_H

#include "rangefinder/dataset.h"

/* folder: where mnist-10k and cifar10-small lie. */
rf_status data_open(rf_dataset **out, const char *name, const char *folder);
/* Keeps the first half of the classes, or the second, which are then counted from 0. */
void data_halve(rf_dataset *data, bool second);
int data_held_out(const rf_dataset *data); /* images for the held-out loss */

#endif
