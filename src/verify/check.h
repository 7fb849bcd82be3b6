/* Checking a solver against the reference: random inputs, both run, every tensor compared. */
#ifndef RF_VERIFY_CHECK_H
#define RF_VERIFY_CHECK_H

#include "op/sample.h"

/* The tolerance of element i of a tensor r (the reference's):
 *     16 * FLT_EPSILON * (sqrt(L) * rms(r) + |r[i]|)
 * with L the number of terms summed into an element: of tensors that the op's FLOPs go into, half the FLOPs
 * over the elements; of others, the inputs over the elements; at least 1.  A float sum of L random terms is
 * off by about FLT_EPSILON/2 * sqrt(L) times its size.  Where that is not met, four times what one rounding of
 * the inputs makes of r[i] is added: an ill-conditioned result holds nobody to more.  Padding of parameters must be exactly zero, packed
 * integers must be equal, and what a direction only reads must be untouched. */
typedef struct rf_check_result {
    double worst; /* error of the worst element, in units of its tolerance; above 1 is a mismatch; INFINITY:
                     NaN, ... */
    char tensor[16]; /* where it is: "dx[0]", ... */
    size_t element;
    float expected, got;
    char trouble[96]; /* another error ("written past its end"), or "" */
} rf_check_result;

static inline bool rf_check_passed(const rf_check_result *result) {
    return result->worst <= 1 && result->trouble[0] == '\0';
}

/* With problem->normed, x[0] is read through a batch norm of random numbers.  config NULL: the solver's defaults.  A status
 * other than RF_OK means that it could not be run; what the comparison says is in *out. */
rf_status rf_check_solver(rf_check_result *out, rf_device *device, const rf_problem *problem,
                          const rf_solver *solver, const rf_config *config);
/* The same on a sample made by the caller, which stays as it is, and again through a batch norm, where the solver does that.  For a
 * poisoned sample only NaN is compared: where the reference has it, the solver must, too. */
rf_status rf_check_sample(rf_check_result *out, rf_device *device, const rf_sample *sample,
                          const rf_solver *solver, const rf_config *config);
/* The minimum time of `runs` runs on the sample; nothing is compared. */
rf_status rf_check_time(double *out_ms, rf_device *device, const rf_sample *sample, const rf_solver *solver,
                        const rf_config *config, int runs);
/* One line for people: "dx[0][17] is 0.5, and should be 0.25 (12.3 tolerances)". */
const char *rf_check_text(char text[192], const rf_check_result *result);

#endif
