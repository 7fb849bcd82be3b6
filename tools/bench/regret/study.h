/* Running the study. */
#ifndef REGRET_STUDY_H
#define REGRET_STUDY_H

#include <stdbool.h>

#include "rangefinder/dist.h"

/* Runs what the file of results lacks, and appends it: oracles and range tests; or, of tasks that have these, the trainings of
 * races.  Of every `of` tasks it takes the one number `share`, from 1; ranks take them as they get free. */
rf_status study_run(const char *results_path, const char *data_folder, int share, int of, rf_dist *dist,
                    bool race);

#endif
