/* The measured limits of a device: what a kernel could reach at most. */
#ifndef RF_GRAPH_PEAK_H
#define RF_GRAPH_PEAK_H

#include "device/device.h"

typedef struct rf_peak {
    double gflops; /* float32 multiply-adds, two FLOPs each */
    double gbs;    /* memory read plus written */
} rf_peak;

/* Takes about 0.3 s.  The reference has no limits of its own: both are 0. */
rf_status rf_peak_measure(rf_peak *out, rf_device *device);

#endif
