/* Linear layers and 1x1 convolutions as one matrix product by CLBlast: kernels/conv/clblast.cl around rf_emit_gemm.
 *
 * In BLAS's column-major order, with P pixels: x is C x P, y and dy are K x P, the weights W are K x C.
 *   forward          y = W x, then bias and activation
 *   backward_params  dW = dy x^T
 *   backward_data    dx = W^T dy, or dx += it
 * W is stored in panels of 16 outputs, and is copied to a matrix and back. A strided batch of products of 16 rows needs
 * no copy, but was far slower: 64 channels to 64 of 8192 pixels, on two cores of a Xeon under PoCL, 0.7 GFLOP/s forward
 * against 6.2, both with CLBlast's own parameters; the batch for dW crashes there, and dx has none. */
#include "op/conv/conv.h"

/* Never by default: on CPUs our kernels are several times as fast, and no GPU was tried. */
static bool preferred(const rf_problem *problem, rf_direction direction, const rf_device_info *info) {
    (void)problem, (void)direction, (void)info;
    return false;
}

static rf_family family_of(const rf_device_info *info) {
    return info->kind == RF_DEVICE_CPU ? RF_TILE : RF_GROUP;
}

static size_t pixels_of(const rf_conv *v) {
    return (size_t)v->n * v->oh * v->ow;
}

/* ---- the scratch ---- */

enum { ROWS = 256 }; /* of dy, that are summed together for the bias gradient */

/* The product, without its buffers, and the layout of the workspace behind CLBlast's temporary memory: offsets in
 * floats. */
typedef struct layout {
    rf_gemm gemm;
    size_t weights_at, dy_at, bias_at, floats;
    int parts; /* of the bias gradient */
} layout;

static layout layout_of(const rf_conv *v, rf_direction direction, const rf_device_info *info) {
    const size_t pixels = pixels_of(v), c = (size_t)v->c, k = (size_t)v->k;
    layout l = {.gemm = {.m = k, .n = pixels, .k = c}};
    rf_matrix *weights = &l.gemm.a, *dy = &l.gemm.b;
    if (direction == RF_BACKWARD_DATA) l.gemm = (rf_gemm){.m = c, .n = pixels, .k = k, .a.transposed = true};
    if (direction == RF_BACKWARD_PARAMS) {
        l.gemm = (rf_gemm){.m = k, .n = c, .k = pixels, .b.transposed = true};
        weights = &l.gemm.c;
        dy = &l.gemm.a;
    }
    const bool masked = direction != RF_FORWARD && v->act;
    weights->at = 1; /* not 0: CLBlast may copy a matrix that has an offset */
    if (masked) dy->at = 1;
    l.weights_at = weights->at = rf_ceil_div(rf_gemm_work(info->device, &l.gemm), sizeof(float));
    l.dy_at = l.weights_at + k * c;
    if (masked) dy->at = l.dy_at;
    l.bias_at = l.dy_at + (masked ? rf_masked_floats(v) : 0);
    if (direction == RF_BACKWARD_PARAMS && v->bias) l.parts = (int)rf_ceil_div(pixels, ROWS);
    l.floats = l.bias_at + (size_t)l.parts * k;
    return l;
}

/* A stride or a larger kernel would need im2col. Offsets in work have 32 bits. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_conv v = rf_conv_of(problem);
    bool fits = rf_gemm_is_there(info->device) && v.groups == 1 && v.r * v.s == 1 && !v.pad.y && !v.pad.x &&
                v.stride.y * v.stride.x == 1 && rf_indexable(problem, info);
    for (int direction = RF_FORWARD; direction < RF_DIRECTIONS && fits; direction++)
        fits = layout_of(&v, (rf_direction)direction, info).floats <= INT32_MAX;
    return fits;
}

#define WORKSPACE(name, direction)                                                                           \
    static size_t name(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {     \
        const rf_conv v = rf_conv_of(problem);                                                               \
        (void)config;                                                                                        \
        return layout_of(&v, direction, info).floats * sizeof(float);                                        \
    }
WORKSPACE(forward_work, RF_FORWARD)
WORKSPACE(backward_params_work, RF_BACKWARD_PARAMS)
WORKSPACE(backward_data_work, RF_BACKWARD_DATA)

/* ---- the launches ---- */

/* A kernel of clblast.cl: `tasks` tasks that move `cost` floats each. */
static rf_status emit(rf_sequence *sequence, const rf_device_info *info, rf_launch_desc *desc, size_t tasks,
                      size_t cost) {
    char options[RF_OPTIONS];
    desc->program = "clblast";
    desc->options = rf_family_options(options, family_of(info), info, "-DROWS=%d", ROWS);
    desc->bytes = 4.0 * (double)tasks * (double)cost;
    rf_family_spread(desc, family_of(info), info, tasks, cost);
    return rf_emit(sequence, desc);
}

/* Of vectors of outputs. */
static size_t vectors_of(const rf_conv *v, const rf_device_info *info) {
    return rf_ceil_div((size_t)v->k, (size_t)rf_family_vector(family_of(info), info));
}

static size_t panel_rows(const rf_conv *v) {
    return rf_ceil_div((size_t)v->k, RF_PANEL) * (size_t)v->c;
}

static rf_status emit_unpack(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v,
                             const rf_tensors *t, size_t at) {
    rf_launch_desc desc = {
        .kernel = "unpack",
        .args = {RF_BUF(t->param[0]), RF_BUF(t->work), RF_I32(at), RF_I32(v->c), RF_I32(v->k)}};
    return emit(sequence, info, &desc, panel_rows(v), 2 * RF_PANEL);
}

/* The gradient before a fused activation. */
static rf_status emit_dy(rf_buffer **dy, rf_sequence *sequence, const rf_device_info *info, const rf_conv *v,
                         const rf_tensors *t, const layout *l) {
    *dy = v->act ? t->work : t->dy;
    return v->act ? rf_emit_mask(sequence, info, family_of(info), v, t, l->dy_at) : RF_OK;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    const rf_conv v = rf_conv_of(problem);
    const size_t vectors = vectors_of(&v, info);
    layout l = layout_of(&v, RF_FORWARD, info);
    (void)config;
    l.gemm.a.buffer = l.gemm.work = t->work;
    l.gemm.b.buffer = t->x[0];
    l.gemm.c.buffer = t->y;
    RF_TRY(emit_unpack(sequence, info, &v, t, l.weights_at));
    RF_TRY(rf_emit_gemm(sequence, &l.gemm));
    if (!v.bias && !v.act) return RF_OK;
    rf_launch_desc desc = {.kernel = "finish",
                           .args = {RF_BUF(t->y), RF_BUF(v.bias ? t->param[1] : NULL), RF_I32(pixels_of(&v)),
                                    RF_I32(v.k), RF_I32(v.act)}};
    return emit(sequence, info, &desc, pixels_of(&v) * vectors, 2 * rf_ceil_div((size_t)v.k, vectors));
}

static rf_status emit_bias_gradient(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v,
                                    const rf_tensors *t, const rf_matrix *dy, const layout *l) {
    const size_t vectors = vectors_of(v, info);
    rf_launch_desc desc = {.kernel = "sum",
                           .args = {RF_BUF(dy->buffer), RF_I32(dy->at), RF_BUF(t->work), RF_I32(l->bias_at),
                                    RF_I32(pixels_of(v)), RF_I32(v->k)}};
    RF_TRY(
        emit(sequence, info, &desc, (size_t)l->parts * vectors, ROWS * rf_ceil_div((size_t)v->k, vectors)));
    return rf_emit_reduce(sequence, info, family_of(info), v, t,
                          &(rf_partials){.at = l->bias_at, .biases = (size_t)v->k, .parts = l->parts});
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    const rf_conv v = rf_conv_of(problem);
    layout l = layout_of(&v, RF_BACKWARD_PARAMS, info);
    (void)config;
    RF_TRY(emit_dy(&l.gemm.a.buffer, sequence, info, &v, t, &l));
    l.gemm.b.buffer = t->x[0];
    l.gemm.c.buffer = l.gemm.work = t->work;
    RF_TRY(rf_emit_gemm(sequence, &l.gemm));
    rf_launch_desc desc = {
        .kernel = "pack",
        .args = {RF_BUF(t->work), RF_I32(l.weights_at), RF_BUF(t->grad[0]), RF_I32(v.c), RF_I32(v.k)}};
    RF_TRY(emit(sequence, info, &desc, panel_rows(&v), 2 * RF_PANEL));
    return v.bias ? emit_bias_gradient(sequence, info, &v, t, &l.gemm.a, &l) : RF_OK;
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    const rf_conv v = rf_conv_of(problem);
    layout l = layout_of(&v, RF_BACKWARD_DATA, info);
    (void)config;
    if (!problem->need_dx[0]) return RF_OK;
    RF_TRY(emit_unpack(sequence, info, &v, t, l.weights_at));
    RF_TRY(emit_dy(&l.gemm.b.buffer, sequence, info, &v, t, &l));
    l.gemm.a.buffer = l.gemm.work = t->work;
    l.gemm.c.buffer = t->dx[0];
    l.gemm.beta = problem->accumulate[0] ? 1 : 0;
    return rf_emit_gemm(sequence, &l.gemm);
}

#define SOLVER(direction_, work, function)                                                                   \
    [direction_] = {.name = "clblast",                                                                       \
                    .direction = direction_,                                                                 \
                    .devices = RF_DEVICE_CPU | RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR,                        \
                    .rank = 5,                                                                               \
                    .applicable = applicable,                                                                \
                    .preferred = preferred,                                                                  \
                    .workspace = work,                                                                       \
                    .prepare = function}
const rf_solver rf_clblast[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, forward_work, forward),
    SOLVER(RF_BACKWARD_PARAMS, backward_params_work, backward_params),
    SOLVER(RF_BACKWARD_DATA, backward_data_work, backward_data),
};
