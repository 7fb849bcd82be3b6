/* The options of the commands that train: the optimizer's own, made from the optimizers' tables. */
#ifndef RF_TOOLS_OPTIMIZING_H
#define RF_TOOLS_OPTIMIZING_H

#include "command.h"

typedef struct rf_optimizing {
    const char *name; /* of rf_optimizer_names */
    rf_str options;   /* " momentum=0.9 nesterov": what was given */
} rf_optimizing;

/* The rows of the options that any optimizer takes, to be read into an rf_optimizing. */
const rf_option *rf_optimizing_rows(void);
/* The text that rf_trainer_desc takes.  Errors: RF_E_USAGE where name and options do not go together. */
rf_status rf_optimizing_text(char **out, const rf_optimizing *given);
/* Puts the options in effect into the settings, defaults too. */
rf_status rf_optimizing_settings(rf_settings *settings, const rf_optimizing *given);
void rf_optimizing_free(rf_optimizing *given);

#endif
