/* slice: the channels begin .. end-1.  pad_channels: channels of zeros before and after those of x, the gradient of a slice. */
#include <string.h>

#include "op/rows.h"

/* ---- reference ---- */

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const int begin = problem->attrs.begin, end = problem->attrs.end;
    RF_TRY(rf_check_map(problem, true));
    if (begin >= end || end > x.c)
        return rf_fail(RF_E_SHAPE, "slice: channels %d to %d of %d: begin < end <= %d is needed", begin, end,
                       x.c, x.c);
    problem->y = x;
    problem->y.c = end - begin;
    return RF_OK;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t from = (size_t)problem->x[0].c, to = (size_t)problem->y.c;
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel)
        memcpy(a->y + pixel * to, a->x[0] + pixel * from + problem->attrs.begin, to * sizeof(float));
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t width = (size_t)problem->y.c, channels = (size_t)problem->x[0].c;
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel) {
        float *dx = a->dx[0] + pixel * channels;
        if (!problem->accumulate[0]) memset(dx, 0, channels * sizeof *dx);
        for (size_t c = 0; c < width; ++c) dx[(size_t)problem->attrs.begin + c] += a->dy[pixel * width + c];
    }
}

static rf_status pad_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const int64_t channels = (int64_t)x.c + problem->attrs.begin + problem->attrs.end;
    RF_TRY(rf_check_map(problem, true));
    if (channels > INT32_MAX) return rf_fail(RF_E_SHAPE, "pad_channels: more than %d channels", INT32_MAX);
    problem->y = x;
    problem->y.c = (int)channels;
    return RF_OK;
}

static void pad_forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t from = (size_t)problem->x[0].c, to = (size_t)problem->y.c;
    memset(a->y, 0, rf_shape_count(problem->y) * sizeof *a->y);
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel)
        memcpy(a->y + pixel * to + problem->attrs.begin, a->x[0] + pixel * from, from * sizeof(float));
}

static void pad_backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t width = (size_t)problem->x[0].c, channels = (size_t)problem->y.c;
    for (size_t i = 0; i < rf_shape_count(problem->x[0]); ++i)
        a->dx[0][i] = a->dy[i / width * channels + (size_t)problem->attrs.begin + i % width] +
                      (problem->accumulate[0] ? a->dx[0][i] : 0);
}

/* ---- solvers ---- */

/* All channels of a map; and those from one on. */
static rf_rows whole(rf_shape shape, rf_buffer *buffer) {
    return (rf_rows){.buffer = buffer, .stride = (size_t)shape.c};
}
static rf_rows from_channel(int begin, rf_shape shape, rf_buffer *buffer) {
    return (rf_rows){.buffer = buffer, .offset = (size_t)begin, .stride = (size_t)shape.c};
}

/* The narrow map's channels are those of the wide one from begin on: cuts them out, or puts them between zeros. */
static rf_status emit_cut(rf_sequence *sequence, const rf_device_info *info, rf_family family, int begin,
                          rf_shape wide, rf_buffer *from, rf_shape narrow, rf_buffer *to, bool accumulate) {
    const rf_rows out = whole(narrow, to);
    return rf_emit_rows(sequence, info, family, out, from_channel(begin, wide, from),
                        accumulate ? out : (rf_rows){NULL}, rf_shape_pixels(wide), (size_t)narrow.c,
                        RF_ACT_NONE);
}

static rf_status emit_spread(rf_sequence *sequence, const rf_device_info *info, rf_family family, int begin,
                             rf_shape narrow, rf_buffer *from, rf_shape wide, rf_buffer *to,
                             bool accumulate) {
    const rf_rows out = from_channel(begin, wide, to);
    const size_t rows = rf_shape_pixels(wide);
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "slice",
        .kernel = "spread",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(from), RF_BUF(to), RF_I32(rows), RF_I32(wide.c), RF_I32(begin), RF_I32(narrow.c)},
        .bytes = (double)((rf_shape_count(wide) + rf_shape_count(narrow)) * sizeof(float)),
    };
    if (accumulate)
        return rf_emit_rows(sequence, info, family, out, whole(narrow, from), out, rows, (size_t)narrow.c,
                            RF_ACT_NONE);
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, rows, (size_t)wide.c);
    else
        rf_family_spread(&desc, family, info, rf_shape_count(wide), 1);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit_cut(sequence, info, family, problem->attrs.begin, problem->x[0], t->x[0], problem->y, t->y,
                    false);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    return emit_spread(sequence, info, family, problem->attrs.begin, problem->y, t->dy, problem->x[0],
                       t->dx[0], problem->accumulate[0]);
}

static rf_status pad_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                   const rf_device_info *info, const rf_tensors *t, rf_family family) {
    return emit_spread(sequence, info, family, problem->attrs.begin, problem->x[0], t->x[0], problem->y, t->y,
                       false);
}

static rf_status pad_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    return emit_cut(sequence, info, family, problem->attrs.begin, problem->y, t->dy, problem->x[0], t->dx[0],
                    problem->accumulate[0]);
}

RF_SOLVER_PAIR(slice_f, "slice", RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(slice_b, "slice", RF_BACKWARD_DATA, RF_HALF_ALIKE, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&slice_f_tile, &slice_f_group, &slice_b_tile, &slice_b_group,
                                           NULL};
RF_SOLVER_PAIR(pad_f, "pad_channels", RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, pad_forward_build)
RF_SOLVER_PAIR(pad_b, "pad_channels", RF_BACKWARD_DATA, RF_HALF_ALIKE, rf_indexable, NULL, pad_backward_build)
static const rf_solver *const pad_solvers[] = {&pad_f_tile, &pad_f_group, &pad_b_tile, &pad_b_group, NULL};

static const rf_case cases[] = {
    {.label = "3 to 8 of 11", .attrs = {.begin = 3, .end = 8}, .x = {{2, 11, 3, 5}}},
    {.label = "first 17 of 40", .attrs = {.end = 17}, .x = {{2, 40, 3, 3}}, .accumulate = true},
    {.label = "last", .attrs = {.begin = 4, .end = 5}, .x = {{3, 5, 1, 1, true}}},
    {.label = "all", .attrs = {.end = 4}, .x = {{2, 4, 2, 3}}},
    {.label = "half of 116 of 28x28",
     .attrs = {.begin = 58, .end = 116},
     .x = {{8, 116, 28, 28}},
     .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "channels 2 to 9 of 8", .attrs = {.begin = 2, .end = 9}, .x = {{1, 8, 2, 2}}},
    {.label = "channels 2 to 2 of 8", .attrs = {.begin = 2, .end = 2}, .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", .attrs = {.end = 2}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR_REQUIRED(begin, INT, 0, INT32_MAX),
                                     RF_ATTR_REQUIRED(end, INT, 1, INT32_MAX), RF_ATTR_END};

const rf_op rf_op_slice = {
    .name = "slice",
    .summary = "the channels from begin to before end",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = attrs,
    .positional = "begin end",
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};

static const rf_case pad_cases[] = {
    {.label = "2 before and 3 after 11", .attrs = {.begin = 2, .end = 3}, .x = {{2, 11, 3, 5}}},
    {.label = "5 after 17", .attrs = {.end = 5}, .x = {{2, 17, 3, 3}}, .accumulate = true},
    {.label = "1 before, flat", .attrs = {.begin = 1}, .x = {{3, 5, 1, 1, true}}},
    {.label = "16 around 32 of 16x16",
     .attrs = {.begin = 16, .end = 16},
     .x = {{8, 32, 16, 16}},
     .large = true},
    {NULL},
};

static const rf_case pad_refused[] = {
    {.label = "the input is flat", .attrs = {.end = 2}, .x = {{1, 8, 2, 2, true}}},
    {.label = "more than 2147483647 channels", .attrs = {.begin = INT32_MAX}, .x = {{1, 8, 2, 2}}},
    {NULL},
};

/* Kept as begin and end. */
static const rf_attr_spec pad_attrs[] = {
    {.name = "before", .type = RF_ATTR_INT, .offset = offsetof(rf_attrs, begin), .max = INT32_MAX},
    {.name = "after", .type = RF_ATTR_INT, .offset = offsetof(rf_attrs, end), .max = INT32_MAX},
    RF_ATTR_END};

const rf_op rf_op_pad_channels = {
    .name = "pad_channels",
    .summary = "channels of zeros before and after the input's",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = pad_attrs,
    .positional = "before after",
    .infer = pad_infer,
    .reference = {[RF_FORWARD] = pad_forward, [RF_BACKWARD_DATA] = pad_backward},
    .solvers = pad_solvers,
    .cases = pad_cases,
    .refused = pad_refused,
};
