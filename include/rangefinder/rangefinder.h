/* Rangefinder finds the learning rate of a convolutional network on any OpenCL device. */
#ifndef RANGEFINDER_RANGEFINDER_H
#define RANGEFINDER_RANGEFINDER_H

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/finder.h"
#include "rangefinder/model.h"
#include "rangefinder/status.h"
#include "rangefinder/trainer.h"

#endif
