/* The measured limits of a device: what a kernel could reach at most. */
#ifndef RF_TUNE_PEAK_H
#define RF_TUNE_PEAK_H

#include "device/device.h"

typedef struct rf_peak {
    double gflops; /* float32 multiply-adds, two FLOPs each */
    double gbs;    /* memory read plus written */
} rf_peak;

/* Raises what `peak` has, zeros at first, to what is measured now, in about 0.3 s: on a device that others use too, one
 * moment's limits may be half of another's.  The reference has no limits of its own: both stay 0. */
rf_status rf_peak_measure(rf_peak *peak, rf_device *device);

#endif
