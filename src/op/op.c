/* The table of ops, made from op_list.h. */
#include "op/op.h"

#include <pthread.h>
#include <string.h>

#include "rangefinder/trainer.h"

#include "op/op_list.h"

#define RF_ACT_OP(T, NAME, op, f, df) #op,
const char *const rf_act_names[RF_ACTS] = {"none",
                                           RF_ACT_Y_MAP(RF_ACT_OP, float) RF_ACT_X_MAP(RF_ACT_OP, float)};

#define RF_OP_DECLARE(symbol) extern const rf_op rf_op_##symbol;
RF_OP_LIST(RF_OP_DECLARE)
#define RF_OP_ADDRESS(symbol) &rf_op_##symbol,
static const rf_op *const ops[] = {RF_OP_LIST(RF_OP_ADDRESS)};

const rf_op *rf_op_at(size_t index) {
    return index < RF_COUNT(ops) ? ops[index] : NULL;
}

const rf_op *rf_op_find(const char *name) {
    for (size_t i = 0; i < RF_COUNT(ops); ++i)
        if (!strcmp(ops[i]->name, name)) return ops[i];
    return NULL;
}

/* ---- the losses among them ---- */

enum { MAX_LOSSES = 16 };
static const char *losses[MAX_LOSSES + 1];

static void collect_losses(void) {
    size_t count = 0;
    for (size_t i = 0; i < RF_COUNT(ops); i++)
        if (ops[i]->is_loss && count < MAX_LOSSES) losses[count++] = ops[i]->name;
}

const char *const *rf_loss_names(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, collect_losses);
    return losses;
}
