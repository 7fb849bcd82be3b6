/* Every sub-command.  This list is the only registration: X(name) stands for `const rf_command
 * rf_command_<name>`. */
#define RF_COMMAND_LIST(X)                                                                                   \
    X(find)                                                                                                  \
    X(sweep)                                                                                                 \
    X(train)                                                                                                 \
    X(eval)                                                                                                  \
    X(predict)                                                                                               \
    X(export)                                                                                                \
    X(suggest)                                                                                               \
    X(validate)                                                                                              \
    X(devices)                                                                                               \
    X(data)                                                                                                  \
    X(model)                                                                                                 \
    X(bench)                                                                                                 \
    X(tune)                                                                                                  \
    X(schedule)                                                                                              \
    X(plot)
