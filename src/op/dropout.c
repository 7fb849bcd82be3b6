/* Dropout: each element is 0 with probability p, else divided by 1-p; at inference it is left alone (Srivastava et al. 2014).
 * dropout2d: the same of the whole maps of channels (Tompson et al. 2015).  Stochastic depth: of whole images (Huang et al. 2016).
 * The mask is not stored: it is a function of the seed, the step and the element, channel or image, by Philox (rf_philox), where
 * the images of all ranks are counted through. */
#include <math.h>

#include "op/family.h"
#include "op/reference.h"

extern const rf_op rf_op_dropout2d, rf_op_stochastic_depth;

static rf_status infer(rf_problem *problem) {
    problem->y = problem->x[0];
    return RF_OK;
}

/* A word's upper 24 bits below this drop the element; what is kept is multiplied by scale. */
static uint32_t limit_of(const rf_problem *problem) {
    return (uint32_t)ceil(problem->attrs.p * 16777216.0);
}
static float scale_of(const rf_problem *problem) {
    return problem->attrs.p < 1 ? (float)(1 / (1 - problem->attrs.p)) : 0;
}

/* ---- reference ---- */

static void masked(const rf_problem *problem, const rf_arrays *a, const float *x, float *y, bool accumulate) {
    const int64_t count = (int64_t)rf_shape_count(problem->y);
    const uint32_t *rng = (const uint32_t *)a->rng, limit = limit_of(problem);
    const float scale = scale_of(problem);
    const int64_t before = count * rng[3]; /* elements of the ranks before */
#pragma omp parallel for num_threads(rf_reference_threads()) if (count > 10000)
    for (int64_t block = before / 4; block < (before + count + 3) / 4; ++block) {
        const uint32_t counter[4] = {(uint32_t)block, problem->id, rng[2], 0}, key[2] = {rng[0], rng[1]};
        uint32_t word[4];
        rf_philox(word, counter, key);
        for (int k = 0; k < 4; ++k) {
            const int64_t i = block * 4 + k - before;
            if (i < 0 || i >= count) continue;
            const float v = x[i] * (word[k] >> 8 >= limit ? scale : 0);
            y[i] = accumulate ? v + y[i] : v;
        }
    }
}

/* The mask of one of this rank's `count` channels or images. */
static float mask_of(const rf_problem *problem, const rf_arrays *a, size_t number, size_t count) {
    const uint32_t *rng = (const uint32_t *)a->rng, key[2] = {rng[0], rng[1]};
    const uint32_t of_all = (uint32_t)(number + rng[3] * count);
    const uint32_t counter[4] = {of_all / 4, problem->id, rng[2], 0};
    uint32_t word[4];
    rf_philox(word, counter, key);
    return word[of_all % 4] >> 8 >= limit_of(problem) ? scale_of(problem) : 0;
}

/* Of whole images. */
static void masked_images(const rf_problem *problem, const rf_arrays *a, const float *x, float *y,
                          bool accumulate) {
    const size_t images = (size_t)problem->y.n, image = rf_shape_count(problem->y) / images;
    for (size_t n = 0; n < images; ++n) {
        const float mask = mask_of(problem, a, n, images);
        for (size_t i = n * image; i < (n + 1) * image; ++i) y[i] = x[i] * mask + (accumulate ? y[i] : 0);
    }
}

static void masked_channels(const rf_problem *problem, const rf_arrays *a, const float *x, float *y,
                            bool accumulate) {
    const size_t images = (size_t)problem->y.n, C = (size_t)problem->y.c,
                 image = rf_shape_count(problem->y) / images;
    for (size_t n = 0; n < images; ++n)
        for (size_t c = 0; c < C; ++c) {
            const float mask = mask_of(problem, a, n * C + c, images * C);
            for (size_t i = n * image + c; i < (n + 1) * image; i += C)
                y[i] = x[i] * mask + (accumulate ? y[i] : 0);
        }
}

static void copy(const rf_problem *problem, const rf_arrays *a) {
    for (size_t i = 0; i < rf_shape_count(problem->y); ++i) a->y[i] = a->x[0][i];
}

#define REFERENCE(symbol, masked)                                                                            \
    static void symbol##_forward(const rf_problem *problem, const rf_arrays *a) {                            \
        if (problem->training)                                                                               \
            masked(problem, a, a->x[0], a->y, false);                                                        \
        else                                                                                                 \
            copy(problem, a);                                                                                \
    }                                                                                                        \
    static void symbol##_backward(const rf_problem *problem, const rf_arrays *a) {                           \
        masked(problem, a, a->dy, a->dx[0], problem->accumulate[0]);                                         \
    }
REFERENCE(dropout, masked)
REFERENCE(dropout2d, masked_channels)
REFERENCE(stochastic_depth, masked_images)

/* ---- solvers ---- */

/* What a work-item of the tile family masks at a time: floats of an image, pixels of one. */
enum { PART = 4096, PART_PIXELS = 256 };

static rf_status emit_masked(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             rf_family family, const rf_tensors *t, rf_buffer *x, rf_buffer *y,
                             bool accumulate) {
    char options[RF_OPTIONS];
    const size_t count = rf_shape_count(problem->y), images = (size_t)problem->y.n, size = count / images;
    rf_launch_desc desc = {.program = "dropout",
                           .kernel = "masked",
                           .options = rf_family_options(options, family, info, "%s", ""),
                           .args = {RF_BUF(x), RF_BUF(y), RF_BUF(t->rng), RF_I32(count), RF_U32(problem->id),
                                    RF_U32(limit_of(problem)), RF_F32(scale_of(problem)), RF_I32(accumulate)},
                           .bytes = (accumulate ? 3.0 : 2.0) * (double)count * sizeof(float)};
    if (problem->op == &rf_op_stochastic_depth) {
        const size_t part = family == RF_TILE ? RF_MIN((size_t)PART, size) : 1;
        desc.kernel = "masked_images";
        desc.args[8] = (rf_arg)RF_I32(size);
        desc.args[9] = (rf_arg)RF_I32(part);
        rf_family_spread(&desc, family, info, images * rf_ceil_div(size, part), part);
    } else if (problem->op == &rf_op_dropout2d) {
        const size_t channels = (size_t)problem->y.c, pixels = size / channels,
                     part = family == RF_TILE ? RF_MIN((size_t)PART_PIXELS, pixels) : 1;
        desc.kernel = "masked_channels";
        desc.args[8] = (rf_arg)RF_I32(channels);
        desc.args[9] = (rf_arg)RF_I32(pixels);
        desc.args[10] = (rf_arg)RF_I32(part);
        rf_family_spread(&desc, family, info, family == RF_TILE ? images * rf_ceil_div(pixels, part) : count,
                         part * channels);
    } else
        rf_family_spread(&desc, family, info, rf_ceil_div(count, family == RF_TILE ? 16 : 4), 64);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    char options[RF_OPTIONS];
    const size_t count = rf_shape_count(problem->y);
    rf_launch_desc copy = {.program = "dropout",
                           .kernel = "copied",
                           .options = rf_family_options(options, family, info, "%s", ""),
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_I32(count)},
                           .bytes = 2.0 * (double)count * sizeof(float)};
    if (problem->training) return emit_masked(sequence, problem, info, family, t, t->x[0], t->y, false);
    if (t->x[0] == t->y) return RF_OK; /* in place: nothing to do */
    rf_family_spread(&copy, family, info, count, 1);
    return rf_emit(sequence, &copy);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    return emit_masked(sequence, problem, info, family, t, t->dy, t->dx[0], problem->accumulate[0]);
}

static const rf_case dropout_cases[] = {
    {.label = "p 0.5", .attrs = {.p = 0.5}, .x = {{2, 3, 5, 7}}},
    {.label = "p 0.1 accumulate", .attrs = {.p = 0.1}, .x = {{5, 37, 1, 1, true}}, .accumulate = true},
    {.label = "p 0", .attrs = {.p = 0}, .x = {{1, 1, 3, 3}}},
    {.label = "p 1", .attrs = {.p = 1}, .x = {{1, 1, 3, 3}}},
    {.label = "p next to 1", .attrs = {.p = 0.99999999}, .x = {{1, 2, 3, 3}}},
    {.label = "inference", .attrs = {.p = 0.5}, .x = {{2, 3, 5, 7}}, .inference = true},
    {.label = "p 0.3 large", .attrs = {.p = 0.3}, .x = {{17, 33, 31, 29}}, .large = true},
    {NULL},
};
static const rf_case stochastic_depth_cases[] = {
    {.label = "7 images, p 0.5", .attrs = {.p = 0.5}, .x = {{7, 3, 3, 5}}},
    {.label = "flat, p 0.2 accumulate", .attrs = {.p = 0.2}, .x = {{9, 13, 1, 1, true}}, .accumulate = true},
    {.label = "p 1", .attrs = {.p = 1}, .x = {{2, 1, 3, 3}}},
    {.label = "inference", .attrs = {.p = 0.5}, .x = {{2, 3, 5, 7}}, .inference = true},
    {.label = "p 0.3 large", .attrs = {.p = 0.3}, .x = {{17, 33, 31, 29}}, .large = true},
    {NULL},
};

static const rf_case dropout2d_cases[] = {
    {.label = "7 images of 19 channels, p 0.5", .attrs = {.p = 0.5}, .x = {{7, 19, 3, 5}}},
    {.label = "flat, p 0.2 accumulate", .attrs = {.p = 0.2}, .x = {{9, 13, 1, 1, true}}, .accumulate = true},
    {.label = "17x18 pixels, accumulate", .attrs = {.p = 0.4}, .x = {{2, 6, 17, 18}}, .accumulate = true},
    {.label = "p 1", .attrs = {.p = 1}, .x = {{2, 1, 3, 3}}},
    {.label = "inference", .attrs = {.p = 0.5}, .x = {{2, 3, 5, 7}}, .inference = true},
    {.label = "p 0.3 large", .attrs = {.p = 0.3}, .x = {{17, 33, 31, 29}}, .large = true},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(p, FLOAT, 0.5, 0, 1), RF_ATTR_END};

#define OP(symbol, summary_)                                                                                 \
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, forward_build)        \
    RF_SOLVER_PAIR(symbol##_b, #symbol, RF_BACKWARD_DATA, RF_HALF_ALIKE, rf_indexable, NULL, backward_build) \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile, &symbol##_f_group,                 \
                                                        &symbol##_b_tile, &symbol##_b_group, NULL};          \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .in_place = true,                                                                                    \
        .training_only = true,                                                                               \
        .attrs = attrs,                                                                                      \
        .positional = "p",                                                                                   \
        .infer = infer,                                                                                      \
        .reference = {[RF_FORWARD] = symbol##_forward, [RF_BACKWARD_DATA] = symbol##_backward},              \
        .solvers = symbol##_solvers,                                                                         \
        .cases = symbol##_cases,                                                                             \
    };
OP(dropout, "in training, zero with probability p, else x / (1 - p)")
OP(dropout2d, "in training, a channel's whole map zero with probability p, else x / (1 - p)")
OP(stochastic_depth, "in training, a whole image's map zero with probability p, else x / (1 - p)")
