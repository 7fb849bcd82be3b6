/* The table of all data set formats. */
#include "data/formats.h"

#include "data/class_folders.h"
#include "data/format_list.h"
#include "data/listing.h"

#define RF_FORMAT_DECLARE(symbol) extern const rf_data_format rf_data_format_##symbol;
RF_FORMAT_LIST(RF_FORMAT_DECLARE)
#undef RF_FORMAT_DECLARE

static const rf_data_format *const formats[] = {
#define RF_FORMAT_ROW(symbol) &rf_data_format_##symbol,
    RF_FORMAT_LIST(RF_FORMAT_ROW)
#undef RF_FORMAT_ROW
};

const rf_data_format *rf_data_format_at(size_t index) {
    return index < RF_COUNT(formats) ? formats[index] : NULL;
}

rf_status rf_data_format_claims(bool *mine, const rf_data_format *format, const char *spec) {
    bool classes = false;
    if (format->in_folder == NULL || !rf_is_folder(spec)) return format->claims(mine, spec);
    RF_TRY(format->in_folder(mine, spec));
    if (*mine) RF_TRY(rf_folder_has_classes(&classes, spec));
    *mine &= !classes;
    return RF_OK;
}
