/* Where the images of a data set come from that does not hold their pixels itself. */
#ifndef RF_DATA_SOURCE_H
#define RF_DATA_SOURCE_H

#include "rangefinder/dataset.h"

typedef struct rf_source rf_source;
struct rf_source {
    bool decodes;        /* reading takes long: ahead of its use, and by several threads */
    size_t memory_bytes; /* the most that it will hold */
    /* Copies an image.  Any number of threads at once. */
    rf_status (*read)(uint8_t *out, rf_source *source, int index);
    void (*free)(rf_source *source);
};

static inline bool rf_dataset_decodes(const rf_dataset *dataset) {
    return dataset->source != NULL && dataset->source->decodes;
}
size_t rf_dataset_image_bytes(const rf_dataset *dataset);
/* How many images rf_dataset_statistics reads: all, or RF_SAMPLE of those that have to be decoded, at regular
 * distances. */
enum { RF_SAMPLE = 512 };
size_t rf_dataset_sampled(const rf_dataset *dataset);

#endif
