/* A run's folder. */
#ifndef RF_TRAIN_FOLDER_H
#define RF_TRAIN_FOLDER_H

#include "rangefinder/train.h"
#include "train/state.h"

#define RF_FOLDER_LAST "last.safetensors" /* weights */
#define RF_FOLDER_BEST "best.safetensors"

typedef struct rf_folder {
    char *path;
    int descriptor; /* locked while it is open */
} rf_folder;

/* Makes the folder if it is missing, and locks it.  Errors: RF_E_USAGE, another process has it; RF_E_IO. */
rf_status rf_folder_open(rf_folder **out, const char *path);
void rf_folder_close(rf_folder *folder);
char *rf_folder_file(const rf_folder *folder, const char *name); /* its path; owned */

/* Removes what training has left there, and no other file. */
rf_status rf_folder_clear(const rf_folder *folder);
/* Removes one file, if it is there. */
rf_status rf_folder_remove(const rf_folder *folder, const char *name);

/* Saves the newest state, and keeps the one before. */
rf_status rf_folder_save_state(const rf_folder *folder, const rf_state *state);
bool rf_folder_has_state(const rf_folder *folder);
/* Loads the newest state (NULL: there is none yet), or the one before where that is missing or damaged; *note is then a sentence on it, owned, else
 * NULL.  Errors: RF_E_INPUT, neither can be read. */
rf_status rf_folder_load_state(rf_state **out, char **note, const rf_folder *folder);

/* The metrics of a run, a line an epoch: metrics.csv, metrics.jsonl. */
typedef struct rf_metrics {
    rf_str csv, jsonl;
} rf_metrics;
rf_status rf_metrics_add(rf_metrics *metrics, const rf_epoch *epoch);
/* Reads back the lines of the first epochs. A file that is missing has none. */
rf_status rf_metrics_load(rf_metrics *metrics, const rf_folder *folder, int epochs);
/* The epochs in a metrics.csv; what it does not have is NAN.  *out is owned by the caller.  Errors: RF_E_INPUT, RF_E_IO. */
rf_status rf_metrics_read(rf_epoch **out, size_t *count, const char *path);
rf_status rf_metrics_save(const rf_metrics *metrics, const rf_folder *folder);
void rf_metrics_release(rf_metrics *metrics);

/* rf_train in a folder that is open; NULL: nothing is kept. */
rf_status rf_train_in(rf_train_result *out, rf_trainer *trainer, const rf_train_desc *desc,
                      rf_folder *folder);

#endif
