/* Applying the options to a data set that was read. */
#ifndef RF_DATA_TRANSFORM_H
#define RF_DATA_TRANSFORM_H

#include "rangefinder/dataset.h"

/* Applies transpose, limit, channels, image size and fit, in that order; adds notes of what was done, and of classes
 * without an image. */
rf_status rf_dataset_transform(rf_dataset *dataset, const rf_dataset_options *options);
/* Chooses at most `limit` of `count` images: as evenly over the classes as they allow, the first ones of each
 * class, in their order.  chosen receives indices (room for `count`). Limit 0 chooses all. */
rf_status rf_dataset_choose(int32_t *chosen, size_t *chosen_count, const int32_t *labels, size_t count,
                            int classes, int limit);

#endif
