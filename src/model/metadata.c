/* What a file with a network's weights says of classes and images. */
#include "model/metadata.h"

#include <stdlib.h>

#include "base/json.h"
#include "graph/model.h"

static rf_status add(rf_tensor_note *notes, size_t *count, const char *name, rf_json *list) {
    const rf_status status = rf_json_end(list);
    notes[(*count)++] = (rf_tensor_note){(char *)name, list->text.data};
    return status;
}

static rf_status add_numbers(rf_tensor_note *notes, size_t *count, const char *name, const double *values,
                             int channels) {
    rf_json list = {.flat = true};
    if (values == NULL) return RF_OK;
    rf_json_numbers(&list, NULL, values, (size_t)channels);
    return add(notes, count, name, &list);
}

rf_status rf_metadata_make(rf_tensor_note out[RF_MAX_METADATA], size_t *count, const rf_model *model,
                           const rf_export_options *o) {
    const rf_image_shape *images = &model->images;
    rf_json names = {.flat = true};
    *count = 0;
    if (o->class_names != NULL) {
        rf_json_open(&names, NULL, '[');
        for (int c = 0; c < images->classes; c++) rf_json_string(&names, NULL, o->class_names[c]);
        RF_TRY(add(out, count, "class_names", &names));
    }
    RF_TRY(add_numbers(out, count, "mean", o->mean, images->channels));
    return add_numbers(out, count, "std", o->std, images->channels);
}

rf_status rf_metadata_save_weights(const rf_model *model, const char *path, const rf_export_options *o) {
    rf_tensor_note notes[RF_MAX_METADATA];
    size_t count;
    rf_status status = rf_metadata_make(notes, &count, model, o);
    if (status == RF_OK) status = rf_model_write_weights(model, path, notes, count, true);
    for (size_t i = 0; i < count; i++) free(notes[i].text);
    return status;
}
