/* --balance: images drawn, or class weights, and what became of the classes. */
#include "balancing.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { NAMED = 10 }; /* classes whose numbers are all told */

const char *const *rf_balance_choices(void) {
    static const char *const names[] = {[RF_BALANCE_UNDERSAMPLE - 1] = "undersample",
                                        [RF_BALANCE_OVERSAMPLE - 1] = "oversample",
                                        [RF_BALANCE_WEIGHTS - 1] = "weights",
                                        [RF_BALANCE_EFFECTIVE - 1] = "effective",
                                        NULL};
    return names;
}

/* "cat 12, dog 30", or "732 to 1300 in each of 1000 classes". */
static rf_status add_counts(rf_str *out, const rf_dataset *data) {
    int *counts = rf_alloc((size_t)data->classes, sizeof *counts);
    if (counts == NULL) return RF_E_MEMORY;
    rf_dataset_class_counts(counts, data);
    int low = counts[0], high = counts[0];
    for (int c = 0; c < data->classes; c++) {
        low = RF_MIN(low, counts[c]);
        high = RF_MAX(high, counts[c]);
    }
    if (low == high)
        rf_str_addf(out, "%d in each class", low);
    else if (data->classes > NAMED)
        rf_str_addf(out, "%d to %d in each of %d classes", low, high, data->classes);
    for (int c = 0; low < high && data->classes <= NAMED && c < data->classes; c++) {
        rf_str_add(out, c > 0 ? ", " : "");
        if (data->class_names != NULL)
            rf_str_addf(out, "%s %d", data->class_names[c], counts[c]);
        else
            rf_str_addf(out, "class %d %d", c, counts[c]);
    }
    free(counts);
    return RF_OK;
}

/* balanced: NULL where the classes are weighted. */
static rf_status describe(char **out, const rf_dataset *images, const rf_dataset *balanced,
                          const float *weights, const char *how) {
    rf_str text = {0};
    rf_str_addf(&text, "classes balanced (%s): ", how);
    rf_status status = add_counts(&text, images);
    if (status == RF_OK && balanced != NULL) {
        rf_str_addf(&text, "; %d images became %d: ", images->count, balanced->count);
        status = add_counts(&text, balanced);
    }
    for (int c = 0; weights != NULL && c < images->classes && images->classes <= NAMED; c++)
        rf_str_addf(&text, "%s%.4g", c > 0 ? ", " : "; weights ", (double)weights[c]);
    if (status == RF_OK) status = rf_str_status(&text);
    if (status == RF_OK && (*out = rf_strdup(rf_str_text(&text))) == NULL) status = RF_E_MEMORY;
    rf_str_free(&text);
    return status;
}

static rf_status draw(rf_dataset **out, const rf_dataset *images, rf_balance how, const rf_balancing *b) {
    if (how == RF_BALANCE_OVERSAMPLE && b->validation > 0)
        return rf_fail(
            RF_E_USAGE,
            "--balance oversample would put copies of the same images into training and validation; "
            "use --balance undersample, weights or effective");
    RF_TRY(rf_dataset_balance(out, images, how, b->seed));
    const int left = (*out)->count - b->validation;
    if (left >= b->batch) return RF_OK;
    return rf_fail(RF_E_USAGE,
                   "--balance %s leaves %d of %d images to train with, fewer than a batch of %d; use a "
                   "smaller --batch, or "
                   "--balance weights or effective",
                   b->how, RF_MAX(left, 0), images->count, b->batch);
}

static rf_status weight(float **out, const rf_dataset *images, rf_balance how, const rf_balancing *b) {
    if (strcmp(b->loss, "cross_entropy") != 0)
        return rf_fail(RF_E_USAGE, "--balance %s has no effect with --loss %s; use undersample or oversample",
                       b->how, b->loss);
    if ((*out = rf_alloc((size_t)images->classes, sizeof **out)) == NULL) return RF_E_MEMORY;
    return rf_dataset_class_weights(*out, images, how);
}

rf_status rf_balancing_apply(rf_dataset **balanced, float **weights, char **note, const rf_dataset *images,
                             const rf_balancing *b) {
    rf_balance how = RF_BALANCE_UNDERSAMPLE;
    while (strcmp(rf_balance_choices()[how - 1], b->how) != 0) how++;
    *balanced = NULL;
    *weights = NULL;
    *note = NULL;
    if (how == RF_BALANCE_UNDERSAMPLE || how == RF_BALANCE_OVERSAMPLE)
        RF_TRY(draw(balanced, images, how, b));
    else
        RF_TRY(weight(weights, images, how, b));
    return describe(note, images, *balanced, *weights, b->how);
}
