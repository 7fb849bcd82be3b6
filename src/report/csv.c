/* The curve as CSV: lr,loss,smoothed. Each number is the shortest that reads back as the same double. */
#include <stdlib.h>

#include "base/base.h"
#include "rangefinder/finder.h"

static void add_number(rf_str *out, double value, char end) {
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    rf_str_addf(out, "%s%c", value == value ? text : "nan", end);
}

rf_status rf_report_csv(const rf_report *report, const char *path) {
    const rf_curve *const curve = report->curve;
    rf_str out = {0};
    rf_str_add(&out, "lr,loss,smoothed\n");
    for (size_t i = 0; i < curve->count; i++) {
        add_number(&out, curve->lr[i], ',');
        add_number(&out, curve->loss[i], ',');
        add_number(&out, curve->smoothed[i], '\n');
    }
    const rf_status status = out.failed ? RF_E_MEMORY : rf_file_write(path, out.data, out.length);
    rf_str_free(&out);
    return status;
}
