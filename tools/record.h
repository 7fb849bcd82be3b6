/* run.json in a run's folder: what the run was made with. */
#ifndef RF_TOOLS_RECORD_H
#define RF_TOOLS_RECORD_H

#include <jansson.h>

#include "train/folder.h"
#include "session.h"

#define RF_RECORD_NAME "run.json"

/* Of a run that was recorded. */
typedef struct rf_record {
    char *folder;         /* owned, as is all */
    json_t *root;         /* the document */
    rf_settings settings; /* every option in effect */
    rf_image_shape images;
    char *model;        /* what rf_model_create takes */
    char **class_names; /* images.classes of them, or NULL */
    double mean[16], std[16];
    double lr;
} rf_record;

/* What the session does not know. */
typedef struct rf_record_more {
    double lr;
    const char *lr_source;     /* "given", "range test", "fallback" */
    const rf_verdict *verdict; /* of the range test; NULL: there was none */
} rf_record_more;

/* Writes run.json, and the network where it comes from a file.  The settings are those of session->common. */
rf_status rf_record_write(const char *folder, const rf_session *session, const rf_record_more *more);
/* Removes what rf_record_write has left there. */
rf_status rf_record_remove(const rf_folder *folder);
/* Errors: RF_E_INPUT, RF_E_IO: no run's folder, or one of another version. */
rf_status rf_record_read(rf_record *out, const char *folder);
const char *rf_record_option(const rf_record *record, const char *name); /* NULL: it was not in effect */
void rf_record_release(rf_record *record);

/* Gives the data set's labels the numbers of the classes of the same name in training.  Errors: RF_E_INPUT naming classes that
 * training has not seen, RF_E_SHAPE for images of another shape. */
rf_status rf_record_match(const rf_record *record, rf_dataset *dataset);

#endif
