/* The finder's results: curve, suggestions of every known method, verdict.  Plain structs on the host, which any
 * number of threads may read. */
#ifndef RANGEFINDER_FINDER_H
#define RANGEFINDER_FINDER_H

#include <stdbool.h>
#include <stddef.h>

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why a range test ended, and its name in JSON. */
#define RF_STOP_MAP(X)                                                                                       \
    X(COMPLETED, "completed")                                                                                \
    X(DIVERGED, "diverged")                                                                                  \
    X(NOT_FINITE, "not_finite")                                                                              \
    X(INTERRUPTED, "interrupted")
typedef enum rf_stop_reason {
#define RF_STOP_ENUM(name, text) RF_STOP_##name,
    RF_STOP_MAP(RF_STOP_ENUM)
#undef RF_STOP_ENUM
} rf_stop_reason;

/* The library that smoothed the losses before recording them, and its name for --smooth. */
#define RF_SMOOTHING_MAP(X)                                                                                  \
    X(NONE, "own")                                                                                           \
    X(PYTORCH, "pytorch-lr-finder") /* s += 0.05 (loss - s) */                                               \
    X(FASTAI, "fastai")             /* the same with 0.02, over 1 - 0.98^n */                                \
    X(LIGHTNING, "lightning")       /* the same, over 1 - 0.98^(n + 1) */
typedef enum rf_smoothing {
#define RF_SMOOTHING_ENUM(name, text) RF_SMOOTHING_##name,
    RF_SMOOTHING_MAP(RF_SMOOTHING_ENUM)
#undef RF_SMOOTHING_ENUM
} rf_smoothing;

/* A curve of losses over learning rates: loss[i] was measured at lr[i], before the update (or on validation images,
 * after it).  A loss may be not finite only at the last point.  smoothed is a centred Gaussian (zero lag) of the
 * losses, each capped at 3 x the median of the first five; its sigma is 3 steps of a curve of up to 100, 3 % of a
 * longer one, at most 30. Owns its arrays. */
typedef struct rf_curve {
    size_t count;
    double *lr, *loss, *smoothed;
    rf_stop_reason stop;
    size_t planned;         /* steps asked for: >= count */
    double chance;          /* the loss of guessing, ln(classes) with cross-entropy; 0: not known */
    rf_smoothing smoothing; /* of a file that was read */
    double *recorded;       /* the losses in that file, where loss was computed back from them; else NULL */
    double usual_lr;        /* the rate that suits such an optimizer on the average; 0: not known */
    double training_steps;  /* of the training that follows, by the factors of its schedule; 0: not known */
    /* Of the median of several range tests: each of them, up to where the median ends; owned.  NULL: it is of one. */
    struct rf_curve **runs;
    size_t run_count;
    double planned_lr;  /* the rate of the last of the planned steps; 0: not known */
    double epoch_steps; /* steps in which all images are seen once; 0: not known */
} rf_curve;

/* Copies lr and loss; computes smoothed.  Errors: RF_E_INPUT for fewer than 1 point, rates <= 0 or not
 * ascending. */
RF_API rf_status rf_curve_create(rf_curve **out, const double *lr, const double *loss, size_t count);
/* The median of the losses at each step of `count` range tests over the same rates.  A test that has ended counts as
 * infinite, so that the median ends where half of them have.  Takes the array and the curves, also on failure. */
RF_API rf_status rf_curve_median(rf_curve **out, rf_curve **runs, size_t count);
/* Reads CSV or JSON: columns named lr and loss (or learning_rate, train_loss and the like), in any of the forms
 * that pandas, Keras and Lightning write; without names, the first two.  JSON with the arrays "lr" and "loss"
 * alone is pytorch-lr-finder's history or Lightning's results, with "lrs" and "losses" fastai's recorder: the
 * losses in it are smoothed, and loss is computed back from them, unless that gives losses below zero (then they
 * were not).  All else is raw.  Memory: a small multiple of the file.  Errors name the line and what was
 * expected. */
RF_API rf_status rf_curve_read(rf_curve **out, const char *path);
/* Declares by which library a curve's recorded losses were smoothed, or that they are raw. Errors: RF_E_MEMORY. */
RF_API rf_status rf_curve_set_smoothing(rf_curve *curve, rf_smoothing smoothing);
RF_API void rf_curve_free(rf_curve *curve);

/* One method's suggested learning rate. lr is NAN when the method has none, and reason then says why. */
typedef struct rf_suggestion {
    const char *method;  /* "valley": the key in JSON; static, as is library */
    const char *library; /* "fastai": whose rule it is, for people */
    double lr;
    char reason[96];
} rf_suggestion;

typedef struct rf_suggest_options {
    bool raw; /* use the losses unchanged, rather than smooth and stop as each library would (--smooth 0) */
} rf_suggest_options;

/* Applies every method to the curve, in the order of the list, each to the losses that its library would have recorded,
 * or has recorded (curve->smoothing). *out is owned by the caller: free(). options may be NULL. */
RF_API rf_status rf_curve_suggest_sized(rf_suggestion **out, size_t *count, const rf_curve *curve,
                                        const rf_suggest_options *options, size_t size);
static inline rf_status rf_curve_suggest(rf_suggestion **out, size_t *count, const rf_curve *curve,
                                         const rf_suggest_options *options) {
    return rf_curve_suggest_sized(out, count, curve, options, sizeof *options);
}

typedef enum rf_verdict_kind { RF_VERDICT_NONE, RF_VERDICT_RANGE } rf_verdict_kind;
/* The confidence of a verdict, and its name in JSON and text. */
#define RF_CONFIDENCE_MAP(X)                                                                                 \
    X(LOW, "low")                                                                                            \
    X(MEDIUM, "medium")                                                                                      \
    X(HIGH, "high")
typedef enum rf_confidence {
#define RF_CONFIDENCE_ENUM(name, text) RF_CONFIDENCE_##name,
    RF_CONFIDENCE_MAP(RF_CONFIDENCE_ENUM)
#undef RF_CONFIDENCE_ENUM
} rf_confidence;

/* The suggested learning rate and usable range. Range: 0 < lr_min <= lr <= lr_max, NAN if kind is NONE. */
typedef struct rf_verdict {
    rf_verdict_kind kind;
    double lr_min, lr, lr_max;
    rf_confidence confidence;
    const char *cause; /* static: one word for programs: "ok", "flat", "low_from_start", "no_divergence",
                          "diverged_at_once", "edge", "noise", ... */
    char reason[512];  /* a few sentences for people; the last says when and why a test stopped early */
    char advice[256];  /* what to try instead, or "" */
    /* What each of several range tests would suggest by itself, the extremes; NAN: there is one test. */
    double lr_lowest, lr_highest;
    bool by_heart; /* lr is lowered, as the training goes over the images so often that it learns them by heart */
} rf_verdict;

/* Judges a curve: whether it gives a learning rate, which, and how far to trust it. */
RF_API rf_status rf_curve_judge(rf_verdict *out, const rf_curve *curve);

/* A training of a race, at one rate. */
typedef struct rf_trial {
    double lr;
    size_t steps, done; /* planned; made: fewer where the loss was not finite */
    double loss; /* of training: the mean of the last tenth of the steps; INFINITY: it was not finite */
    double validation_loss, accuracy; /* at the end; NAN without validation images */
    double *losses;                   /* of training; (done), owned */
} rf_trial;

/* The planned training, shortened, at several rates around a suggestion: on the same images from the same weights.  Owns its
 * arrays. */
typedef struct rf_race {
    rf_trial *trials; /* by ascending rate */
    size_t count;
    /* The trial at the suggestion; that with the lowest loss, of the validation images if there are any. */
    size_t suggested, best;
    size_t plan_steps; /* of the planned training */
    double chance;     /* the loss of guessing */
    bool clear;        /* another rate than the suggestion is clearly better */
    double lr;         /* the answer: the suggestion, unless the race is clear */
    char reason[256];
    bool only_lower; /* higher rates than the suggestion are no answer */
} rf_race;
RF_API void rf_race_free(rf_race *race);
/* A verdict with a range takes the answer of a clear race. */
RF_API void rf_verdict_confirm(rf_verdict *verdict, const rf_race *race);

#ifdef __cplusplus
}
#endif
#endif
