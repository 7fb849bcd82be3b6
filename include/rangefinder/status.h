/* What a call of the library can answer, and the message of the last failure. */
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

/* Code, text and the exit code that the program gives for it: one list. */
#define RF_STATUS_MAP(X)                                                                                     \
    X(OK, "success", 0)                                                                                      \
    X(E_FAILED, "ran, and failed", 1)                                                                        \
    X(E_USAGE, "an option or argument is wrong", 2)                                                          \
    X(E_INPUT, "the input is not what it should be", 3)                                                      \
    X(E_SHAPE, "shapes do not agree", 3)                                                                     \
    X(E_IO, "a file could not be read or written", 3)                                                        \
    X(E_MEMORY, "out of host or device memory", 4)                                                           \
    X(E_DEVICE, "the device or its driver failed", 4)                                                        \
    X(E_INTERRUPTED, "interrupted", 130)

typedef enum rf_status {
#define RF_STATUS_ENUM(name, text, exit_code) RF_##name,
    RF_STATUS_MAP(RF_STATUS_ENUM)
#undef RF_STATUS_ENUM
} rf_status;

/* The message of this thread's last failed call: what, where, and how to fix it. Never NULL; valid until the
 * thread's next call. */
RF_API const char *rf_error_message(void);

/* The text of a status, and the exit code that `rangefinder` gives for it. */
RF_API const char *rf_status_text(rf_status status);
RF_API int rf_status_exit_code(rf_status status);

/* The library's version, "major.minor.patch". */
RF_API const char *rf_version(void);

#ifdef __cplusplus
}
#endif
#endif
