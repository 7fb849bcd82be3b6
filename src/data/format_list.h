/* Every data set format there is, in the order in which a spec is offered to them.  This list is the only
 * registration: X(symbol) stands for `const rf_data_format rf_data_format_<symbol>`. */
#define RF_FORMAT_LIST(X)                                                                                    \
    X(digits)                                                                                                \
    X(synthetic)                                                                                             \
    X(idx)                                                                                                   \
    X(cifar)                                                                                                 \
    X(folder) /* takes every folder that nobody before it wanted */
