/* EXIF: only the orientation.  A TIFF block: byte order, the offset of a directory, and
 * there entries of 12 bytes.  Source: CIPA DC-008 (Exif 2.32), tag 0x0112. */
#include <string.h>

#include "data/codec.h"

enum { ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };

int rf_exif_orientation(const uint8_t *tiff, size_t length) {
    if (length < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0)) return 1;
    uint32_t (*number)(const uint8_t *, int) = tiff[0] == 'I' ? rf_little : rf_big;
    size_t at = number(tiff + 4, 4);
    if (at > length - 2) return 1;
    size_t count = number(tiff + at, 2);
    for (at += 2; count > 0 && length - at >= 12; count--, at += 12) {
        uint32_t type = number(tiff + at + 2, 2);
        if (number(tiff + at, 2) != ORIENTATION || (type != TYPE_SHORT && type != TYPE_LONG)) continue;
        uint32_t value = number(tiff + at + 8, type == TYPE_SHORT ? 2 : 4);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
