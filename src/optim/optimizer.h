/* Optimizers: one file each.  An update is a kernel over the flat parameter buffer, and the same in plain C; one that
 * needs norms of each parameter first computes a direction from the gradient, where the two differ. */
#ifndef RF_OPTIM_OPTIMIZER_H
#define RF_OPTIM_OPTIMIZER_H

#include "base/spec.h"

/* Options that several have. */
#define RF_MOMENTUM(m)                                                                                       \
    { "momentum", 1, {m}, 0, 1 }
#define RF_BETAS(b1, b2)                                                                                     \
    { "betas", 2, {b1, b2}, 0, 0.9999999 }
#define RF_EPS(e)                                                                                            \
    { "eps", 1, {e}, 0, 1 }
#define RF_DECAY(d)                                                                                          \
    { "weight_decay", 1, {d}, 0, 1000 }

/* The arrays of an update; see kernels/optimizer.clh. */
typedef struct rf_update {
    float *p, *g;
    void *const *slot;                 /* each an array of floats */
    float lr_multiplier, weight_decay; /* of this block */
    const float *numbers;              /* of this step */
    const float *norm; /* two: of the block's parameter and of its direction; NULL unless `norms` */
    const float *scalars;
    double *sums;      /* two, to be added to; NULL unless `sums` */
    size_t begin, end; /* floats */
} rf_update;

typedef struct rf_optimizer {
    rf_spec_kind kind;        /* its options are those of PyTorch */
    const char *pytorch;      /* its class in torch.optim; NULL: there is none */
    const char *const *slots; /* floats kept for each parameter, by PyTorch's names; ended by NULL */
    int (*slot_count)(const double *o); /* how many of them are in use; NULL: all */
    /* The numbers that a step's kernel reads, computed in double and then rounded. t counts steps from 1.  The option
     * weight_decay is not among them: the kernel reads it, block by block. */
    int numbers;
    void (*step)(float *numbers, const double *o, double lr, long t);
    const char *kernel; /* in kernels/optimizer.clh */
    void (*reference)(const rf_update *update);
    /* The learning rate that suits small networks on the average (docs/finding.md); NULL: not measured. */
    double (*usual_lr)(const double *o);
    bool norms; /* the kernel reads norms: of each parameter, and of its direction */
    const char *
        direction_kernel; /* replaces the gradient by the direction, before the norms; NULL: the gradient is the direction */
    void (*direction_reference)(const rf_update *update);
    unsigned copies; /* bit i: slot i begins as a copy of the parameters, rather than with zeros */
    int evaluated;   /* 1 + the slot that holds the parameters to evaluate; 0: those that are trained */
    /* Floats that it keeps for all parameters together, on the device, where the kernel reads them; a kernel of one
     * work-item computes those of the next step. */
    const char *const *scalars; /* names; ended by NULL; NULL: none */
    void (*begin)(float *scalars, const double *o);
    bool sums; /* the kernel sums two numbers over all parameters, for the scalars */
    const char *scalars_kernel;
    void (*scalars_reference)(float *scalars, const float *numbers, const double sums[2]);
} rf_optimizer;

/* Every optimizer there is: the only registration. */
#define RF_OPTIMIZER_LIST(X)                                                                                 \
    X(sgd)                                                                                                   \
    X(adam)                                                                                                  \
    X(adamw)                                                                                                 \
    X(rmsprop)                                                                                               \
    X(adagrad)                                                                                               \
    X(adadelta)                                                                                              \
    X(adamax)                                                                                                \
    X(nadam)                                                                                                 \
    X(radam)                                                                                                 \
    X(lion)                                                                                                  \
    X(lars)                                                                                                  \
    X(lamb)                                                                                                  \
    X(adamw_schedule_free)                                                                                   \
    X(prodigy)
#define RF_OPTIMIZER_DECLARE(name) extern const rf_optimizer rf_optimizer_##name;
RF_OPTIMIZER_LIST(RF_OPTIMIZER_DECLARE)
#undef RF_OPTIMIZER_DECLARE

const rf_optimizer *rf_optimizer_at(size_t index); /* NULL past the end */

/* An optimizer with its options' numbers. */
typedef struct rf_optimizer_setup {
    const rf_optimizer *optimizer;
    rf_spec spec;
} rf_optimizer_setup;
/* Reads "sgd momentum=0.9 nesterov" (NULL: "sgd").  Errors: as rf_spec_parse. */
rf_status rf_optimizer_parse(rf_optimizer_setup *out, const char *text);
void rf_optimizer_release(rf_optimizer_setup *setup);
int rf_optimizer_slots(const rf_optimizer_setup *setup);
enum { RF_MAX_SCALARS = 4 };
int rf_optimizer_scalars(const rf_optimizer_setup *setup);
double rf_optimizer_weight_decay(const rf_optimizer_setup *setup);
double rf_optimizer_usual_lr(const rf_optimizer_setup *setup); /* 0: not known */
/* The same in PyTorch, "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)"; nothing where PyTorch has none. */
void rf_optimizer_add_pytorch(rf_str *text, const rf_optimizer_setup *setup, double lr);

#endif
