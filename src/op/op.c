/* The op table and what every op shares: attributes (defaults, bounds) and the layouts of parameters.  What
 * an op does is told by its own file. */
#include "op/op.h"

#include <string.h>

#include "op/op_list.h"

#define RF_OP_DECLARE(symbol) extern const rf_op rf_op_##symbol;
RF_OP_LIST(RF_OP_DECLARE)
#define RF_OP_ADDRESS(symbol) &rf_op_##symbol,
static const rf_op *const ops[] = {RF_OP_LIST(RF_OP_ADDRESS)};

const char *const rf_direction_names[RF_DIRECTIONS] = {
    [RF_FORWARD] = "forward",
    [RF_BACKWARD_PARAMS] = "backward_params",
    [RF_BACKWARD_DATA] = "backward_data",
};

const rf_op *rf_op_at(size_t index) {
    return index < RF_COUNT(ops) ? ops[index] : NULL;
}

const rf_op *rf_op_find(const char *name) {
    for (size_t i = 0; i < RF_COUNT(ops); ++i)
        if (!strcmp(ops[i]->name, name)) return ops[i];
    return NULL;
}

enum { LITTLE = 32 }; /* one in so many outputs may go to waste */

/* The device as the solver is to see it. */
static rf_device_info seen_by(const rf_solver *solver, const rf_problem *problem,
                              const rf_device_info *info) {
    rf_device_info seen = *info;
    const size_t native = (size_t)info->native_vector_width, general = (size_t)info->vector_width,
                 outputs = (size_t)(solver->direction == RF_BACKWARD_DATA ? problem->x[0].c : problem->y.c);
    if (!solver->native_vectors || native <= general ||
        (rf_round_up(outputs, native) - rf_round_up(outputs, general)) * LITTLE > outputs)
        return seen;
    seen.vector_width = info->native_vector_width;
    return solver->applicable == NULL || solver->applicable(problem, &seen) ? seen : *info;
}

bool rf_solver_suits(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info) {
    return (solver->devices & info->kind) != 0 &&
           (solver->wins == NULL || solver->wins(problem, solver->direction, info));
}

size_t rf_solver_workspace(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                           const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    return solver->workspace ? solver->workspace(problem, &seen, config) : 0;
}

int rf_solver_sums(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                   const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    return solver->sums ? solver->sums(problem, solver->direction, &seen, config) : 0;
}

rf_status rf_solver_prepare(const rf_solver *solver, rf_sequence *sequence, const rf_problem *problem,
                            const rf_device_info *info, const rf_tensors *tensors, const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    return solver->prepare(sequence, problem, &seen, tensors, config);
}

void rf_solver_defaults(rf_config *config, const rf_solver *solver, const rf_problem *problem,
                        const rf_device_info *info) {
    const rf_device_info seen = seen_by(solver, problem, info);
    memset(config, 0, sizeof *config);
    for (int i = 0; i < RF_MAX_TUNABLES && solver->tunables && solver->tunables[i].name; ++i)
        config->value[i] = solver->tunables[i].values[0];
    if (solver->choose) solver->choose(config, problem, &seen);
}

/* ---- attributes ---- */

void rf_attrs_default(rf_attrs *attrs, const rf_op *op) {
    memset(attrs, 0, sizeof *attrs);
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec) {
        void *field = (char *)attrs + spec->offset;
        switch (spec->type) {
        case RF_ATTR_INT:
            *(int *)field = (int)spec->def;
            break;
        case RF_ATTR_BOOL:
            *(bool *)field = spec->def != 0;
            break;
        case RF_ATTR_FLOAT:
            *(double *)field = spec->def;
            break;
        case RF_ATTR_PAIR:
            *(rf_pair *)field = (rf_pair){(int)spec->def, (int)spec->def};
            break;
        }
    }
}

static bool within(const rf_attr_spec *spec, double value) { /* false for NaN; a default may lie outside */
    return (value >= spec->min && value <= spec->max) || (!spec->required && value == spec->def);
}

rf_status rf_attrs_check(const rf_attrs *attrs, const rf_op *op) {
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec) {
        const void *field = (const char *)attrs + spec->offset;
        double value[2];
        switch (spec->type) {
        case RF_ATTR_INT:
            value[0] = value[1] = *(const int *)field;
            break;
        case RF_ATTR_FLOAT:
            value[0] = value[1] = *(const double *)field;
            break;
        case RF_ATTR_PAIR:
            value[0] = ((const rf_pair *)field)->y;
            value[1] = ((const rf_pair *)field)->x;
            break;
        default:
            continue;
        }
        for (int i = 0; i < 2; ++i)
            if (!within(spec, value[i]))
                return rf_fail(RF_E_INPUT, "%s: %s is %g, and must be from %g to %g", op->name, spec->name,
                               value[i], spec->min, spec->max);
    }
    return RF_OK;
}

/* ---- parameters ---- */

size_t rf_param_count(const rf_param_spec *spec) {
    size_t count = 1;
    for (int i = 0; i < spec->rank; ++i) count *= (size_t)spec->dim[i];
    return count;
}

size_t rf_param_storage(const rf_param_spec *spec) {
    if (spec->layout != RF_LAYOUT_PANEL) return rf_param_count(spec);
    return rf_round_up((size_t)spec->shape[0], RF_PANEL) * spec->shape[1] * spec->shape[2] * spec->shape[3];
}

/* Where element (k, c, position) lies in storage; position = r*S + s.  PLAIN has one c and one position. */
static size_t stored_at(const rf_param_spec *spec, size_t k, size_t c, size_t position) {
    const size_t K = (size_t)spec->shape[0], C = (size_t)spec->shape[1];
    const size_t positions = (size_t)spec->shape[2] * spec->shape[3];
    if (spec->layout == RF_LAYOUT_RSCK) return (position * C + c) * K + k;
    if (spec->layout == RF_LAYOUT_PANEL)
        return ((k / RF_PANEL * positions + position) * C + c) * RF_PANEL + k % RF_PANEL;
    return k;
}

/* Walks PyTorch's order (K,C,R,S); `storage` is written from `plain`, or the other way round. */
static void convert(float *storage, float *plain, const rf_param_spec *spec, bool pack) {
    const size_t K = (size_t)spec->shape[0], C = (size_t)spec->shape[1];
    const size_t positions = (size_t)spec->shape[2] * spec->shape[3];
    for (size_t k = 0; k < K; ++k)
        for (size_t c = 0; c < C; ++c)
            for (size_t position = 0; position < positions; ++position, ++plain) {
                float *stored = storage + stored_at(spec, k, c, position);
                if (pack)
                    *stored = *plain;
                else
                    *plain = *stored;
            }
}

void rf_param_pack(float *storage, const float *plain, const rf_param_spec *spec) {
    memset(storage, 0, rf_param_storage(spec) * sizeof *storage);
    convert(storage, (float *)plain, spec, true);
}

void rf_param_unpack(float *plain, const float *storage, const rf_param_spec *spec) {
    convert((float *)storage, plain, spec, false);
}
