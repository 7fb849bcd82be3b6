/* The steps of a plan over numbered tensors with lifetimes, each with the solvers that may run it. */
#ifndef RF_GRAPH_STEPS_H
#define RF_GRAPH_STEPS_H

#include "graph/arena.h"
#include "graph/choose.h"

/* One direction of one node.  The ids are indices into the tensors; -1: none. */
typedef struct rf_step {
    int node;
    rf_direction direction;
    rf_problem problem; /* with need_dx and accumulate filled in */
    int x[RF_MAX_INPUTS], dx[RF_MAX_INPUTS], y, dy, saved, work, sums[RF_MAX_BN_SUMS], norm;
    /* Gradients in tensors: of frozen parameters, which are computed with others, for nothing; and of shared ones, which are
     * then added to what others wrote. */
    int own_grad[RF_MAX_PARAMS];
    int weight;       /* in the place of the first parameter: computed from it (standardize.h); -1: none */
    const char *part; /* what it computes for its node, where that is no direction of its own; NULL: that is all */
    int bn_sums_from; /* the step that computes the sums for this one; -1: none */
    int repeats;      /* the forward step that this one repeats (recompute.h); -1: none */
    bool converts;    /* y is x[0] in halves or in floats, for another step of the node (storage.h) */
    rf_choice choices[RF_MAX_CHOICES];
    int choice_count;
} rf_step;

typedef struct rf_steps {
    rf_step *steps;
    int count, capacity, backward; /* steps[backward] is the first of the backward pass */
    rf_tensor *tensors;
    int tensor_count, tensor_capacity;
    double repeated; /* the share of the forward pass's work that the backward pass repeats (recompute.h) */
    int images, labels, scores, loss, loss_gradient; /* tensors; loss is -1 where there is none */
} rf_steps;

void rf_steps_free(rf_steps *steps);

rf_step rf_step_blank(int node, rf_direction direction); /* without tensors */
/* New tensors, the second one of a map, the third one a parameter of the model or its gradient; -1: no memory. */
int rf_steps_tensor(rf_steps *steps, size_t bytes);
int rf_steps_map(rf_steps *steps, rf_shape shape, bool half);
int rf_steps_parameter(rf_steps *steps, int parameter, bool of_gradient);
void rf_steps_touch(rf_steps *steps, int tensor, int step); /* the tensor lives then; -1: nothing */
/* Appends a step, and extends the lifetimes of the tensors that it uses. */
rf_status rf_steps_add(rf_steps *steps, const rf_step *step);
/* Chooses solvers, and appends the step with its workspace.  Where the best solver takes floats alone, maps in halves are converted
 * before and after it, by steps of their own. */
rf_status rf_steps_append(rf_steps *steps, rf_step *step, rf_device *device, const rf_tuning *tuning);
/* Whether a forward step would be appended without conversions. */
bool rf_steps_takes_maps(const rf_problem *problem, rf_device *device, const rf_tuning *tuning);

#endif
