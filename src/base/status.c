/* Status codes and the thread's last error message. */
#include "base/base.h"

#include <errno.h>
#include <string.h>

#include "rangefinder/version.h"

static _Thread_local char message[2048];
static _Thread_local int held; /* how often */

const char *rf_error_message(void) {
    return message;
}

static const struct {
    const char *text;
    int exit_code;
} statuses[] = {
#define RF_STATUS_ROW(name, code, text, exit_code) [code] = {text, exit_code},
    RF_STATUS_MAP(RF_STATUS_ROW)
#undef RF_STATUS_ROW
};

const char *rf_status_text(rf_status status) {
    return (size_t)status < RF_COUNT(statuses) ? statuses[status].text : "unknown status";
}

int rf_status_exit_code(rf_status status) {
    return (size_t)status < RF_COUNT(statuses) ? statuses[status].exit_code : 1;
}

const char *rf_version(void) {
#define QUOTE(x)                    #x
#define DOTTED(major, minor, patch) QUOTE(major) "." QUOTE(minor) "." QUOTE(patch)
    return DOTTED(RF_VERSION_MAJOR, RF_VERSION_MINOR, RF_VERSION_PATCH);
}

void rf_error_hold(void) {
    held++;
}

void rf_error_release(void) {
    held--;
}

rf_status rf_fail(rf_status status, const char *format, ...) {
    if (held > 0) return status;
    char text[sizeof message]; /* an argument may be the old message */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}

rf_status rf_fail_errno(int error, const char *format, ...) {
    char what[1024], text[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (error == ENOMEM) return rf_fail(RF_E_MEMORY, "%s: out of memory", what);
    return rf_fail(RF_E_IO, "%s: %s", what, rf_os_error_text(text, sizeof text, error));
}

rf_status rf_fail_prefix(rf_status status, const char *format, ...) {
    char prefix[512];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return rf_fail(status, "%s: %s", prefix, message);
}

rf_status rf_desc_copy(void *copy, size_t known, const void *given, size_t size) {
    memset(copy, 0, known);
    if (given != NULL) memcpy(copy, given, RF_MIN(known, size));
    for (size_t i = known; given != NULL && i < size; i++)
        if (((const char *)given)[i] != 0)
            return rf_fail(RF_E_USAGE,
                           "the program was built with headers of a later version than this library, %s, "
                           "and asks for what it does not know",
                           rf_version());
    return RF_OK;
}
