/* rangefinder schedule: the learning rates that a schedule gives, before anyone trains. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "command.h"
#include "outputs.h"
#include "rangefinder/schedule.h"
#include "report/chart.h"

typedef struct schedule_args {
    rf_common common;
    rf_outputs outputs;
    double lr;
    int epochs, steps_per_epoch;
} schedule_args;

enum { MAX_STEPS = 100000000 };

static const rf_option options[] = {
    {"epochs", "N", "how long the run is", "20", .parse = rf_opt_int,
     .offset = offsetof(schedule_args, epochs), .min = 1, .max = 1000000},
    {"steps-per-epoch", "N", "steps of an epoch: images over batch", "100", .parse = rf_opt_int,
     .offset = offsetof(schedule_args, steps_per_epoch), .min = 1, .max = 1000000},
    {"lr", "X",
     "the learning rate that the schedule multiplies; of onecycle and the cyclical ones the highest", "0.1",
     .parse = rf_opt_number, .offset = offsetof(schedule_args, lr), .min = 1e-12, .max = 1e6},
    {"plot", "FILE", "draw the learning rate of each step; .svg, .png or .pdf", .parse = rf_opt_text,
     .offset = offsetof(schedule_args, outputs.paths[RF_OUTPUT_plot]), .files = true},
    {"csv", "FILE", "write step,epoch,lr; - is stdout", .parse = rf_opt_text,
     .offset = offsetof(schedule_args, outputs.paths[RF_OUTPUT_csv]), .files = true},
    {"json", "FILE", "write one JSON document; - is stdout", .missing = "-", .parse = rf_opt_text,
     .offset = offsetof(schedule_args, outputs.paths[RF_OUTPUT_json]), .files = true},
    RF_OPT_END,
};

/* ---- outputs ---- */

static rf_status write_csv(const double *rates, size_t steps, const schedule_args *args) {
    rf_str text = {0};
    rf_str_add(&text, "step,epoch,lr\n");
    for (size_t i = 0; i < steps; i++) {
        rf_str_addf(&text, "%zu,", i);
        rf_str_add_number(&text, (double)i / args->steps_per_epoch);
        rf_str_add(&text, ",");
        rf_str_add_number(&text, rates[i]);
        rf_str_add(&text, "\n");
    }
    rf_status status = rf_str_status(&text);
    if (status == RF_OK) status = rf_file_write(args->outputs.paths[RF_OUTPUT_csv], text.data, text.length);
    rf_str_free(&text);
    return status;
}

static rf_status write_json(const double *rates, size_t steps, const schedule_args *args,
                            const char *schedule) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "schedule", schedule);
    rf_json_number(&json, "base_lr", args->lr);
    rf_json_count(&json, "epochs", (uint64_t)args->epochs);
    rf_json_count(&json, "steps_per_epoch", (uint64_t)args->steps_per_epoch);
    rf_json_numbers(&json, "lr", rates, steps);
    rf_json_close(&json);
    return rf_json_write(&json, args->outputs.paths[RF_OUTPUT_json]);
}

/* A linear axis from 0, with some room above. */
static rf_axis axis_to(double high) {
    return (rf_axis){.low = 0, .high = high > 0 ? 1.05 * high : 1};
}

static rf_status plot(const double *rates, size_t steps, const schedule_args *args, const char *schedule) {
    enum { MAX_POINTS = 4000 };
    const size_t stride = rf_ceil_div(steps, MAX_POINTS), count = rf_ceil_div(steps, stride);
    double *x = rf_alloc(2 * count, sizeof *x), *y = x, highest = 0;
    char subtitle[160];
    if (x == NULL) return RF_E_MEMORY;
    y += count;
    for (size_t i = 0; i < count; i++) {
        x[i] = (double)(i * stride) / args->steps_per_epoch;
        y[i] = rates[i * stride];
        highest = fmax(highest, y[i]);
    }
    snprintf(subtitle, sizeof subtitle, "learning rate %g, %d epochs of %d steps", args->lr, args->epochs,
             args->steps_per_epoch);
    rf_status status = rf_chart_plot(&(rf_chart){.title = schedule,
                                                 .subtitle = subtitle,
                                                 .x_label = "epoch",
                                                 .y_label = "learning rate",
                                                 .x = {.low = 0, .high = args->epochs},
                                                 .y = axis_to(highest),
                                                 .lines = &(rf_chart_line){.x = x, .y = y, .count = count},
                                                 .count = 1},
                                     args->outputs.paths[RF_OUTPUT_plot]);
    free(x);
    return status;
}

/* The first steps of some epochs, and the last step. */
static void print_table(const double *rates, size_t steps, const schedule_args *args) {
    enum { ROWS = 20 };
    const size_t every = rf_ceil_div((size_t)args->epochs, ROWS);
    printf("epoch    step  learning rate\n");
    for (size_t e = 0; e < (size_t)args->epochs; e += every) {
        const size_t step = e * (size_t)args->steps_per_epoch;
        printf("%5zu  %6zu  %.4g\n", e, step, rates[step]);
    }
    printf(" last  %6zu  %.4g\n", steps - 1, rates[steps - 1]);
}

static rf_status schedule_main(void *given, char **operands) {
    const schedule_args *args = given;
    const size_t steps = (size_t)args->epochs * (size_t)args->steps_per_epoch;
    const char *const *paths = args->outputs.paths;
    if (steps > MAX_STEPS)
        return rf_fail(
            RF_E_USAGE,
            "%d epochs of %d steps are more than %d steps; use fewer --epochs or --steps-per-epoch",
            args->epochs, args->steps_per_epoch, MAX_STEPS);
    RF_TRY(rf_outputs_check(&args->outputs, (const char *const[]){NULL}));
    double *rates = rf_alloc(steps, sizeof *rates);
    if (rates == NULL) return RF_E_MEMORY;
    rf_status status = rf_schedule_rates(rates, steps, operands[0], args->lr, (size_t)args->steps_per_epoch);
    if (status == RF_OK && paths[RF_OUTPUT_plot] != NULL) status = plot(rates, steps, args, operands[0]);
    if (status == RF_OK && paths[RF_OUTPUT_csv] != NULL) status = write_csv(rates, steps, args);
    if (status == RF_OK && paths[RF_OUTPUT_json] != NULL)
        status = write_json(rates, steps, args, operands[0]);
    if (status == RF_OK && rf_outputs_for_people(&args->outputs, &args->common))
        print_table(rates, steps, args);
    free(rates);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder schedule cosine --epochs 20 --plot s.svg", "half a cosine, drawn"},
    {"rangefinder schedule '1x50,0.1x50' --epochs 100 --lr 0.01",
     "50 epochs at 0.01, then 50 at a tenth of it"},
    {"rangefinder schedule 'step size=30 gamma=0.1 warmup=5' --epochs 90 --csv -",
     "a tenth every 30 epochs, after 5 epochs of linear warm-up; every step as CSV"},
    {NULL},
};

const rf_command rf_command_schedule = {
    .name = "schedule",
    .examples = examples,
    .operands = "SCHEDULE",
    .operand_count = 1,
    .operand_choices = rf_schedule_names,
    .summary = "The learning rates that a schedule gives, before anyone trains",
    .details =
        "SCHEDULE is a name and options, numbers in epochs: constant; step size=30 gamma=0.1; multistep "
        "milestones=30,60 gamma=0.1; exponential gamma=0.95; polynomial power=1; cosine end=0; restarts "
        "first=10 mult=1 "
        "end=0; onecycle pct_start=0.3 div_factor=25 final_div_factor=1e4; triangular, triangular2 and "
        "exp_range from=0.1 "
        "up=2 down=2 (gamma=0.9994 a step); plateau factor=0.1 patience=10 threshold=1e-4 rest=0 min_lr=0, "
        "which "
        "follows the losses; or factors times epochs, 1x50,0.1x50. Each takes warmup=EPOCHS "
        "warmup_from=FACTOR cooldown=EPOCHS. The formulas are PyTorch's.",
    .options = options,
    .args_size = sizeof(schedule_args),
    .run = schedule_main,
};
