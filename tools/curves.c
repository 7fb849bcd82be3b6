/* The curves of range tests in one picture, from their files. */
#include "curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "report/chart.h"
#include "report/line.h"

/* Curves that were read, and the lines through their losses; all owned. */
typedef struct curves {
    rf_curve **curve;
    rf_chart_line *line;
    double **heights; /* what the lines' y are */
    size_t count;
} curves;

static void release(curves *all) {
    for (size_t i = 0; i < all->count; i++) {
        rf_curve_free(all->curve[i]);
        free(all->heights[i]);
    }
    free(all->curve);
    free(all->line);
    free(all->heights);
}

static rf_status read_one(curves *all, const char *path, const char *name) {
    const size_t i = all->count++; /* released, whatever happens */
    const char *slash = strrchr(path, '/');
    if (name == NULL) name = slash != NULL ? slash + 1 : path;
    RF_TRY(rf_curve_read(&all->curve[i], path));
    RF_TRY(rf_line_create(&all->heights[i], all->curve[i]));
    all->line[i] = (rf_chart_line){
        .name = name, .x = all->curve[i]->lr, .y = all->heights[i], .count = rf_curve_finite(all->curve[i])};
    return RF_OK;
}

/* Wide enough for both. */
static rf_axis join(rf_axis a, rf_axis b) {
    return (rf_axis){.low = fmin(a.low, b.low), .high = fmax(a.high, b.high), .logarithmic = a.logarithmic};
}

static rf_status draw(const curves *all, const char *path) {
    char subtitle[64];
    rf_chart chart = {.title = "Learning-rate range tests",
                      .subtitle = subtitle,
                      .x_label = "learning rate",
                      .y_label = "loss",
                      .lines = all->line,
                      .count = all->count};
    for (size_t i = 0; i < all->count; i++) {
        rf_axis x = rf_axis_of_rates(all->curve[i]), y = rf_axis_of_losses(all->curve[i], all->heights[i]);
        if (!x.logarithmic) x = (rf_axis){all->curve[i]->lr[0], x.high, true}; /* one kind of axis for all */
        chart.x = i == 0 ? x : join(chart.x, x);
        chart.y = i == 0 ? y : join(chart.y, y);
    }
    snprintf(subtitle, sizeof subtitle, "%zu curve%s, each smoothed without lag", all->count,
             all->count == 1 ? "" : "s");
    return rf_chart_plot(&chart, path);
}

rf_status rf_curves_plot(const char *path, const char *const *files, const char *const *names) {
    curves all = {0};
    size_t count = 0;
    while (files[count] != NULL) count++;
    all.curve = rf_alloc(count, sizeof(rf_curve *));
    all.line = rf_alloc(count, sizeof *all.line);
    all.heights = rf_alloc(count, sizeof(double *));
    rf_status status = all.curve != NULL && all.line != NULL && all.heights != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t i = 0; i < count && status == RF_OK; i++)
        status = read_one(&all, files[i], names != NULL ? names[i] : NULL);
    if (status == RF_OK) status = draw(&all, path);
    release(&all);
    return status;
}
