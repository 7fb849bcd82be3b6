/* rangefinder validate: every solver of every op against the reference, on the op's sample cases and on the shapes of
 * all built-in models. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "command.h"
#include "graph/autodiff.h"
#include "graph/storage.h"
#include "op/op_list.h"
#include "verify/check.h"

typedef struct validate_args {
    rf_common common;
    bool json, quick, all, half;
    const char *device, *op;
} validate_args;

static const char *const *op_names(void) {
#define OP_NAME(name) #name,
    static const char *const names[] = {RF_OP_LIST(OP_NAME) NULL};
#undef OP_NAME
    return names;
}

#define AT(field) .offset = offsetof(validate_args, field)
static const rf_option options[] = {
    {"device", "WHICH", "as 'find' takes it", .parse = rf_opt_text, AT(device), .choices = rf_device_choices},
    {"op", "NAME", "only this op", .parse = rf_opt_choice, AT(op), .choices = op_names},
    {"quick", NULL, "only the small cases: no large ones, no networks", .parse = rf_opt_flag, AT(quick)},
    {"all", NULL, "the kernels made for other kinds of device too", .parse = rf_opt_flag, AT(all)},
    {"half", NULL, "with activations in 16-bit floats, as 'find --half' has them", .parse = rf_opt_flag,
     AT(half)},
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, AT(json)},
    RF_OPT_END,
};

/* One line of the table: how a solver did over all its cases. */
typedef struct result_row {
    const char *op, *solver; /* of the tables */
    rf_direction direction;
    int cases, failed;
    double worst;      /* error in units of the tolerance */
    char where[128];   /* the first case that failed, else the worst */
    char message[256]; /* what is wrong with it; "" */
} result_row;

typedef struct validation {
    const validate_args *args;
    rf_device *device;
    rf_progress progress;
    result_row *rows; /* owned */
    int count, capacity;
    char **seen; /* problems checked already, as they repeat within and between networks; owned */
    int seen_count, seen_capacity;
} validation;

static rf_status find_row(result_row **out, validation *all, const rf_op *op, const rf_solver *solver) {
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->rows[i].solver, solver->name) == 0 && strcmp(all->rows[i].op, op->name) == 0 &&
            all->rows[i].direction == solver->direction) {
            *out = &all->rows[i];
            return RF_OK;
        }
    if (all->count == all->capacity) {
        int capacity = all->capacity > 0 ? 2 * all->capacity : 64;
        result_row *more = rf_resize(all->rows, (size_t)capacity, sizeof *more);
        if (more == NULL) return RF_E_MEMORY;
        all->rows = more;
        all->capacity = capacity;
    }
    *out = &all->rows[all->count++];
    **out = (result_row){.op = op->name, .solver = solver->name, .direction = solver->direction};
    return RF_OK;
}

/* ---- checking ---- */

static rf_status check_one(validation *all, const rf_problem *problem, const rf_choice *choice,
                           const char *label) {
    result_row *row = NULL;
    rf_check_result result = {0};
    if (rf_interrupted()) return RF_E_INTERRUPTED;
    rf_progress_draw(&all->progress, "%s %s", choice->solver->name, label);
    RF_TRY(find_row(&row, all, problem->op, choice->solver));
    rf_status status = rf_check_solver(&result, all->device, problem, choice->solver, &choice->config);
    if (status == RF_E_INTERRUPTED || status == RF_E_MEMORY) return status;
    bool bad = status != RF_OK || !rf_check_passed(&result);
    bool worse = status == RF_OK && !(result.worst <= row->worst);
    if (bad ? row->failed == 0 : worse && row->failed == 0)
        snprintf(row->where, sizeof row->where, "%.*s", (int)sizeof row->where - 1, label);
    if (bad && row->failed == 0) {
        char text[192];
        snprintf(row->message, sizeof row->message, "%s",
                 status != RF_OK ? rf_error_message() : rf_check_text(text, &result));
    }
    if (worse) row->worst = result.worst;
    row->cases++;
    row->failed += bad;
    return RF_OK;
}

/* The solvers for this kind of device, or all; the first is the device's choice, whatever kind it is made for. */
static rf_status check_choices(validation *all, const rf_problem *problem, const rf_choice *choices,
                               int count, const char *label) {
    for (int i = 0; i < count; i++)
        if (i == 0 || all->args->all || choices[i].match > RF_MATCH_OTHER)
            RF_TRY(check_one(all, problem, &choices[i], label));
    return RF_OK;
}

/* Every direction of one problem; where solvers do that, also with x read through a batch norm. */
static rf_status check_directions(validation *all, const rf_problem *problem, const char *label) {
    const int directions = problem->training ? RF_DIRECTIONS : 1; /* inference has no backward pass */
    rf_problem normed = *problem;
    normed.normed = true;
    for (int d = RF_FORWARD; d < directions; d++) {
        rf_choice choices[RF_MAX_CHOICES];
        if (problem->op->reference[d] == NULL) continue;
        int count = rf_choose(choices, RF_MAX_CHOICES, problem, (rf_direction)d, all->device, NULL);
        RF_TRY(check_choices(all, problem, choices, count, label));
        if (!problem->training) continue;
        char through[sizeof all->rows->where];
        snprintf(through, sizeof through, "%s, through a batch norm", label);
        count = rf_choose(choices, RF_MAX_CHOICES, &normed, (rf_direction)d, all->device, NULL);
        RF_TRY(check_choices(all, &normed, choices, count, through));
    }
    return RF_OK;
}

/* With --half: both x and y in halves, and each alone. */
static rf_status check_problem(validation *all, const rf_problem *problem, const char *label) {
    if (!all->args->half) return check_directions(all, problem, label);
    for (int which = 1; which <= 3; which++) {
        rf_problem stored = *problem;
        stored.half_x = which & 1;
        stored.half_y = which & 2;
        RF_TRY(check_directions(all, &stored, label));
    }
    return RF_OK;
}

static bool wanted(const validation *all, const rf_op *op) {
    return all->args->op == NULL || strcmp(all->args->op, op->name) == 0;
}

static rf_status check_cases(validation *all, const rf_op *op) {
    for (const rf_case *sample = op->cases; sample != NULL && sample->label != NULL; sample++) {
        rf_problem problem;
        if (sample->large && all->args->quick) continue;
        RF_TRY(rf_problem_from_case(&problem, op, sample));
        RF_TRY(check_problem(all, &problem, sample->label));
    }
    return RF_OK;
}

/* ---- the shapes of the built-in models ---- */

/* A problem as text, to tell whether it was there before. */
static void describe(rf_str *out, const rf_step *step) {
    const rf_problem *p = &step->problem;
    rf_str_addf(out, "%s %d %d %d%d", p->op->name, step->direction, p->act, p->half_x, p->half_y);
    for (const rf_attr_spec *spec = p->op->attrs; spec != NULL && spec->name != NULL; spec++)
        for (int part = 0; part < 2; part++) rf_str_addf(out, " %.17g", rf_attr_get(&p->attrs, spec, part));
    for (int i = 0; i < p->inputs; i++)
        rf_str_addf(out, " [%d %d %d %d %d%d]", p->x[i].n, p->x[i].c, p->x[i].h, p->x[i].w, p->need_dx[i],
                    p->accumulate[i]);
}

/* Whether a step's problem occurs for the first time. */
static rf_status is_new(bool *out, validation *all, const rf_step *step) {
    rf_str text = {0};
    *out = false;
    describe(&text, step);
    if (text.failed) return rf_fail(RF_E_MEMORY, "out of memory");
    for (int i = 0; i < all->seen_count; i++)
        if (strcmp(all->seen[i], text.data) == 0) {
            rf_str_free(&text);
            return RF_OK;
        }
    if (all->seen_count == all->seen_capacity) {
        int capacity = all->seen_capacity > 0 ? 2 * all->seen_capacity : 256;
        char **more = rf_resize(all->seen, (size_t)capacity, sizeof *more);
        if (more == NULL) {
            rf_str_free(&text);
            return RF_E_MEMORY;
        }
        all->seen = more;
        all->seen_capacity = capacity;
    }
    all->seen[all->seen_count++] = text.data; /* owned from here on */
    *out = true;
    return RF_OK;
}

static rf_status check_steps(validation *all, const rf_steps *steps, const rf_lowered *lowered,
                             const char *network) {
    for (int i = 0; i < steps->count; i++) {
        const rf_step *step = &steps->steps[i];
        const char *layer = lowered->nodes[step->node].name;
        char label[2 * RF_MAX_NAME];
        bool fresh;
        if (!wanted(all, step->problem.op)) continue;
        RF_TRY(is_new(&fresh, all, step));
        snprintf(label, sizeof label, "%s %s", network, layer != NULL ? layer : "loss");
        if (fresh) RF_TRY(check_choices(all, &step->problem, step->choices, step->choice_count, label));
    }
    return RF_OK;
}

/* The network as it would be trained here, fused and all, at an odd batch size. */
static rf_status check_network(validation *all, const char *name) {
    static const rf_image_shape images = {.channels = 3, .height = 32, .width = 32, .classes = 10};
    rf_model *model = NULL;
    rf_lowered *lowered = NULL;
    rf_steps *steps = NULL;
    rf_status status = rf_model_create(&model, name, images, 0);
    if (status == RF_OK)
        status = rf_lower(&lowered, &(rf_lower_desc){.model = model,
                                                     .batch = 3,
                                                     .training = true,
                                                     .loss = rf_op_find("cross_entropy"),
                                                     .device = all->device});
    if (status == RF_OK && all->args->half) status = rf_store_halves(lowered, all->device);
    if (status == RF_OK) status = rf_steps_create(&steps, lowered, model, true, all->device, NULL);
    if (status == RF_OK) status = check_steps(all, steps, lowered, name);
    rf_steps_free(steps);
    rf_lowered_free(lowered);
    rf_model_free(model);
    return status;
}

static rf_status check_everything(validation *all) {
    const rf_op *op;
    for (size_t i = 0; (op = rf_op_at(i)) != NULL; i++)
        if (wanted(all, op)) RF_TRY(check_cases(all, op));
    for (const char *const *name = rf_model_names(); *name != NULL && !all->args->quick; name++)
        RF_TRY(check_network(all, *name));
    return RF_OK;
}

/* ---- the answer ---- */

static rf_status print_as_table(const validation *all) {
    static const char *const heading[] = {"op", "direction", "solver", "cases", "error/tolerance",
                                          "",   "worst case"};
    rf_table table;
    rf_table_begin(&table, "lllrrll");
    for (size_t i = 0; i < RF_COUNT(heading); i++) rf_table_cell(&table, "%s", heading[i]);
    for (int i = 0; i < all->count; i++) {
        const result_row *row = &all->rows[i];
        rf_table_cell(&table, "%s", row->op);
        rf_table_cell(&table, "%s", rf_direction_names[row->direction]);
        rf_table_cell(&table, "%s", row->solver);
        rf_table_cell(&table, "%d", row->cases);
        rf_table_cell(&table, "%.3f", row->worst);
        rf_table_cell(&table, "%s", row->failed > 0 ? "FAILED" : "ok");
        rf_table_cell(&table, "%s%s%s", row->where, row->message[0] != '\0' ? ": " : "", row->message);
    }
    rf_print_line("device   %s", rf_device_describe(all->device)->name);
    putchar('\n');
    RF_TRY(rf_table_end(&table, stdout));
    if (all->count == 0) puts("nothing to check: the reference is what others are checked against");
    return RF_OK;
}

static rf_status print_as_json(const validation *all) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "device", rf_device_describe(all->device)->name);
    rf_json_open(&json, "results", '[');
    for (int i = 0; i < all->count; i++) {
        const result_row *row = &all->rows[i];
        rf_json_open(&json, NULL, '{');
        rf_json_string(&json, "op", row->op);
        rf_json_string(&json, "direction", rf_direction_names[row->direction]);
        rf_json_string(&json, "solver", row->solver);
        rf_json_count(&json, "cases", (uint64_t)row->cases);
        rf_json_count(&json, "failed", (uint64_t)row->failed);
        rf_json_number(&json, "worst", row->worst);
        rf_json_string(&json, "worst_case", row->where);
        rf_json_string(&json, "message", row->message);
        rf_json_close(&json);
    }
    return rf_json_write(&json, "-");
}

static rf_status judge(const validation *all) {
    int failed = 0, cases = 0;
    const result_row *first = NULL;
    for (int i = 0; i < all->count; i++) {
        failed += all->rows[i].failed;
        cases += all->rows[i].cases;
        if (first == NULL && all->rows[i].failed > 0) first = &all->rows[i];
    }
    if (first == NULL) return RF_OK;
    return rf_fail(RF_E_FAILED,
                   "%d of %d cases are not as on the reference, first %s on '%s'; until that is fixed, "
                   "RANGEFINDER_QUARANTINE=%s keeps it from being used",
                   failed, cases, first->solver, first->where, first->solver);
}

static rf_status validate_main(void *given, char **operands) {
    (void)operands;
    const validate_args *args = given;
    validation all = {.args = args};
    RF_TRY(rf_open_device(&all.device, args->device));
    rf_progress_begin(&all.progress, !args->common.quiet && !args->common.no_progress);
    rf_status status = check_everything(&all);
    rf_progress_end(&all.progress);
    if (status == RF_OK) status = (args->json ? print_as_json : print_as_table)(&all);
    if (status == RF_OK) status = judge(&all);
    for (int i = 0; i < all.seen_count; i++) free(all.seen[i]);
    free(all.seen);
    free(all.rows);
    rf_device_close(all.device);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder validate --device gpu", "every kernel of the GPU against the reference"},
    {"rangefinder validate --op conv --quick", "the small cases of one op"},
    {NULL},
};

const rf_command rf_command_validate = {
    .name = "validate",
    .examples = examples,
    .summary = "Check every kernel of a device against the reference",
    .details =
        "Runs every solver that suits the device, of every op, forward and backward, on sample cases "
        "and on the "
        "shapes of all built-in networks. The error is given in units of the tolerance that the length "
        "of its sums allows: up "
        "to 1 is "
        "right. Exit code 1 where one disagrees.",
    .options = options,
    .args_size = sizeof(validate_args),
    .run = validate_main,
};
