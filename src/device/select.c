/* Which device: what is present, what a selector names, and what `auto` takes and why. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "device/backend.h"

/* What `auto` prefers: GPU, accelerator, CPU; a software rasteriser last among equals, since it is slow and
 * inexact. */
static int preference(const rf_device_info *info) {
    bool emulated = strcasestr(info->name, "llvmpipe") != NULL || strcasestr(info->name, "softpipe") != NULL;
    if (emulated) return 1;
    return info->kind == RF_DEVICE_GPU ? 4 : info->kind == RF_DEVICE_ACCELERATOR ? 3 : 2;
}

static size_t best_of(const rf_candidate *list, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (preference(&list[i].info) > preference(&list[best].info)) best = i;
    return best;
}

static const char *const kind_names[] = {[RF_DEVICE_REFERENCE] = "the reference",
                                         [RF_DEVICE_CPU] = "a CPU",
                                         [RF_DEVICE_GPU] = "a GPU",
                                         [RF_DEVICE_ACCELERATOR] = "an accelerator"};

static void explain(char *out, size_t size, const rf_candidate *list, size_t count) {
    if (count == 0) {
        snprintf(out, size, "no OpenCL device is present, so the reference (plain C) computes");
        return;
    }
    const rf_device_info *best = &list[best_of(list, count)].info;
    if (count == 1)
        snprintf(out, size, "%s is the only OpenCL device", best->name);
    else
        snprintf(out, size, "%s (%s) is preferred: %s comes before the others of %zu OpenCL devices",
                 best->selector, best->name, kind_names[best->kind], count);
}

/* "P:D": true with the numbers. */
static bool parse_numbers(const char *selector, int *platform, int *device) {
    char rest;
    return sscanf(selector, "%d:%d%c", platform, device, &rest) == 2 && *platform >= 0 && *device >= 0;
}

static bool matches(const rf_device_info *info, const char *selector) {
    if (strcasecmp(selector, "cpu") == 0) return info->kind == RF_DEVICE_CPU;
    if (strcasecmp(selector, "gpu") == 0) return info->kind == RF_DEVICE_GPU;
    int p, d;
    if (parse_numbers(selector, &p, &d)) return strcmp(info->selector, selector) == 0;
    return strcasestr(info->name, selector) != NULL || strcasestr(info->platform, selector) != NULL ||
           strcasestr(info->vendor, selector) != NULL;
}

static rf_status missing(const char *selector) {
    rf_str present = {0};
    rf_candidate *list = NULL;
    size_t count = 0;
    RF_TRY(rf_opencl_enumerate(&list, &count, -1));
    for (size_t i = 0; i < count; i++)
        rf_str_addf(&present, "%s (%s), ", list[i].info.selector, list[i].info.name);
    rf_status status =
        rf_fail(RF_E_DEVICE, "no device '%s'; there are: %sreference", selector, rf_str_text(&present));
    rf_str_free(&present);
    free(list);
    return status;
}

static void force_quarantine(rf_device *device) {
    char name[64];
    for (const char *list = getenv("RANGEFINDER_QUARANTINE"); list != NULL && *list != '\0';) {
        size_t length = strcspn(list, ",");
        if (length > 0 && length < sizeof name) {
            snprintf(name, sizeof name, "%.*s", (int)length, list);
            rf_device_quarantine(device, name, "RANGEFINDER_QUARANTINE says so");
        }
        list += length + (list[length] == ',');
    }
}

static rf_status open_candidate(rf_device **out, const rf_candidate *candidate) {
    rf_status status = RF_OK;
    *out = NULL;
    rf_device *device = rf_alloc(1, sizeof *device);
    if (device == NULL) return RF_E_MEMORY;
    if (candidate == NULL) {
        device->backend = &rf_backend_reference;
        rf_reference_describe(&device->info);
    } else
        status = rf_opencl_open(device, candidate);
    if (status != RF_OK) {
        rf_device_close(device);
        return status;
    }
    force_quarantine(device);
    *out = device;
    return RF_OK;
}

static rf_status open_automatic(rf_device **out) {
    rf_candidate *list = NULL;
    size_t count = 0;
    char reason[sizeof(*out)->reason];
    *out = NULL;
    RF_TRY(rf_opencl_enumerate(&list, &count, -1));
    explain(reason, sizeof reason, list, count);
    rf_status status = open_candidate(out, count > 0 ? &list[best_of(list, count)] : NULL);
    if (status != RF_OK &&
        status != RF_E_MEMORY) { /* the best one is broken: only auto may fall back, and says so */
        snprintf(reason, sizeof reason, "the reference computes, because %.200s", rf_error_message());
        status = open_candidate(out, NULL);
    }
    if (status == RF_OK) memcpy((*out)->reason, reason, sizeof reason);
    free(list);
    return status;
}

rf_status rf_device_open(rf_device **out, const char *selector) {
    rf_candidate *list = NULL, *best = NULL;
    size_t count = 0;
    int platform = -1, number;
    *out = NULL;
    if (selector == NULL) selector = getenv("RANGEFINDER_DEVICE");
    if (selector == NULL || selector[0] == '\0' || strcasecmp(selector, "auto") == 0)
        return open_automatic(out);
    if (strcasecmp(selector, "reference") == 0) return open_candidate(out, NULL);
    if (!parse_numbers(selector, &platform, &number)) platform = -1;
    RF_TRY(rf_opencl_enumerate(&list, &count, platform));
    for (size_t i = 0; i < count; i++)
        if (matches(&list[i].info, selector) &&
            (best == NULL || preference(&list[i].info) > preference(&best->info)))
            best = &list[i];
    rf_status status = best != NULL ? open_candidate(out, best) : missing(selector);
    free(list);
    return status;
}

rf_status rf_device_list(rf_device_info **out, size_t *count, size_t *automatic, char **why) {
    rf_candidate *list = NULL;
    size_t n = 0;
    char reason[256];
    *out = NULL;
    if (why != NULL) *why = NULL;
    RF_TRY(rf_opencl_enumerate(&list, &n, -1));
    explain(reason, sizeof reason, list, n);
    *out = rf_alloc(n + 1, sizeof **out);
    if (*out != NULL) {
        for (size_t i = 0; i < n; i++) (*out)[i] = list[i].info;
        rf_reference_describe(&(*out)[n]);
        *count = n + 1;
        *automatic = n > 0 ? best_of(list, n) : 0;
        if (why != NULL) *why = rf_strdup(reason);
    }
    free(list);
    return *out != NULL ? RF_OK : RF_E_MEMORY;
}
