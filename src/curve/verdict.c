/* Our own rule, and its confidence.
 *
 * The rule: on the curve's smoothed loss s (raw losses capped at three times the level, centred Gaussian), k = argmin s.  The
 * minimum lies above the best rate, since the loss follows the rate with a lag, and it is uncertain where; both the less the
 * more slowly the rate rises, with n steps a decade.  Suggest lr[k], lowered by q = 1.5 / sqrt(n) decades; then, where the
 * optimizer is known, a share 1.5 q of the way (in the logarithm) to the rate that suits it on the average.  Where the loss is as
 * low over more than a decade, as of images learned by heart, the end of the first decade stands for lr[k].  Where the training
 * goes over the images ten times or more, each counted by its rate, and little was learned on the way to the minimum though the
 * test itself was planned to see them three times, half a decade less: what is hard to learn is then learned by heart, and the loss of
 * other images is best at lower rates.
 *
 * The range is of the rates that lose less than a fifth of what can be learned.  Up to where most of the drop was made, the test
 * went over a sum of rates; a training needs 2.5 times that sum in all its steps.  The upper end is the rate from which on a
 * fifth of the drop is lost again.
 *
 * Source: chosen by tools/bench/regret, whose tasks are trained at each rate; docs/finding.md has what was measured.  The
 * thresholds below which there is no suggestion are ours: on noise alone, 99 times of 100 the smoothed minimum of 100 steps
 * lies less than two standard deviations below its start. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "curve/features.h"

enum { POINTS_MIN = 10, POINTS_FEW = 40, NEAR = 5, ITERATIONS_MAX = 100000 };
static const double lag = 1.5, trust = 1.5, enough = 2.5;              /* see above */
static const double many_passes = 10, test_passes = 3, by_heart = 0.5; /* decades */
static const double edge_margin = 5;
static const double share_sure = 0.4, share_little = 0.1; /* of the loss, or of that of guessing */
static const double noise_min = 2,
                    share_min = 0.02;    /* a drop smaller than these times noise or level is none */
static const double near_minimum = 0.05; /* of the drop: as good as the minimum */
static const double plateau_max = 10;    /* the last rate of a plateau that counts, over its first */
static const double orders_apart = 3;    /* what several tests suggest: the highest over the lowest */
static const double rate_min = 1e-12, rate_max = 1e6; /* what --start-lr and --end-lr take */

/* ---- no suggestion, and why ---- */

static void refuse(rf_verdict *out, const char *cause, const char *format, ...) RF_PRINTF(3, 4);
static void refuse(rf_verdict *out, const char *cause, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    out->cause = cause;
    vsnprintf(out->reason, sizeof out->reason, format, arguments);
    va_end(arguments);
}

static void advise(rf_verdict *out, const char *format, ...) RF_PRINTF(2, 3);
static void advise(rf_verdict *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->advice, sizeof out->advice, format, arguments);
    va_end(arguments);
}

/* Rates to try instead, within what the options take. */
static rf_number_text within(double rate) {
    return rf_rate(fmin(fmax(rate, rate_min), rate_max));
}

static rf_number_text lower_start(const rf_curve *curve) {
    return within(curve->lr[0] / 1000);
}

static rf_number_text higher_end(const rf_features *features, double factor) {
    return within(features->curve->lr[features->n - 1] * factor);
}

/* Three times the steps, in hundreds, and no more than the option takes. */
static size_t more_steps(const rf_curve *curve) {
    return RF_MIN(RF_MAX((3 * curve->planned + 50) / 100, 1) * 100, ITERATIONS_MAX);
}

static bool too_few(rf_verdict *out, const rf_features *features) {
    const rf_curve *const curve = features->curve;
    const size_t n = features->n;
    if (n >= POINTS_MIN) return false;
    if (features->not_finite) {
        refuse(out, "not_finite",
               "The loss is not finite at step %zu, at a rate of %s, before there is a curve to judge.",
               curve->count, rf_rate(curve->lr[curve->count - 1]).text);
        advise(out, "Look at the data for values that are not finite, or start lower: --start-lr %s.",
               lower_start(curve).text);
    } else if (n > 1 && curve->loss[n - 1] > 2 * fabs(curve->loss[0])) {
        refuse(out, "diverged_at_once", "The loss diverges at once, from %s at %s to %s at %s, in %zu steps.",
               rf_loss(curve->loss[0]).text, rf_rate(curve->lr[0]).text, rf_loss(curve->loss[n - 1]).text,
               rf_rate(curve->lr[n - 1]).text, n);
        advise(out, "Start lower: --start-lr %s.", lower_start(curve).text);
    } else {
        refuse(out, "too_few",
               "The curve has %zu point%s; %d is the fewest that can be judged, 300 are good.", n,
               n == 1 ? "" : "s", POINTS_MIN);
        advise(out, "Try --iterations 300.");
    }
    return true;
}

/* Whether the loss is low at the start, as of a pretrained network:  Half of that of guessing; where the
 * number of classes is not known, of guessing between two. */
static bool begins_low(const rf_features *features) {
    const double chance = features->curve->chance > 0 ? features->curve->chance : log(2);
    return features->start >= 0 && features->start < chance / 2;
}

static void refuse_low(rf_verdict *out, const rf_features *features, size_t rise) {
    const rf_curve *const curve = features->curve;
    const rf_number_text start = rf_loss(features->start);
    if (rise < features->n) {
        const double harm = curve->lr[rise];
        refuse(
            out, "low_from_start",
            "The loss is low from the start, %s, as of a network that was trained before, and no rate lowers "
            "it. Rates from %s on do harm: it rises.",
            start.text, rf_rate(harm).text);
        advise(out, "To train on from here, stay well below that: a tenth, %s, or less.",
               rf_rate(harm / 10).text);
    } else {
        refuse(out, "low_from_start",
               "The loss is low from the start, %s, as of a network that was trained before; learning rates "
               "up to %s "
               "neither lower it nor do harm.",
               start.text, rf_rate(curve->lr[features->n - 1]).text);
        advise(out, "To see which rates do harm, go higher: --end-lr %s.", higher_end(features, 1000).text);
    }
}

static bool at_chance(const rf_features *features) {
    return features->curve->chance > 0 && fabs(features->start / features->curve->chance - 1) < 0.1;
}

static void refuse_flat(rf_verdict *out, const rf_features *features, size_t rise) {
    const rf_curve *const curve = features->curve;
    const double percent = 100 * RF_MAX(features->drop, 0) / features->level;
    if (rise < features->n) {
        refuse(out, "flat", "The loss is flat: it falls by %.1f %% of %s before it diverges at %s.", percent,
               rf_loss(features->level).text, rf_rate(curve->lr[rise]).text);
        advise(out, "Try more steps: --iterations %zu.%s", more_steps(curve),
               at_chance(features)
                   ? " If it stays at the loss of guessing, look whether the labels belong to the "
                     "images."
                   : "");
    } else {
        refuse(out, "flat", "The loss is flat: it falls by %.1f %% of %s, up to a rate of %s.", percent,
               rf_loss(features->level).text, rf_rate(curve->lr[features->n - 1]).text);
        advise(out, "Try higher rates: --end-lr %s; or more steps: --iterations %zu.",
               higher_end(features, 1000).text, more_steps(curve));
    }
}

static void refuse_noise(rf_verdict *out, const rf_features *features, size_t rise) {
    const rf_curve *const curve = features->curve;
    refuse(out, "noise", "Noise hides the curve: the loss falls by %s, and its noise is %s.",
           rf_loss(features->drop).text, rf_loss(features->noise).text);
    if (rise < features->n)
        advise(out, "Try more steps: --iterations %zu; or a batch four times as large (--batch).",
               more_steps(curve));
    else
        advise(out, "Try higher rates: --end-lr %s; or a batch four times as large (--batch).",
               higher_end(features, 1000).text);
}

static bool nothing_learned(rf_verdict *out, const rf_features *features) {
    const rf_curve *const curve = features->curve;
    const double visible = RF_MAX(share_min * features->level, noise_min * features->noise);
    const size_t rise = features->harm;
    if (features->drop > visible) return false;

    if (rise < features->n / 4) {
        refuse(out, "diverged_at_once",
               "The loss never falls: it rises from the first learning rates on, from %s at %s to %s at %s.",
               rf_loss(features->start).text, rf_rate(curve->lr[0]).text,
               rf_loss(features->smoothed[rise]).text, rf_rate(curve->lr[rise]).text);
        advise(out, "Start lower: --start-lr %s.", lower_start(curve).text);
    } else if (features->not_finite && rise == features->n) {
        refuse(out, "not_finite",
               "The loss is not finite at step %zu, at a rate of %s, and had not fallen before.",
               curve->count, rf_rate(curve->lr[curve->count - 1]).text);
        advise(out, "Look at the data for values that are not finite, or start lower: --start-lr %s.",
               lower_start(curve).text);
    } else if (begins_low(features)) {
        refuse_low(out, features, rise);
    } else if (features->drop <= noise_min * features->noise &&
               features->noise > share_min * features->level) {
        refuse_noise(out, features, rise);
    } else {
        refuse_flat(out, features, rise);
    }
    return true;
}

static bool lower_edge(rf_verdict *out, const rf_features *features) {
    const double *const lr = features->curve->lr;
    if (lr[features->lowest] / edge_margin >= lr[0]) return false;
    refuse(
        out, "edge",
        "The loss is lowest at %s, so near to where the test begins that the best rate lies below its range.",
        rf_rate(lr[features->lowest]).text);
    advise(out, "Start lower: --start-lr %s.", lower_start(features->curve).text);
    return true;
}

/* The first of the rates up to the minimum that are as good as it. */
static double plateau_start(const rf_features *features) {
    const double bound = features->smoothed[features->lowest] + near_minimum * features->drop;
    size_t i = features->lowest;
    while (i > 0 && features->smoothed[i - 1] <= bound) i--;
    return features->curve->lr[i];
}

static bool upper_edge(rf_verdict *out, const rf_features *features) {
    const double *const lr = features->curve->lr;
    const size_t margin = RF_MAX(2, features->n / 20);
    if (features->rise < features->n || features->not_finite || features->lowest + margin < features->n - 1 ||
        lr[features->n - 1] > plateau_max * plateau_start(features))
        return false;
    refuse(out, "no_divergence",
           "The loss still falls at %s, where the test ends: it never diverged, so the best rate is not in "
           "sight.",
           rf_rate(lr[features->n - 1]).text);
    advise(out, "Go higher: --end-lr %s.", higher_end(features, 10).text);
    return true;
}

/* ---- a range, and how sure ---- */

/* A doubt limits the confidence. True if it is the strongest so far, which is the one reported. */
static bool doubt(rf_verdict *out, char why[160], rf_confidence at_most, const char *format, ...)
    RF_PRINTF(4, 5);
static bool doubt(rf_verdict *out, char why[160], rf_confidence at_most, const char *format, ...) {
    if (at_most >= out->confidence) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, 160, format, arguments);
    va_end(arguments);
    out->confidence = at_most;
    out->advice[0] = '\0';
    return true;
}

/* The first and the last rate whose smoothed loss is as good as the minimum. */
static void minimum_span(const rf_features *features, double *from, double *to) {
    const rf_curve *const curve = features->curve;
    const double bound = features->smoothed[features->lowest] + near_minimum * features->drop;
    *from = *to = curve->lr[features->lowest];
    for (size_t i = 0; i < features->n; i++) {
        if (features->smoothed[i] > bound) continue;
        *from = fmin(*from, curve->lr[i]);
        *to = fmax(*to, curve->lr[i]);
    }
}

/* How much of the loss is gone at the minimum; of that of guessing, where it begins above that. */
static double learned(const rf_features *features) {
    const double chance = features->curve->chance, above = features->start - chance;
    return chance > 0 && above > 0 ? (features->drop - above) / chance : features->drop / features->level;
}

/* Steps in which the rate rises tenfold, around step k. */
static double steps_a_decade(const rf_curve *curve, size_t k) {
    const size_t first = k > NEAR ? k - NEAR : 0, last = RF_MIN(k + NEAR, curve->count - 1);
    return (double)(last - first) / (log10(curve->lr[last]) - log10(curve->lr[first]));
}

/* How often the training goes over all images, by the factors of its schedule; 0: not known. */
static double passes(const rf_curve *curve) {
    const double steps = curve->training_steps > 0 ? curve->training_steps : (double)curve->planned;
    return curve->epoch_steps > 0 ? steps / curve->epoch_steps : 0;
}

static bool learns_by_heart(const rf_features *features) {
    const rf_curve *const curve = features->curve;
    return passes(curve) >= many_passes && (double)curve->planned >= test_passes * curve->epoch_steps &&
           learned(features) < share_sure;
}

static double suggested(const rf_features *features) {
    const rf_curve *const curve = features->curve;
    const double q = lag / sqrt(steps_a_decade(curve, features->lowest));
    double lr = log10(fmin(curve->lr[features->lowest], plateau_max * plateau_start(features))) - q;
    if (curve->usual_lr > 0) lr += fmin(trust * q, 1) * (log10(curve->usual_lr) - lr);
    if (learns_by_heart(features)) lr -= by_heart;
    return pow(10, lr);
}

/* What each of several tests would suggest by itself. */
static rf_status find_spread(rf_verdict *out, const rf_curve *curve) {
    for (size_t r = 0; r < curve->run_count; r++) {
        rf_features features = {0};
        const rf_status status = rf_features_measure(&features, curve->runs[r]);
        if (status == RF_OK && features.n >= POINTS_MIN) {
            const double lr = suggested(&features);
            out->lr_lowest = fmin(lr, out->lr_lowest); /* of NAN and a number the number */
            out->lr_highest = fmax(lr, out->lr_highest);
        }
        rf_features_release(&features);
        RF_TRY(status);
    }
    return RF_OK;
}

static void weigh(rf_verdict *out, const rf_features *features, char why[160]) {
    const rf_curve *const curve = features->curve;
    const double noises = features->drop / features->noise, share = learned(features);
    const size_t steps = more_steps(curve), k = features->lowest;
    const double apart = k > 0 ? curve->lr[k] / curve->lr[k - 1] : 1;
    double from, to;
    minimum_span(features, &from, &to);
    const double decades = log10(to / from);

    out->confidence = RF_CONFIDENCE_HIGH;
    if (noises < 8 && doubt(out, why, noises < 4 ? RF_CONFIDENCE_LOW : RF_CONFIDENCE_MEDIUM,
                            "%.1f times the noise is little", noises))
        advise(out, "A larger --batch, or --iterations %zu, would make it surer.", steps);
    if (features->rise == features->n && !features->not_finite &&
        doubt(out, why, RF_CONFIDENCE_MEDIUM, "it never diverged, so the upper end is not in sight"))
        advise(out, "To see the upper end: --end-lr %s.", higher_end(features, 10).text);
    if (decades > 1 &&
        doubt(out, why, decades > 2 ? RF_CONFIDENCE_LOW : RF_CONFIDENCE_MEDIUM,
              "the minimum could lie anywhere from %s to %s", rf_rate(from).text, rf_rate(to).text))
        advise(out, "More steps would locate it better: --iterations %zu.", steps);
    if (share < share_sure && doubt(out, why, share < share_little ? RF_CONFIDENCE_LOW : RF_CONFIDENCE_MEDIUM,
                                    "little was learned on the way"))
        advise(out, "More steps would show more: --iterations %zu.", steps);
    if (out->lr_highest > orders_apart * out->lr_lowest &&
        doubt(out, why, RF_CONFIDENCE_MEDIUM, "orders of the images differ by more than a factor of %g",
              orders_apart))
        advise(out, "More steps would bring them together: --iterations %zu.", steps);
    if (curve->usual_lr == 0)
        doubt(out, why, RF_CONFIDENCE_MEDIUM, "the optimizer is not known, or was not measured");
    if (apart > 2 &&
        doubt(out, why, RF_CONFIDENCE_MEDIUM, "the rates there are a factor of %.2g apart", apart))
        advise(out, "Take smaller steps: --iterations %zu, or --mode exp.", steps);
    if (features->n < POINTS_FEW && doubt(out, why, RF_CONFIDENCE_MEDIUM, "%zu steps are few", features->n))
        advise(out, "Try --iterations 300.");
}

static void describe(rf_verdict *out, const rf_features *features, const char *why) {
    const rf_curve *const curve = features->curve;
    const double *const lr = curve->lr;
    char end[80] = "", noises[48] = "", heart[96] = "";
    if (features->rise < features->n)
        snprintf(end, sizeof end, " and rises again from %s on", rf_rate(lr[features->rise]).text);
    else if (features->not_finite)
        snprintf(end, sizeof end, " and is not finite at step %zu", curve->count);
    if (features->drop < 1000 * features->noise)
        snprintf(noises, sizeof noises, ", %.*f times the noise,", features->drop < 10 * features->noise,
                 features->drop / features->noise);
    const size_t k = features->lowest;
    if (learns_by_heart(features))
        snprintf(heart, sizeof heart,
                 " Going over the images %.0f times learns them by heart: half a decade lower.",
                 passes(curve));
    snprintf(out->reason, sizeof out->reason, "The loss falls from %s to %s%s is lowest at %s%s.%s%s%s%s%s",
             rf_loss(features->start).text, rf_loss(features->smoothed[k]).text, *noises ? noises : ",",
             rf_rate(lr[k]).text, end, heart, *why ? " Confidence is " : "",
             *why ? rf_confidence_text(out->confidence) : "", *why ? ": " : "", why);
    if (*why) strcat(out->reason, ".");
    if (!isfinite(out->lr_lowest)) return;
    const size_t length = strlen(out->reason);
    snprintf(out->reason + length, sizeof out->reason - length,
             " By themselves, the %zu orders of the images give %s to %s.", curve->run_count,
             rf_rate(out->lr_lowest).text, rf_rate(out->lr_highest).text);
}

static double lowest_useful(const rf_features *features) {
    const rf_curve *const curve = features->curve;
    double sum = 0;
    for (size_t i = 0; i <= features->fall; i++) sum += curve->lr[i];
    return enough * sum / (curve->training_steps > 0 ? curve->training_steps : (double)curve->planned);
}

static void suggest_range(rf_verdict *out, const rf_features *features) {
    const double *const lr = features->curve->lr;
    const size_t rise = RF_MIN(features->rise, features->n - 1);
    out->kind = RF_VERDICT_RANGE;
    out->cause = "ok";
    out->lr_max = lr[rise];
    out->lr = fmin(fmax(suggested(features), lr[0]), out->lr_max);
    out->by_heart = learns_by_heart(features);
    out->lr_min = fmin(fmax(lowest_useful(features), lr[0]), out->lr);
    char why[160] = "";
    weigh(out, features, why);
    describe(out, features, why);
}

/* When and why the test ended early, in words. */
static void add_stop(rf_verdict *out, const rf_curve *curve) {
    static const char *const why[] = {[RF_STOP_COMPLETED] = "the curve ends there",
                                      [RF_STOP_DIVERGED] = "the loss had diverged",
                                      [RF_STOP_NOT_FINITE] = "the loss was not finite",
                                      [RF_STOP_INTERRUPTED] = "it was interrupted"};
    const size_t length = strlen(out->reason);
    if (curve->count < curve->planned)
        snprintf(out->reason + length, sizeof out->reason - length,
                 " The test stopped at step %zu of %zu: %s.", curve->count, curve->planned, why[curve->stop]);
}

rf_status rf_curve_judge(rf_verdict *out, const rf_curve *curve) {
    static bool (*const refusals[])(rf_verdict *, const rf_features *) = {too_few, nothing_learned,
                                                                          lower_edge, upper_edge};
    rf_features features = {0};
    size_t i = 0;
    *out = (rf_verdict){.kind = RF_VERDICT_NONE,
                        .lr_min = NAN,
                        .lr = NAN,
                        .lr_max = NAN,
                        .cause = "failed",
                        .lr_lowest = NAN,
                        .lr_highest = NAN};
    RF_TRY(find_spread(out, curve));
    const rf_status status = rf_features_measure(&features, curve);
    if (status == RF_OK) {
        while (i < RF_COUNT(refusals) && !refusals[i](out, &features)) i++;
        if (i == RF_COUNT(refusals)) suggest_range(out, &features);
        add_stop(out, curve);
    }
    rf_features_release(&features);
    return status;
}
