/* Pictures of training runs, from their metrics. */
#include "runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/listing.h"
#include "report/chart.h"
#include "train/folder.h"

typedef struct lines {
    rf_chart_line *line;
    size_t count;
    double lowest, highest, last; /* of the heights; of the epochs */
} lines;

/* Takes copies: the arrays are owned by the line. */
static rf_status add(lines *all, const char *name, const rf_epoch *epochs, size_t count,
                     double (*value)(const rf_epoch *)) {
    double *x = rf_alloc(2 * count, sizeof *x);
    if (x == NULL) return RF_E_MEMORY;
    double *y = x + count;
    for (size_t i = 0; i < count; i++) {
        x[i] = epochs[i].epoch;
        y[i] = value(&epochs[i]);
        if (isfinite(y[i])) all->highest = fmax(all->highest, fmin(y[i], 1000));
        all->last = fmax(all->last, x[i]);
    }
    all->line[all->count++] = (rf_chart_line){.name = name, .x = x, .y = y, .count = count};
    return RF_OK;
}

static double loss(const rf_epoch *e) {
    return e->loss;
}
static double validation_loss(const rf_epoch *e) {
    return e->validation_loss;
}
static double error(const rf_epoch *e) {
    return 1 - e->accuracy;
}

static bool is_validated(const rf_epoch *epochs, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (isfinite(epochs[i].validation_loss)) return true;
    return false;
}

static rf_status add_run(lines *all, const char *folder, bool alone) {
    char *path = rf_path_join(folder, "metrics.csv");
    rf_epoch *epochs = NULL;
    size_t count;
    rf_status status = path != NULL ? rf_metrics_read(&epochs, &count, path) : RF_E_MEMORY;
    free(path);
    if (status == RF_OK && alone) {
        const bool validated = is_validated(epochs, count);
        status = add(all, "training loss", epochs, count, loss);
        if (status == RF_OK && validated)
            status = add(all, "validation loss", epochs, count, validation_loss);
        if (status == RF_OK && validated) status = add(all, "validation error", epochs, count, error);
    } else if (status == RF_OK)
        status = add(all, folder, epochs, count, is_validated(epochs, count) ? validation_loss : loss);
    free(epochs);
    return status;
}

rf_status rf_runs_plot(const char *path, const char *const *folders) {
    size_t count = 0;
    while (folders[count] != NULL) count++;
    lines all = {.line = rf_alloc(count + 2, sizeof *all.line)};
    rf_status status = all.line != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t i = 0; i < count && status == RF_OK; i++) status = add_run(&all, folders[i], count == 1);
    if (status == RF_OK)
        status = rf_chart_plot(
            &(rf_chart){.title = count == 1 ? folders[0] : "Training runs",
                        .subtitle =
                            count == 1 ? "training" : "validation loss, or training loss where there is none",
                        .x_label = "epoch",
                        .y_label = count == 1 ? "loss, error" : "loss",
                        .x = {.low = 1, .high = fmax(all.last, 2)},
                        .y = {.low = 0, .high = all.highest > 0 ? 1.05 * all.highest : 1},
                        .lines = all.line,
                        .count = all.count},
            path);
    for (size_t i = 0; i < all.count; i++) free((double *)all.line[i].x);
    free(all.line);
    return status;
}
