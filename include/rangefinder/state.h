/* States: all that training changes, as named arrays and named texts.  Nothing in one depends on a device, on a
 * solver's layout of memory, or on the machine, so that it moves between them. */
#ifndef RANGEFINDER_STATE_H
#define RANGEFINDER_STATE_H

#include <stddef.h>

#include "rangefinder/model.h"
#include "rangefinder/status.h"
#include "rangefinder/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A training state. Arrays: parameters and buffers by PyTorch's names and in its layouts, and what the optimizer keeps
 * for each as "optimizer.<what>.<parameter>", like "optimizer.exp_avg.fc1.weight", or for all as "optimizer.<what>"; moving
 * averages as "ema.<parameter>".
 * The texts: steps (done), epoch and epoch_batch (the next batch's), random_step (of dropout); and what the run was
 * made with, which a trainer that takes the state must have in common: optimizer (with its options), groups,
 * decay_exclude, freeze, clip_value, clip_norm, ema, batch, accumulate, validation, shuffle, seed, images, data.
 * A state may be read from any thread, and changed by none. */
typedef struct rf_state rf_state;

/* Copies the trainer's state to the host. */
RF_API rf_status rf_trainer_get_state(rf_state **out, rf_trainer *trainer);
/* Restores a state: the trainer continues as the one that the state comes from, on the same device bit for bit. On
 * failure the trainer is unchanged, unless the device fails.  Errors: RF_E_INPUT, the state lacks something or has too
 * much; RF_E_SHAPE, it is of another network; RF_E_USAGE, its run was made with other options. */
RF_API rf_status rf_trainer_set_state(rf_trainer *trainer, const rf_state *state);

/* Saves a state as a safetensors file (F32) with the texts and a format version as metadata: written to a temporary
 * file, synced to disk, and renamed. */
RF_API rf_status rf_state_save(const rf_state *state, const char *path);
/* Loads a state. Errors: RF_E_INPUT, not a state, or of a later version; RF_E_IO. */
RF_API rf_status rf_state_load(rf_state **out, const char *path);
RF_API void rf_state_free(rf_state *state);

/* An array by index (false past the end), a text by name (NULL if missing). Borrowed: they live as long as the
 * state. */
RF_API int rf_state_array(const rf_state *state, size_t index, rf_parameter_view *view);
RF_API const char *rf_state_text(const rf_state *state, const char *name);
/* Compares two states bit by bit: RF_OK, or RF_E_FAILED with a message that names the first difference. */
RF_API rf_status rf_state_compare(const rf_state *a, const rf_state *b);

#ifdef __cplusplus
}
#endif
#endif
