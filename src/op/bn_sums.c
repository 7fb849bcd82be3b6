/* Sums for batch norm: shared by the solvers that compute them. */
#include "op/bn_sums.h"

#include <stdio.h>

size_t rf_bn_sums_floats(int blocks, int channels) {
    return (size_t)blocks * (2 * (size_t)channels + 1);
}

const char *rf_bn_sums_option(char option[40], const rf_problem *problem, rf_direction direction) {
    option[0] = '\0';
    if (problem->sums.blocks > 0 && direction == RF_FORWARD) snprintf(option, 40, " -DBN_SUMS=1");
    if (problem->sums.blocks > 0 && direction == RF_BACKWARD_DATA)
        snprintf(option, 40, " -DBN_SUMS=2 -DSUMS_ACT=%d", (int)problem->sums.act);
    return option;
}

void rf_bn_sums_args(rf_launch_desc *desc, const rf_tensors *t, rf_act act, size_t floats) {
    for (int i = 0; i < RF_MAX_BN_SUMS; i++) rf_launch_add(desc, (rf_arg)RF_BUF(t->sums[i]));
    rf_launch_add(desc, (rf_arg)RF_I32(act));
    desc->bytes += 4.0 * (double)floats * ((t->sums[RF_BN_SUMS_X] != NULL) + (t->sums[RF_BN_SUMS_Y] != NULL));
}
