/* Running the study. */
#ifndef REGRET_STUDY_H
#define REGRET_STUDY_H

#include "rangefinder/status.h"

/* Runs what the file of results lacks, and appends it.  Of every `of` tasks it takes the one number `share`, from 1. */
rf_status study_run(const char *results_path, const char *data_folder, int share, int of);

#endif
