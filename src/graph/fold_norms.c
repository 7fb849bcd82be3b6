/* Folding batch norms: with their running statistics, g = weight / sqrt(running_var + eps), a layer's W becomes g W, and its bias b
 * becomes g (b - running_mean) + bias, channel by channel. */
#include "graph/fold_norms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/batch_norm/batch_norm.h"

typedef struct folding {
    const rf_model *from;
    rf_model *to;
    int *uses;  /* of each node of `from`, as are all: how many read it */
    int *norm;  /* the batch norm that becomes part of it; 0: none */
    int *place; /* its node in `to` */
} folding;

static bool is_a(const folding *f, int node, const char *op) {
    return node > 0 && strcmp(f->from->nodes[node].op->name, op) == 0;
}

static void count_uses(folding *f) {
    for (int k = 1; k < f->from->node_count; k++)
        for (int i = 0; i < f->from->nodes[k].inputs; i++) f->uses[f->from->nodes[k].input[i]]++;
    f->uses[f->from->output]++;
}

static void find_norms(folding *f) {
    for (int k = 1; k < f->from->node_count; k++) {
        const int before = f->from->nodes[k].input[0];
        if (is_a(f, k, "batch_norm") && f->uses[before] == 1 &&
            (is_a(f, before, "conv") || is_a(f, before, "linear")))
            f->norm[before] = k;
    }
}

static const rf_parameter *parameter_of(const folding *f, int node, bool is_state, int slot) {
    const int i = rf_model_find_parameter(f->from, node, is_state, slot);
    return i >= 0 ? &f->from->parameters[i] : NULL;
}

/* Copies a parameter's values, to each of the layers that share them, zeros where the layer had none, and folds node's batch norm into them. */
static rf_status fill(folding *f, int node, rf_parameter *to) {
    const size_t count = rf_param_count(&to->spec);
    const rf_parameter *from = parameter_of(f, node, to->is_state, to->slot);
    const int norm = f->norm[node];
    if ((to->values = rf_alloc(count, sizeof *to->values)) == NULL) return RF_E_MEMORY;
    if (from != NULL) memcpy(to->values, from->values, count * sizeof *to->values);
    if (norm == 0) return RF_OK;
    const size_t channels = (size_t)to->spec.dim[0], each = count / channels;
    const float *weight = parameter_of(f, norm, false, RF_BN_WEIGHT)->values,
                *bias = parameter_of(f, norm, false, RF_BN_BIAS)->values,
                *mean = parameter_of(f, norm, true, RF_BN_RUNNING_MEAN)->values,
                *var = parameter_of(f, norm, true, RF_BN_RUNNING_VAR)->values;
    const double eps = f->from->nodes[norm].attrs.eps;
    for (size_t c = 0; c < channels; c++) {
        const double g = weight[c] / sqrt((double)var[c] + eps);
        float *values = to->values + c * each;
        if (to->slot == 1)
            *values = (float)(g * ((double)*values - mean[c]) + bias[c]);
        else
            for (size_t i = 0; i < each; i++) values[i] = (float)(g * values[i]);
    }
    return RF_OK;
}

static rf_status copy_node(folding *f, int k) {
    const rf_node *node = &f->from->nodes[k];
    const int parameters = f->to->parameter_count;
    int input[RF_MAX_INPUTS];
    rf_attrs attrs = node->attrs;
    for (int i = 0; i < node->inputs; i++) input[i] = f->place[node->input[i]];
    if (is_a(f, k, "batch_norm") && f->norm[node->input[0]] == k) {
        f->place[k] = input[0];
        return RF_OK;
    }
    if (f->norm[k] != 0) attrs.bias = true;
    RF_TRY(rf_model_add_node(f->to, node->op, node->name, &attrs, node->inputs, input));
    f->place[k] = f->to->node_count - 1;
    for (int i = parameters; i < f->to->parameter_count; i++) RF_TRY(fill(f, k, &f->to->parameters[i]));
    return RF_OK;
}

static rf_status fold(folding *f) {
    const size_t count = (size_t)f->from->node_count;
    f->uses = rf_alloc(count, sizeof *f->uses);
    f->norm = rf_alloc(count, sizeof *f->norm);
    f->place = rf_alloc(count, sizeof *f->place);
    if (f->uses == NULL || f->norm == NULL || f->place == NULL) return RF_E_MEMORY;
    count_uses(f);
    find_norms(f);
    RF_TRY(rf_model_begin(&f->to, f->from->name, f->from->images));
    for (int k = 1; k < f->from->node_count; k++) RF_TRY(copy_node(f, k));
    f->to->output = f->place[f->from->output];
    f->to->finished = true;
    return RF_OK;
}

rf_status rf_model_fold_norms(rf_model **out, const rf_model *model) {
    folding f = {.from = model};
    const rf_status status = fold(&f);
    free(f.uses);
    free(f.norm);
    free(f.place);
    *out = status == RF_OK ? f.to : NULL;
    if (status != RF_OK) rf_model_free(f.to);
    return status;
}
