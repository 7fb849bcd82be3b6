/* Checking sums: blocks merged in double against sums in double over the same numbers. */
#include "verify/check_bn_sums.h"

#include <float.h>
#include <math.h>

#include "op/batch_norm/batch_norm.h"
#include "op/bn_sums.h"
#include "op/reference.h"

static rf_shape map_of(const rf_problem *problem, rf_direction direction) {
    return direction == RF_FORWARD ? problem->y : problem->x[0];
}

static rf_status make(rf_sample *sample, int which, size_t count, rf_random *random) {
    float *data = sample->arrays.sums[which] = rf_alloc(count, sizeof *data);
    if (data == NULL) return RF_E_MEMORY;
    sample->counts.sums[which] = count;
    for (size_t i = 0; i < count; i++) data[i] = random != NULL ? 8 * rf_random_uniform(random) - 1 : NAN;
    return RF_OK;
}

rf_status rf_check_bn_sums_ask(rf_sample *sample, const rf_problem *asked, const rf_solver *solver,
                               const rf_device_info *info, const rf_config *config) {
    rf_problem *problem = &sample->problem;
    const int blocks = problem->training ? rf_solver_sums(solver, problem, info, config) : 0;
    if (blocks == 0) return RF_OK;
    const rf_shape map = map_of(problem, solver->direction);
    rf_random random;
    rf_random_init(&random, 1, 2);
    const rf_act any = problem->accumulate[0] ? RF_ACT_RELU6 : RF_ACT_SILU;
    problem->sums = (rf_bn_sums){.blocks = blocks,
                                 .act = asked != NULL && asked->sums.blocks > 0 ? asked->sums.act : any};
    RF_TRY(make(sample, RF_BN_SUMS_PARTIAL, rf_bn_sums_floats(blocks, map.c), NULL));
    if (solver->direction == RF_FORWARD) return RF_OK;
    RF_TRY(make(sample, RF_BN_SUMS_X, rf_shape_count(map), &random));
    RF_TRY(make(sample, RF_BN_SUMS_SAVED, RF_BN_SAVED * (size_t)map.c, &random));
    return problem->accumulate[0] ? make(sample, RF_BN_SUMS_Y, rf_shape_count(map), &random) : RF_OK;
}

typedef struct merged {
    double rows, first, second;
} merged;

static merged merge(const float *partial, int blocks, int C, int c, bool statistics) {
    merged m = {0, 0, 0};
    for (int b = 0; b < blocks; b++) {
        const double n = partial[blocks * 2 * C + b], first = partial[b * 2 * C + c],
                     second = partial[b * 2 * C + C + c], step = first - m.first;
        m.second += second + (statistics ? step * step * m.rows * n / (m.rows + n) : 0);
        m.first += statistics ? step * n / (m.rows + n) : first;
        m.rows += n;
    }
    if (statistics) m.first *= m.rows;
    return m;
}

/* The gradient before act, as the kernels compute it. */
static double act_gradient(const rf_sample *sample, float dy, size_t at, int C, int c) {
    const rf_arrays *a = &sample->arrays;
    const float *saved = a->sums[RF_BN_SUMS_SAVED], *y = a->sums[RF_BN_SUMS_Y];
    float seen = a->sums[RF_BN_SUMS_X][at] - saved[c];
    seen = seen * saved[4 * C + c];
    const rf_act act = sample->problem.sums.act;
    return rf_act_gradient(dy, y != NULL ? y[at] : rf_act_see(seen + saved[5 * C + c], act), act);
}

void rf_check_bn_sums_mask(rf_sample *sample) {
    const int C = sample->problem.x[0].c;
    for (size_t at = 0; at < sample->counts.dx[0]; at++)
        sample->arrays.dx[0][at] =
            (float)act_gradient(sample, sample->arrays.dx[0][at], at, C, (int)(at % (size_t)C));
}

double rf_check_bn_sums_compare(const rf_sample *sample, rf_direction direction, const float *map,
                                const float *partial, float *expected, float *got, size_t *channel) {
    const rf_shape shape = map_of(&sample->problem, direction);
    const int C = shape.c, rows = (int)rf_shape_pixels(shape);
    const bool statistics = direction == RF_FORWARD;
    double worst = 0;
    for (int c = 0; c < C; c++) {
        const merged m = merge(partial, sample->problem.sums.blocks, C, c, statistics);
        double mean = statistics ? 0 : sample->arrays.sums[RF_BN_SUMS_SAVED][c], sum[2] = {0, 0},
               square[2] = {0, 0}, most[2] = {0, 0}; /* of the sum on its way: what it is rounded by */
        for (int row = 0; row < rows && statistics; row++) mean += map[(size_t)row * C + c] / (double)rows;
        for (int row = 0; row < rows; row++) {
            const size_t at = (size_t)row * C + c;
            const double g = map[at];
            const double term[] = {g, statistics ? (g - mean) * (g - mean)
                                                 : g * (sample->arrays.sums[RF_BN_SUMS_X][at] - mean)};
            for (int i = 0; i < 2; i++) {
                sum[i] += term[i];
                square[i] += term[i] * term[i];
                most[i] = fmax(most[i], fabs(sum[i]));
            }
        }
        const double have[] = {m.first, m.second};
        for (int i = 0; i < 2; i++) {
            double tolerance = 16 * FLT_EPSILON * (sqrt(square[i]) + most[i]) + 1e-30;
            if (statistics) /* a mean of numbers of this size, rounded; squares of distances from such means */
                tolerance +=
                    FLT_EPSILON * (i == 0 ? sqrt(rows * square[0]) : 2 * fabs(mean) * sqrt(rows * sum[1]));
            const double error = m.rows == rows ? fabs(have[i] - sum[i]) / tolerance : INFINITY;
            if (error <= worst) continue;
            worst = error;
            *expected = (float)sum[i];
            *got = (float)have[i];
            *channel = (size_t)i * C + c;
        }
    }
    return worst;
}
