/* The losses of a race's trainings. */
#include "report/race.h"

#include <math.h>
#include <stdlib.h>

#include "curve/curve.h"
#include "report/chart.h"
#include "report/frame.h"

enum { WINDOWS = 15 }; /* a point is the mean of a fifteenth of the steps around it */

static void smooth(double *out, const double *loss, size_t count, size_t steps) {
    const size_t half = steps / WINDOWS / 2;
    for (size_t i = 0; i < count; i++) {
        const size_t first = i > half ? i - half : 0, end = RF_MIN(i + half + 1, count);
        double sum = 0;
        for (size_t k = first; k < end; k++) sum += loss[k];
        out[i] = sum / (double)(end - first);
    }
}

/* The least loss, and somewhat more than that of guessing: divergence is cut off. */
static rf_axis axis_of_losses(const rf_race *race, const double *losses, size_t steps) {
    double low = race->chance;
    for (size_t i = 0; i < race->count * steps; i++) low = fmin(low, losses[i]);
    const double room = 0.1 * (race->chance - low);
    return (rf_axis){.low = fmax(low - room, 0), .high = race->chance + 2 * room};
}

rf_status rf_race_draw(cairo_t *cr, const rf_race *race, double y) {
    const size_t steps = race->trials[0].steps;
    rf_status status = RF_E_MEMORY;
    rf_chart_line *const lines = rf_alloc(race->count, sizeof *lines);
    rf_number_text *const names = rf_alloc(race->count, sizeof *names);
    double *const x = rf_alloc(steps, sizeof *x), *const losses =
                                                      rf_alloc(race->count * steps, sizeof *losses);
    if (lines == NULL || names == NULL || x == NULL || losses == NULL) goto done;
    for (size_t i = 0; i < steps; i++) x[i] = (double)i + 1;
    for (size_t i = 0; i < race->count * steps; i++) losses[i] = NAN;
    for (size_t r = 0; r < race->count; r++) {
        const rf_trial *const t = &race->trials[r];
        smooth(losses + r * steps, t->losses, t->done, steps);
        names[r] = rf_rate(t->lr);
        lines[r] = (rf_chart_line){.name = names[r].text, .x = x, .y = losses + r * steps, .count = steps};
    }
    const rf_chart chart = {.x_label = "step of the race",
                            .y_label = "loss",
                            .x = {.low = 1, .high = (double)steps},
                            .y = axis_of_losses(race, losses, steps),
                            .lines = lines,
                            .count = race->count};
    status = rf_chart_draw(cr, &chart, y + 22, y + RF_RACE_HEIGHT - 70);
done:
    free(lines);
    free(names);
    free(x);
    free(losses);
    return status;
}
