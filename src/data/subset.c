/* A part of a data set: a list of indices into another one, which keeps the pixels. */
#include <stdlib.h>
#include <string.h>

#include "data/format.h"
#include "data/source.h"

typedef struct subset {
    rf_source source;
    const rf_dataset *of; /* borrowed: outlives this */
    int32_t indices[];
} subset;

static rf_status read_image(uint8_t *out, rf_source *source, int index) {
    const subset *s = (const subset *)source;
    return rf_dataset_read(out, s->of, s->indices[index]);
}

static void free_subset(rf_source *source) {
    free(source);
}

static rf_status copy_class_names(rf_dataset *to, const rf_dataset *from) {
    if (from->class_names == NULL) return RF_OK;
    to->class_names = rf_alloc((size_t)from->classes, sizeof *to->class_names);
    if (to->class_names == NULL) return RF_E_MEMORY;
    for (int c = 0; c < from->classes; c++)
        if ((to->class_names[c] = rf_strdup(from->class_names[c])) == NULL) return RF_E_MEMORY;
    return RF_OK;
}

rf_status rf_dataset_subset(rf_dataset **out, const rf_dataset *of, const int32_t *indices, int count) {
    *out = NULL;
    if (count < 1) return rf_fail(RF_E_INPUT, "%s: a part of it without images", of->name);
    for (int i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= of->count)
            return rf_fail(RF_E_USAGE, "%s: index %d is not in 0..%d", of->name, (int)indices[i],
                           of->count - 1);
    rf_dataset *part;
    RF_TRY(
        rf_dataset_create_bare(&part, of->name,
                               (rf_data_shape){(uint64_t)count, (uint64_t)of->channels, (uint64_t)of->height,
                                               (uint64_t)of->width, (uint64_t)of->classes}));
    subset *s = rf_alloc(1, sizeof *s + (size_t)count * sizeof *s->indices);
    rf_status status = s != NULL ? copy_class_names(part, of) : RF_E_MEMORY;
    if (status != RF_OK) {
        free(s);
        rf_dataset_free(part);
        return status;
    }
    s->source = (rf_source){.decodes = rf_dataset_decodes(of),
                            .memory_bytes = of->source != NULL ? of->source->memory_bytes : 0,
                            .read = read_image,
                            .free = free_subset};
    s->of = of;
    memcpy(s->indices, indices, (size_t)count * sizeof *indices);
    for (int i = 0; i < count; i++) part->labels[i] = of->labels[indices[i]];
    part->source = &s->source;
    *out = part;
    return RF_OK;
}
