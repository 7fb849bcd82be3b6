/* Conversions of images, as notes. */
#include "data/conversions.h"

#include "data/format.h"

void rf_conversions_add(rf_conversions *n, const rf_image_info *info, const rf_reader *reader) {
    const int height = rf_upright_height(info), width = rf_upright_width(info);
    n->images++;
    n->resized += height != reader->height || width != reader->width;
    n->reduced += rf_image_reduction(info, reader->height, reader->width) > 1;
    n->other_aspect += rf_image_aspect_differs(height, width, reader->height, reader->width);
    n->grey += info->channels < reader->channels;
    n->colour += info->channels > reader->channels;
    n->deep += info->deep;
    n->transparent += info->transparent;
    n->cmyk += info->cmyk;
    n->turned += info->orientation > 1;
}

rf_status rf_conversions_note(rf_dataset *dataset, const rf_conversions *n) {
    static const char *const fitted[] = {[RF_FIT_CROP] = "cut to their middle",
                                         [RF_FIT_SQUASH] = "squashed",
                                         [RF_FIT_PAD] = "given black bars"};
    char resized[96], aspect[128];
    snprintf(resized, sizeof resized, "resized to %dx%d (height x width), the first image's size",
             dataset->height, dataset->width);
    snprintf(aspect, sizeof aspect, "%s, as their aspect ratio is not that of %dx%d (height x width)",
             fitted[n->fit], dataset->height, dataset->width);
    const struct {
        size_t count;
        const char *what, *instead;
    } table[] = {
        {n->other_aspect, aspect, "; --resize crop, squash or pad says how"},
        {n->sized ? 0 : n->resized, resized, "; --image-size takes another"},
        {n->grey, "grey, but read as colour", "; --channels 1 makes all grey"},
        {n->colour, "in colour, but read as grey", "; --channels 3 makes all colour"},
        {n->turned, "turned upright, as EXIF says", "; --no-exif leaves them as they are stored"},
        {n->deep, "of more than 8 bits a value, reduced to 8", ""},
        {n->transparent, "with transparency, which is dropped", ""},
        {n->reduced, "at least 8 times larger than needed, and reduced while they are decoded", ""},
        {n->cmyk, "CMYK, converted to RGB without a colour profile", ""},
    };
    for (size_t i = 0; i < RF_COUNT(table); i++)
        if (table[i].count > 0)
            RF_TRY(rf_dataset_note(dataset, "%zu of %zu images%s: %s%s", table[i].count, n->images,
                                   n->sampled ? " looked at" : "", table[i].what,
                                   n->settled ? "" : table[i].instead));
    return RF_OK;
}
