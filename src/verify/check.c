/* Checking a solver against the reference. */
#include "verify/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launch/sequence.h"
#include "verify/check_bn_sums.h"
#include "verify/check_norm.h"

/* Canary words behind every buffer detect writes past its end; as floats, or two halves, they are NaN, which exposes reads. */
enum { CANARY_WORDS = 64 };
static const uint32_t canary = 0x7fc07ead;

typedef struct check {
    rf_device *device; /* borrowed */
    const rf_solver *solver;
    const rf_sample *sample; /* borrowed */
    const rf_problem *asked; /* borrowed, whose activations of batch norms are taken; NULL: any */
    bool normed;             /* x[0] is read through a batch norm */
    rf_config config;
    size_t work_bytes;
    rf_sample *before, *after; /* before the direction, and after it on the reference */
    union {
        rf_tensors tensors;
        rf_buffer *buffer[RF_TENSOR_COUNT];
    };
    float *slack[RF_TENSOR_COUNT]; /* see measure_slack(); NULL before */
    rf_sequence *sequence;
    rf_check_result *result;
} check;

/* What a solver of that direction, with its epilogue, should give. */
static void run_reference(rf_sample *sample, rf_direction direction) {
    if (sample->problem.normed) rf_check_norm_apply(sample);
    rf_sample_run(sample, direction);
    if (direction == RF_BACKWARD_DATA && sample->problem.sums.blocks > 0) rf_check_bn_sums_mask(sample);
}

/* The sample before the solver's direction. */
static rf_status prepare_before(check *c) {
    RF_TRY(rf_sample_copy(&c->before, c->sample));
    rf_sample_round(c->before);
    if (c->normed) RF_TRY(rf_check_norm_ask(c->before, c->asked));
    RF_TRY(rf_check_bn_sums_ask(c->before, c->asked, c->solver, rf_device_describe(c->device), &c->config));
    for (int direction = RF_FORWARD; direction < (int)c->solver->direction; ++direction) {
        rf_sample_run(c->before, (rf_direction)direction);
        rf_sample_round(c->before);
    }
    return RF_OK;
}

static rf_status prepare_samples(check *c) {
    RF_TRY(prepare_before(c));
    RF_TRY(rf_sample_copy(&c->after, c->before));
    run_reference(c->after, c->solver->direction);
    return RF_OK;
}

static void choose_config(check *c, const rf_config *config) {
    const rf_device_info *info = rf_device_describe(c->device);
    rf_problem problem = c->sample->problem;
    problem.normed = c->normed;
    rf_solver_defaults(&c->config, c->solver, &problem, info);
    if (config != NULL) c->config = *config;
    c->work_bytes = rf_solver_workspace(c->solver, &problem, info, &c->config);
}

static void release(check *c) {
    rf_sequence_free(c->sequence);
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) {
        rf_buffer_free(c->buffer[t]);
        free(c->slack[t]);
    }
    rf_sample_free(c->before);
    rf_sample_free(c->after);
}

/* The words that `count` numbers take, and the canaries behind them, which begin within the last word of an odd number of
 * halves. */
static size_t words_of(size_t count, bool half) {
    return (half ? rf_ceil_div(count, 2) : count) + CANARY_WORDS;
}

/* A buffer that holds `count` numbers, NULL meaning NaN, with canaries behind them. */
static rf_status upload(rf_buffer **out, rf_device *device, const float *data, size_t count, bool half) {
    RF_TRY(rf_buffer_create(out, device, words_of(count, half) * sizeof(float)));
    RF_TRY(rf_buffer_fill(*out, canary));
    if (data == NULL || !half)
        return data != NULL ? rf_buffer_write(*out, 0, data, count * sizeof(float)) : RF_OK;
    uint16_t *halves = rf_alloc(count, sizeof *halves);
    if (halves == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < count; ++i) halves[i] = rf_half_from_float(data[i]);
    const rf_status status = rf_buffer_write(*out, 0, halves, count * sizeof *halves);
    free(halves);
    return status;
}

/* Reads `count` numbers back; *intact: the canaries behind them are.  free() *out. */
static rf_status download(float **out, bool *intact, rf_buffer *buffer, size_t count, bool half) {
    const size_t bytes = words_of(count, half) * sizeof(uint32_t), used = count * (half ? 2 : sizeof(float));
    unsigned char *raw = rf_alloc(bytes, 1);
    *out = rf_alloc(count, sizeof **out);
    rf_status status = raw != NULL && *out != NULL ? rf_buffer_read(buffer, 0, raw, bytes) : RF_E_MEMORY;
    *intact = true;
    for (size_t i = used; i < bytes && status == RF_OK; ++i)
        *intact &= raw[i] == ((const unsigned char *)&canary)[i % sizeof canary];
    for (size_t i = 0; i < count && status == RF_OK; ++i) {
        uint16_t number;
        memcpy(half ? (void *)&number : (void *)&(*out)[i], raw + i * (used / count), used / count);
        if (half) (*out)[i] = rf_half_to_float(number);
    }
    free(raw);
    return status;
}

static rf_status run_solver(check *c) {
    const rf_device_info *info = rf_device_describe(c->device);
    const rf_problem *problem = &c->before->problem;
    for (size_t t = 0; t < RF_TENSOR_COUNT; ++t)
        if (rf_sample_access(c->before, c->solver->direction, t) != RF_ABSENT)
            RF_TRY(upload(&c->buffer[t], c->device, c->before->data[t], c->before->count[t],
                          rf_sample_is_half(c->before, t)));
    if (c->work_bytes > 0)
        RF_TRY(upload(&c->tensors.work, c->device, NULL, rf_ceil_div(c->work_bytes, sizeof(float)), false));
    RF_TRY(rf_sequence_create(&c->sequence, c->device));
    rf_sequence_label(c->sequence, "%s %s", problem->op->name, c->solver->name);
    RF_TRY(rf_solver_prepare(c->solver, c->sequence, problem, info, &c->tensors, &c->config));
    RF_TRY(rf_sequence_run(c->sequence));
    return rf_device_sync(c->device);
}

/* ---- comparing ---- */

static double length_of_sums(const rf_sample *sample, size_t tensor) {
    const rf_problem *problem = &sample->problem;
    const rf_param_spec *spec = rf_sample_spec(sample, tensor);
    const double count = (double)(spec ? rf_param_count(spec) : sample->count[tensor]);
    const double flops = problem->op->flops ? problem->op->flops(problem) : 0;
    double terms = (double)sample->counts.y;
    for (int i = 0; i < problem->inputs; ++i) terms = fmax(terms, (double)sample->counts.x[i]);
    if (flops > 0 && (spec == NULL || spec->layout != RF_LAYOUT_PLAIN)) terms = flops / 2;
    return fmax(terms / count, 1);
}

static double root_mean_square(const float *data, size_t count) {
    double sum = 0;
    size_t finite = 0;
    for (size_t i = 0; i < count; ++i)
        if (isfinite(data[i])) {
            sum += (double)data[i] * data[i];
            ++finite;
        }
    return finite > 0 ? sqrt(sum / (double)finite) : 0;
}

static void note(check *c, size_t tensor, size_t element, double error, float expected, float got) {
    rf_check_result *r = c->result;
    if (!(error > r->worst) && r->tensor[0] != '\0') return;
    r->worst = error;
    r->element = element;
    r->expected = expected;
    r->got = got;
    rf_sample_name(r->tensor, tensor);
}

static void trouble(check *c, size_t tensor, const char *what) {
    char name[16];
    if (c->result->trouble[0] == '\0')
        snprintf(c->result->trouble, sizeof c->result->trouble, "%s %s", rf_sample_name(name, tensor), what);
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool holds_bits(const check *c, size_t tensor) {
    return c->sample->problem.op->saved_bits && c->buffer[tensor] == c->tensors.saved;
}

/* How far the reference's own results move where inputs move by a rounding, which is upwards or not at all, so that labels stay:
 * in a batch norm over two pixels that are nearly equal, far. */
static rf_status measure_slack(check *c) {
    const rf_direction direction = c->solver->direction;
    rf_status status = RF_OK;
    for (uint32_t trial = 0; trial < 8 && status == RF_OK; ++trial) {
        rf_sample *moved;
        RF_TRY(rf_sample_copy(&moved, c->before));
        for (size_t t = 0; t < RF_TENSOR_COUNT; ++t) {
            if (rf_sample_access(moved, direction, t) != RF_READ || holds_bits(c, t)) continue;
            for (size_t i = 0; i < moved->count[t]; ++i) {
                const uint64_t key[] = {trial, t, i};
                if (rf_hash(key, sizeof key, 0) >> 63) moved->data[t][i] *= 1 + FLT_EPSILON;
            }
        }
        run_reference(moved, direction);
        for (size_t t = 0; t < RF_TENSOR_COUNT && status == RF_OK; ++t) {
            if (rf_sample_access(moved, direction, t) != RF_WRITTEN) continue;
            if (c->slack[t] == NULL) c->slack[t] = rf_alloc(moved->count[t], sizeof *c->slack[t]);
            if (c->slack[t] == NULL) status = RF_E_MEMORY;
            for (size_t i = 0; status == RF_OK && i < moved->count[t]; ++i)
                c->slack[t][i] = fmaxf(c->slack[t][i], fabsf(moved->data[t][i] - c->after->data[t][i]));
        }
        rf_sample_free(moved);
    }
    return status;
}

static void compare_numbers(check *c, size_t tensor, const float *expected, const float *got, size_t count,
                            const float *weights) {
    const double rms = root_mean_square(expected, count), length = length_of_sums(c->sample, tensor);
    const float *slack = c->slack[tensor];
    /* Halves have 11 bits, and down to 2^-24; a result may be stored more than once on its way. */
    const bool half = rf_sample_is_half(c->sample, tensor);
    const double coarse = half ? 0x1p-11 : 0, least = half ? 0x1p-24 : 1e-30;
    for (size_t i = 0; i < count; ++i) {
        const double tolerance = (16 * FLT_EPSILON * sqrt(length) + coarse) * rms +
                                 (16 * FLT_EPSILON + coarse) * fabsf(expected[i]) +
                                 (slack != NULL ? 4 * slack[i] : 0) + least;
        const bool padding = weights != NULL && weights[i] == 0;
        double error = fabs((double)got[i] - expected[i]) / tolerance;
        if (c->sample->poisoned)
            error = isnan(expected[i]) && !isnan(got[i]) && !padding ? INFINITY : 0;
        else if (!isfinite(expected[i]) || !isfinite(got[i]))
            error = got[i] == expected[i] || (isnan(got[i]) && isnan(expected[i])) ? 0 : INFINITY;
        else if (padding && got[i] != 0)
            error = INFINITY;
        if (error > c->result->worst || i == 0) note(c, tensor, i, error, expected[i], got[i]);
        if (error == INFINITY && padding) trouble(c, tensor, "has padding that is not zero");
    }
}

/* `allowed` words may differ. */
static void compare_bits(check *c, size_t tensor, const float *expected, const float *got, size_t count,
                         size_t allowed, const char *what) {
    for (size_t i = 0; i < count; ++i)
        if (bits_of(expected[i]) != bits_of(got[i]) && allowed-- == 0) {
            trouble(c, tensor, what);
            note(c, tensor, i, INFINITY, expected[i], got[i]);
            return;
        }
}

/* 1 where packing puts a parameter, 0 where it leaves padding; NULL where there is none.  free() it. */
static rf_status find_padding(float **out, const rf_param_spec *spec) {
    *out = NULL;
    if (spec == NULL || rf_param_storage(spec) == rf_param_count(spec)) return RF_OK;
    float *ones = rf_alloc(rf_param_count(spec), sizeof *ones);
    *out = rf_alloc(rf_param_storage(spec), sizeof **out);
    const bool failed = ones == NULL || *out == NULL;
    for (size_t i = 0; !failed && i < rf_param_count(spec); ++i) ones[i] = 1;
    if (!failed) rf_param_pack(*out, ones, spec);
    free(ones);
    return failed ? RF_E_MEMORY : RF_OK;
}

/* The sums against those of what the solver has written. */
static rf_status compare_sums(check *c, size_t tensor, const float *partial) {
    const bool forward = c->solver->direction == RF_FORWARD;
    const size_t count = forward ? c->before->counts.y : c->before->counts.dx[0];
    const bool half = forward ? c->before->problem.half_y : c->before->problem.half_x;
    float expected = 0, got = 0, *map;
    bool intact;
    size_t channel = 0;
    rf_status status = download(&map, &intact, forward ? c->tensors.y : c->tensors.dx[0], count, half);
    if (status == RF_OK && !c->sample->poisoned) {
        const double error = rf_check_bn_sums_compare(c->before, c->solver->direction, map, partial,
                                                      &expected, &got, &channel);
        if (error > c->result->worst) note(c, tensor, channel, error, expected, got);
    }
    free(map);
    return status;
}

static rf_status compare_tensor(check *c, size_t tensor, rf_access access) {
    const bool is_work = c->buffer[tensor] == c->tensors.work,
               is_sums = c->buffer[tensor] == c->tensors.sums[RF_BN_SUMS_PARTIAL];
    const size_t count = is_work ? rf_ceil_div(c->work_bytes, sizeof(float)) : c->before->count[tensor];
    float *got = NULL, *weights = NULL;
    bool intact;
    rf_status status =
        download(&got, &intact, c->buffer[tensor], count, rf_sample_is_half(c->before, tensor));
    if (status == RF_OK) status = find_padding(&weights, rf_sample_spec(c->sample, tensor));
    if (status != RF_OK) goto done;
    if (!intact) trouble(c, tensor, "is written past its end");
    if (is_work) goto done;
    if (is_sums)
        status = compare_sums(c, tensor, got);
    else if (access == RF_READ)
        compare_bits(c, tensor, c->before->data[tensor], got, count, 0, "is written, and may only be read");
    else if (holds_bits(c, tensor))
        compare_bits(c, tensor, c->after->data[tensor], got, count,
                     !c->sample->problem.op->near_ties ? 0
                     : c->sample->poisoned             ? count
                                                       : count / 1000,
                     "differs");
    else
        compare_numbers(c, tensor, c->after->data[tensor], got, count, weights);
done:
    free(got);
    free(weights);
    return status;
}

static rf_status compare_tensors(check *c) {
    rf_status status = RF_OK;
    for (size_t t = 0; t < RF_TENSOR_COUNT && status == RF_OK; ++t)
        if (c->buffer[t] != NULL)
            status = compare_tensor(c, t, rf_sample_access(c->before, c->solver->direction, t));
    return status;
}

static rf_status check_once(rf_check_result *out, rf_device *device, const rf_sample *sample,
                            const rf_problem *asked, const rf_solver *solver, const rf_config *config,
                            bool normed) {
    check c = {.device = device,
               .solver = solver,
               .sample = sample,
               .asked = asked,
               .normed = normed,
               .result = out};
    *out = (rf_check_result){0};
    choose_config(&c, config);
    rf_status status = prepare_samples(&c);
    if (status == RF_OK) status = run_solver(&c);
    if (status == RF_OK) status = compare_tensors(&c);
    if (status == RF_OK && out->worst > 1 && isfinite(out->worst) && out->trouble[0] == '\0') {
        *out = (rf_check_result){0};
        status = measure_slack(&c);
        if (status == RF_OK) status = compare_tensors(&c);
    }
    release(&c);
    return status;
}

rf_status rf_check_sample(rf_check_result *out, rf_device *device, const rf_sample *sample,
                          const rf_solver *solver, const rf_config *config) {
    const bool both = rf_check_norm_applies(solver, &sample->problem, rf_device_describe(device));
    RF_TRY(check_once(out, device, sample, NULL, solver, config, false));
    if (!both || !rf_check_passed(out)) return RF_OK;
    const rf_check_result plain = *out;
    RF_TRY(check_once(out, device, sample, NULL, solver, config, true));
    if (rf_check_passed(out) && plain.worst > out->worst) *out = plain;
    return RF_OK;
}

rf_status rf_check_time(double *out_ms, rf_device *device, const rf_sample *sample, const rf_solver *solver,
                        const rf_config *config, int runs) {
    check c = {.device = device, .solver = solver, .sample = sample};
    *out_ms = INFINITY;
    choose_config(&c, config);
    rf_status status = prepare_before(&c);
    if (status == RF_OK) status = run_solver(&c); /* the first run may compile */
    for (int i = 0; i < runs && status == RF_OK; ++i) {
        const double start = rf_time_ms();
        status = rf_sequence_run(c.sequence);
        if (status == RF_OK) status = rf_device_sync(device);
        *out_ms = RF_MIN(*out_ms, rf_time_ms() - start);
    }
    release(&c);
    return status;
}

rf_status rf_check_solver(rf_check_result *out, rf_device *device, const rf_problem *problem,
                          const rf_solver *solver, const rf_config *config) {
    rf_sample *sample;
    rf_status status = rf_sample_create(&sample, problem, NULL);
    if (status == RF_OK) status = check_once(out, device, sample, problem, solver, config, problem->normed);
    rf_sample_free(sample);
    return status;
}

const char *rf_check_text(char text[192], const rf_check_result *result) {
    int used = 0;
    if (result->trouble[0] != '\0') used = snprintf(text, 192, "%s; ", result->trouble);
    snprintf(text + used, 192 - (size_t)used, "%s[%zu] is %.9g, and should be %.9g (%.3g tolerances)",
             result->tensor, result->element, (double)result->got, (double)result->expected, result->worst);
    return text;
}
