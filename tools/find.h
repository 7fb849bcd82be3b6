/* A range test as the program runs it: what `find` and `sweep` share. */
#ifndef RF_TOOLS_FIND_H
#define RF_TOOLS_FIND_H

#include "outputs.h"
#include "session.h"

typedef struct rf_find_args {
    rf_common common;
    rf_training training;
    rf_outputs outputs;
    const char *mode, *schedule;
    int iterations, validation, epochs, seeds;
    double start_lr, end_lr, diverge, val_split, budget_s; /* 0: no budget */
    bool confirm;
} rf_find_args;

/* Checks the options, and fills in the planned training where a race needs one; where `opened` is given also that data,
 * network and device can be opened. */
rf_status rf_find_check(rf_find_args *args, rf_opened *opened);
/* Runs the test and writes its outputs.  With `opened`, stdout and the user's next steps are the caller's matter. Errors:
 * RF_E_FAILED, with the reason, where the test suggests no rate. */
rf_status rf_find_run(rf_find_args *args, rf_opened *opened);

#endif
