/* The table of optimizers, their options' defaults and bounds. */
#include "optim/optimizer.h"

#include <math.h>
#include <string.h>

static const rf_optimizer *const optimizers[] = {
#define RF_OPTIMIZER_ROW(name) &rf_optimizer_##name,
    RF_OPTIMIZER_LIST(RF_OPTIMIZER_ROW)
#undef RF_OPTIMIZER_ROW
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

static rf_status check_range(const char *name, double value, double low, double high, const char *range) {
    if (value >= low && value < high) return RF_OK;
    return rf_fail(RF_E_USAGE, "%s is %g; it must lie in %s", name, value, range);
}

static rf_status check(const rf_optimizer_options *o) {
    RF_TRY(check_range("momentum", o->momentum, 0, 1e3, "0..1000"));
    RF_TRY(check_range("weight decay", o->weight_decay, 0, INFINITY, "0 and above"));
    RF_TRY(check_range("dampening", o->dampening, -INFINITY, INFINITY, "the finite numbers"));
    RF_TRY(check_range("beta1", o->beta1, 0, 1, "[0, 1)"));
    RF_TRY(check_range("beta2", o->beta2, 0, 1, "[0, 1)"));
    RF_TRY(check_range("eps", o->eps, 0, INFINITY, "0 and above"));
    RF_TRY(check_range("alpha", o->alpha, 0, INFINITY, "0 and above"));
    if (o->nesterov && (o->momentum <= 0 || o->dampening != 0))
        return rf_fail(RF_E_USAGE, "nesterov needs a momentum above 0 and no dampening");
    return RF_OK;
}

/* An option that this optimizer does not read is a mistake, and would be one that nobody notices. */
static rf_status check_effect(const rf_optimizer *optimizer, const rf_optimizer_options *o) {
    const struct {
        const char *name;
        bool given;
    } options[] = {{"momentum", o->momentum != 0},
                   {"dampening", o->dampening != 0},
                   {"nesterov", o->nesterov},
                   {"betas", o->beta1_given || o->beta2_given || o->beta1 != 0 || o->beta2 != 0},
                   {"eps", o->eps_given || o->eps != 0},
                   {"alpha", o->alpha_given || o->alpha != 0}};
    for (size_t i = 0; i < RF_COUNT(options); i++)
        if (options[i].given && strstr(optimizer->takes, options[i].name) == NULL)
            return rf_fail(RF_E_USAGE, "%s has no effect with %s, which takes %s and weight decay",
                           options[i].name, optimizer->name, optimizer->takes);
    if (o->dampening != 0 && o->momentum == 0)
        return rf_fail(RF_E_USAGE, "dampening has no effect without a momentum");
    return RF_OK;
}

rf_status rf_optimizer_find(const rf_optimizer **out, rf_optimizer_options *o) {
    const char *names[RF_COUNT(optimizers)];
    *out = NULL;
    if (o->name == NULL) o->name = "sgd";
    for (size_t i = 0; i < RF_COUNT(optimizers); i++) {
        names[i] = optimizers[i]->name;
        if (strcmp(o->name, names[i]) == 0) *out = optimizers[i];
    }
    if (*out == NULL) {
        const char *near = rf_nearest(o->name, names, RF_COUNT(names));
        return rf_fail(RF_E_USAGE, "no optimizer '%s'%s%s%s; there are sgd, adam, adamw and rmsprop", o->name,
                       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                       near != NULL ? "'?" : "");
    }
    o->name = (*out)->name; /* the caller's may go */
    RF_TRY(check_effect(*out, o));
    if (!o->weight_decay_given && o->weight_decay == 0) o->weight_decay = (*out)->weight_decay;
    if (!o->beta1_given && o->beta1 == 0) o->beta1 = 0.9;
    if (!o->beta2_given && o->beta2 == 0) o->beta2 = 0.999;
    if (!o->eps_given && o->eps == 0) o->eps = (*out)->eps;
    if (!o->alpha_given && o->alpha == 0) o->alpha = 0.99;
    return check(o);
}
