/* Building and reading states within the library. */
#ifndef RF_TRAIN_STATE_H
#define RF_TRAIN_STATE_H

#include "base/base.h"
#include "rangefinder/state.h"

enum { RF_STATE_MAX_RANK = 8 };

typedef struct rf_state_entry {
    char *name;
    int rank, shape[RF_STATE_MAX_RANK];
    float *values;
    size_t count;
} rf_state_entry;

typedef struct rf_state_note {
    char *name, *text;
} rf_state_note;

struct rf_state {           /* all owned */
    rf_state_entry *arrays; /* by name, once all are there */
    rf_state_note *texts;
    size_t array_count, array_capacity, text_count;
};

/* Adds an array to be filled; takes ownership of the name. NULL: out of memory. */
rf_state_entry *rf_state_add(rf_state *state, char *name, int rank, const int *shape);
/* Takes ownership of the text. */
rf_status rf_state_add_text(rf_state *state, const char *name, char *text);
rf_status rf_state_add_number(rf_state *state, const char *name, uint64_t number);
/* Saves as weights for PyTorch: the arrays and texts alone, synced to disk. */
rf_status rf_state_save_weights(const rf_state *weights, const char *path);
void rf_state_sort(rf_state *state);                                          /* once all arrays are there */
const rf_state_entry *rf_state_find(const rf_state *state, const char *name); /* NULL: there is none */
void rf_state_clear(rf_state *state);                                         /* frees what it holds */

#endif
