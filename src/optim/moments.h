/* Adam and its variants: the options and the numbers of a step that they share, in the same order. */
#ifndef RF_OPTIM_MOMENTS_H
#define RF_OPTIM_MOMENTS_H

/* Their first options. */
enum { BETA1, BETA2, EPS, DECAY, RF_MOMENTS_OPTIONS };

static inline double rf_moments_usual_lr(const double *o) {
    (void)o;
    return 0.001;
}

/* n: where NEW1 is: 1 - beta1, beta2, 1 - beta2, eps. */
static inline void rf_moments_numbers(float n[4], const double *o) {
    n[0] = (float)(1 - o[BETA1]);
    n[1] = (float)o[BETA2];
    n[2] = (float)(1 - o[BETA2]);
    n[3] = (float)o[EPS];
}

#endif
