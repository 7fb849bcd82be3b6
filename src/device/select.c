/* Device selection: what the backends find, and the rules of selectors and `auto`. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "device/backend.h"

/* In the order in which devices are listed; the reference, last, is always present. */
static const rf_backend *const backends[] = {&rf_backend_opencl, &rf_backend_reference};

/* ---- the rules ---- */

/* Words that select by kind, and how `auto` ranks the kinds: the first that is there. */
static const struct {
    rf_device_kind kind;
    const char *selector, *text;
} kinds[] = {
    {RF_DEVICE_GPU, "gpu", "GPU"},
    {RF_DEVICE_ACCELERATOR, "accelerator", "accelerator"},
    {RF_DEVICE_CPU, "cpu", "CPU"},
    {RF_DEVICE_REFERENCE, "reference", "reference"},
};

static size_t kind_rank(rf_device_kind kind) {
    size_t i = 0;
    while (i < RF_COUNT(kinds) - 1 && kinds[i].kind != kind) i++;
    return i;
}

/* Implementations that work but are slower than others of the same processor, by a part of their names. */
static const struct {
    const char *name, *why;
} handicaps[] = {
    {"llvmpipe", "a graphics renderer"},
    {"oclgrind", "a simulator"},
};

static const char *handicap(const rf_device_info *info) {
    for (size_t i = 0; i < RF_COUNT(handicaps); i++)
        if (strcasestr(info->name, handicaps[i].name) != NULL ||
            strcasestr(info->platform, handicaps[i].name) != NULL)
            return handicaps[i].why;
    return NULL;
}

/* Whether a is preferred to b, of the same kind: by measured speed, if both have one; ties keep the loader's order. */
static bool better(const rf_device_info *a, const rf_device_info *b) {
    double speed_a = rf_device_speed(a), speed_b = speed_a > 0 ? rf_device_speed(b) : 0;
    if (speed_a > 0 && speed_b > 0) return speed_a > speed_b;
    bool slow_a = handicap(a) != NULL, slow_b = handicap(b) != NULL;
    if (slow_a != slow_b) return slow_b;
    if (a->kind != RF_DEVICE_GPU) return false;
    if (a->host_memory != b->host_memory)
        return b->host_memory; /* a discrete GPU rather than an integrated one */
    return strcmp(a->platform, b->platform) == 0 && a->compute_units > b->compute_units;
}

/* The best of those that `matches` takes; NULL: none. */
typedef bool match_fn(const rf_device_info *info, const char *text);
static const rf_found *best(const rf_found_list *list, match_fn *matches, const char *text) {
    const rf_found *taken = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const rf_found *f = &list->items[i];
        if (!matches(&f->info, text)) continue;
        size_t rank = kind_rank(f->info.kind),
               taken_rank = taken != NULL ? kind_rank(taken->info.kind) : SIZE_MAX;
        if (rank < taken_rank || (rank == taken_rank && better(&f->info, &taken->info))) taken = f;
    }
    return taken;
}

static bool any(const rf_device_info *info, const char *text) {
    return (void)info, (void)text, true;
}

static bool of_kind(const rf_device_info *info, const char *text) {
    return strcasecmp(kinds[kind_rank(info->kind)].selector, text) == 0;
}

static bool of_selector(const rf_device_info *info, const char *text) {
    return strcasecmp(info->selector, text) == 0;
}

static bool of_name(const rf_device_info *info, const char *text) {
    return strcasestr(info->name, text) != NULL;
}

static bool of_vendor(const rf_device_info *info, const char *text) {
    return strcasestr(info->platform, text) != NULL || strcasestr(info->vendor, text) != NULL ||
           strcasestr(info->version, text) != NULL;
}

/* One sentence on what `auto` took. */
static void explain_choice(char *out, size_t size, const rf_found_list *list, const rf_found *taken) {
    const rf_device_info *info = &taken->info;
    size_t rank = kind_rank(info->kind), alike = 0, measured = 0;
    const char *slow = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const rf_found *other = &list->items[i];
        if (other == taken || other->info.kind != info->kind) continue;
        alike++;
        measured += rf_device_speed(&other->info) > 0;
        if (handicap(&other->info) != NULL) slow = other->info.name;
    }
    if (info->kind == RF_DEVICE_REFERENCE)
        snprintf(out, size, "no OpenCL device is present, so that the slower reference runs on the host");
    else if (alike == 0)
        snprintf(out, size, "%s is the only %s%s", info->name, kinds[rank].text,
                 rank > 0 ? ", and OpenCL shows no GPU" : " present");
    else if (measured > 0 && rf_device_speed(info) > 0)
        snprintf(out, size, "%.100s (%.60s) is the fastest of %zu %ss measured, at %.0f images/s%s",
                 info->name, info->platform, measured + 1, kinds[rank].text, rf_device_speed(info),
                 rank > 0 ? ", and OpenCL shows no GPU" : "");
    else
        snprintf(out, size, "%.60s (%.40s) is the first choice of %zu %ss%s%s%.60s", info->name,
                 info->platform, alike + 1, kinds[rank].text, rank > 0 ? ", and OpenCL shows no GPU" : "",
                 slow != NULL ? "; slower is " : "", slow != NULL ? slow : "");
}

static void explain(char *out, size_t size, const rf_found_list *list, const rf_found *taken) {
    explain_choice(out, size, list, taken);
    char *missing = taken->info.kind != RF_DEVICE_GPU ? rf_missing_driver(list, "") : NULL;
    const char *more[] = {list->trouble, missing != NULL ? missing : ""};
    for (size_t i = 0; i < RF_COUNT(more); i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", more[i][0] != '\0' ? "; " : "", more[i]);
    }
    free(missing);
}

/* ---- finding ---- */

/* "P:D"?  Only platform P is queried then. */
static bool is_number_pair(int *platform, const char *text) {
    char *end;
    if (!isdigit((unsigned char)text[0])) return false;
    long value = strtol(text, &end, 10);
    if (*end != ':' || !isdigit((unsigned char)end[1]) || value > INT_MAX) return false;
    strtol(end + 1, &end, 10);
    *platform = (int)value;
    return *end == '\0';
}

static rf_status find_all(rf_found_list *list) {
    for (size_t i = 0; i < RF_COUNT(backends); i++) RF_TRY(backends[i]->find(list, -1));
    return RF_OK;
}

/* "auto" and the kinds are words; then a part of a device's name, then of its vendor's. */
static const rf_found *choose(const rf_found_list *list, const char *selector) {
    if (strcasecmp(selector, "auto") == 0) return best(list, any, NULL);
    match_fn *const rules[] = {of_kind, of_selector, of_name, of_vendor};
    const rf_found *taken = NULL;
    for (size_t i = 0; i < RF_COUNT(rules) && taken == NULL; i++) taken = best(list, rules[i], selector);
    return taken;
}

static bool is_word(const char *selector) {
    bool word = strcasecmp(selector, "auto") == 0;
    for (size_t i = 0; i < RF_COUNT(kinds); i++) word = word || strcasecmp(selector, kinds[i].selector) == 0;
    return word;
}

static rf_status fail_missing(const rf_found_list *list, const char *selector) {
    const char *words[RF_COUNT(kinds) + 1] = {"auto"};
    for (size_t i = 0; i < RF_COUNT(kinds); i++) words[i + 1] = kinds[i].selector;
    const char *near = is_word(selector) ? NULL : rf_nearest(selector, words, RF_COUNT(words));
    rf_str present = {0};
    for (size_t i = 0; i < list->count; i++) {
        const rf_device_info *info = &list->items[i].info;
        bool reference = info->kind == RF_DEVICE_REFERENCE;
        rf_str_addf(&present, "%s%s%s%s", i > 0 ? ", " : "", info->selector, reference ? "" : " ",
                    reference ? "" : info->name);
    }
    char *missing = near == NULL ? rf_missing_driver(list, "") : NULL;
    rf_fail(RF_E_DEVICE, "device '%s' is not present%s%s%s%s%s; present: %s%s%s", selector,
            list->trouble[0] != '\0' ? ": " : "", list->trouble, near != NULL ? " (did you mean '" : "",
            near != NULL ? near : "", near != NULL ? "'?)" : "", rf_str_text(&present),
            missing != NULL ? "; " : "", missing != NULL ? missing : "");
    free(missing);
    rf_str_free(&present);
    return RF_E_DEVICE;
}

/* Finds no more than the selector needs.  *taken points into the list. */
static rf_status find(rf_found_list *list, const rf_found **taken, const char *selector) {
    int platform = -1;
    if (strcasecmp(selector, "reference") == 0)
        RF_TRY(rf_backend_reference.find(list, -1));
    else if (is_number_pair(&platform, selector))
        RF_TRY(rf_backend_opencl.find(list, platform));
    else
        RF_TRY(find_all(list));
    *taken = choose(list, selector);
    if (*taken != NULL) return RF_OK;
    if (platform >= 0) { /* the message lists all */
        list->count = 0;
        list->trouble[0] = '\0';
        RF_TRY(find_all(list));
    }
    return fail_missing(list, selector);
}

/* ---- the public functions ---- */

static void quarantine_from_environment(rf_device *device) {
    const char *list = getenv("RANGEFINDER_QUARANTINE");
    char *copy = list != NULL && device->info.kind != RF_DEVICE_REFERENCE ? rf_strdup(list) : NULL,
         *rest = copy;
    for (char *op; rest != NULL && (op = strsep(&rest, ", ")) != NULL;)
        if (*op != '\0') rf_device_quarantine(device, op, "$RANGEFINDER_QUARANTINE names it");
    free(copy);
}

static rf_status open_found(rf_device **out, const rf_found *found) {
    rf_device *device = rf_alloc(1, sizeof *device);
    if (device == NULL) return RF_E_MEMORY;
    device->backend = found->backend;
    device->info = found->info;
    device->info.device = device;
    rf_status status = found->backend->open(device, found->id);
    if (status != RF_OK) {
        free(device);
        return status;
    }
    quarantine_from_environment(device);
    rf_device_choose_vectors(device);
    *out = device;
    return RF_OK;
}

static const char *selector_of(const char *given) {
    if (given == NULL) given = getenv("RANGEFINDER_DEVICE");
    return given != NULL && given[0] != '\0' ? given : "auto";
}

/* The device of this number among those named as the one taken, on its platform. */
static const rf_found *of_process(int *count, const rf_found_list *list, const rf_found *taken, int process) {
    const rf_found *one = taken;
    *count = 0;
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0, k = 0; i < list->count; i++) {
            const rf_found *f = &list->items[i];
            if (strcmp(f->info.name, taken->info.name) != 0 ||
                strcmp(f->info.platform, taken->info.platform) != 0)
                continue;
            if (turn == 0)
                ++*count;
            else if (k++ == (size_t)(process % *count))
                one = f;
        }
    return one;
}

static rf_status open_selected(rf_device **out, int *count, const char *selector, int process) {
    rf_found_list list = {0};
    const rf_found *taken = NULL;
    rf_status status = find(&list, &taken, selector);
    if (status == RF_OK && count != NULL) taken = of_process(count, &list, taken, process);
    if (status == RF_OK) status = open_found(out, taken);
    if (status == RF_OK && strcasecmp(selector, "auto") == 0)
        explain((*out)->reason, sizeof(*out)->reason, &list, taken);
    free(list.items);
    return status;
}

rf_status rf_device_open(rf_device **out, const char *selector) {
    *out = NULL;
    return open_selected(out, NULL, selector_of(selector), 0);
}

rf_status rf_device_open_for(rf_device **out, int *count, const char *selector, int process) {
    *out = NULL;
    *count = 1;
    selector = selector_of(selector);
    for (const char *at = selector; (at = strchr(at, ',')) != NULL; at++) ++*count;
    int platform;
    if (*count == 1)
        return open_selected(out, is_number_pair(&platform, selector) ? NULL : count, selector, process);
    char *copy = rf_strdup(selector), *rest = copy, *own = copy;
    if (copy == NULL) return RF_E_MEMORY;
    for (int i = process % *count; i >= 0; i--) own = strsep(&rest, ",");
    rf_status status = open_selected(out, NULL, own, 0);
    free(copy);
    return status;
}

rf_status rf_device_list(rf_device_info **out, size_t *count, size_t *automatic, char **why) {
    rf_found_list list = {0};
    char reason[sizeof((rf_device *)0)->reason];
    *out = NULL;
    *count = *automatic = 0;
    if (why != NULL) *why = NULL;
    rf_status status = find_all(&list);
    rf_device_info *infos = status == RF_OK ? rf_alloc(list.count, sizeof *infos) : NULL;
    if (status == RF_OK && infos == NULL) status = RF_E_MEMORY;
    if (status != RF_OK) goto done;
    const rf_found *taken = best(&list, any, NULL);
    explain(reason, sizeof reason, &list, taken);
    if (why != NULL && (*why = rf_strdup(reason)) == NULL) {
        status = RF_E_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < list.count; i++) infos[i] = list.items[i].info;
    *out = infos;
    *count = list.count;
    *automatic = (size_t)(taken - list.items);
    infos = NULL;
done:
    free(infos);
    free(list.items);
    return status;
}
