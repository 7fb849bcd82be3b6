/* What differs between parameters: whether they are trained, their learning-rate multiplier and their weight decay. */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* ---- which are trained ---- */

static const char *first_name(const rf_model *model) {
    return model->parameter_count > 0 ? model->parameters[0].name : "";
}

static rf_status freeze(bool *trained, const rf_model *model, const char *pattern) {
    bool matches = false;
    for (int i = 0; i < model->parameter_count; i++) {
        if (model->parameters[i].is_state || fnmatch(pattern, model->parameters[i].name, 0) != 0) continue;
        trained[i] = false;
        matches = true;
    }
    return matches ? RF_OK
                   : rf_fail(RF_E_USAGE, "freeze: '%s' matches no parameter; they are called like '%s'",
                             pattern, first_name(model));
}

rf_status rf_groups_freeze(rf_trainer *t) {
    const rf_model *model = t->desc.model;
    const char *patterns = t->desc.freeze != NULL ? t->desc.freeze : "";
    char *copy = rf_strdup(patterns), *rest = NULL;
    t->texts.freeze = rf_strdup(patterns);
    t->trained = rf_alloc((size_t)model->parameter_count, sizeof *t->trained);
    rf_status status = copy != NULL && t->texts.freeze != NULL && t->trained != NULL ? RF_OK : RF_E_MEMORY;
    bool left = patterns[0] == '\0';
    for (int i = 0; status == RF_OK && i < model->parameter_count; i++)
        t->trained[i] = rf_is_trained(model, NULL, i);
    for (char *pattern = status == RF_OK ? strtok_r(copy, ",", &rest) : NULL;
         status == RF_OK && pattern != NULL; pattern = strtok_r(NULL, ",", &rest))
        status = freeze(t->trained, model, pattern);
    for (int i = 0; status == RF_OK && i < model->parameter_count; i++) left |= t->trained[i];
    if (status == RF_OK && !left)
        status = rf_fail(RF_E_USAGE, "freeze: '%s' leaves no parameter to train", patterns);
    free(copy);
    return status;
}

/* ---- rates and decays ---- */

bool rf_groups_differ(const rf_trainer_desc *d) {
    return d->group_count > 0 || d->decay_exclude != NULL;
}

rf_status rf_exclusion_read(rf_exclusion *out, const char *text) {
    const char *at = text != NULL ? text : "";
    *out = (rf_exclusion){0};
    while (*at != '\0') {
        const size_t length = strcspn(at, ",");
        if (length == 4 && strncmp(at, "norm", length) == 0)
            out->norm = true;
        else if (length == 4 && strncmp(at, "bias", length) == 0)
            out->bias = true;
        else
            return rf_fail(RF_E_USAGE, "'%.*s' is neither 'norm' nor 'bias'", (int)length, at);
        at += length + (at[length] == ',');
    }
    return RF_OK;
}

static rf_status check_groups(const rf_trainer_desc *d) {
    for (size_t g = 0; g < d->group_count; g++) {
        const rf_parameter_group *group = &d->groups[g];
        if (!(group->lr_multiplier >= 0) || isinf(group->lr_multiplier))
            return rf_fail(
                RF_E_USAGE,
                "group '%s' has the learning-rate multiplier %g; it must be a number of 0 or above",
                group->pattern, group->lr_multiplier);
        if (group->own_decay && (!(group->weight_decay >= 0) || isinf(group->weight_decay)))
            return rf_fail(RF_E_USAGE,
                           "group '%s' has the weight decay %g; it must be a number of 0 or above",
                           group->pattern, group->weight_decay);
    }
    return RF_OK;
}

/* The first group whose pattern matches the name; NULL: none. */
static const rf_parameter_group *group_of(const rf_trainer_desc *d, const char *name) {
    for (size_t g = 0; g < d->group_count; g++)
        if (fnmatch(d->groups[g].pattern, name, 0) == 0) return &d->groups[g];
    return NULL;
}

/* Every op that normalises is called a norm. */
static bool is_excluded(const rf_parameter *p, const rf_model *model, const rf_exclusion *out) {
    return (out->bias && strcmp(p->spec.name, "bias") == 0) ||
           (out->norm && strstr(model->nodes[p->node].op->name, "norm") != NULL);
}

/* Of each block; used: of each group, whether it is anybody's. */
static void fill(rf_group_numbers *numbers, bool *used, const rf_trainer *t, const rf_exclusion *excluded) {
    const rf_weights *w = t->weights;
    const rf_trainer_desc *d = &t->desc;
    const double decay = rf_optimizer_weight_decay(&t->setup);
    for (int i = 0; i < w->count; i++) {
        const rf_parameter *p = &d->model->parameters[i];
        const rf_parameter_group *group = p->is_state ? NULL : group_of(d, p->name);
        rf_group_numbers of = {1, (float)decay};
        if (group != NULL) {
            used[group - d->groups] = true;
            of.lr_multiplier = (float)group->lr_multiplier;
            if (group->own_decay) of.weight_decay = (float)group->weight_decay;
        }
        if (!w->trained[i]) continue;
        if (is_excluded(p, d->model, excluded)) of.weight_decay = 0;
        const size_t first = w->offset[i] / w->alignment,
                     count = rf_ceil_div(rf_param_storage(&p->spec), w->alignment);
        for (size_t b = first; b < first + count; b++) numbers[b] = of;
    }
}

static rf_status make_texts(rf_trainer *t, const rf_exclusion *excluded) {
    const rf_trainer_desc *d = &t->desc;
    rf_str groups = {0};
    for (size_t g = 0; g < d->group_count; g++) {
        rf_str_addf(&groups, "%s%s=", g > 0 ? " " : "", d->groups[g].pattern);
        rf_str_add_number(&groups, d->groups[g].lr_multiplier);
        if (!d->groups[g].own_decay) continue;
        rf_str_add(&groups, ",weight_decay=");
        rf_str_add_number(&groups, d->groups[g].weight_decay);
    }
    t->texts.groups = rf_strdup(rf_str_text(&groups));
    t->texts.decay_exclude =
        rf_format("%s%s%s", excluded->norm ? "norm" : "", excluded->norm && excluded->bias ? "," : "",
                  excluded->bias ? "bias" : "");
    rf_status status = rf_str_status(&groups);
    rf_str_free(&groups);
    return t->texts.groups != NULL && t->texts.decay_exclude != NULL ? status : RF_E_MEMORY;
}

size_t rf_groups_bytes(const rf_trainer_desc *d, size_t blocks) {
    return (rf_groups_differ(d) ? blocks : 1) * sizeof(rf_group_numbers);
}

rf_status rf_groups_create(rf_trainer *t) {
    const rf_trainer_desc *d = &t->desc;
    const size_t blocks = t->weights->trained_floats / t->weights->alignment,
                 bytes = rf_groups_bytes(d, blocks);
    rf_exclusion excluded;
    RF_TRY(check_groups(d));
    if (rf_exclusion_read(&excluded, d->decay_exclude) != RF_OK)
        return rf_fail_prefix(RF_E_USAGE, "decay_exclude");
    RF_TRY(make_texts(t, &excluded));
    rf_group_numbers *numbers = rf_alloc(blocks, sizeof *numbers);
    bool *used = rf_alloc(d->group_count, sizeof *used);
    rf_status status = numbers != NULL && used != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) fill(numbers, used, t, &excluded);
    for (size_t g = 0; g < d->group_count && status == RF_OK; g++)
        if (!used[g])
            status = rf_fail(RF_E_USAGE,
                             "group '%s' matches no parameter (or an earlier group takes them all); they are "
                             "called like '%s'",
                             d->groups[g].pattern, first_name(d->model));
    if (status == RF_OK) status = rf_buffer_create(&t->group, d->device, bytes);
    if (status == RF_OK) status = rf_buffer_write(t->group, 0, numbers, bytes);
    free(numbers);
    free(used);
    return status;
}
