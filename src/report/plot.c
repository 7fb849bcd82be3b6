/* The picture of a range test as a file. */
#include "report/drawing.h"
#include "report/picture.h"
#include "report/writer.h"

rf_status rf_report_plot_check(const char *path) {
    return rf_drawing_check(path);
}

rf_status rf_report_plot(const rf_report *report, const char *path) {
    return rf_picture_write(report, path);
}
