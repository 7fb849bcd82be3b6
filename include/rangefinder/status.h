/* Status codes, and the message of the last failure. */
#ifndef RANGEFINDER_STATUS_H
#define RANGEFINDER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RF_API __attribute__((visibility("default")))
#else
#define RF_API
#endif

/* Name, code, text, and the exit code that the program gives for it.  Codes never change; new ones are appended. */
#define RF_STATUS_MAP(X)                                                                                     \
    X(OK, 0, "success", 0)                                                                                   \
    X(E_FAILED, 1, "ran, and failed", 1)                                                                     \
    X(E_USAGE, 2, "an option or argument is wrong", 2)                                                       \
    X(E_INPUT, 3, "the input is not what it should be", 3)                                                   \
    X(E_SHAPE, 4, "shapes do not agree", 3)                                                                  \
    X(E_IO, 5, "a file could not be read or written", 3)                                                     \
    X(E_MEMORY, 6, "out of host or device memory", 4)                                                        \
    X(E_DEVICE, 7, "the device or its driver failed", 4)                                                     \
    X(E_INTERRUPTED, 8, "interrupted", 130)

typedef enum rf_status {
#define RF_STATUS_ENUM(name, code, text, exit_code) RF_##name = code,
    RF_STATUS_MAP(RF_STATUS_ENUM)
#undef RF_STATUS_ENUM
} rf_status;

/* The message of this thread's last failed call: what, where, and how to fix it. Never NULL; valid until the
 * thread's next call. */
RF_API const char *rf_error_message(void);

/* The text of a status, and the exit code that `rangefinder` gives for it. */
RF_API const char *rf_status_text(rf_status status);
RF_API int rf_status_exit_code(rf_status status);

#ifdef __cplusplus
}
#endif
#endif
