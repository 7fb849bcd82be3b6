/* Launching the reference functions, and multiversioning: the same C compiled for several vector widths, chosen when
 * the library loads. */
#ifndef RF_OP_REFERENCE_H
#define RF_OP_REFERENCE_H

#include <math.h> /* for the formulas of kernels/common/act.clh */

#include "op/op.h"

/* Appends the reference function of one direction over these tensors. */
rf_status rf_emit_reference(rf_sequence *sequence, const rf_problem *problem, rf_direction direction,
                            const rf_tensors *tensors);

/* Before a static function with the inner loops (not one with an OpenMP region: the region's body is outlined
 * before the clones are made).  Elsewhere than gcc on x86-64 with glibc it does nothing; nor under the
 * sanitizers, whose start-up does not go with ifunc. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define RF_CLONES "arch=x86-64-v4", "arch=x86-64-v3", "default"
#else
#define RF_CLONES "avx512f", "avx2", "default"
#endif
#define RF_SIMD __attribute__((noinline, optimize("O3"), target_clones(RF_CLONES)))
#else
#define RF_SIMD __attribute__((noinline))
#endif

/* For num_threads() of every OpenMP region: no more than there are cores (reference.c). */
int rf_reference_threads(void);

/* A fused activation, and its gradient. */
RF_ACT_FUNCTIONS(static inline, float, rf_act_apply, rf_act_gradient)
/* What the gradient sees, from act's x. */
static inline float rf_act_see(float x, int act) {
    return RF_ACT_SEES_X(act) ? x : rf_act_apply(x, act);
}

#endif
