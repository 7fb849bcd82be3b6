/* The table of optimizers. */
#include "optim/optimizer.h"

#include "rangefinder/trainer.h"

static const rf_optimizer *const optimizers[] = {
#define RF_OPTIMIZER_ROW(name) &rf_optimizer_##name,
    RF_OPTIMIZER_LIST(RF_OPTIMIZER_ROW)
#undef RF_OPTIMIZER_ROW
};

static const rf_spec_kind *const kinds[] = {
#define RF_OPTIMIZER_KIND(name) &rf_optimizer_##name.kind,
    RF_OPTIMIZER_LIST(RF_OPTIMIZER_KIND)
#undef RF_OPTIMIZER_KIND
        NULL,
};

const char *const *rf_optimizer_names(void) {
#define RF_OPTIMIZER_NAME(name) #name,
    static const char *const names[] = {RF_OPTIMIZER_LIST(RF_OPTIMIZER_NAME) NULL};
#undef RF_OPTIMIZER_NAME
    return names;
}

const rf_optimizer *rf_optimizer_at(size_t index) {
    return index < RF_COUNT(optimizers) ? optimizers[index] : NULL;
}

int rf_optimizer_slots(const rf_optimizer_setup *setup) {
    const rf_optimizer *optimizer = setup->optimizer;
    int count = 0;
    if (optimizer->slot_count != NULL) return optimizer->slot_count(setup->spec.o);
    while (optimizer->slots[count] != NULL) count++;
    return count;
}

rf_status rf_optimizer_parse(rf_optimizer_setup *out, const char *text) {
    RF_TRY(rf_spec_parse(&out->spec, text != NULL ? text : "sgd", "optimizer", kinds));
    for (size_t i = 0; i < RF_COUNT(optimizers); i++)
        if (out->spec.kind == kinds[i]) out->optimizer = optimizers[i];
    return RF_OK;
}

void rf_optimizer_release(rf_optimizer_setup *setup) {
    rf_spec_release(&setup->spec);
}
