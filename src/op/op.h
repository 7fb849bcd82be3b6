/* What an op is: shapes, parameters, the reference in plain C, the solvers for devices, and sample cases.
 *
 * Memory layouts, everywhere on every device (float32; activations float16 where a problem says so):
 *   activations   channels-last: (N,H,W,C)
 *   RF_LAYOUT_PANEL  weights (K,C,R,S) as [ceil(K/16)][R][S][C][16], the last panel padded with zeros, which
 * stay zero: kernels write zero gradients there.  A linear layer on a flattened (C,H,W) map is the same with
 *                 R=H, S=W, so that flattening is free.
 *   RF_LAYOUT_RSCK   weights of grouped convolutions (K,C/groups,R,S) as [R][S][C/groups][K]
 *   RF_LAYOUT_PLAIN  vectors, as they are
 * What a person sees (files, initialisation, flatten order) is PyTorch's (K,C,R,S) and C,H,W. */
#ifndef RF_OP_OP_H
#define RF_OP_OP_H

#include "base/base.h"
#include "kernels/common/act.clh"
#include "launch/sequence.h"
#include "rangefinder/dist.h"

enum { RF_MAX_INPUTS = 8, RF_MAX_PARAMS = 3, RF_MAX_STATES = 2, RF_PANEL = 16, RF_MAX_KERNEL = 64 };

/* A batch of maps.  flat: a person sees it as (N, C*H*W), in PyTorch's order; memory is (N,H,W,C) all the
 * same. */
typedef struct rf_shape {
    int n, c, h, w;
    bool flat;
} rf_shape;
static inline size_t rf_shape_count(rf_shape s) {
    return (size_t)s.n * s.c * s.h * s.w;
}
static inline size_t rf_shape_pixels(rf_shape s) {
    return (size_t)s.n * s.h * s.w;
}

/* Every attribute that any op has, with its type; an op's table says which it takes, their defaults and
 * bounds. */
#define RF_ATTR_MAP(X)                                                                                       \
    X(out, INT)                                                                                              \
    X(kernel, PAIR)                                                                                          \
    X(stride, PAIR)                                                                                          \
    X(pad, PAIR)                                                                                             \
    X(dilation, PAIR)                                                                                        \
    X(groups, INT)                                                                                           \
    X(bias, BOOL)                                                                                            \
    X(size, PAIR)                                                                                            \
    X(p, FLOAT)                                                                                              \
    X(eps, FLOAT)                                                                                            \
    X(momentum, FLOAT)                                                                                       \
    X(slope, FLOAT)                                                                                          \
    X(smoothing, FLOAT)                                                                                      \
    X(count_pad, BOOL)                                                                                       \
    X(ceil, BOOL)                                                                                            \
    X(begin, INT)                                                                                            \
    X(end, INT)                                                                                              \
    X(init, FLOAT)                                                                                           \
    X(affine, BOOL)                                                                                          \
    X(scale, PAIR)                                                                                           \
    X(align_corners, BOOL)                                                                                   \
    X(output_pad, PAIR)                                                                                      \
    X(before, PAIR)                                                                                          \
    X(after, PAIR)                                                                                           \
    X(value, FLOAT)                                                                                          \
    X(replicate, BOOL)                                                                                       \
    X(reflect, BOOL)                                                                                         \
    X(linear, BOOL)                                                                                          \
    X(shared, BOOL)                                                                                          \
    X(each, BOOL)
typedef int rf_attr_INT;
typedef bool rf_attr_BOOL;
typedef double rf_attr_FLOAT;
typedef struct rf_pair {
    int y, x;
} rf_pair;
typedef rf_pair rf_attr_PAIR;
typedef enum rf_attr_type { RF_ATTR_INT, RF_ATTR_BOOL, RF_ATTR_FLOAT, RF_ATTR_PAIR } rf_attr_type;

typedef struct rf_attrs {
#define RF_ATTR_FIELD(name, type) rf_attr_##type name;
    RF_ATTR_MAP(RF_ATTR_FIELD)
#undef RF_ATTR_FIELD
} rf_attrs;

/* One attribute that an op takes: the value is `def` when absent, and what is given must lie in [min, max]. */
typedef struct rf_attr_spec {
    const char *name;
    rf_attr_type type;
    size_t offset;
    double def, min, max;
    bool required;
} rf_attr_spec;
#define RF_ATTR(field, type_, def_, min_, max_) RF_ATTR_AS(#field, field, type_, def_, min_, max_)
/* Under another name than the field's. */
#define RF_ATTR_AS(name_, field, type_, def_, min_, max_)                                                    \
    {                                                                                                        \
        .name = name_, .type = RF_ATTR_##type_, .offset = offsetof(rf_attrs, field), .def = def_,            \
        .min = min_, .max = max_                                                                             \
    }
#define RF_ATTR_REQUIRED(name_, type_, min_, max_)                                                           \
    {                                                                                                        \
        .name = #name_, .type = RF_ATTR_##type_, .offset = offsetof(rf_attrs, name_), .min = min_,           \
        .max = max_, .required = true                                                                        \
    }
#define RF_ATTR_END                                                                                          \
    { .name = NULL }

/* A fused activation, y = act(op(x)); backward gets y and its dy. */
extern const char *const rf_act_names[RF_ACTS]; /* "none", then ops' */

typedef enum rf_direction { RF_FORWARD, RF_BACKWARD_PARAMS, RF_BACKWARD_DATA, RF_DIRECTIONS } rf_direction;
extern const char
    *const rf_direction_names[RF_DIRECTIONS]; /* "forward", "backward_params", "backward_data" */

/* Per-channel sums over the pixels of a map, which the batch norm that reads it needs; the step that writes the map can
 * compute them in its epilogue (op/bn_sums.h). */
typedef struct rf_bn_sums {
    int blocks; /* of pixels, each with its own sums; 0: not wanted */
    rf_act act; /* batch norm's: its gradient is applied to dy */
} rf_bn_sums;

typedef struct rf_op rf_op;

/* One node of a plan, without its memory: the input of shape inference, solver choice and kernels. */
typedef struct rf_problem {
    const rf_op *op;
    rf_attrs attrs;
    rf_act act;
    int inputs;
    rf_shape x[RF_MAX_INPUTS], y;
    bool training;                  /* batch statistics, dropout on */
    bool need_dx[RF_MAX_INPUTS];    /* which input gradients backward_data writes */
    bool accumulate[RF_MAX_INPUTS]; /* dx[i] += instead of dx[i] = */
    bool half_x, half_y; /* x and dx, y and dy are stored in halves (IEEE 754 binary16); all else in floats */
    bool repeated;       /* forward has run before: what it saved is there, and states stay as they are */
    uint32_t id;         /* number of the node: makes the random streams of dropout differ */
    rf_bn_sums sums;     /* computed by this step, or for it: dy of batch norm then is that before act */
    rf_dist *dist;       /* batch norm's statistics are those of all ranks; NULL: of this one */
    /* Batch norm: forward writes `saved` alone, because what reads y computes it while it reads x (graph/defer.h).  That problem
     * is `normed`: x[0] is batch norm's x, and stands for act((x - mean) * scale + shift). */
    bool deferred, normed;
    rf_act norm_act;
} rf_problem;

/* The channels of the labels where images are mixtures of two: all first labels, then all second ones, then the first
 * ones' shares, as floats. */
enum { RF_MIXED_LABELS = 3 };

typedef enum rf_layout { RF_LAYOUT_PLAIN, RF_LAYOUT_PANEL, RF_LAYOUT_RSCK } rf_layout;
typedef enum rf_init {
    RF_INIT_ZERO,
    RF_INIT_ONE,
    RF_INIT_VALUE,
    RF_INIT_FAN_IN
} rf_init; /* FAN_IN: U(-1/sqrt(f), 1/sqrt(f)) */
typedef struct rf_param_spec {
    const char
        *name; /* "weight", "bias", "running_mean": PyTorch's; "": the parameter has the layer's name alone */
    int rank, dim[4]; /* as PyTorch stores it: (K,C,R,S), (out,in), (n) */
    int shape[4];     /* K,C,R,S of the layout; PLAIN: K = length, rest 1 */
    rf_layout layout;
    rf_init init;
    int fan_in;
    float value; /* of VALUE */
} rf_param_spec;
size_t rf_param_count(const rf_param_spec *spec);   /* floats as PyTorch stores it */
size_t rf_param_storage(const rf_param_spec *spec); /* floats as stored by us, padding included */
void rf_param_pack(float *storage, const float *plain, const rf_param_spec *spec);
void rf_param_unpack(float *plain, const float *storage, const rf_param_spec *spec);

/* The memory of one node.  What a direction may touch:
 *   forward          reads x, param, state; writes y, saved, state (training; repeated: not state, and saved alike)
 *   backward_params  reads x, y, dy, param, state, saved; writes grad (and saved)
 *   backward_data    reads x, y, dy, param, state, saved; writes dx[i] where need_dx[i] (runs after
 * backward_params) rf_backward_reads_x and _y say whether backward reads x and y at all.  work:
 * scratch of the solver. rng: {seed low, seed high, step, rank}.  control: the words of kernels/common/control.clh, or
 * NULL; once they say that the run has stopped, forward leaves state as it is.  int32 data (labels) is passed in the
 * same buffers.  sums: see op/bn_sums.h; present where problem->sums.blocks > 0.  norm: the `saved` of the batch norm that
 * is applied to x[0], where problem->normed. */
enum { RF_BN_SUMS_PARTIAL, RF_BN_SUMS_X, RF_BN_SUMS_Y, RF_BN_SUMS_SAVED, RF_MAX_BN_SUMS };
#define RF_TENSORS(T)                                                                                        \
    {                                                                                                        \
        T x[RF_MAX_INPUTS], dx[RF_MAX_INPUTS], y, dy, param[RF_MAX_PARAMS], grad[RF_MAX_PARAMS],             \
            state[RF_MAX_STATES], saved, work, rng, control, sums[RF_MAX_BN_SUMS], norm;                     \
    }
typedef rf_buffer *rf_device_tensor;
typedef float *rf_host_tensor;
typedef struct rf_tensors RF_TENSORS(rf_device_tensor) rf_tensors; /* on a device */
typedef struct rf_arrays RF_TENSORS(rf_host_tensor) rf_arrays;     /* on the host, for the reference */

typedef void rf_reference_fn(const rf_problem *problem, const rf_arrays *arrays);

/* ---- solvers ---- */

/* Whether a solver takes maps that are stored in halves: both x and y, or each for itself. */
typedef enum rf_half { RF_HALF_NEVER, RF_HALF_ALIKE, RF_HALF_EITHER } rf_half;

enum { RF_MAX_TUNABLES = 4 };
typedef struct rf_tunable {
    const char *name;
    int values[8]; /* ended by 0; the first is the default where `choose` does not say otherwise */
} rf_tunable;
typedef struct rf_config {
    int value[RF_MAX_TUNABLES]; /* one for each of the solver's tunables */
} rf_config;

typedef struct rf_solver {
    const char *name; /* "conv_tile": op, family */
    rf_direction direction;
    unsigned devices; /* rf_device_kind bits that it is made for; it must be correct on every kind */
    int rank;         /* the applicable solver of the highest rank is taken, unless tuned otherwise */
    bool (*applicable)(const rf_problem *problem, const rf_device_info *info); /* NULL: always */
    /* Whether it is likely fast for the problem; else it comes after those that are. NULL: always. */
    bool (*preferred)(const rf_problem *problem, rf_direction direction, const rf_device_info *info);
    /* It gets the device's native vectors, even where shorter ones are faster in general, if its outputs (backward
     * data: inputs) fill both equally. */
    bool native_vectors;
    rf_half half;
    bool takes_residual;        /* of an op that has an input for it only where lowering fuses one */
    bool takes_norm;            /* it can read x[0] through a batch norm (problem.normed) */
    const rf_tunable *tunables; /* ended by name NULL; or NULL */
    void (*choose)(rf_config *config, const rf_problem *problem,
                   const rf_device_info *info); /* defaults; or NULL */
    size_t (*workspace)(const rf_problem *problem, const rf_device_info *info,
                        const rf_config *config); /* bytes */
    int (*sums)(
        const rf_problem *problem, rf_direction direction, const rf_device_info *info,
        const rf_config *config); /* blocks of bn_sums that it computes, of y or dx[0]; 0 or NULL: none */
    rf_status (*prepare)(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *tensors, const rf_config *config);
} rf_solver;

/* The solver's untuned tunables: the first values, then those of `choose`. */
void rf_solver_defaults(rf_config *config, const rf_solver *solver, const rf_problem *problem,
                        const rf_device_info *info);
/* How well a solver matches a problem on a device, best last. */
typedef enum rf_match {
    RF_MATCH_NONE,  /* it cannot, or may not */
    RF_MATCH_OTHER, /* correct, but made for other kinds of device */
    RF_MATCH_SLOW,  /* made for this kind, but not likely fast here */
    RF_MATCH_FAST
} rf_match;
/* The match without quarantine and environment. */
rf_match rf_solver_claim(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info);
/* Whether a device may run this direction of a problem by the solver, and how well: the one place that decides.  None
 * where the solver or the op is quarantined, on the reference, and where $RANGEFINDER_SOLVER names the reference. */
rf_match rf_solver_match(const rf_solver *solver, const rf_problem *problem, rf_direction direction,
                         const rf_device *device);
/* Whether $RANGEFINDER_SOLVER, a comma-separated list of solvers' names or of families ("conv_group", "group",
 * "reference"), holds the name, or the family that the name ends in. */
bool rf_is_forced(const char *name);
/* Its workspace function's result; 0 where it has none. */
size_t rf_solver_workspace(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                           const rf_config *config);
int rf_solver_sums(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                   const rf_config *config);
rf_status rf_solver_prepare(const rf_solver *solver, rf_sequence *sequence, const rf_problem *problem,
                            const rf_device_info *info, const rf_tensors *tensors, const rf_config *config);

/* ---- the op ---- */
typedef struct rf_case { /* a sample for op_conformance and validate */
    const char *label;   /* "5x5 stride 2 odd" */
    rf_attrs attrs;      /* complete: defaults are not filled in; use op tables' macros */
    rf_act act;
    int inputs; /* 0: the op's minimum */
    rf_shape x[4];
    bool accumulate; /* for every dx */
    bool inference;  /* training is false: forward only */
    float offset;    /* added to x[0], to test sums that cancel */
    bool large;      /* left out of quick runs (Oclgrind, self-check) */
} rf_case;

/* When something may be fused into an op's output. */
typedef enum rf_fusible { RF_NEVER, RF_AT_INFERENCE, RF_ALWAYS } rf_fusible;

struct rf_op {
    const char *name, *summary;
    int inputs_min, inputs_max;
    int label_input; /* index+1 of the input that holds int32 class labels; 0: none */
    bool is_loss;    /* y is one number: the mean loss of the batch */
    bool x_in_backward, y_in_backward;
    bool
        in_place; /* y may share x[0]'s memory, and dx[0] dy's, where nothing else reads the overwritten one */
    bool params_first;  /* backward_data needs what backward_params saves */
    bool alias;         /* y is x[0] in memory (flatten): no kernels */
    bool training_only; /* y is x[0] at inference: lowering leaves it out */
    bool x_above_zero;  /* else there is no result: samples of x[0] are from 1 to 3 */
    bool is_sum; /* of its inputs: every dx[i] is dy as it is, no kernel where the memory can be shared */
    const rf_attr_spec *attrs;
    const char
        *positional; /* attributes that the model language takes without a name, in order: "out kernel" */
    /* Sets problem->y from x and attrs; errors RF_E_SHAPE say the numbers ("input is 3x3, kernel 5x5 needs
     * 5x5"). */
    rf_status (*infer)(rf_problem *problem);
    int (*params)(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]); /* NULL: none */
    int (*states)(const rf_problem *problem, rf_param_spec out[RF_MAX_STATES]); /* NULL: none */
    size_t (*saved)(const rf_problem *problem); /* floats kept from forward to backward; NULL: none */
    bool saved_bits;                            /* they hold packed integers: compared bit by bit */
    bool
        near_ties; /* saved_bits are argmax indices of sums: of values equal up to rounding, or NaN, any may differ */
    bool pools; /* y is the result max-pooled by windows of 2x2 */
    /* What lowering may fuse into its output, where the device has solvers for the whole. */
    rf_fusible takes_act;      /* y = act(op(x)) */
    rf_fusible takes_residual; /* y = act(op(x[0]) + x[1]); backward does not read x[1] */
    bool act_from_x;           /* without a residual, backward takes act's gradient from x, not from y */
    bool takes_bn_sums;        /* of x[0] in forward, of dy in backward_params (op/bn_sums.h) */
    /* Of an op for two in a row, y = parts[1](act(parts[0](x))), which only lowering creates: the two, and whether it
     * can do the second with those attributes.  NULL of others. */
    const rf_op *parts[2];
    bool (*joins)(const rf_problem *second);
    double (*flops)(const rf_problem *problem); /* of forward; NULL: 0 (a few per element are not counted) */
    rf_reference_fn *reference[RF_DIRECTIONS];  /* NULL: the direction does not exist */
    const rf_solver *const *solvers;            /* ended by NULL */
    const rf_case *cases;                       /* ended by label NULL */
    const rf_case
        *refused; /* invalid cases, ended by label NULL; infer's message contains the label; or NULL */
};

/* What backward reads of a problem. */
static inline bool rf_backward_reads_x(const rf_problem *problem, int input) {
    const rf_op *op = problem->op;
    return op->label_input == input + 1 || (op->x_in_backward && !(op->takes_residual && input == 1));
}
static inline bool rf_act_from_x(const rf_problem *problem) {
    return problem->op->act_from_x && problem->inputs == 1;
}
static inline bool rf_backward_reads_y(const rf_problem *problem) {
    return problem->op->y_in_backward || (problem->act != RF_ACT_NONE && !rf_act_from_x(problem));
}

const rf_op *rf_op_find(const char *name); /* NULL: no such op */
const rf_op *rf_op_at(size_t index);       /* NULL past the end */
void rf_attrs_default(rf_attrs *attrs, const rf_op *op);
/* Stores without checking: y and x of a pair, y of all else. */
void rf_attr_set(rf_attrs *attrs, const rf_attr_spec *spec, double y, double x);
/* part: 0 is y of a pair, 1 is x; all else has one value. */
double rf_attr_get(const rf_attrs *attrs, const rf_attr_spec *spec, int part);
rf_status rf_attrs_check(const rf_attrs *attrs, const rf_op *op); /* bounds */

/* Whether the first input is a map or, if these are taken, flat features, one a channel.  Errors: RF_E_SHAPE. */
rf_status rf_check_map(const rf_problem *problem, bool or_features);
/* What to do where a map is too small: nearly always the network's images are. */
#define RF_LARGER_IMAGES "; larger images (--image-size, or --input) give larger maps"

#endif
