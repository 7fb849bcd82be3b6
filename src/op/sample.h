/* A sample: one node on the host with random contents, on which the reference and the solvers can be run and
 * compared. */
#ifndef RF_OP_SAMPLE_H
#define RF_OP_SAMPLE_H

#include "op/op.h"

typedef size_t rf_tensor_count;
typedef struct rf_counts RF_TENSORS(rf_tensor_count) rf_counts;
enum { RF_TENSOR_COUNT = sizeof(rf_arrays) / sizeof(float *) };
_Static_assert(sizeof(rf_counts) / sizeof(size_t) == RF_TENSOR_COUNT,
               "counts and arrays have the same fields");

/* What a direction does with a tensor. */
typedef enum rf_access { RF_ABSENT, RF_READ, RF_WRITTEN } rf_access;

typedef struct rf_sample {
    rf_problem problem;
    rf_param_spec params[RF_MAX_PARAMS], states[RF_MAX_STATES];
    int param_count, state_count;
    bool poisoned;
    union { /* the same numbers by name, and as a list */
        rf_counts counts;
        size_t count[RF_TENSOR_COUNT]; /* floats of each tensor; 0: the node has none */
    };
    union {
        rf_arrays arrays;
        float *data[RF_TENSOR_COUNT]; /* owned; NULL where count is 0 */
    };
} rf_sample;

typedef struct rf_sample_options {
    uint64_t seed;
    float offset; /* added to x[0] */
    bool ties;    /* inputs are rounded to quarters, so that equal ones are frequent */
    bool poison;  /* one element of x[0] and one of dy is NaN */
} rf_sample_options;

/* The problem of a case, its shapes inferred. */
rf_status rf_problem_from_case(rf_problem *problem, const rf_op *op, const rf_case *from);

/* Random inputs, parameters and states in [-1,1) (states in [0.5,1.5)), labels, dy, and dx where it is added
 * to; outputs hold NaN.  options may be NULL. */
rf_status rf_sample_create(rf_sample **out, const rf_problem *problem, const rf_sample_options *options);
size_t rf_sample_bytes(const rf_problem *problem); /* what one takes */
rf_status rf_sample_copy(rf_sample **out, const rf_sample *sample);
void rf_sample_free(rf_sample *sample);

/* Runs the reference of one direction; nothing where it does not exist.  It is given only what
 * rf_sample_access says. */
void rf_sample_run(rf_sample *sample, rf_direction direction);

/* What a direction may touch, as op.h documents it and the plan passes it: x and y in backward only if the op reads
 * them. */
rf_access rf_sample_access(const rf_sample *sample, rf_direction direction, size_t tensor);
/* "x[1]", "param[0]": writes the name of a tensor and returns it. */
const char *rf_sample_name(char name[16], size_t tensor);
/* Whether a device stores it in halves; here all are floats, which rf_sample_round rounds to what halves hold. */
bool rf_sample_is_half(const rf_sample *sample, size_t tensor);
void rf_sample_round(rf_sample *sample);
/* The spec of a tensor that holds a parameter, its gradient or a state; else NULL. */
const rf_param_spec *rf_sample_spec(const rf_sample *sample, size_t tensor);

#endif
