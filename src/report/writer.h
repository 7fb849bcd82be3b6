/* The interface of report writers. */
#ifndef RF_REPORT_WRITER_H
#define RF_REPORT_WRITER_H

#include "base/base.h"
#include "rangefinder/report.h"
#include "report/writer_list.h"

/* Writes to a temporary file that is renamed once it is whole; path "-" is stdout (rf_outfile_open). */
typedef rf_status rf_writer(const rf_report *report, const char *path);

#define RF_WRITER_DECLARE(context, name, check, missing, help) rf_writer rf_report_##name;
RF_WRITER_LIST(RF_WRITER_DECLARE, )
#undef RF_WRITER_DECLARE

#endif
