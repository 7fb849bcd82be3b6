/* The table of all data set formats. */
#include "data/formats.h"

#include "data/format_list.h"

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
