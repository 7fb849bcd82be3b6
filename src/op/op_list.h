/* Every op there is.  This list is the only registration: X(symbol) stands for `const rf_op rf_op_<symbol>`.
 */
#define RF_OP_LIST(X)                                                                                        \
    X(conv)                                                                                                  \
    X(conv_pool)                                                                                             \
    X(conv_transpose)                                                                                        \
    X(linear)                                                                                                \
    X(relu)                                                                                                  \
    X(relu6)                                                                                                 \
    X(leaky_relu)                                                                                            \
    X(sigmoid)                                                                                               \
    X(tanh)                                                                                                  \
    X(elu)                                                                                                   \
    X(selu)                                                                                                 \
    X(clip)                                                                                                 \
    X(affine)                                                                                               \
    X(hard_sigmoid)                                                                                          \
    X(silu)                                                                                                  \
    X(hard_swish)                                                                                            \
    X(gelu)                                                                                                  \
    X(gelu_tanh)                                                                                            \
    X(mish)                                                                                                  \
    X(softplus)                                                                                              \
    X(max_pool)                                                                                              \
    X(avg_pool)                                                                                              \
    X(adaptive_avg_pool)                                                                                     \
    X(batch_norm)                                                                                            \
    X(layer_norm)                                                                                            \
    X(group_norm)                                                                                            \
    X(instance_norm)                                                                                         \
    X(dropout)                                                                                               \
    X(stochastic_depth)                                                                                      \
    X(scale)                                                                                                 \
    X(prelu)                                                                                                 \
    X(softmax)                                                                                              \
    X(add)                                                                                                   \
    X(multiply)                                                                                              \
    X(concat)                                                                                                \
    X(pad)                                                                                                   \
    X(pad_channels)                                                                                         \
    X(slice)                                                                                                 \
    X(upsample_nearest)                                                                                      \
    X(upsample_bilinear)                                                                                     \
    X(channel_shuffle)                                                                                       \
    X(flatten)                                                                                               \
    X(cross_entropy)                                                                                         \
    X(mse)
