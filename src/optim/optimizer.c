/* The table of optimizers. */
#include "optim/optimizer.h"

#include <string.h>

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

int rf_optimizer_scalars(const rf_optimizer_setup *setup) {
    const char *const *names = setup->optimizer->scalars;
    int count = 0;
    while (names != NULL && names[count] != NULL) count++;
    return count;
}

double rf_optimizer_weight_decay(const rf_optimizer_setup *setup) {
    const double *number = setup->spec.o;
    for (const rf_spec_option *option = setup->spec.kind->options; option->name != NULL; option++) {
        if (strcmp(option->name, "weight_decay") == 0) return *number;
        number += rf_spec_numbers(option);
    }
    return 0;
}

double rf_optimizer_usual_lr(const rf_optimizer_setup *setup) {
    return setup->optimizer->usual_lr != NULL ? setup->optimizer->usual_lr(setup->spec.o) : 0;
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

void rf_optimizer_add_pytorch(rf_str *text, const rf_optimizer_setup *setup, double lr) {
    const double *numbers = setup->spec.o;
    if (setup->optimizer->pytorch == NULL) return;
    rf_str_addf(text, "torch.optim.%s(model.parameters(), lr=%.2g", setup->optimizer->pytorch, lr);
    for (const rf_spec_option *option = setup->spec.kind->options; option->name != NULL; option++) {
        const int count = rf_spec_numbers(option);
        bool differs = false;
        for (int i = 0; i < count; i++) differs |= numbers[i] != option->def[i];
        if (differs && option->count == 0)
            rf_str_addf(text, ", %s=%s", option->name, *numbers != 0 ? "True" : "False");
        if (differs && option->count == 1) rf_str_addf(text, ", %s=%g", option->name, *numbers);
        if (differs && option->count == 2)
            rf_str_addf(text, ", %s=(%g, %g)", option->name, numbers[0], numbers[1]);
        numbers += count;
    }
    rf_str_add(text, ")");
}
