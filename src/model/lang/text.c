/* Models from text, and a model's layers added from C with attributes written as in the model language. */
#include <string.h>

#include "graph/model.h"
#include "model/lang/net.h"

rf_status rf_model_parse(rf_model **out, const char *text, const char *origin, rf_image_shape images,
                         uint64_t seed) {
    rf_model *model = NULL;
    rf_net net = {0};
    *out = NULL;
    rf_status status = rf_model_begin(&model, origin, images);
    if (status != RF_OK) goto done;
    status = rf_net_parse(&net, text, origin);
    if (status == RF_OK) status = rf_net_expand(model, &net);
    if (status != RF_OK) goto done;
    status = rf_model_finish(model, seed);
    if (status != RF_OK) {
        rf_fail_prefix(status, "%s", origin);
        goto done;
    }
    *out = model;
    model = NULL;
done:
    rf_model_free(model);
    rf_net_free(&net);
    return status;
}

/* Layers named in a list separated by blanks; NULL is the last layer. */
static rf_status find_inputs(int *count, int input[RF_MAX_INPUTS], const rf_model *model,
                             const char *inputs) {
    static const char blanks[] = " \t\n,";
    *count = 0;
    if (!inputs) input[(*count)++] = model->node_count - 1;
    for (const char *at = inputs ? inputs + strspn(inputs, blanks) : ""; *at; at += strspn(at, blanks)) {
        const size_t length = strcspn(at, blanks);
        if (*count == RF_MAX_INPUTS)
            return rf_fail(RF_E_INPUT, "a layer can read at most %d others", RF_MAX_INPUTS);
        input[*count] = rf_model_find_node(model, at, length);
        if (input[*count] < 0)
            return rf_fail(RF_E_INPUT, "no layer '%.*s' was added before (the images are called 'images')",
                           (int)RF_MIN(length, 80), at);
        ++*count;
        at += length;
    }
    return RF_OK;
}

rf_status rf_model_add(rf_model *model, const char *op, const char *name, const char *attributes,
                       const char *inputs) {
    char made[64], origin[RF_MAX_NAME + 16];
    rf_net net = {0};
    rf_attrs attrs;
    int input[RF_MAX_INPUTS], count;
    if (!name) {
        snprintf(made, sizeof made, "%.48s_%d", op, model->node_count);
        name = made;
    }
    snprintf(origin, sizeof origin, "layer '%s'", name);
    rf_status status = rf_net_parse_layer(&net, op, attributes ? attributes : "", origin);
    if (status == RF_OK) status = rf_net_attributes(&attrs, model, &net);
    rf_net_free(&net);
    if (status != RF_OK) return status;
    status = find_inputs(&count, input, model, inputs);
    if (status != RF_OK) return rf_fail_prefix(status, "%s", origin);
    return rf_model_add_node(model, rf_op_find(op), name, &attrs, count, input);
}
