/* Memory needed and available, compared before anything is allocated: by trainers and by evaluations. */
#ifndef RF_TRAIN_NEED_H
#define RF_TRAIN_NEED_H

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/model.h"
#include "base/base.h"

/* Bytes.  The data set lies on the device, or a batch of it is staged, on the host twice. */
typedef struct rf_need {
    size_t device, host, resident, staged;
    size_t piece;  /* the largest allocation but for the data set */
    bool repeated; /* activations are computed again */
} rf_need;

typedef struct rf_available {
    const char *device_name; /* borrowed */
    size_t device, host, piece;
    bool shared; /* the device uses the host's memory: the sum of both needs is compared with `device` */
} rf_available;

/* The share of one of `processes` that need as much at the same time. */
rf_available rf_available_to(const rf_device *device, size_t processes);
/* Of the device's memory; streaming: the data set does not lie there. */
size_t rf_need_on_device(const rf_need *need, const rf_available *available, bool streaming);
bool rf_need_fits(const rf_need *need, const rf_available *available, bool streaming);
/* Adds "NETWORK at batch 64 on images of 3x32x32 needs 5 GiB, and DEVICE can give 4 GiB", of a streamed data set. */
void rf_need_add_excess(rf_str *text, const rf_need *need, const rf_available *available, const rf_model *model,
                        const rf_dataset *data, int batch);

#endif
