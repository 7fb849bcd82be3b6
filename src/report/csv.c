/* The curve as CSV: lr,loss,smoothed; for the median of several range tests then each one's losses, run_1,run_2,... Each number is the shortest that reads back as the same double. */
#include "report/writer.h"

rf_status rf_report_csv(const rf_report *report, const char *path) {
    const rf_curve *const curve = report->curve;
    rf_str out = {0};
    rf_str_add(&out, "lr,loss,smoothed");
    for (size_t r = 0; r < curve->run_count; r++) rf_str_addf(&out, ",run_%zu", r + 1);
    rf_str_add(&out, "\n");
    for (size_t i = 0; i < curve->count; i++) {
        rf_str_add_number(&out, curve->lr[i]);
        rf_str_add(&out, ",");
        rf_str_add_number(&out, curve->loss[i]);
        rf_str_add(&out, ",");
        rf_str_add_number(&out, curve->smoothed[i]);
        for (size_t r = 0; r < curve->run_count; r++) {
            rf_str_add(&out, ",");
            if (i < curve->runs[r]->count) rf_str_add_number(&out, curve->runs[r]->loss[i]);
        }
        rf_str_add(&out, "\n");
    }
    rf_status status = rf_str_status(&out);
    if (status == RF_OK) status = rf_file_write(path, out.data, out.length);
    rf_str_free(&out);
    return status;
}
