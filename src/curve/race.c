/* What a race says.
 *
 * The rule: another rate than the suggestion is clearly better if it gains a tenth of what could be learned.  A lower one is then the
 * answer.  A higher one must not be the last before one that does no better than guessing, and the answer is half-way to it, in
 * the logarithm: the shorter a training, the higher the rates that it likes.  Where the verdict has lowered its rate as the whole
 * training learns the images by heart, which a shortened one does not show, no higher one counts.
 *
 * Source: tools/bench/regret; docs/finding.md has what was measured. */
#include <math.h>
#include <stdlib.h>

#include "curve/curve.h"

static const double gain_min = 0.1; /* of what could be learned */

/* What is worse than guessing counts as guessing. */
static double loss_of(const rf_race *race, size_t i) {
    const rf_trial *const t = &race->trials[i];
    const double loss = isnan(t->validation_loss) ? t->loss : t->validation_loss;
    return loss < race->chance ? loss : race->chance;
}

static void tell(rf_race *race, size_t chosen) {
    const rf_trial *const trials = race->trials;
    const rf_number_text suggested = rf_rate(trials[race->suggested].lr),
                         best = rf_rate(trials[race->best].lr), winner = rf_rate(trials[chosen].lr),
                         answer = rf_rate(race->lr);
    const size_t steps = trials[race->suggested].steps, bytes = sizeof race->reason;
    char *const out = race->reason;
    if (loss_of(race, race->best) >= race->chance)
        snprintf(out, bytes, "The race says nothing: in %zu steps no rate does better than guessing.", steps);
    else if (race->clear && chosen < race->suggested)
        snprintf(out, bytes,
                 "The race is clear: after %zu steps %s is better than %s, which the range test suggests.",
                 steps, winner.text, suggested.text);
    else if (race->clear)
        snprintf(out, bytes,
                 "The race is clear: after %zu steps %s is better than %s, which the range test suggests; "
                 "longer trainings want lower "
                 "rates than short ones, so the answer is half-way, %s.",
                 steps, winner.text, suggested.text, answer.text);
    else if (race->best == race->suggested)
        snprintf(out, bytes, "The race confirms %s: after %zu steps it is the best of the rates.",
                 suggested.text, steps);
    else if (race->best != chosen && race->only_lower)
        snprintf(out, bytes,
                 "The race is no reason to leave %s: after %zu steps %s is best, but so few do not show what "
                 "the whole "
                 "training learns by heart.",
                 suggested.text, steps, best.text);
    else if (race->best != chosen)
        snprintf(
            out, bytes,
            "The race is no reason to leave %s: after %zu steps %s is best, but the next higher rate fails.",
            suggested.text, steps, best.text);
    else
        snprintf(out, bytes, "The race is not clear, and %s stays: after %zu steps %s is best, by little.",
                 suggested.text, steps, best.text);
}

void rf_race_decide(rf_race *race) {
    const size_t s = race->suggested;
    size_t chosen = s;
    race->best = s;
    for (size_t i = 0; i < race->count; i++) {
        const bool safe =
            i < s || (!race->only_lower && i + 1 < race->count && loss_of(race, i + 1) < race->chance);
        if (loss_of(race, i) < loss_of(race, race->best)) race->best = i;
        if (safe && loss_of(race, i) < loss_of(race, chosen)) chosen = i;
    }
    const double learned = race->chance - loss_of(race, race->best), lr = race->trials[s].lr;
    race->clear = loss_of(race, s) - loss_of(race, chosen) > gain_min * learned;
    race->lr = !race->clear ? lr : chosen < s ? race->trials[chosen].lr : sqrt(lr * race->trials[chosen].lr);
    tell(race, chosen);
}

void rf_verdict_confirm(rf_verdict *verdict, const rf_race *race) {
    if (verdict->kind != RF_VERDICT_RANGE || !race->clear) return;
    verdict->lr = race->lr;
    verdict->lr_min = fmin(verdict->lr_min, race->lr);
    verdict->lr_max = fmax(verdict->lr_max, race->lr);
}

void rf_race_free(rf_race *race) {
    if (race == NULL) return;
    for (size_t i = 0; i < race->count; i++) free(race->trials[i].losses);
    free(race->trials);
    free(race);
}
