/* Optimizers: one file each.  An update is a kernel over the flat parameter buffer, and the same in
 * plain C. */
#ifndef RF_OPTIM_OPTIMIZER_H
#define RF_OPTIM_OPTIMIZER_H

#include "device/device.h"
#include "kernels/common/control.clh"
#include "rangefinder/trainer.h"

/* The arrays of an update; see kernels/optimizer.clh. */
typedef struct rf_update {
    float *p, *s0, *s1;
    const float *g;
    float ratio;          /* of this block */
    const float *factors; /* of this step */
    size_t begin, end;    /* floats */
    const rf_optimizer_options *options;
} rf_update;

typedef struct rf_optimizer {
    const char *name, *summary;
    const char *takes;        /* the options that have an effect, besides weight decay: "momentum, alpha" */
    double weight_decay, eps; /* PyTorch's defaults */
    int (*slots)(const rf_optimizer_options *options); /* 0..2 float a parameter */
    /* What changes from step to step, in double and then rounded.  t counts from 1 over the optimizer's whole
     * life. */
    void (*factors)(float out[RF_STEP_FACTORS], const rf_optimizer_options *options, double lr, long t);
    void (*reference)(const rf_update *update);
    const char *kernel; /* in kernels/optimizer.clh */
    /* The kernel's own arguments, behind the common ones; returns how many. */
    int (*args)(rf_arg out[8], const rf_optimizer_options *options);
} rf_optimizer;

/* Every optimizer there is: the only registration. */
#define RF_OPTIMIZER_LIST(X)                                                                                 \
    X(sgd)                                                                                                   \
    X(adam)                                                                                                  \
    X(adamw)                                                                                                 \
    X(rmsprop)
#define RF_OPTIMIZER_DECLARE(name) extern const rf_optimizer rf_optimizer_##name;
RF_OPTIMIZER_LIST(RF_OPTIMIZER_DECLARE)
#undef RF_OPTIMIZER_DECLARE

/* The factors of an optimizer without bias corrections: the rate, and whether this is the first step of all.
 */
void rf_plain_factors(float out[RF_STEP_FACTORS], const rf_optimizer_options *options, double lr, long t);

const rf_optimizer *rf_optimizer_at(size_t index); /* NULL past the end */
/* Finds it, fills in the defaults, and puts a name of its own for the caller's; errors RF_E_USAGE name the option and its range, or that it has no
 * effect. */
rf_status rf_optimizer_find(const rf_optimizer **out, rf_optimizer_options *options);

#endif
