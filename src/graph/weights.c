/* Parameters on a device: layout, upload and export. */
#include "graph/weights.h"

#include <stdlib.h>
#include <string.h>

/* Places every parameter; the sums are the sizes of the flat buffers. */
static void lay_out(rf_weights *w, const rf_device *device, const rf_model *model, const bool *trained) {
    w->alignment = RF_MAX(rf_device_describe(device)->alignment_bytes, 64) / sizeof(float);
    for (int i = 0; i < model->parameter_count; i++) {
        const rf_parameter *p = &model->parameters[i];
        size_t *total = rf_is_trained(model, trained, i) ? &w->trained_floats : &w->state_floats;
        if (w->offset != NULL) w->offset[i] = *total;
        *total += rf_round_up(rf_param_storage(&p->spec), w->alignment);
    }
    w->trained_floats = RF_MAX(w->trained_floats, w->alignment);
    w->state_floats = RF_MAX(w->state_floats, w->alignment);
}

void rf_weights_measure(size_t *trained_floats, size_t *state_floats, const rf_device *device,
                        const rf_model *model, const bool *trained) {
    rf_weights w = {0};
    lay_out(&w, device, model, trained);
    *trained_floats = w.trained_floats;
    *state_floats = w.state_floats;
}

static rf_status upload(rf_weights *w, int parameter, const rf_parameter *p) {
    const size_t floats = rf_param_storage(&p->spec);
    float *storage = rf_alloc(floats, sizeof *storage);
    if (storage == NULL) return RF_E_MEMORY;
    rf_param_pack(storage, p->values, &p->spec);
    rf_status status = rf_buffer_write(w->value[parameter], 0, storage, floats * sizeof *storage);
    free(storage);
    return status;
}

/* Of each parameter in the flat buffers; states is NULL where only what is trained has one. */
static rf_status make_regions(rf_buffer **region, const rf_weights *w, rf_buffer *trained,
                              rf_buffer *states) {
    for (int i = 0; i < w->count; i++) {
        rf_buffer *flat = w->trained[i] ? trained : states;
        if (flat != NULL)
            RF_TRY(rf_buffer_region(&region[i], flat, w->offset[i] * sizeof(float),
                                    rf_param_storage(&w->spec[i]) * sizeof(float)));
    }
    return RF_OK;
}

static rf_status describe(rf_weights *w, const rf_model *model, const bool *trained) {
    const size_t count = (size_t)model->parameter_count;
    w->name = rf_alloc(count, sizeof *w->name);
    w->spec = rf_alloc(count, sizeof *w->spec);
    w->trained = rf_alloc(count, sizeof *w->trained);
    w->offset = rf_alloc(count, sizeof *w->offset);
    w->value = rf_alloc(count, sizeof *w->value);
    w->gradient = rf_alloc(count, sizeof *w->gradient);
    if (w->name == NULL || w->spec == NULL || w->trained == NULL || w->offset == NULL || w->value == NULL ||
        w->gradient == NULL)
        return RF_E_MEMORY;
    w->count = model->parameter_count;
    for (int i = 0; i < w->count; i++) {
        const rf_parameter *p = &model->parameters[i];
        w->spec[i] = p->spec;
        w->trained[i] = rf_is_trained(model, trained, i);
        if ((w->name[i] = rf_strdup(p->name)) == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

/* One value after the other, and the gradients last: so neither is the model there twice, nor are gradients beside it. */
static rf_status fill(rf_weights *w, const rf_model *model, rf_model *emptied, bool with_gradients) {
    RF_TRY(rf_buffer_create_zeroed(&w->params, w->device, w->trained_floats * sizeof(float)));
    RF_TRY(rf_buffer_create_zeroed(&w->states, w->device, w->state_floats * sizeof(float)));
    RF_TRY(make_regions(w->value, w, w->params, w->states));
    for (int i = 0; i < w->count; i++) {
        RF_TRY(upload(w, i, &model->parameters[i]));
        if (emptied != NULL) rf_parameter_drop_values(&emptied->parameters[i]);
    }
    if (!with_gradients) return RF_OK;
    RF_TRY(rf_buffer_create_zeroed(&w->grads, w->device, w->trained_floats * sizeof(float)));
    return make_regions(w->gradient, w, w->grads, NULL);
}

rf_status rf_weights_create(rf_weights **out, rf_device *device, const rf_model *model, rf_model *emptied,
                            const bool *trained, bool with_gradients) {
    *out = NULL;
    rf_weights *w = rf_alloc(1, sizeof *w);
    if (w == NULL) return RF_E_MEMORY;
    w->device = device;
    rf_status status = describe(w, model, trained);
    if (status == RF_OK) {
        lay_out(w, device, model, trained);
        status = fill(w, model, emptied, with_gradients);
    }
    if (status == RF_OK)
        *out = w;
    else
        rf_weights_free(w);
    return status;
}

rf_status rf_weights_view(rf_weights **out, const rf_weights *of, rf_buffer *params) {
    rf_weights *w = *out = rf_alloc(1, sizeof *w);
    if (w == NULL) return RF_E_MEMORY;
    *w = *of;
    w->is_view = true;
    w->params = params;
    w->value = rf_alloc((size_t)w->count, sizeof *w->value);
    rf_status status = w->value != NULL ? make_regions(w->value, w, params, w->states) : RF_E_MEMORY;
    if (status == RF_OK) return RF_OK;
    rf_weights_free(w);
    *out = NULL;
    return status;
}

void rf_weights_free(rf_weights *w) {
    if (w == NULL) return;
    for (int i = 0; w->value != NULL && i < w->count; i++) rf_buffer_free(w->value[i]);
    free(w->value);
    if (w->is_view) {
        free(w);
        return;
    }
    for (int i = 0; i < w->count; i++) {
        rf_buffer_free(w->gradient[i]);
        free(w->name[i]);
    }
    rf_buffer_free(w->params);
    rf_buffer_free(w->grads);
    rf_buffer_free(w->states);
    free(w->name);
    free(w->spec);
    free(w->trained);
    free(w->offset);
    free(w->gradient);
    free(w);
}

rf_status rf_weights_export(rf_weights *w, rf_model *model) {
    if (!model->finished) return rf_fail(RF_E_USAGE, "the network '%s' is not finished", model->name);
    if (model->parameter_count != w->count)
        return rf_fail(RF_E_SHAPE, "the model has %d parameters, the trainer's has %d",
                       model->parameter_count, w->count);
    for (int i = 0; i < w->count; i++) {
        rf_parameter *p = &model->parameters[i];
        size_t bytes = rf_param_storage(&p->spec) * sizeof(float);
        if (rf_buffer_bytes(w->value[i]) != bytes)
            return rf_fail(RF_E_SHAPE, "parameter '%s' has another shape in the trainer's model", p->name);
        float *storage = rf_alloc(bytes, 1);
        if (storage == NULL) return RF_E_MEMORY;
        rf_status status = rf_buffer_read(w->value[i], 0, storage, bytes);
        if (status == RF_OK) rf_param_unpack(p->values, storage, &p->spec);
        free(storage);
        RF_TRY(status);
    }
    return RF_OK;
}
