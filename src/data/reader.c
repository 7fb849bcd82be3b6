/* Reading image files to one shape. */
#include "data/reader.h"

#include <stdlib.h>

rf_status rf_reader_probe(rf_image_info *out, rf_reader *reader, const char *path) {
    RF_TRY(rf_image_probe(out, path));
    if (reader->no_exif) out->orientation = 1;
    if (out->need_bytes <= reader->gate.total) return RF_OK;
    return rf_fail(RF_E_INPUT,
                   "%s: decoding its %dx%d pixels takes %.1f GB, more than the %.1f GB that there is "
                   "room for here; make the image smaller",
                   path, out->width, out->height, (double)out->need_bytes * 1e-9,
                   (double)reader->gate.total * 1e-9);
}

rf_status rf_reader_read(uint8_t *out, rf_reader *reader, const char *path, const rf_image_info *info) {
    rf_image image = {0};
    rf_gate_enter(&reader->gate, info->need_bytes);
    rf_status status = rf_image_read_for(&image, path, reader->channels, reader->height, reader->width);
    image.orientation = info->orientation;
    if (status == RF_OK) status = rf_image_fit(out, reader->height, reader->width, &image, reader->fit);
    free(image.pixels);
    rf_gate_leave(&reader->gate, info->need_bytes);
    return status;
}
