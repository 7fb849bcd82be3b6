/* Building curves point by point, and results as text: shared by the finder and the reports. */
#ifndef RF_CURVE_CURVE_H
#define RF_CURVE_CURVE_H

#include "base/base.h"
#include "rangefinder/finder.h"

/* The losses of several range tests; owned. */
enum { RF_RUNS_MAX = 99 };
typedef struct rf_curve_runs {
    struct {
        double *loss;
        size_t count, capacity;
    } run[RF_RUNS_MAX];
    size_t count;
} rf_curve_runs;

/* A curve that grows. Start as {0}; finish it or release it. */
typedef struct rf_curve_builder {
    double *lr, *loss;
    size_t count, capacity;
    size_t ended;           /* steps after the last point: a library that ran on with NaN, or a plan */
    double waiting;         /* a learning rate whose loss is missing so far */
    size_t waiting_rows;    /* how many such rows there were in a row: 0 for none */
    double first_waiting;   /* the learning rate of the first of them */
    rf_smoothing smoothing; /* what was done to the losses */
    rf_stop_reason stop;    /* if the writer says so, as are those below */
    double chance, usual_lr, training_steps, epoch_steps;
    rf_curve_runs runs; /* whose median it is */
} rf_curve_builder;

/* Adds a point. `where` names it in messages: "lr.csv, line 7".
 * Errors: RF_E_INPUT for a rate that is not positive or not above the last, or a finite loss after one that
 * is not. */
rf_status rf_curve_add(rf_curve_builder *builder, double lr, double loss, const char *where);
/* Adds a row of a table, in which a missing number is NaN. Logs write a rate and its loss in two rows, the rate
 * first; otherwise a loss that is missing is one that was not finite. Errors: as above. */
rf_status rf_curve_add_row(rf_curve_builder *builder, double lr, double loss, const char *where);
/* Adds the next loss of a run, of RF_RUNS_MAX at most. */
rf_status rf_curve_add_run(rf_curve_runs *runs, size_t run, double loss);
void rf_curve_runs_free(rf_curve_runs *runs);
/* Makes the curve and takes the builder's arrays. name is for messages. */
rf_status rf_curve_finish(rf_curve **out, rf_curve_builder *builder, const char *name);
void rf_curve_builder_free(rf_curve_builder *builder);

/* What a column is called in the files of other programs: "lr", "learning_rate", "lr-Adam", "train_loss". */
typedef enum rf_curve_role {
    RF_ROLE_RATE,
    RF_ROLE_LOSS,
    RF_ROLE_COUNT,
    RF_ROLE_NONE = RF_ROLE_COUNT
} rf_curve_role;
rf_curve_role rf_curve_role_of(const char *name);

/* JSON of all kinds (curve_json.c). text ends with 0. */
rf_status rf_curve_read_json(rf_curve_builder *builder, const char *text, const char *name);

/* How many of the losses are finite: count, or count - 1. */
size_t rf_curve_finite(const rf_curve *curve);
/* The median of the first five finite losses (fewer if there are fewer). */
double rf_curve_level(const rf_curve *curve);

/* The losses as they were written down: curve->recorded, or those of the curve. */
const double *rf_curve_recorded(const rf_curve *curve);

/* Standard deviation of the smoothing, in steps: 3 up to 100 steps, then as much of the curve, at most 30. */
double rf_curve_sigma(const rf_curve *curve);

/* The smoothing of curve->smoothed, of other losses of the same curve. out and loss are (count). */
void rf_curve_smooth(double *out, const double *loss, const rf_curve *curve);

/* Fills in what a race says: all but its trainings, plan_steps and chance. */
void rf_race_decide(rf_race *race);

/* Sorts; the middle one, or the mean of the two. NAN for none. */
double rf_median(double *values, size_t count);

/* ---- words and numbers of results (text.c) ---- */

const char *rf_stop_text(rf_stop_reason stop); /* NULL behind the last */
const char *rf_confidence_text(rf_confidence confidence);

/* Numbers for people: a rate with two digits ("3.2e-3", "0.032", "1.6"), a loss with three. */
typedef struct rf_number_text {
    char text[24];
} rf_number_text;
rf_number_text rf_rate(double lr);
rf_number_text rf_loss(double loss);
/* Turns what %e writes, "1.60e-05", into what people write, "1.6e-5". */
void rf_shorten_exponent(char *text);

#endif
