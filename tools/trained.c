/* Runs that are used: eval, predict, export. */
#include "trained.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/safetensors.h"
#include "model/zoo.h"

const char *const *rf_trained_weights(void) {
    static const char *const names[] = {"best", "last", NULL};
    return names;
}

static rf_status choose_weights(char **out, const rf_trained_options *o) {
    const char *which = o->weights != NULL ? o->weights : "best";
    const bool named = strcmp(which, "best") == 0 || strcmp(which, "last") == 0;
    *out = named ? rf_format("%s/%s.safetensors", o->run, which) : rf_strdup(which);
    if (*out != NULL && o->weights == NULL && access(*out, F_OK) != 0) {
        free(*out);
        *out = rf_format("%s/last.safetensors", o->run);
    }
    return *out != NULL ? RF_OK : RF_E_MEMORY;
}

/* The run's own files have a checksum, which opening them verifies; without one they are damaged. */
static rf_status load_weights(const rf_trained *t, const rf_trained_options *o) {
    rf_tensor_file *file;
    RF_TRY(rf_tensor_file_open(&file, t->weights));
    const bool own = strncmp(t->weights, o->run, strlen(o->run)) == 0;
    rf_status status = file->checked || !own
                           ? rf_model_read_weights(t->model, file, RF_HEAD_FITS)
                           : rf_fail(RF_E_INPUT, "%s: damaged: its checksum is missing", t->weights);
    rf_tensor_file_close(file);
    return status;
}

rf_status rf_trained_load(rf_trained *t, const rf_trained_options *o) {
    const rf_option_table tables[] = {{.rows = rf_training_rows()}, {.rows = NULL}};
    *t = (rf_trained){.model = NULL};
    if (o->run == NULL)
        return rf_fail(RF_E_USAGE, "--run is missing: the folder of a run, as 'rangefinder train' made it");
    RF_TRY(rf_record_read(&t->record, o->run));
    RF_TRY(rf_options_recall(&t->training, &t->settings, tables, &t->record.settings, false));
    RF_TRY((t->training.new_head ? rf_model_create_new_head : rf_model_create)(
        &t->model, t->record.model, t->record.images, t->training.seed));
    RF_TRY(choose_weights(&t->weights, o));
    return load_weights(t, o);
}

rf_status rf_trained_open(rf_trained *t, const rf_trained_options *o) {
    RF_TRY(rf_trained_load(t, o));
    return rf_open_device(&t->device, o->device);
}

void rf_trained_release(rf_trained *t) {
    rf_model_free(t->model);
    rf_device_close(t->device);
    rf_training_release(&t->training);
    rf_settings_free(&t->settings);
    rf_record_release(&t->record);
    free(t->weights);
}

rf_dataset_options rf_trained_reading(const rf_trained *t) {
    return rf_reading_for(&t->training.reading, &t->record.images);
}

const char *rf_trained_class(char number[16], const rf_trained *t, int index) {
    if (t->record.class_names != NULL) return t->record.class_names[index];
    snprintf(number, 16, "%d", index);
    return number;
}
