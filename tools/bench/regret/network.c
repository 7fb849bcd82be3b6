#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* The training before: long enough to learn features, and at a rate that every network here takes. */
enum { BASE_STEPS = 300, BASE_BATCH = 64 };
static const double base_lr = 1e-3;

static rf_status make(rf_model **out, const task *t, const rf_dataset *data, int seed) {
    const rf_image_shape images = {data->channels, data->height, data->width, data->classes};
    const char *const *built_in = rf_model_names();
    while (*built_in && strcmp(*built_in, t->network) != 0) built_in++;
    char *const file = rf_format(REGRET_NETWORKS "/%s.net", t->network);
    if (!file) return RF_E_MEMORY;
    const rf_status status = rf_model_create(out, *built_in ? *built_in : file, images, (uint64_t)seed);
    free(file);
    return status;
}

/* The last layer's weight; its bias follows. */
static size_t last_layer(const rf_model *model) {
    rf_parameter_view view;
    size_t count = 0;
    while (rf_model_parameter(model, count, &view)) count++;
    return count - 2;
}

static void copy_body(rf_model *to, const rf_model *from) {
    rf_parameter_view a, b;
    for (size_t i = 0; i < last_layer(to); i++)
        if (rf_model_parameter(to, i, &a) && rf_model_parameter(from, i, &b))
            memcpy(a.values, b.values, a.count * sizeof *a.values);
}

static rf_status train_body(rf_model *model, const task *t, rf_device *device, const rf_dataset *base,
                            int seed) {
    rf_model *other = NULL;
    rf_trainer *trainer = NULL;
    rf_status status = make(&other, t, base, seed);
    if (status == RF_OK)
        status = rf_trainer_create(&trainer, &(rf_trainer_desc){.device = device,
                                                                .model = other,
                                                                .dataset = base,
                                                                .batch = BASE_BATCH,
                                                                .optimizer = "adam",
                                                                .seed = (uint64_t)seed});
    if (status == RF_OK) status = rf_trainer_run(trainer, base_lr, BASE_STEPS, NULL);
    if (status == RF_OK) status = rf_trainer_export(trainer, other);
    if (status == RF_OK) copy_body(model, other);
    rf_trainer_free(trainer);
    rf_model_free(other);
    return status;
}

rf_status network_open(rf_model **out, const task *t, rf_device *device, const rf_dataset *data,
                       const rf_dataset *base, int seed) {
    RF_TRY(make(out, t, data, seed));
    const rf_status status = base ? train_body(*out, t, device, base, seed) : RF_OK;
    if (status == RF_OK) return RF_OK;
    rf_model_free(*out);
    *out = NULL;
    return status;
}

rf_status network_freeze(rf_parameter_group groups[FROZEN_GROUPS], const rf_model *model) {
    rf_parameter_view weight = {0};
    rf_model_parameter(model, last_layer(model), &weight);
    char *const pattern =
        rf_format("%.*s*", (int)(strlen(weight.name) - strlen("weight")), weight.name); /* "fc.*" */
    groups[0] = (rf_parameter_group){pattern, 1};
    groups[1] = (rf_parameter_group){"*", 0};
    return pattern ? RF_OK : RF_E_MEMORY;
}
