/* Image files: what the header promises is what is read; every way to fit it. */
#include "data/image.h"
#include "fuzz.h"

enum { LIMIT = 64 << 20, SIDE = 9 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = rf_fuzz_file("image", data, size);
    uint8_t fitted[SIDE * (SIDE + 2) * 3];
    rf_image_info info;
    rf_image image = {0};
    rf_status status = rf_image_probe(&info, path);
    if (status != RF_OK) {
        RF_FUZZ_HOLDS(*rf_error_message() != '\0');
        return 0;
    }
    RF_FUZZ_HOLDS(info.height > 0 && info.width > 0 && info.orientation >= 1 && info.orientation <= 8);
    if (info.need_bytes > LIMIT) return 0; /* the reader's memory is bounded, but not by what a fuzzer has */
    status = rf_image_read(&image, path, size % 3 == 0 ? 0 : size % 3 == 1 ? 1 : 3);
    RF_FUZZ_ANSWER(status, image.pixels);
    if (status != RF_OK) return 0;
    RF_FUZZ_HOLDS(image.height == info.height && image.width == info.width);
    for (int how = 0; how < 3; how++)
        RF_FUZZ_HOLDS(rf_image_fit(fitted, SIDE, SIDE + 2, &image, (rf_fit)how) == RF_OK);
    free(image.pixels);
    return 0;
}
