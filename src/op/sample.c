/* Samples: a node's tensors on the host, filled from the counter-based generator. */
#include "op/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tensors by number ---- */

#define FIRST(field) (offsetof(rf_arrays, field) / sizeof(float *))
#define FIELD_MAP(X)                                                                                         \
    X(x) X(dx) X(y) X(dy) X(param) X(grad) X(state) X(saved) X(work) X(rng) X(control) X(sums) X(norm)
typedef enum field {
#define FIELD_ENUM(name) FIELD_##name,
    FIELD_MAP(FIELD_ENUM)
} field;
static const struct {
    const char *name;
    size_t first, count;
} fields[] = {
#define FIELD_ROW(name) {#name, FIRST(name), sizeof(((rf_arrays *)0)->name) / sizeof(float *)},
    FIELD_MAP(FIELD_ROW)};

static field field_of(size_t tensor, size_t *index) {
    size_t f = 0;
    while (tensor >= fields[f].first + fields[f].count) ++f;
    *index = tensor - fields[f].first;
    return (field)f;
}

const char *rf_sample_name(char name[16], size_t tensor) {
    size_t index;
    const field f = field_of(tensor, &index);
    if (fields[f].count == 1)
        snprintf(name, 16, "%s", fields[f].name);
    else
        snprintf(name, 16, "%s[%zu]", fields[f].name, index);
    return name;
}

const rf_param_spec *rf_sample_spec(const rf_sample *sample, size_t tensor) {
    size_t index;
    const field f = field_of(tensor, &index);
    if (f == FIELD_param || f == FIELD_grad) return &sample->params[index];
    return f == FIELD_state ? &sample->states[index] : NULL;
}

bool rf_sample_is_half(const rf_sample *sample, size_t tensor) {
    size_t index;
    const field f = field_of(tensor, &index);
    return f == FIELD_x || f == FIELD_dx ? sample->problem.half_x
                                         : (f == FIELD_y || f == FIELD_dy) && sample->problem.half_y;
}

void rf_sample_round(rf_sample *sample) {
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        for (size_t i = 0; i < sample->count[t] && rf_sample_is_half(sample, t); ++i)
            sample->data[t][i] = rf_half_to_float(rf_half_from_float(sample->data[t][i]));
}

/* op.h's table of what a direction may touch. */
static const rf_access accesses[RF_DIRECTIONS][RF_COUNT(fields)] = {
    [RF_FORWARD] = {[FIELD_x] = RF_READ,
                    [FIELD_y] = RF_WRITTEN,
                    [FIELD_param] = RF_READ,
                    [FIELD_state] = RF_WRITTEN,
                    [FIELD_saved] = RF_WRITTEN,
                    [FIELD_rng] = RF_READ},
    [RF_BACKWARD_PARAMS] = {[FIELD_x] = RF_READ,
                            [FIELD_y] = RF_READ,
                            [FIELD_dy] = RF_READ,
                            [FIELD_param] = RF_READ,
                            [FIELD_grad] = RF_WRITTEN,
                            [FIELD_state] = RF_READ,
                            [FIELD_saved] = RF_WRITTEN,
                            [FIELD_rng] = RF_READ},
    [RF_BACKWARD_DATA] = {[FIELD_x] = RF_READ,
                          [FIELD_dx] = RF_WRITTEN,
                          [FIELD_y] = RF_READ,
                          [FIELD_dy] = RF_READ,
                          [FIELD_param] = RF_READ,
                          [FIELD_state] = RF_READ,
                          [FIELD_saved] = RF_READ,
                          [FIELD_rng] = RF_READ},
};

rf_access rf_sample_access(const rf_sample *sample, rf_direction direction, size_t tensor) {
    const rf_problem *problem = &sample->problem;
    size_t index;
    const field f = field_of(tensor, &index);
    if (sample->count[tensor] == 0) return RF_ABSENT;
    if (f == FIELD_dx && !problem->need_dx[index]) return RF_ABSENT;
    if (f == FIELD_saved && !problem->training) return RF_ABSENT;
    if (f == FIELD_sums) return index == RF_BN_SUMS_PARTIAL ? RF_WRITTEN : RF_READ;
    if (f == FIELD_norm) return RF_READ;
    if (direction != RF_FORWARD) {
        if (f == FIELD_x && !rf_backward_reads_x(problem, (int)index)) return RF_ABSENT;
        if (f == FIELD_y && !rf_backward_reads_y(problem)) return RF_ABSENT;
    }
    return accesses[direction][f];
}

/* ---- making one ---- */

rf_status rf_problem_from_case(rf_problem *problem, const rf_op *op, const rf_case *from) {
    *problem = (rf_problem){.op = op,
                            .attrs = from->attrs,
                            .act = from->act,
                            .inputs = from->inputs ? from->inputs : op->inputs_min,
                            .training = !from->inference,
                            .id = 7};
    memcpy(problem->x, from->x, sizeof from->x);
    for (int i = 0; i < problem->inputs; ++i) {
        problem->need_dx[i] = problem->training && op->label_input != i + 1;
        problem->accumulate[i] = from->accumulate;
    }
    RF_TRY(rf_attrs_check(&problem->attrs, op));
    return op->infer(problem);
}

static void count_tensors(rf_sample *sample) {
    const rf_problem *problem = &sample->problem;
    const rf_op *op = problem->op;
    rf_counts *counts = &sample->counts;
    for (int i = 0; i < problem->inputs; ++i) counts->x[i] = counts->dx[i] = rf_shape_count(problem->x[i]);
    counts->y = counts->dy = rf_shape_count(problem->y);
    sample->param_count = op->params ? op->params(problem, sample->params) : 0;
    sample->state_count = op->states ? op->states(problem, sample->states) : 0;
    for (int i = 0; i < sample->param_count; ++i)
        counts->param[i] = counts->grad[i] = rf_param_storage(&sample->params[i]);
    for (int i = 0; i < sample->state_count; ++i) counts->state[i] = rf_param_storage(&sample->states[i]);
    counts->saved = op->saved ? op->saved(problem) : 0;
    counts->rng = 4;
}

static void fill_uniform(rf_random *random, float *data, size_t count, float low) {
    for (size_t i = 0; i < count; ++i) data[i] = low + 2 * rf_random_uniform(random);
}

/* Parameters are drawn in PyTorch's order, then packed: padding stays zero. */
static rf_status fill_spec(rf_random *random, float *data, const rf_param_spec *spec, bool state) {
    const size_t count = rf_param_count(spec);
    float *plain = rf_alloc(count, sizeof *plain);
    if (plain == NULL) return RF_E_MEMORY;
    fill_uniform(random, plain, count, -1);
    for (size_t i = 0; i < count && state; ++i) plain[i] = 1 + plain[i] / 2;
    rf_param_pack(data, plain, spec);
    free(plain);
    return RF_OK;
}

static void fill_input(rf_sample *sample, rf_random *random, int i, const rf_sample_options *options) {
    const size_t count = sample->counts.x[i];
    float *x = sample->arrays.x[i];
    if (sample->problem.op->label_input == i + 1) {
        int32_t *labels = (int32_t *)x;
        for (size_t k = 0; k < count; ++k)
            labels[k] = (int32_t)rf_random_below(random, (uint32_t)sample->problem.x[0].c);
        if (sample->problem.x[i].c == RF_MIXED_LABELS)
            for (size_t k = count / 3 * 2; k < count; ++k) x[k] = rf_random_uniform(random);
        return;
    }
    fill_uniform(random, x, count,
                 -1 + (i == 0 ? options->offset + 2 * sample->problem.op->x_above_zero : 0));
    for (size_t k = 0; k < count && options->ties; ++k) x[k] = roundf(x[k] * 4) / 4;
    if (options->poison && i == 0) x[count / 2] = NAN;
}

static rf_status fill(rf_sample *sample, const rf_sample_options *options) {
    rf_arrays *a = &sample->arrays;
    rf_random random;
    rf_random_init(&random, options->seed, 1);
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        for (size_t i = 0; i < sample->count[t]; ++i) sample->data[t][i] = NAN;
    for (int i = 0; i < sample->problem.inputs; ++i) {
        fill_input(sample, &random, i, options);
        if (sample->problem.accumulate[i]) fill_uniform(&random, a->dx[i], sample->counts.dx[i], -1);
    }
    fill_uniform(&random, a->dy, sample->counts.dy, -1);
    if (options->poison) a->dy[sample->counts.dy / 3] = NAN;
    for (int i = 0; i < sample->param_count; ++i)
        RF_TRY(fill_spec(&random, a->param[i], &sample->params[i], false));
    for (int i = 0; i < sample->state_count; ++i)
        RF_TRY(fill_spec(&random, a->state[i], &sample->states[i], true));
    const uint32_t rng[4] = {(uint32_t)options->seed, (uint32_t)(options->seed >> 32), 3, 0};
    memcpy(a->rng, rng, sizeof rng);
    return RF_OK;
}

static rf_status allocate(rf_sample *sample) {
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) {
        sample->data[t] = sample->count[t] > 0 ? rf_alloc(sample->count[t], sizeof(float)) : NULL;
        if (sample->count[t] > 0 && sample->data[t] == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

size_t rf_sample_bytes(const rf_problem *problem) {
    rf_sample sample = {.problem = *problem};
    size_t floats = 0;
    count_tensors(&sample);
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) floats += sample.count[t];
    return floats * sizeof(float);
}

rf_status rf_sample_create(rf_sample **out, const rf_problem *problem, const rf_sample_options *options) {
    const rf_sample_options defaults = {.seed = 1};
    rf_sample *sample = rf_alloc(1, sizeof *sample);
    *out = NULL;
    if (sample == NULL) return RF_E_MEMORY;
    if (options == NULL) options = &defaults;
    sample->problem = *problem;
    sample->problem.sums = (rf_bn_sums){0}; /* it has no batch norm beside it */
    sample->problem.normed = sample->problem.deferred = false;
    sample->poisoned = options->poison;
    count_tensors(sample);
    rf_status status = allocate(sample);
    if (status == RF_OK) status = fill(sample, options);
    if (status == RF_OK)
        *out = sample;
    else
        rf_sample_free(sample);
    return status;
}

rf_status rf_sample_copy(rf_sample **out, const rf_sample *sample) {
    rf_sample *copy = rf_alloc(1, sizeof *copy);
    *out = NULL;
    if (copy == NULL) return RF_E_MEMORY;
    *copy = *sample;
    memset(copy->data, 0, sizeof copy->data);
    if (allocate(copy) != RF_OK) {
        rf_sample_free(copy);
        return RF_E_MEMORY;
    }
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        if (copy->count[t] > 0) memcpy(copy->data[t], sample->data[t], copy->count[t] * sizeof(float));
    *out = copy;
    return RF_OK;
}

void rf_sample_free(rf_sample *sample) {
    if (sample == NULL) return;
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) free(sample->data[t]);
    free(sample);
}

void rf_sample_run(rf_sample *sample, rf_direction direction) {
    rf_reference_fn *reference = sample->problem.op->reference[direction];
    union {
        rf_arrays arrays;
        float *data[RF_TENSOR_COUNT];
    } visible;
    if (reference == NULL) return;
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        visible.data[t] = rf_sample_access(sample, direction, t) != RF_ABSENT ? sample->data[t] : NULL;
    reference(&sample->problem, &visible.arrays);
}
