/* ONNX ops of arithmetic: of layers' outputs; and weights, biases, and parts of activations and norms. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"

static bool same_shape(const rf_onnx_call *call, const rf_onnx_value *a, const rf_onnx_value *b) {
    int64_t da[RF_ONNX_MAX_RANK], db[RF_ONNX_MAX_RANK];
    rf_onnx_dims(da, call->build, a);
    rf_onnx_dims(db, call->build, b);
    return a->rank == b->rank && a->channels_last == b->channels_last &&
           memcmp(da, db, (size_t)a->rank * sizeof *da) == 0;
}

/* How many numbers an image's x has. */
static size_t numbers_of(const rf_onnx_call *call, const rf_onnx_value *x) {
    return rf_shape_count(call->build->model->nodes[x->layer].shape);
}

/* Makes a copy of x, which is pooled to 1x1, or has one channel, as large as `like`. */
static rf_status expand(rf_onnx_call *call, rf_onnx_value *x, const rf_onnx_value *like) {
    const rf_shape from = call->build->model->nodes[x->layer].shape,
                   to = call->build->model->nodes[like->layer].shape;
    if (x->rank != like->rank) return RF_OK;
    if (from.c == 1 && from.h == to.h && from.w == to.w) {
        rf_onnx_call repeated = {.build = call->build, .node = call->node};
        RF_TRY(rf_onnx_repeat(&repeated, x, to.c));
        *x = repeated.out;
        return RF_OK;
    }
    if (x->rank != 4 || from.h * from.w != 1 || from.c != to.c) return RF_OK;
    x->form = RF_ONNX_EXPANDED;
    x->size = (rf_pair){to.h, to.w};
    x->producer = call->node;
    return rf_onnx_force(call, x);
}

/* Those that are pooled to 1x1, or have one channel, are repeated. */
static rf_status add_values(rf_onnx_call *call, rf_onnx_value *const *x, int count) {
    rf_onnx_layer layer = {.op = rf_op_find("add")};
    const rf_onnx_value *largest = x[0];
    for (int i = 0; i < count; i++) {
        RF_TRY(rf_onnx_force(call, x[i]));
        if (numbers_of(call, x[i]) > numbers_of(call, largest)) largest = x[i];
    }
    for (int i = 0; i < count; i++) {
        rf_onnx_value other = *x[i];
        if (numbers_of(call, &other) < numbers_of(call, largest)) RF_TRY(expand(call, &other, largest));
        if (!same_shape(call, largest, &other))
            return rf_fail(
                RF_E_SHAPE,
                "input %d is of another shape than the largest: that is taken of maps of 1x1 and of "
                "single channels only",
                i + 1);
        layer.input[layer.inputs++] = other.layer;
    }
    return rf_onnx_layer_add(call, &layer, largest);
}

static rf_status add_layers(rf_onnx_call *call) {
    rf_onnx_value *x[RF_MAX_INPUTS];
    if (call->node->n_input > RF_MAX_INPUTS)
        return rf_fail(RF_E_INPUT, "%zu inputs; %d are the most", call->node->n_input, RF_MAX_INPUTS);
    for (size_t i = 0; i < call->node->n_input; i++) x[i] = rf_onnx_in(call, i);
    return add_values(call, x, (int)call->node->n_input);
}

/* Whether a constant broadcasts to x as one number a channel: (C,1,1) to maps, (C) where the channels are last. */
static bool is_per_channel(const rf_onnx_tensor *constant, const rf_onnx_value *x) {
    const int axis = constant->rank - (x->rank - rf_onnx_channel_axis(x));
    return axis >= 0 && (size_t)constant->dim[axis] == constant->count;
}

bool rf_onnx_is_for_each(const rf_onnx_call *call, const rf_onnx_tensor *constant, const rf_onnx_value *x) {
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    if (x->rank != 4 || x->channels_last || s.h * s.w == 1 || constant->rank < 3 ||
        constant->count != (size_t)s.c * s.h * s.w)
        return false;
    const int64_t *const dim = constant->dim + constant->rank - 3;
    return dim[0] == s.c && dim[1] == s.h && dim[2] == s.w;
}

/* One number a channel, or one for each number of an image. */
static bool fits_images(const rf_onnx_call *call, const rf_onnx_tensor *constant, const rf_onnx_value *x) {
    return is_per_channel(constant, x) || rf_onnx_is_for_each(call, constant, x);
}

/* Whether it has a number for each channel of a norm. */
static bool fits_norm(const rf_onnx_call *call, const rf_onnx_tensor *constant, const rf_onnx_value *x) {
    return (x->form == RF_ONNX_NORMED || x->form == RF_ONNX_RESPONDED) && is_per_channel(constant, x) &&
           constant->count == (size_t)call->build->model->nodes[x->layer].shape.c;
}

static bool keeps_images(const rf_node *node) {
    static const char *const taken[] = {"shift", "scale", "affine", "slice", "concat"};
    bool any = false;
    for (size_t i = 0; i < RF_COUNT(taken); i++) any |= strcmp(node->op->name, taken[i]) == 0;
    return any;
}

/* Whether it is the images, or what their normalisation has made of them, which may change the order of the channels.  Each layer is
 * looked at once, however many read it. */
static bool is_images(const rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_node *nodes = call->build->model->nodes;
    if (x->layer == 0 || !keeps_images(&nodes[x->layer])) return x->layer == 0;
    bool *reads = rf_alloc((size_t)x->layer + 1, sizeof *reads), all = reads != NULL;
    if (all) reads[x->layer] = true;
    for (int k = x->layer; k > 0 && all; k--) {
        if (!reads[k]) continue;
        all = keeps_images(&nodes[k]);
        for (int i = 0; i < nodes[k].inputs; i++) reads[nodes[k].input[i]] = true;
    }
    free(reads);
    return all;
}

/* That images are multiplied by, or added to: small factors and large summands are for pixels from 0 to 255. */
static void note_normalisation(rf_onnx_call *call, const rf_onnx_value *x, double factor, double shift) {
    int *range = &call->build->model->normalises;
    if (is_images(call, x)) *range = RF_MAX(*range, fabs(factor) < 0.1 || fabs(shift) > 10 ? 255 : 1);
}

/* Six sixths in single precision are one. */
static double near_one(double factor) {
    return fabs(factor - 1) < 1e-6 ? 1 : factor;
}

/* factor x + shift. */
static rf_status affine(rf_onnx_call *call, rf_onnx_value *x, double factor, double shift) {
    if (x->form == RF_ONNX_AROUND && x->power == 0) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.factor = factor * x->factor;
        call->out.shift = factor * x->shift + shift;
        return RF_OK;
    }
    if (x->form != RF_ONNX_SCALED) RF_TRY(rf_onnx_force(call, x));
    const bool scaled = x->form == RF_ONNX_SCALED;
    const double old = scaled ? x->shift : 0;
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_SCALED, near_one(factor * (scaled ? x->factor : 1))));
    call->out.shift = factor * old + shift;
    note_normalisation(call, x, call->out.factor, call->out.shift);
    return RF_OK;
}

rf_status rf_onnx_add_channelwise(rf_onnx_call *call, const char *op, double init, rf_onnx_value *x,
                                  rf_onnx_tensor *constant) {
    RF_TRY(rf_onnx_force(call, x));
    const rf_onnx_layer layer = {.op = rf_op_find(op),
                                 .attrs = {.init = init,
                                           .shared = constant->count == 1,
                                           .each = rf_onnx_is_for_each(call, constant, x)},
                                 .inputs = 1,
                                 .input = {x->layer},
                                 .param = {constant}};
    const bool of_images = is_images(call, x), scales = strcmp(op, "scale") == 0;
    const double *numbers;
    RF_TRY(rf_onnx_numbers(&numbers, call->build, constant));
    for (size_t i = 0; i < constant->count; i++)
        note_normalisation(call, x, scales ? numbers[i] : 1, scales ? 0 : numbers[i]);
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    rf_model *const model = call->build->model;
    model->parameters[model->parameter_count - 1].fixed = of_images;
    return RF_OK;
}

static double reciprocal(double a) {
    return 1 / a;
}

/* Minus a constant, or over one, of a number for each channel of the images: `of` makes it one to add, or multiply by. */
static rf_status normalise(rf_onnx_call *call, const char *op, rf_onnx_value *x, rf_onnx_tensor *constant,
                           double (*of)(double)) {
    rf_onnx_tensor *numbers;
    const double *from;
    RF_TRY(rf_onnx_numbers(&from, call->build, constant));
    RF_TRY(rf_onnx_constant(&numbers, call->build, constant->type, constant->rank, constant->dim));
    for (size_t i = 0; i < constant->count; i++) numbers->values[i] = of(from[i]);
    return rf_onnx_add_channelwise(call, op, 0, x, numbers);
}

static rf_status add_constant(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_tensor *constant) {
    rf_onnx_tensor *other_than_zeros = constant;
    double number;
    if (x->form == RF_ONNX_RANDOM) return rf_onnx_shift_random(call, x, constant);
    if (x->form == RF_ONNX_LAYER && x->readers == 1 && is_per_channel(constant, x)) {
        rf_onnx_call producer = {.build = call->build, .node = x->producer};
        RF_TRY(rf_onnx_add_weighted(&producer, x, constant));
        return rf_onnx_pass(call, &producer.out);
    }
    RF_TRY(rf_onnx_drop_filler(&other_than_zeros, call, 0));
    if (x->form == RF_ONNX_RECENTRING && x->bias == NULL && is_per_channel(constant, x)) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.bias = other_than_zeros;
        return RF_OK;
    }
    const bool is_mean = x->form == RF_ONNX_VARIANCE || x->form == RF_ONNX_MEAN_LENGTH;
    if (other_than_zeros == NULL && !is_mean) return rf_onnx_pass(call, x);
    if (x->form == RF_ONNX_RESPONDED && x->constant != NULL && fits_norm(call, constant, x)) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.bias = constant;
        return RF_OK;
    }
    if (x->form == RF_ONNX_NORMED && x->constant != NULL && fits_norm(call, constant, x))
        return rf_onnx_add_norm(call, x, constant);
    if (x->form == RF_ONNX_ERF || is_mean || (constant->count == 1 && !rf_onnx_is_learned(constant))) {
        RF_TRY(rf_onnx_scalar(&number, call->build, constant));
        if (is_mean) return rf_onnx_wait(call, x, x->form, x->factor + number);
        if (x->form == RF_ONNX_ERF && number == 1) return rf_onnx_wait(call, x, RF_ONNX_NORMAL, 1);
        return affine(call, x, 1, number);
    }
    if (rf_onnx_is_learned(constant) && (constant->count == 1 || fits_images(call, constant, x)))
        return rf_onnx_add_channelwise(call, "shift", 0, x, constant);
    return rf_fail(RF_E_SHAPE,
                   "the sum with a constant is taken where that is a number, or a parameter of one number a "
                   "channel, or of (C,H,W)");
}

/* x + (weight x response + bias). */
static rf_status add_response_norm(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_layer layer = {.op = rf_op_find("response_norm"),
                                 .attrs = {.eps = x->factor},
                                 .inputs = 1,
                                 .input = {x->layer},
                                 .param = {x->constant, x->bias}};
    return rf_onnx_layer_add(call, &layer, x);
}

static rf_status add_recentred(rf_onnx_call *call, const rf_onnx_value *rescaled,
                               const rf_onnx_value *recentring) {
    RF_TRY(rf_onnx_add_recentred(call, rescaled, recentring));
    if (rescaled->constant != NULL || recentring->bias == NULL) return RF_OK;
    rf_onnx_value normed = call->out;
    return rf_onnx_add_channelwise(call, "shift", 0, &normed, recentring->bias);
}

static rf_status add(rf_onnx_call *call) {
    for (size_t i = 0; i < 2; i++)
        if (rf_onnx_constant_in(call, i) != NULL)
            return add_constant(call, rf_onnx_in(call, 1 - i), rf_onnx_constant_in(call, i));
    for (size_t i = 0; i < 2; i++) {
        const rf_onnx_value *x = rf_onnx_in(call, i), *responded = rf_onnx_in(call, 1 - i);
        if (x->form == RF_ONNX_MAP && responded->form == RF_ONNX_RESPONDED && responded->bias != NULL &&
            x->layer == responded->layer)
            return add_response_norm(call, responded);
        if (x->form == RF_ONNX_RESCALED && responded->form == RF_ONNX_RECENTRING)
            return add_recentred(call, x, responded);
    }
    return add_layers(call);
}

static rf_status subtract_layers(rf_onnx_call *call) {
    rf_onnx_call negative = {.build = call->build, .node = call->node};
    RF_TRY(rf_onnx_force(call, rf_onnx_in(call, 0)));
    RF_TRY(affine(&negative, rf_onnx_in(call, 1), -1, 0));
    rf_onnx_value *const x[2] = {rf_onnx_in(call, 0), &negative.out};
    return add_values(call, x, 2);
}

static double negative(double a) {
    return -a;
}

/* x minus its mean is a part of layer norm. */
static rf_status subtract(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0), *mean = rf_onnx_in(call, 1);
    if (x->form == RF_ONNX_MAP && mean->form == RF_ONNX_MEAN && x->layer == mean->layer)
        return rf_onnx_wait(call, x, RF_ONNX_CENTRED, 1);
    for (size_t i = 0; i < 2; i++) {
        rf_onnx_tensor *constant = rf_onnx_constant_in(call, i);
        double number;
        if (constant == NULL) continue;
        const bool of_images = i == 1 && is_images(call, x);
        if (of_images && constant->count > 1 && fits_images(call, constant, x))
            return normalise(call, "shift", rf_onnx_in(call, 0), constant, negative);
        if (constant->count != 1 || (rf_onnx_is_learned(constant) && !of_images))
            return rf_fail(RF_E_INPUT,
                           "the difference to a constant is taken of a number only, or of images");
        RF_TRY(rf_onnx_scalar(&number, call->build, constant));
        return i == 0 ? affine(call, rf_onnx_in(call, 1), -1, number)
                      : affine(call, rf_onnx_in(call, 0), 1, -number);
    }
    return subtract_layers(call);
}

static rf_status negate(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    return x->form == RF_ONNX_MEAN ? rf_onnx_wait(call, x, RF_ONNX_NEGATIVE_MEAN, -1)
                                   : affine(call, x, -1, 0);
}

static rf_status raise(rf_onnx_call *call, rf_onnx_value *x, double exponent) {
    const rf_attrs attrs = {.slope = exponent};
    RF_TRY(rf_onnx_force(call, x));
    return rf_onnx_layer_of(call, "power", x, &attrs);
}

/* Squares and cubes are products. */
static rf_status power(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_tensor *constant = rf_onnx_constant_in(call, 1);
    double exponent;
    if (constant != NULL && rf_onnx_is_learned(constant))
        return rf_fail(RF_E_INPUT, "its exponent '%.100s' is learned; a fixed number is what is taken",
                       constant->name);
    RF_TRY(rf_onnx_scalar(&exponent, call->build, constant));
    if (x->form == RF_ONNX_AROUND && x->power == 0) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.power = exponent;
        return RF_OK;
    }
    if (x->form == RF_ONNX_CENTRED && exponent == 2) return rf_onnx_wait(call, x, RF_ONNX_SQUARED, 1);
    if (fabs(exponent) > 64) return rf_fail(RF_E_INPUT, "exponent %g; -64 to 64 is what is taken", exponent);
    if (exponent == 1) return rf_onnx_pass(call, x);
    if (exponent != 2 && exponent != 3) return raise(call, x, exponent);
    RF_TRY(rf_onnx_force(call, x));
    rf_onnx_layer layer = {.op = rf_op_find("multiply"), .inputs = 2, .input = {x->layer, x->layer}};
    for (; exponent >= 2; exponent--) {
        RF_TRY(rf_onnx_layer_add(call, &layer, x));
        layer.input[0] = call->out.layer;
    }
    return RF_OK;
}

static rf_status square_root(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_VARIANCE) return rf_onnx_wait(call, x, RF_ONNX_DEVIATION, x->factor);
    return raise(call, x, 0.5);
}

static rf_status invert(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    return x->form == RF_ONNX_DEVIATION ? rf_onnx_wait(call, x, RF_ONNX_RECIPROCAL, x->factor)
                                        : raise(call, x, -1);
}

/* GELU is whole when its factor is 1/2. */
static rf_status gelu_part(rf_onnx_call *call, const rf_onnx_value *x, double factor) {
    return fabs(factor - 0.5) < 1e-6 ? rf_onnx_layer_of(call, "gelu", x, NULL)
                                     : rf_onnx_wait(call, x, RF_ONNX_GELU, factor);
}

static rf_status scale(rf_onnx_call *call, rf_onnx_value *x, double factor) {
    if (factor == 1) return rf_onnx_pass(call, x);
    switch (x->form) {
    case RF_ONNX_NORMAL:
        return rf_onnx_wait(call, x, x->form, x->factor * factor);
    case RF_ONNX_GELU:
        return gelu_part(call, x, x->factor * factor);
    case RF_ONNX_HARD_SIGMOID:
        return rf_onnx_wait(call, x, x->form, near_one(x->factor * factor));
    default:
        return affine(call, x, factor, 0);
    }
}

static rf_status scale_by(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_tensor *constant) {
    double factor;
    RF_TRY(rf_onnx_scalar(&factor, call->build, constant));
    return scale(call, x, factor);
}

/* What TensorFlow's exporter makes of a batch norm's weight and variance. */
static bool is_rest_of_norm(const rf_onnx_tensor *constant) {
    return strstr(rf_onnx_text(constant->name), "/batchnorm/mul") != NULL;
}

/* Times a learned number a channel, or one: a norm's weight, or a layer of its own. */
static rf_status scale_channels(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_tensor *constant) {
    const bool shared = constant->count == 1;
    rf_onnx_tensor *other_than_ones = constant;
    if (is_rest_of_norm(constant) && is_per_channel(constant, x)) {
        if (x->form == RF_ONNX_LAYER && x->constant == NULL && x->readers == 1 &&
            rf_onnx_is_conv(x->producer)) {
            RF_TRY(rf_onnx_pass(call, x));
            call->out.constant = constant;
            return RF_OK;
        }
        call->build->norms_folded++;
    }
    RF_TRY(rf_onnx_drop_filler(&other_than_ones, call, 1));
    if (other_than_ones == NULL) return rf_onnx_pass(call, x);
    if (constant->name == NULL || (!shared && !fits_images(call, constant, x)))
        return rf_fail(RF_E_SHAPE,
                       "the product with a constant is taken where that is a parameter of one number a "
                       "channel, or of (C,H,W), or one number");
    if (x->constant == NULL && fits_norm(call, constant, x)) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.constant = constant;
        return RF_OK;
    }
    return rf_onnx_add_channelwise(call, "scale", 1, x, constant);
}

/* x as a number of times a layer's output; 0: it is none. */
static double times(const rf_onnx_value *x) {
    return x->form == RF_ONNX_MAP ? 1 : x->form == RF_ONNX_SCALED && x->shift == 0 ? x->factor : 0;
}

/* Where *x is repeated to the other's shape: as it was before, in gate, since products need no repetition. */
static rf_status before_repetition(rf_onnx_call *call, rf_onnx_value **x, rf_onnx_value *other,
                                   rf_onnx_form form, rf_onnx_value *gate) {
    if ((*x)->form != form || other->form == form) return RF_OK;
    RF_TRY(rf_onnx_force(call, other));
    const rf_shape s = call->build->model->nodes[other->layer].shape;
    if (form == RF_ONNX_EXPANDED ? s.h != (*x)->size.y || s.w != (*x)->size.x : s.c != (*x)->groups)
        return RF_OK;
    *gate = **x;
    gate->form = RF_ONNX_MAP;
    *x = gate;
    return RF_OK;
}

/* One may be smaller, one number a channel or a pixel. */
static rf_status multiply_values(rf_onnx_call *call, rf_onnx_value *a, rf_onnx_value *b) {
    rf_onnx_value *x[2] = {a, b}, gate;
    for (int i = 0; i < 2; i++) RF_TRY(before_repetition(call, &x[i], x[1 - i], RF_ONNX_REPEATED, &gate));
    for (int i = 0; i < 2; i++) RF_TRY(before_repetition(call, &x[i], x[1 - i], RF_ONNX_EXPANDED, &gate));
    for (int i = 0; i < 2; i++) RF_TRY(rf_onnx_force(call, x[i]));
    if (x[0]->rank != x[1]->rank)
        return rf_fail(RF_E_SHAPE, "its inputs have %d and %d dimensions", x[0]->rank, x[1]->rank);
    if (x[0]->channels_last != x[1]->channels_last)
        return rf_fail(RF_E_SHAPE, "one of its inputs has the channels last, the other has not");
    const int larger = numbers_of(call, x[1]) > numbers_of(call, x[0]);
    const rf_onnx_layer layer = {
        .op = rf_op_find("multiply"), .inputs = 2, .input = {x[larger]->layer, x[1 - larger]->layer}};
    return rf_onnx_layer_add(call, &layer, x[larger]);
}

/* x * relu6(x + 3) may be divided by 6 only now. */
static rf_status hard_swish(rf_onnx_call *call, const rf_onnx_value *x) {
    RF_TRY(rf_onnx_layer_of(call, "hard_swish", x, NULL));
    if (x->factor == 1) return RF_OK;
    const rf_onnx_value product = call->out;
    return rf_onnx_wait(call, &product, RF_ONNX_SCALED, x->factor);
}

static rf_status multiply(rf_onnx_call *call) {
    for (size_t i = 0; i < 2; i++) {
        rf_onnx_value *x = rf_onnx_in(call, i), *other = rf_onnx_in(call, 1 - i);
        rf_onnx_tensor *constant = rf_onnx_constant_in(call, 1 - i);
        if (x->form == RF_ONNX_MASK || x->form == RF_ONNX_SHARE) return rf_onnx_apply_mask(call, other, x);
        if (x->form == RF_ONNX_RECIPROCAL) return rf_onnx_times_reciprocal(call, x, other, constant);
        if (x->form == RF_ONNX_CENTRED && other->form == RF_ONNX_CENTRED && x->layer == other->layer)
            return rf_onnx_wait(call, x, RF_ONNX_SQUARED, 1);
        const bool is_part = x->form == RF_ONNX_NORMAL || x->form == RF_ONNX_GELU;
        if (constant != NULL && (constant->count > 1 || (!is_part && rf_onnx_is_learned(constant))))
            return scale_channels(call, x, constant);
        if (constant != NULL) return scale_by(call, x, constant);
        if (other->layer != x->layer || times(other) == 0) continue;
        if (x->form == RF_ONNX_MAP && other->form == RF_ONNX_MAP && x->rank == 4 && !x->channels_last)
            return rf_onnx_wait(call, x, RF_ONNX_SQUARE, 1);
        if (x->form == RF_ONNX_RESPONSE && times(other) == 1)
            return rf_onnx_wait(call, x, RF_ONNX_RESPONDED, x->factor);
        if (x->form == RF_ONNX_SIGMOID && times(other) == 1) return rf_onnx_layer_of(call, "silu", x, NULL);
        if (x->form == RF_ONNX_HARD_SIGMOID && times(other) == 1) return hard_swish(call, x);
        if (x->form == RF_ONNX_MISH_GATE && times(other) == 1) return rf_onnx_layer_of(call, "mish", x, NULL);
        if (x->form == RF_ONNX_NORMAL) return gelu_part(call, x, x->factor * times(other));
    }
    if (rf_onnx_is_stack(rf_onnx_in(call, 0)) && rf_onnx_is_stack(rf_onnx_in(call, 1)))
        return rf_onnx_weigh_stack(call, rf_onnx_in(call, 0), rf_onnx_in(call, 1));
    return multiply_values(call, rf_onnx_in(call, 0), rf_onnx_in(call, 1));
}

/* x times y to the power of -1, which is computed before y is repeated. */
static rf_status divide_layers(rf_onnx_call *call, rf_onnx_value *x, const rf_onnx_value *y) {
    rf_onnx_value divisor = *y;
    const bool repeated = y->form == RF_ONNX_EXPANDED || y->form == RF_ONNX_REPEATED;
    if (repeated) divisor.form = RF_ONNX_MAP;
    RF_TRY(raise(call, &divisor, -1));
    divisor = repeated ? *y : call->out;
    divisor.layer = call->out.layer;
    return multiply_values(call, x, &divisor);
}

static rf_status divide(rf_onnx_call *call) {
    const rf_onnx_value *centred = rf_onnx_in(call, 0), *deviation = rf_onnx_in(call, 1);
    double divisor;
    if (centred->form == RF_ONNX_CENTRED && deviation->form == RF_ONNX_DEVIATION &&
        centred->layer == deviation->layer)
        return rf_onnx_wait(call, centred, RF_ONNX_NORMED, deviation->factor);
    if (centred->form == RF_ONNX_LENGTH && deviation->form == RF_ONNX_MEAN_LENGTH &&
        centred->layer == deviation->layer)
        return rf_onnx_wait(call, centred, RF_ONNX_RESPONSE, deviation->factor);
    rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_tensor *constant = rf_onnx_constant_in(call, 0);
    if (constant != NULL) {
        RF_TRY(raise(call, rf_onnx_in(call, 1), -1));
        rf_onnx_value inverse = call->out;
        return constant->count > 1 || rf_onnx_is_learned(constant) ? scale_channels(call, &inverse, constant)
                                                                   : scale_by(call, &inverse, constant);
    }
    constant = rf_onnx_constant_in(call, 1);
    if (constant == NULL && deviation->form == RF_ONNX_AROUND)
        return rf_onnx_divide_by_response(call, x, deviation);
    if (constant == NULL) return divide_layers(call, x, rf_onnx_in(call, 1));
    if (constant->count > 1 && is_images(call, x) && fits_images(call, constant, x))
        return normalise(call, "scale", rf_onnx_in(call, 0), constant, reciprocal);
    if (rf_onnx_is_learned(constant) && !is_images(call, x))
        return rf_fail(RF_E_INPUT, "its divisor '%.100s' is learned: of these only factors are taken",
                       constant->name);
    RF_TRY(rf_onnx_scalar(&divisor, call->build, constant));
    if (x->form == RF_ONNX_MASK && fabs(divisor - x->factor) < 4e-3) { /* it may be rounded to 8 bits */
        RF_TRY(rf_onnx_pass(call, x));
        call->out.form = RF_ONNX_SHARE;
        return RF_OK;
    }
    return scale(call, x, 1 / divisor);
}

/* ---- of constants ---- */

static double sum(double a, double b) {
    return a + b;
}
static double difference(double a, double b) {
    return a - b;
}
static double product(double a, double b) {
    return a * b;
}
static double quotient(double a, double b) {
    return a / b;
}

/* A parameter times 1, as of torch.addcmul, is the parameter. */
static rf_status fold_product(rf_onnx_call *call) {
    for (size_t i = 0; i < 2 && call->node->n_input == 2; i++) {
        rf_onnx_tensor *one = rf_onnx_constant_in(call, i), *other = rf_onnx_constant_in(call, 1 - i);
        RF_TRY(rf_onnx_drop_filler(&one, call, 1));
        if (one == NULL && rf_onnx_constant_in(call, i)->count == 1 &&
            rf_onnx_constant_in(call, i)->rank <= other->rank) {
            call->out = *rf_onnx_in(call, 1 - i);
            return RF_OK;
        }
    }
    return rf_onnx_probe(call);
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_arithmetic_ops[] = {
    {"Add", 2, " ", rf_onnx_fold_binary, add, .binary = sum},
    {"Div", 2, " ", rf_onnx_fold_binary, divide, .binary = quotient},
    {"Mul", 2, " ", fold_product, multiply, .binary = product},
    {"Neg", 1, " ", rf_onnx_fold_unary, negate, .unary = negative},
    {"Pow", 2, " ", rf_onnx_fold_binary, power, .binary = pow},
    {"Reciprocal", 1, " ", rf_onnx_fold_unary, invert, .unary = reciprocal},
    {"Sqrt", 1, " ", rf_onnx_fold_unary, square_root, .unary = sqrt},
    {"Sub", 2, " ", rf_onnx_fold_binary, subtract, .binary = difference},
    {"Sum", 1, " ", .lower = add_layers},
    {NULL},
};
