/* Running the study. */
#ifndef REGRET_STUDY_H
#define REGRET_STUDY_H

#include "rangefinder/dist.h"

/* Oracles and range tests; of tasks that have these, the trainings of races, and rivals. */
typedef enum study_part { STUDY_RUN, STUDY_RACE, STUDY_RIVALS, STUDY_PARTS } study_part;
extern const char *const study_part_names[STUDY_PARTS];

/* Runs what the file of results lacks, and appends it.  Of every `of` tasks it takes the one number `share`, from 1; ranks take
 * them as they get free. */
rf_status study_run(const char *results_path, const char *data_folder, int share, int of, rf_dist *dist,
                    study_part part);

#endif
