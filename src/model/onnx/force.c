/* Values as layers' outputs: what waited for the next node becomes a layer of its own. */
#include "model/onnx/graph.h"

/* The op of ours that a value is; NULL: none, or one with parameters. */
static const char *op_of(const rf_onnx_value *x) {
    switch (x->form) {
    case RF_ONNX_SIGMOID:
        return "sigmoid";
    case RF_ONNX_HARD_SIGMOID:
        return "hard_sigmoid";
    case RF_ONNX_SOFTPLUS:
        return "softplus";
    case RF_ONNX_SCALED:
        return "affine";
    case RF_ONNX_MEAN:
    case RF_ONNX_NEGATIVE_MEAN:
        return "channel_mean";
    case RF_ONNX_SCORES:
        return x->factor == 1 ? "softmax" : NULL;
    case RF_ONNX_EXPANDED:
        return "upsample_nearest";
    case RF_ONNX_PADDED:
        return "pad";
    default:
        return NULL;
    }
}

rf_status rf_onnx_force(rf_onnx_call *call, rf_onnx_value *x) {
    if (x == NULL) return rf_fail(RF_E_INPUT, "an input is missing");
    if (x->form == RF_ONNX_MAP) return RF_OK;
    rf_onnx_call producer = {.build = call->build, .node = x->producer};
    rf_status status = RF_OK;
    if (x->form == RF_ONNX_SCALED && x->factor == 1 && x->shift == 0)
        producer.out = rf_onnx_map_of(x);
    else if (x->form == RF_ONNX_LAYER)
        status = rf_onnx_add_weighted(&producer, x, NULL);
    else if (x->form == RF_ONNX_NORMED)
        status = rf_onnx_add_norm(&producer, x, NULL);
    else if (x->form == RF_ONNX_SQUARE && x->rank == 4)
        status = rf_onnx_square(&producer, x);
    else if (x->form == RF_ONNX_REPEATED)
        status = rf_onnx_repeat(&producer, x, x->groups);
    else if (op_of(x) != NULL) {
        rf_attrs attrs;
        rf_attrs_default(&attrs, rf_op_find(op_of(x)));
        attrs.slope = x->factor;
        attrs.value = x->shift;
        attrs.size = x->size;
        attrs.before = attrs.after = x->pad;
        status = rf_onnx_layer_of(&producer, op_of(x), x, &attrs);
        if (status == RF_OK &&
            (x->form == RF_ONNX_NEGATIVE_MEAN || (x->form == RF_ONNX_HARD_SIGMOID && x->factor != 1)))
            status = rf_onnx_then(&producer, "affine", &attrs);
    } else if (x->form == RF_ONNX_CONSTANT &&
               (rf_onnx_is_learned(x->constant) || x->constant->origin[0] != NULL))
        return rf_fail(RF_E_INPUT,
                       "it computes with a parameter alone: weight norm, spectral norm and weight "
                       "standardisation are not taken; remove them before exporting");
    else if (x->form == RF_ONNX_CONSTANT)
        return rf_fail(RF_E_INPUT, "it reads a constant where it should read what becomes of the images");
    else
        return rf_fail(RF_E_INPUT,
                       "it reads node '%.100s', and what that means together is no layer of ours; see "
                       "docs/onnx.md",
                       x->producer != NULL ? rf_onnx_node_name(x->producer) : "");
    if (status != RF_OK) return rf_fail_prefix(status, "node '%.100s'", rf_onnx_node_name(x->producer));
    const int readers = x->readers;
    *x = producer.out;
    x->readers = readers;
    return RF_OK;
}

rf_status rf_onnx_first_any(rf_onnx_value **x, rf_onnx_call *call) {
    *x = rf_onnx_in(call, 0);
    return rf_onnx_force(call, *x);
}

rf_status rf_onnx_first(rf_onnx_value **x, rf_onnx_call *call) {
    RF_TRY(rf_onnx_first_any(x, call));
    if (!(*x)->channels_last) return RF_OK;
    return rf_fail(RF_E_SHAPE, "its input has the channels last, (N,H,W,C); it is taken with (N,C,H,W)");
}

rf_status rf_onnx_first_map(rf_onnx_value **x, rf_onnx_call *call) {
    RF_TRY(rf_onnx_first(x, call));
    if ((*x)->rank == 4) return RF_OK;
    return rf_fail(RF_E_SHAPE, "its input is flat, (N,features); it needs maps, (N,C,H,W)");
}
