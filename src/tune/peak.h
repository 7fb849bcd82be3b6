/* A device's measured peak: arithmetic and memory bandwidth. */
#ifndef RF_TUNE_PEAK_H
#define RF_TUNE_PEAK_H

#include "device/device.h"

typedef struct rf_peak {
    double gflops; /* float32 multiply-adds, two FLOPs each */
    double gbs;    /* memory read plus written */
} rf_peak;

/* Raises `peak`, zeros at first, to what is measured now, in about 0.3 s: on a shared device measurements vary by a
 * factor of two. For the reference both stay 0. */
rf_status rf_peak_measure(rf_peak *peak, rf_device *device);

#endif
