/* Confusion matrices as pictures. */
#ifndef RF_REPORT_MATRIX_H
#define RF_REPORT_MATRIX_H

#include <stddef.h>

#include "rangefinder/status.h"

typedef struct rf_matrix {
    const char *title, *subtitle; /* texts are made printable */
    int classes;
    const char *const *names; /* of the classes */
    const size_t *counts;     /* (classes, classes): images of each label (row) by the class predicted */
} rf_matrix;

/* Each cell is as dark as its share of the row.  Errors: as rf_report_plot. */
rf_status rf_matrix_plot(const rf_matrix *matrix, const char *path);

#endif
