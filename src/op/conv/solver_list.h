/* The solvers of conv, linear and conv_pool: the only registration.  X(name, count): an array of `count` solvers, one
 * for each direction that it has; of two of the same rank the first is taken. */
#ifndef RF_OP_CONV_SOLVER_LIST_H
#define RF_OP_CONV_SOLVER_LIST_H

#define RF_CONV_SOLVERS(X)                                                                                   \
    X(rf_conv_tile, 3)                                                                                       \
    X(rf_conv_group, 3)                                                                                      \
    X(rf_depthwise_tile, 3)                                                                                  \
    X(rf_depthwise_group, 3)                                                                                 \
    X(rf_grouped_any_tile, 3)                                                                                \
    X(rf_grouped_any_group, 3)                                                                               \
    X(rf_grouped_tile, 3)                                                                                    \
    X(rf_pointwise_tile, 2)                                                                                  \
    X(rf_winograd_tile, 3)                                                                                   \
    X(rf_wgrad_tile, 1)                                                                                      \
    X(rf_stem_tile, 2)                                                                                       \
    X(rf_clblast, 3)
#define RF_LINEAR_SOLVERS(X)                                                                                 \
    X(rf_conv_tile, 3)                                                                                       \
    X(rf_conv_group, 3)                                                                                      \
    X(rf_linear_tile, 3)                                                                                     \
    X(rf_clblast, 3)
#define RF_CONV_POOL_SOLVERS(X)                                                                              \
    X(rf_stem_pool_tile, 2)                                                                                  \
    X(rf_pooled_tile, 2)                                                                                     \
    X(rf_winograd_pool_tile, 3)

#endif
