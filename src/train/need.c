/* Memory needed and available. */
#include "train/need.h"

#include <stdlib.h>

#include "device/device.h"

rf_available rf_available_to(const rf_device *device, size_t processes) {
    const rf_device_info *info = rf_device_describe(device);
    const bool limited = getenv("RANGEFINDER_MEMORY") != NULL; /* for tests: any device */
    rf_available r = {.device_name = info->name,
                      .device = info->memory_bytes > 0 ? info->memory_bytes : SIZE_MAX,
                      .host = rf_memory_available(),
                      .piece = info->max_alloc_bytes > 0 ? info->max_alloc_bytes : SIZE_MAX,
                      .shared = info->host_memory};
    if (r.shared || limited) r.device = RF_MIN(r.device, r.host);
    r.device /= processes;
    r.host /= processes;
    return r;
}

static size_t on_host(const rf_need *n, bool streaming) {
    return n->host + (streaming ? 2 * n->staged : 0);
}

size_t rf_need_on_device(const rf_need *n, const rf_available *r, bool streaming) {
    const size_t device = n->device + (streaming ? n->staged : n->resident);
    return r->shared ? device + on_host(n, streaming) : device;
}

bool rf_need_fits(const rf_need *n, const rf_available *r, bool streaming) {
    return n->piece <= r->piece && rf_need_on_device(n, r, streaming) <= r->device &&
           (r->shared || on_host(n, streaming) <= r->host);
}

void rf_need_add_excess(rf_str *text, const rf_need *n, const rf_available *r, const rf_model *model,
                        const rf_dataset *data, int batch) {
    const size_t whole = rf_need_on_device(n, r, true);
    char wants[32], has[32];
    rf_str_addf(text, "%s at batch %d on images of %dx%dx%d needs ", rf_model_name(model), batch,
                data->channels, data->height, data->width);
    if (n->piece > r->piece)
        rf_str_addf(text, "%s in one piece, and %s allows %s", rf_bytes_text(wants, (double)n->piece),
                    r->device_name, rf_bytes_text(has, (double)r->piece));
    else if (whole > r->device)
        rf_str_addf(text, "%s%s, and %s can give %s", rf_bytes_text(wants, (double)whole),
                    n->repeated ? " even with activations computed again" : "", r->device_name,
                    rf_bytes_text(has, (double)r->device));
    else
        rf_str_addf(text, "%s of the host, which can give %s", rf_bytes_text(wants, (double)on_host(n, true)),
                    rf_bytes_text(has, (double)r->host));
}
