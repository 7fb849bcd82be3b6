/* IDX files, plain or gzipped.  Two bytes tell how long the file of images is, the file of labels follows. */
#include "fuzz.h"
#include "rangefinder/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const size_t rest = size - 2, images = RF_MIN((size_t)(data[0] | data[1] << 8), rest);
    char *spec = rf_format("%s,%s", rf_fuzz_file("images", data + 2, images),
                           rf_fuzz_file("labels", data + 2 + images, rest - images));
    rf_dataset *dataset = NULL;
    const rf_status status = rf_dataset_open(&dataset, spec, NULL);
    RF_FUZZ_ANSWER(status, dataset);
    for (int i = 0; status == RF_OK && i < dataset->count; i++)
        RF_FUZZ_HOLDS(dataset->labels[i] >= 0 && dataset->labels[i] < dataset->classes);
    rf_dataset_free(dataset);
    free(spec);
    return 0;
}
