/* Up from `from` times the rate to it, and down, again and again: torch's CyclicLR (Smith 2017, arXiv 1506.01186).  triangular2
 * halves the height with each cycle, exp_range multiplies it by gamma each step. */
#include <math.h>

#include "optim/schedule.h"

enum { FROM, UP, DOWN, GAMMA };
#define CYCLES                                                                                               \
    RF_SCHEDULE_COMMON, {"from", 1, {0.1}, 0, 1}, {"up", 1, {2}, 1e-6, 1e6}, {                               \
        "down", 1, {0}, 0, 1e6                                                                               \
    }
static const rf_spec_option options[] = {CYCLES, {NULL}};
static const rf_spec_option exp_options[] = {CYCLES, {"gamma", 1, {0.9994}, 0, 1}, {NULL}};

/* Which cycle it is, from 0, and how high in it, 0 to 1.  down 0: as long as up. */
static double height(double *cycle, const rf_schedule_run *run, double step) {
    const double up = run->o[UP] * run->epoch, down = run->o[DOWN] > 0 ? run->o[DOWN] * run->epoch : up;
    const double share = up / (up + down), turns = step / (up + down);
    *cycle = floor(turns);
    const double within = turns - *cycle;
    return within <= share ? within / share : (within - 1) / (share - 1);
}

static double triangular(const rf_schedule_run *run, double step) {
    double cycle;
    return run->o[FROM] + (1 - run->o[FROM]) * height(&cycle, run, step);
}

static double triangular2(const rf_schedule_run *run, double step) {
    double cycle;
    const double high = height(&cycle, run, step);
    return run->o[FROM] + (1 - run->o[FROM]) * high / exp2(cycle);
}

static double exp_range(const rf_schedule_run *run, double step) {
    double cycle;
    return run->o[FROM] + (1 - run->o[FROM]) * height(&cycle, run, step) * pow(run->o[GAMMA], step);
}

const rf_schedule rf_schedule_triangular = {
    .kind = {"triangular", "up and down, again and again", options, NULL},
    .factor = triangular,
    .low_option = "from",
    .spans = true};
const rf_schedule rf_schedule_triangular2 = {
    .kind = {"triangular2", "up and down, half as high each time", options, NULL},
    .factor = triangular2,
    .low_option = "from",
    .spans = true};
const rf_schedule rf_schedule_exp_range = {
    .kind = {"exp_range", "up and down, lower by gamma each step", exp_options, NULL},
    .factor = exp_range,
    .low_option = "from",
    .spans = true};
