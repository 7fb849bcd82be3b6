/* Replaces plot.c and picture.c in a build without cairo (RF_PLOTS=OFF): plots are refused, before any work; pages have no
 * picture. */
#include "report/chart.h"
#include "report/matrix.h"
#include "report/picture.h"
#include "report/writer.h"

rf_status rf_report_plot_check(const char *path) {
    return rf_fail(RF_E_USAGE,
                   "%s: this build draws no plots; write the numbers as CSV or JSON, or build with cairo "
                   "(cmake -DRF_PLOTS=ON)",
                   path);
}

rf_status rf_report_plot(const rf_report *report, const char *path) {
    (void)report;
    return rf_report_plot_check(path);
}

rf_status rf_chart_plot(const rf_chart *chart, const char *path) {
    (void)chart;
    return rf_report_plot_check(path);
}

rf_status rf_matrix_plot(const rf_matrix *matrix, const char *path) {
    (void)matrix;
    return rf_report_plot_check(path);
}

rf_status rf_picture_svg(rf_str *out, int *height, const rf_report *report, int width) {
    (void)out, (void)height, (void)report, (void)width;
    return RF_OK;
}

rf_status rf_picture_race_svg(rf_str *out, const rf_report *report) {
    (void)out, (void)report;
    return RF_OK;
}
