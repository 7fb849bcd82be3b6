/* Up to the rate and down again, along half cosines: torch's OneCycleLR (Smith and Topin 2018). */
#include <math.h>

#include "optim/schedule.h"

enum { PCT_START, DIV, FINAL_DIV };
static const rf_spec_option options[] = {RF_SCHEDULE_COMMON,
                                         {"pct_start", 1, {0.3}, 0, 1},
                                         {"div_factor", 1, {25}, 1, 1e12},
                                         {"final_div_factor", 1, {1e4}, 1, 1e12},
                                         {NULL}};

/* The highest is reached at step pct_start * steps - 1, the last is steps - 1. */
static double factor(const rf_schedule_run *run, double step) {
    const double first = 1 / run->o[DIV], last = first / run->o[FINAL_DIV],
                 top = run->o[PCT_START] * run->steps - 1, end = run->steps - 1;
    if (step <= top) return rf_cosine_between(first, 1, top > 0 ? step / top : 1);
    return rf_cosine_between(1, last, end > top ? fmin((step - top) / (end - top), 1) : 1);
}

const rf_schedule rf_schedule_onecycle = {
    .kind = {"onecycle", "up to the rate and down again", options, NULL},
    .factor = factor,
    .low_option = "div_factor",
    .low_divides = true};
