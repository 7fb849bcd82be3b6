/* Sessions: opening, notes, what is printed of them. */
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "balancing.h"
#include "device/device.h"
#include "model/zoo.h"
#include "train/trainer.h"

/* ---- notes ---- */

/* Takes the note; says nothing. */
static rf_status keep_note(rf_session *s, char *note) {
    char **notes = note != NULL ? rf_resize(s->notes, s->note_count + 2, sizeof *notes) : NULL;
    if (notes == NULL) {
        free(note);
        return RF_E_MEMORY;
    }
    s->notes = notes;
    notes[s->note_count++] = note;
    notes[s->note_count] = NULL;
    return RF_OK;
}

rf_status rf_session_note(rf_session *s, char *note) {
    RF_TRY(keep_note(s, note));
    if (s->opened != NULL && strstr(rf_str_text(&s->opened->said), note) != NULL) return RF_OK;
    rf_say("%s", note);
    if (s->opened != NULL) rf_str_addf(&s->opened->said, "%s\n", note);
    return RF_OK;
}

static rf_status note_data(rf_session *s) {
    const rf_dataset *data = s->dataset;
    for (size_t i = 0; i < data->note_count; i++) RF_TRY(rf_session_note(s, rf_format("%s", data->notes[i])));
    s->bad_known = data->bad_count;
    if (data->bad_count == 0) return RF_OK;
    return rf_session_note(s, rf_format("%zu file%s left out; 'rangefinder data' lists them", data->bad_count,
                                        data->bad_count == 1 ? "" : "s"));
}

rf_status rf_session_note_bad(rf_session *s) {
    const size_t bad = s->dataset->bad_count - s->bad_known;
    if (bad == 0) return RF_OK;
    return rf_session_note(
        s, rf_format("%zu file%s could not be decoded, and another image of its class was read "
                     "instead; 'rangefinder data' lists them",
                     bad, bad == 1 ? "" : "s"));
}

rf_status rf_session_note_device(rf_session *s) {
    const rf_quarantine *list = NULL;
    size_t quarantined = rf_device_quarantined(s->device, &list);
    const char *reason = rf_device_reason(s->device);
    bool reference = rf_device_describe(s->device)->kind == RF_DEVICE_REFERENCE;
    if (reason[0] != '\0' && reference) RF_TRY(rf_session_note(s, rf_format("%s", reason)));
    char text[RF_QUARANTINE_TEXT];
    for (size_t i = 0; i < quarantined; i++) /* was said when it happened */
        RF_TRY(keep_note(s, rf_strdup(rf_quarantine_text(text, &list[i]))));
    return RF_OK;
}

void rf_session_verbose(const rf_session *s, const char *what) {
    if (s->common->verbose) rf_say("%6.0f ms  %s", rf_time_ms() - s->started_ms, what);
}

char *rf_recompute_text(const rf_trainer *trainer) {
    const rf_plan_repeats repeats = rf_plan_repeated(trainer->plan);
    char now[32], whole[32];
    if (repeats.share == 0) return NULL;
    return rf_format(
        "activations are computed again: the network's tensors need %s rather than %s, and %.2g %% of the "
        "forward pass is done twice",
        rf_bytes_text(now, (double)rf_plan_memory_bytes(trainer->plan)),
        rf_bytes_text(whole, (double)repeats.bytes), 100 * repeats.share);
}

int rf_session_batch(const rf_session *s) {
    return s->desc.batch * rf_dist_size(s->common->dist);
}

void rf_session_verbose_exchange(const rf_session *s) {
    const rf_exchange_times *t = &s->trainer->exchange;
    char bytes[32];
    if (!s->common->verbose || t->steps == 0) return;
    rf_say("exchange: %s of gradients in %.2f ms a step (%.2f ms at best), after waiting %.2f ms for the "
           "slowest rank",
           rf_bytes_text(bytes, (double)s->trainer->weights->trained_floats * sizeof(float)),
           t->summing_ms / (double)t->steps, t->least_ms, t->waiting_ms / (double)t->steps);
    if (s->desc.sync_bn && t->steps > 1)
        rf_say("exchange: %.2f ms a step for the sums of batch norm, with waiting",
               t->norms_ms / (double)(t->steps - 1));
}

/* ---- the session ---- */

rf_status rf_session_begin(rf_session *s, const rf_common *common, const rf_training *training) {
    *s = (rf_session){.common = common, .training = training, .started_ms = rf_time_ms()};
    RF_TRY(rf_training_check(training));
    RF_TRY(rf_optimizing_text(&s->optimizer, &training->optimizer));
    RF_TRY(rf_training_groups(s->groups, training));
    int batch;
    RF_TRY(rf_training_batch(&batch, training, common));
    s->desc = (rf_trainer_desc){.batch = batch,
                                .dist = common->dist,
                                .optimizer = s->optimizer,
                                .groups = s->groups,
                                .group_count = training->groups.count,
                                .loss = training->loss,
                                .label_smoothing = training->label_smoothing,
                                .no_shuffle = training->no_shuffle,
                                .accumulate = training->accumulate,
                                .seed = training->seed,
                                .augment = training->augment,
                                .clip_value = training->clip_value,
                                .clip_norm = training->clip_norm,
                                .decay_exclude = training->decay_exclude,
                                .freeze = training->freeze,
                                .ema = training->ema,
                                .sync_bn = training->sync_bn,
                                .recompute = training->recompute,
                                .half = training->half};
    return RF_OK;
}

static rf_status note_model(rf_session *s) {
    const char *note = rf_model_note(s->model);
    return note != NULL ? rf_session_note(s, rf_strdup(note)) : RF_OK;
}

static rf_status load_weights(rf_model *model, const rf_training *t) {
    return t->strict ? rf_model_load_weights(model, t->weights)
                     : rf_model_load_pretrained(model, t->weights, t->new_head);
}

/* Whether what is open was opened by this key, which it takes; if not, the new one is kept instead. */
static bool is_open(char **kept, char *key) {
    const bool same = *kept != NULL && strcmp(*kept, key) == 0;
    free(same ? key : *kept);
    if (!same) *kept = key;
    return same;
}

static rf_status open_shared_data(rf_opened *opened, const char *data, const rf_dataset_options *o) {
    char *key = rf_format("%d %d %d %d %d %d %d %d %d %" PRIu64 " %" PRIu64 " %s", o->image_height,
                          o->image_width, (int)o->fit, o->channels, o->transpose, o->coarse_labels,
                          o->no_exif, o->limit, o->skip_bad, o->seed, o->cache_bytes, data);
    if (key == NULL) return RF_E_MEMORY;
    if (is_open(&opened->data_key, key) && opened->dataset != NULL) return RF_OK;
    rf_dataset_free(opened->dataset);
    RF_TRY(rf_dataset_open(&opened->dataset, data, o));
    opened->fingerprint = rf_dataset_fingerprint(opened->dataset);
    return RF_OK;
}

static bool computes_on_cores(const rf_session *s) {
    return (rf_device_describe(s->device)->kind & (RF_DEVICE_CPU | RF_DEVICE_REFERENCE)) != 0;
}

static rf_status note_ranks(rf_session *s) {
    const rf_dist *dist = s->opened != NULL ? s->opened->dist : s->common->dist;
    const int ranks = rf_dist_local_size(dist);
    if (dist == NULL || ranks <= s->device_count || computes_on_cores(s)) return RF_OK;
    return rf_session_note(
        s, rf_format("%d ranks share %d device%s", ranks, s->device_count, s->device_count == 1 ? "" : "s"));
}

/* Options that change nothing here, and would elsewhere: a script may give them to all of its runs. */
static rf_status note_idle_options(rf_session *s) {
    const rf_training *t = s->training;
    const rf_dist *dist = s->opened != NULL ? s->opened->dist : s->common->dist;
    rf_optimizer_setup setup;
    if (t->sync_bn && rf_dist_size(dist) == 1)
        RF_TRY(rf_session_note(s, rf_strdup("--sync-bn has no effect in one process")));
    if (t->decay_exclude == NULL) return RF_OK;
    RF_TRY(rf_optimizer_parse(&setup, s->optimizer));
    bool decays = rf_optimizer_weight_decay(&setup) > 0;
    rf_optimizer_release(&setup);
    for (size_t g = 0; g < t->groups.count; g++) decays |= s->groups[g].weight_decay > 0;
    return decays ? RF_OK
                  : rf_session_note(s, rf_strdup("--decay-exclude has no effect: the weight decay is 0"));
}

static rf_status open_data(rf_session *s) {
    const rf_training *training = s->training;
    rf_dataset_options reading = rf_reading_options(&training->reading);
    reading.skip_bad = training->skip_bad;
    reading.seed = training->seed;
    if (rf_ahead_data() != NULL) return rf_dataset_open(&s->dataset, rf_ahead_data(), NULL);
    if (s->opened == NULL) return rf_dataset_open(&s->dataset, training->data, &reading);
    RF_TRY(open_shared_data(s->opened, training->data, &reading));
    s->dataset = s->opened->dataset;
    return RF_OK;
}

static rf_status open_device(rf_session *s) {
    rf_opened *opened = s->opened;
    const char *selector = s->training->device;
    if (opened == NULL) return rf_open_device_for(&s->device, &s->device_count, selector, s->common->dist);
    char *key = rf_strdup(selector != NULL ? selector : "");
    if (key == NULL) return RF_E_MEMORY;
    if (!is_open(&opened->device_key, key) || opened->device == NULL) {
        rf_device_close(opened->device);
        RF_TRY(rf_open_device_for(&opened->device, &opened->device_count, selector, opened->dist));
    }
    s->device = opened->device;
    s->device_count = opened->device_count;
    return RF_OK;
}

void rf_opened_release(rf_opened *opened) {
    rf_dataset_free(opened->dataset);
    rf_device_close(opened->device);
    free(opened->data_key);
    free(opened->device_key);
    rf_str_free(&opened->said);
    *opened = (rf_opened){0};
}

static rf_status open_session(rf_session *s) {
    const rf_training *training = s->training;
    RF_TRY(open_data(s));
    RF_TRY(note_data(s));
    const rf_dataset *data = s->dataset;
    rf_session_verbose(s, "images read");
    RF_TRY(rf_training_fit(&s->mean, &s->std, &s->class_weights, training, data));
    const rf_image_shape images = {data->channels, data->height, data->width, data->classes};
    RF_TRY((training->new_head ? rf_model_create_new_head : rf_model_create)(&s->model, training->model,
                                                                             images, training->seed));
    RF_TRY(note_model(s));
    if (training->weights != NULL && rf_ahead_data() == NULL) {
        RF_TRY(load_weights(s->model, training));
        RF_TRY(note_model(s));
    }
    rf_session_verbose(s, "network made");
    RF_TRY(open_device(s));
    RF_TRY(note_ranks(s));
    RF_TRY(note_idle_options(s));
    rf_session_verbose(s, "device opened");
    if (s->common->verbose && rf_device_reason(s->device)[0] != '\0')
        rf_say("%s", rf_device_reason(s->device));
    s->data_text = rf_format("%s: %d images %dx%dx%d, %d classes", data->name, data->count, data->channels,
                             data->height, data->width, data->classes);
    return s->data_text != NULL ? RF_OK : RF_E_MEMORY;
}

/* A rank that fails here ends the others before they wait for it. */
rf_status rf_session_open(rf_session *s) {
    return rf_dist_agree(s->common->dist, open_session(s));
}

rf_status rf_session_split(rf_session *s, double share) {
    if (share == 0) return RF_OK;
    if (rf_ahead_data() != NULL) { /* as many as the first process has */
        s->desc.validation = s->dataset->count - s->desc.batch;
        return RF_OK;
    }
    return rf_dataset_split(&s->part, &s->held_out, s->dataset, share, s->training->seed);
}

/* What is trained with. */
static const rf_dataset *images_of(const rf_session *s) {
    return s->balanced != NULL ? s->balanced : s->part != NULL ? s->part : s->dataset;
}

static rf_status balance(rf_session *s) {
    const rf_training *t = s->training;
    char *note;
    RF_TRY(rf_balancing_apply(&s->balanced, &s->class_weights, &note, images_of(s),
                              &(rf_balancing){.how = t->balance,
                                              .loss = t->loss,
                                              .batch = rf_session_batch(s),
                                              .validation = s->desc.validation,
                                              .seed = t->seed}));
    return rf_session_note(s, note);
}

rf_status rf_session_make_trainer(rf_session *s) {
    if (s->training->balance != NULL && rf_ahead_data() == NULL)
        RF_TRY(balance(s)); /* whose images are made up */
    rf_trainer_desc desc = s->desc;
    desc.device = s->device;
    desc.model = s->model;
    desc.dataset = images_of(s);
    desc.validation_data = s->held_out;
    desc.mean = s->mean;
    desc.std = s->std;
    desc.class_weights = s->class_weights;
    if (rf_ahead_data() != NULL) {
        rf_device_compile_ahead(s->device);
        return rf_trainer_compile(&desc);
    }
    const int held_out = s->held_out != NULL ? s->held_out->count : desc.validation;
    rf_ahead_begin(s->device, s->dataset, desc.batch + held_out);
    RF_TRY(rf_trainer_create_emptying(&s->trainer, &desc, s->model));
    rf_session_verbose(s, "trainer ready");
    char *const recomputed = rf_recompute_text(s->trainer);
    return recomputed != NULL ? rf_session_note(s, recomputed) : RF_OK;
}

void rf_session_print(const rf_session *s) {
    const rf_device_info *device = rf_device_describe(s->device);
    char count[32];
    rf_print_line("device   %s (%s)", device->name, device->selector);
    rf_print_line("data     %s", s->data_text);
    rf_print_line("network  %s, %s parameters", rf_model_name(s->model),
                  rf_count_text(count, rf_model_parameter_count(s->model)));
    if (s->common->dist == NULL) return;
    rf_str ranks = {0};
    rf_str_addf(&ranks, "%d, each with %d of a step's %d images", rf_dist_size(s->common->dist),
                s->desc.batch, rf_session_batch(s));
    if (computes_on_cores(s))
        rf_str_addf(&ranks, ", on %d core%s", rf_cpu_count(), rf_cpu_count() == 1 ? "" : "s");
    rf_print_line("ranks    %s", rf_str_text(&ranks));
    rf_str_free(&ranks);
}

static bool has_row(const rf_option *rows, const char *name) {
    while (rows->name != NULL && strcmp(rows->name, name) != 0) rows++;
    return rows->name != NULL;
}

void rf_session_add_options(rf_str *line, const rf_session *s) {
    const rf_settings *settings = &s->common->settings;
    for (size_t i = 0; i < settings->count; i++) {
        const rf_setting *row = &settings->rows[i];
        const bool known = has_row(rf_training_rows(), row->name) || has_row(rf_optimizing_rows(), row->name);
        if (!known || !rf_settings_given(settings, row->name)) continue;
        const bool whole =
            s->common->dist != NULL && strcmp(row->name, "batch") == 0; /* rf_session_settings */
        rf_str_addf(line, " --%s", whole ? "global-batch" : row->name);
        if (strcmp(row->value, "yes") != 0) rf_add_word(line, row->value);
    }
}

rf_status rf_session_settings(rf_settings *settings, const rf_session *s) {
    RF_TRY(rf_optimizing_settings(settings, &s->training->optimizer));
    if (s->common->dist == NULL)
        return rf_settings_set(settings, "device", rf_device_describe(s->device)->selector);
    char batch[16]; /* what one process would be given */
    snprintf(batch, sizeof batch, "%d", rf_session_batch(s));
    return rf_settings_set(settings, "batch", batch);
}

void rf_session_release(rf_session *s) {
    for (size_t i = 0; i < s->note_count; i++) free(s->notes[i]);
    for (size_t i = 0; i < RF_MAX_REPEATS; i++) free((char *)s->groups[i].pattern);
    free(s->notes);
    free(s->optimizer);
    free(s->data_text);
    rf_trainer_free(s->trainer);
    rf_dataset_free(s->balanced);
    rf_dataset_free(s->part);
    rf_dataset_free(s->held_out);
    rf_model_free(s->model);
    if (s->opened == NULL) {
        rf_dataset_free(s->dataset);
        rf_device_close(s->device);
    }
    free(s->mean);
    free(s->std);
    free(s->class_weights);
}
