/* The picture of a range test as a file. */
#include "report/drawing.h"
#include "report/picture.h"
#include "report/writer.h"

static rf_status draw_picture(cairo_t *cr, const void *report) {
    return rf_picture_draw(cr, report);
}

rf_status rf_report_plot_check(const char *path) {
    return rf_drawing_check(path);
}

rf_status rf_report_plot(const rf_report *report, const char *path) {
    return rf_drawing_write(path, rf_picture_height(report), draw_picture, report);
}
