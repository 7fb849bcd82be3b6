/* Optimizers: one file each.  An update is a kernel over the flat parameter buffer, and the same in plain C; one that
 * needs norms of each parameter first computes a direction from the gradient, where the two differ. */
#ifndef RF_OPTIM_OPTIMIZER_H
#define RF_OPTIM_OPTIMIZER_H

#include "base/base.h"

/* An option, the same for the library, the command line, reports and saved states. */
typedef struct rf_optimizer_option {
    const char *name; /* PyTorch's: "weight_decay" */
    int count;        /* numbers: 1, or 2 ("betas"); 0: a switch, whose number is 0 or 1 */
    double def[2];
    double low, high; /* included */
} rf_optimizer_option;
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
    void *const *slot;    /* each an array of floats */
    float lr_multiplier;  /* learning-rate multiplier of this block */
    const float *numbers; /* of this step */
    const float *norm;    /* two: of the block's parameter and of its direction; NULL unless `norms` */
    size_t begin, end;    /* floats */
} rf_update;

typedef struct rf_optimizer {
    const char *name, *summary;
    const rf_optimizer_option *options;  /* ended by name NULL; their numbers are concatenated in `o` below */
    rf_status (*check)(const double *o); /* of several options together; NULL: nothing to check */
    const char *const *slots; /* floats kept for each parameter, by PyTorch's names; ended by NULL */
    int (*slot_count)(const double *o); /* how many of them are in use; NULL: all */
    /* The numbers that a step's kernel reads, computed in double and then rounded. t counts steps from 1. */
    int numbers;
    void (*step)(float *numbers, const double *o, double lr, long t);
    const char *kernel; /* in kernels/optimizer.clh */
    void (*reference)(const rf_update *update);
    bool norms; /* the kernel reads norms: of each parameter, and of its direction */
    const char *
        direction_kernel; /* replaces the gradient by the direction, before the norms; NULL: the gradient is the direction */
    void (*direction_reference)(const rf_update *update);
} rf_optimizer;

/* Every optimizer there is: the only registration. */
#define RF_OPTIMIZER_LIST(X)                                                                                 \
    X(sgd)                                                                                                   \
    X(adam)                                                                                                  \
    X(adamw)                                                                                                 \
    X(rmsprop)                                                                                               \
    X(lars)                                                                                                  \
    X(lamb)
#define RF_OPTIMIZER_DECLARE(name) extern const rf_optimizer rf_optimizer_##name;
RF_OPTIMIZER_LIST(RF_OPTIMIZER_DECLARE)
#undef RF_OPTIMIZER_DECLARE

const rf_optimizer *rf_optimizer_at(size_t index); /* NULL past the end */
/* How many numbers an option has in `o`. */
static inline int rf_option_numbers(const rf_optimizer_option *option) {
    return RF_MAX(option->count, 1);
}

/* An optimizer with its options' numbers. */
typedef struct rf_optimizer_setup {
    const rf_optimizer *optimizer;
    double *o; /* owned */
} rf_optimizer_setup;
/* Reads "sgd momentum=0.9 nesterov": a name (NULL: "sgd") and options, of which the last counts.  Errors: RF_E_USAGE
 * with the option and its range, or that it has no effect. */
rf_status rf_optimizer_parse(rf_optimizer_setup *out, const char *text);
void rf_optimizer_release(rf_optimizer_setup *setup);
int rf_optimizer_slots(const rf_optimizer_setup *setup);
/* The number (or two) of an option as parse reads it; text is "" at first. */
void rf_optimizer_add_value(rf_str *text, const rf_optimizer_option *option, const double *numbers);
/* The name and every option, as parse reads it. */
void rf_optimizer_add_text(rf_str *text, const rf_optimizer_setup *setup);

#endif
