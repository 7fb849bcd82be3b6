/* A plan: a model compiled for a device, a batch size and a purpose; ordered steps in one memory layout. */
#ifndef RF_GRAPH_PLAN_H
#define RF_GRAPH_PLAN_H

#include "graph/autodiff.h"
#include "graph/weights.h"
#include "launch/sequence.h"

typedef struct rf_plan rf_plan;
typedef struct rf_plan_desc {
    rf_device *device; /* borrowed, as all here: outlives the plan */
    const rf_model *model;
    int batch;
    bool training;       /* batch statistics, dropout, and a backward pass */
    const bool *trained; /* of each parameter; NULL: none is frozen; read by rf_plan_create alone */
    const char *loss; /* an op that is a loss; NULL: none; read by rf_plan_create alone, as are the weights */
    double label_smoothing;
    bool mixed;                 /* an image has two labels (RF_MIXED_LABELS) */
    bool half;                  /* maps are stored in halves (storage.h) */
    bool undeferred;            /* every batch norm is applied by itself (defer.h): for tuning, which times each layer alone */
    const float *class_weights; /* of the first class_weight_count classes; the others weigh 1 */
    int class_weight_count;
    float loss_gradient; /* d / d loss that backward starts from: 1, or 1/accumulation steps */
    /* Where the tensors of training need more, activations are computed again (recompute.h); 0: no limit. */
    size_t limit_bytes;
    bool recompute_cheap; /* and where there are many and it costs little */
} rf_plan_desc;

/* Plans without allocating on the device: enough to query steps and sizes. */
rf_status rf_plan_create(rf_plan **out, const rf_plan_desc *desc);
void rf_plan_free(rf_plan *plan);

/* A plan's memory. Borrowed: outlives the plan. */
typedef struct rf_plan_memory {
    rf_weights *weights; /* of the same model; shared between plans */
    rf_buffer *rng;      /* {seed low, seed high, step, rank}, of the dropout ops; may be NULL */
    rf_buffer *control;  /* of the run, which may stop (kernels/common/control.clh); may be NULL */
    rf_dist *dist; /* of whose ranks together batch norm takes the statistics; NULL: of this one alone */
} rf_plan_memory;
/* Allocates; before launches are made. */
rf_status rf_plan_allocate(rf_plan *plan, const rf_plan_memory *memory);

/* The device memory a caller fills or reads: images (N,H,W,C), labels (N), or (RF_MIXED_LABELS,N), int32, scores, the mean loss (1).
 */
rf_buffer *rf_plan_images(const rf_plan *plan);
rf_buffer *rf_plan_labels(const rf_plan *plan);
rf_buffer *rf_plan_scores(const rf_plan *plan);
rf_buffer *rf_plan_loss(const rf_plan *plan);
rf_buffer *rf_plan_loss_gradient(const rf_plan *plan); /* of training; desc.loss_gradient, until written */
bool rf_plan_has_halves(const rf_plan *plan);          /* some maps are stored in halves */
size_t rf_plan_memory_bytes(const rf_plan *plan);
size_t rf_plan_largest_bytes(const rf_plan *plan); /* of them, in one allocation */
/* What recomputation saves and costs. */
typedef struct rf_plan_repeats {
    size_t bytes; /* that the tensors would need without it */
    double share; /* of the forward pass's work that is done twice; 0: none */
} rf_plan_repeats;
rf_plan_repeats rf_plan_repeated(const rf_plan *plan);

/* Appends the launches of the forward (backward) pass.  A solver that does not compile, or whose new kernels disagree
 * with the reference on this device, is replaced by the next one, at last by the reference, and is listed in the
 * device's quarantine. */
rf_status rf_plan_emit_forward(rf_plan *plan, rf_sequence *sequence);
rf_status rf_plan_emit_backward(rf_plan *plan, rf_sequence *sequence);

/* Runs each of the steps first .. end-1 alone, the last one first, on undefined contents, to compile what the driver
 * caches. */
rf_status rf_plan_compile(rf_plan *plan, int first, int end);

/* The steps, for tables: direction, problem, and the solver that was taken (NULL: the reference). */
size_t rf_plan_step_count(const rf_plan *plan);
const rf_step *rf_plan_step(const rf_plan *plan, size_t index, const char **name, const rf_solver **solver);

#endif
