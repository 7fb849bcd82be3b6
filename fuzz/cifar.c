/* CIFAR's binary files. */
#include "fuzz.h"
#include "rangefinder/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"data_batch_1.bin", "train.bin"};
    rf_dataset *dataset = NULL;
    const rf_status status = rf_dataset_open(&dataset, rf_fuzz_file(names[size % 2], data, size), NULL);
    RF_FUZZ_ANSWER(status, dataset);
    for (int i = 0; status == RF_OK && i < dataset->count; i++)
        RF_FUZZ_HOLDS(dataset->labels[i] >= 0 && dataset->labels[i] < dataset->classes);
    rf_dataset_free(dataset);
    return 0;
}
