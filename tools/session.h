/* What the commands that train have open: data, device, network, and the trainer made of them by the options. */
#ifndef RF_TOOLS_SESSION_H
#define RF_TOOLS_SESSION_H

#include "training.h"

/* Data and device that sessions share, one session after the other; starts as {0}.  One that wants others opens them anew. */
typedef struct rf_opened {
    const rf_dist *dist; /* borrowed: by whose local rank the device is chosen; NULL: this process is alone */
    rf_dataset *dataset;
    rf_device *device;
    int device_count;            /* for the ranks of this machine */
    char *data_key, *device_key; /* what they were opened by */
    uint64_t fingerprint;        /* of the data */
    rf_str said;                 /* notes that the user has seen, a line each */
} rf_opened;
void rf_opened_release(rf_opened *opened);

/* All that training holds; everything is owned. */
typedef struct rf_session {
    const rf_common *common; /* borrowed, as is training */
    const rf_training *training;
    rf_opened *opened; /* borrowed: has device and dataset; NULL: they are the session's */
    rf_device *device;
    rf_dataset *dataset;
    rf_dataset *part;     /* of it, to train with; NULL: all */
    rf_dataset *balanced; /* drawn from that, with --balance; NULL: none */
    size_t bad_known;     /* files that were bad when the data set was opened */
    rf_dataset *held_out; /* for validation; NULL: none */
    rf_model *model; /* without values once there is a trainer */
    rf_trainer *trainer;
    int device_count;     /* for the ranks of this machine */
    rf_trainer_desc desc; /* of the trainer, without device, model and data */
    rf_parameter_group groups[RF_MAX_REPEATS];
    double *mean, *std;
    float *class_weights;
    char *optimizer;          /* with its options */
    char *data_text, **notes; /* notes end with NULL; NULL: there are none */
    size_t note_count;
    double started_ms;
} rf_session;

/* Checks the options that need no data. */
rf_status rf_session_begin(rf_session *session, const rf_common *common, const rf_training *training);
/* Opens data, network and device. Cheap inputs first, so that mistakes are reported before anything slow begins. */
rf_status rf_session_open(rf_session *session);
/* Holds out a share of the images for validation; 0: none. */
rf_status rf_session_split(rf_session *session, double share);
/* Makes the trainer of session->desc. In an ahead helper (rf_ahead_data) it compiles the kernels instead. */
rf_status rf_session_make_trainer(rf_session *session);
/* A note for the user, on stderr and in the reports. Takes ownership of it. */
rf_status rf_session_note(rf_session *session, char *note);
/* Notes how many images could not be decoded while training. */
rf_status rf_session_note_bad(rf_session *session);
/* Notes what the device leaves out. */
rf_status rf_session_note_device(rf_session *session);
void rf_session_verbose(const rf_session *session, const char *what);
/* What recomputation saves and costs; NULL: there is none.  Owned by the caller. */
char *rf_recompute_text(const rf_trainer *trainer);
/* What the exchange between ranks has cost so far. */
void rf_session_verbose_exchange(const rf_session *session);
int rf_session_batch(const rf_session *session); /* of all ranks together */
/* "device ...", "data ...", "network ..." on stdout. */
void rf_session_print(const rf_session *session);
/* The options given that training has, as they would be typed. */
void rf_session_add_options(rf_str *line, const rf_session *session);
/* Settings that were left to a default which is not the table's: the device, the optimizer's own. */
rf_status rf_session_settings(rf_settings *settings, const rf_session *session);
void rf_session_release(rf_session *session);

#endif
