/* The ways out of the program.  On each the terminal is left clean, no file half-written, no helper behind. */
#ifndef RF_TOOLS_ENDING_H
#define RF_TOOLS_ENDING_H

#include "dist/dist.h"

/* Catches signals, and drivers that end the process by exit() or abort(). */
rf_status rf_ending_begin(void);
/* main has run its command: ends the helper and, after an interruption, the program.  exit() is no surprise from
 * here on. */
void rf_ending_in_order(void);
/* This process is one of several ranks: what follows a signal at once is the same one, from both mpirun and the terminal; and MPI
 * ends the process where another rank has failed.  dist is borrowed; NULL: it is alone. */
void rf_ending_ranks(const rf_dist *dist);
/* From here on the first signal waits until the command has saved its state; the second one does not. */
void rf_ending_wait(void);
/* Leaves at once, without the clean-up of libraries, which may be at work in other threads. */
_Noreturn void rf_leave(int exit_code);

#endif
