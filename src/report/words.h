/* A range test's result in words, for the terminal, pictures and pages. */
#ifndef RF_REPORT_WORDS_H
#define RF_REPORT_WORDS_H

#include "base/base.h"
#include "curve/curve.h"
#include "rangefinder/report.h"

/* "lenet on photos/"; returns its length up to the name of the data, whose end is kept when it is cut. */
size_t rf_words_add_title(rf_str *out, const rf_report *report);
/* "batch 64 · sgd · 61,706 parameters · 300 steps in 1.2 s" */
void rf_words_add_details(rf_str *out, const rf_report *report);
/* How a rate compares with ours: "x3.1" or "/4.4", the signs in Unicode if asked for. */
void rf_words_add_factor(rf_str *out, double lr, double ours, bool unicode);
/* A loss, or "not finite". */
rf_number_text rf_words_loss(double loss);

#endif
