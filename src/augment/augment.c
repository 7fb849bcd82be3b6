/* The table of augmentations, lists of them, and drawing. */
#include "augment/augment.h"

#include <stdlib.h>
#include <string.h>

#include "rangefinder/trainer.h"

/* The last word of Philox' counter, which other streams leave 0: no other random numbers are drawn from ours. */
enum { DOMAIN = 0x41554746 };

enum { MAX_SIDE = 8192 }; /* sums of coordinates fit an int */

static const rf_augment *const augments[] = {
#define RF_AUGMENT_ROW(name) &rf_augment_##name,
    RF_AUGMENT_LIST(RF_AUGMENT_ROW)
#undef RF_AUGMENT_ROW
};

static const rf_spec_kind *const kinds[] = {
#define RF_AUGMENT_KIND(name) &rf_augment_##name.kind,
    RF_AUGMENT_LIST(RF_AUGMENT_KIND)
#undef RF_AUGMENT_KIND
        NULL,
};

const char *const *rf_augment_names(void) {
#define RF_AUGMENT_NAME(name) #name,
    static const char *const names[] = {RF_AUGMENT_LIST(RF_AUGMENT_NAME) NULL};
#undef RF_AUGMENT_NAME
    return names;
}

const rf_augment *rf_augment_at(size_t index) {
    return index < RF_COUNT(augments) ? augments[index] : NULL;
}

static const rf_augment *augment_of(const rf_spec *spec) {
    size_t i = 0;
    while (kinds[i] != spec->kind) i++;
    return augments[i];
}

/* ---- lists ---- */

static rf_status check(const rf_augmentation *a, const rf_spec *spec) {
    const rf_augment *augment = augment_of(spec);
    for (size_t i = 0; i < a->count; i++) {
        if (a->specs[i].kind == spec->kind)
            return rf_fail(RF_E_USAGE, "%s stands twice in the augmentation; give it once", spec->kind->name);
        if (augment->mixes && augment_of(&a->specs[i])->mixes && spec->o[0] == 1)
            return rf_fail(RF_E_USAGE,
                           "%s mixes every image, which leaves none to %s: give it a p below 1, like p=0.5",
                           spec->kind->name, a->specs[i].kind->name);
    }
    return augment->check != NULL ? augment->check(spec->o + 1, &a->images) : RF_OK;
}

static rf_status add(rf_augmentation *a, const char *text) {
    rf_spec spec, *grown = NULL;
    RF_TRY(rf_spec_parse(&spec, text, "augmentation", kinds));
    rf_status status = check(a, &spec);
    if (status == RF_OK && (grown = rf_resize(a->specs, a->count + 1, sizeof *grown)) == NULL)
        status = RF_E_MEMORY;
    if (status != RF_OK) {
        rf_spec_release(&spec);
        return status;
    }
    a->specs = grown;
    a->specs[a->count++] = spec;
    a->mixes |= augment_of(&spec)->mixes;
    return RF_OK;
}

rf_status rf_augmentation_parse(rf_augmentation *out, const char *text, const rf_augment_images *images) {
    *out = (rf_augmentation){.images = *images};
    if (text == NULL) return RF_OK;
    if (images->height > MAX_SIDE || images->width > MAX_SIDE)
        return rf_fail(RF_E_USAGE, "images of %dx%d pixels are not augmented; use --image-size %d or less",
                       images->height, images->width, MAX_SIDE);
    char *copy = rf_strdup(text);
    rf_status status = copy != NULL ? RF_OK : RF_E_MEMORY;
    for (char *at = copy; status == RF_OK && at != NULL;) {
        char *plus = strchr(at, '+');
        if (plus != NULL) *plus = '\0';
        status = add(out, at);
        at = plus != NULL ? plus + 1 : NULL;
    }
    free(copy);
    if (status != RF_OK) rf_augmentation_release(out);
    return status;
}

void rf_augmentation_release(rf_augmentation *a) {
    for (size_t i = 0; i < a->count; i++) rf_spec_release(&a->specs[i]);
    free(a->specs);
    *a = (rf_augmentation){0};
}

void rf_augmentation_add_text(rf_str *text, const rf_augmentation *a) {
    if (a->count == 0) rf_str_add(text, "none");
    for (size_t i = 0; i < a->count; i++) {
        if (i > 0) rf_str_add(text, "+");
        rf_spec_add_text(text, &a->specs[i]);
    }
}

/* ---- drawing ---- */

void rf_augmentation_draw(rf_view *views, const rf_augmentation *a, const int32_t *sources, uint64_t seed,
                          uint64_t number) {
    for (int i = 0; i < a->images.batch; i++) {
        rf_drawing d;
        rf_draw_begin(&d, &views[i], sources[i], &a->images);
        d.index = i;
        rf_random_init(&d.random, seed, (uint32_t)number);
        d.random.counter[1] = (uint32_t)(a->images.first + i);
        d.random.counter[3] = DOMAIN;
        for (size_t k = 0; k < a->count; k++) {
            const double *o = a->specs[k].o;
            d.o = o + 1;
            if (rf_random_uniform(&d.random) < o[0]) augment_of(&a->specs[k])->draw(&d);
        }
        rf_draw_end(&d);
    }
}
