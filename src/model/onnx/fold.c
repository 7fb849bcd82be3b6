/* Constants from constants: the arithmetic of shapes, and weights that are moved about. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"

enum {
    MAX_RANGE = 1 << 20,
    INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
};

/* The numbers of an input that must be there. */
static rf_status numbers_in(rf_onnx_tensor **tensor, const double **values, const rf_onnx_call *call,
                            size_t index) {
    *values = NULL;
    *tensor = rf_onnx_constant_in(call, index);
    if (*tensor == NULL) return rf_fail(RF_E_INPUT, "input %zu is missing, or no constant", index + 1);
    return rf_onnx_numbers(values, call->build, *tensor);
}

static rf_status begin(double **values, rf_onnx_call *call, int type, int rank, const int64_t *dim) {
    rf_onnx_tensor *out = NULL;
    RF_TRY(rf_onnx_constant(&out, call->build, type, rank, dim));
    call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
    *values = out->values;
    return RF_OK;
}

/* What is moved about only is the parameter still. */
static void copy_origins(rf_onnx_tensor *to, const rf_onnx_tensor *from) {
    to->name = from->name;
    to->reduced = from->reduced;
    to->probed = from->probed;
    memcpy(to->origin, from->origin, sizeof to->origin);
}

/* The first input with another shape: a view of the file's bytes, or a copy. */
static rf_status reshaped(rf_onnx_call *call, int rank, const int64_t *dim) {
    rf_onnx_tensor *from = rf_onnx_constant_in(call, 0), *out, to = *from;
    double *values;
    to.rank = rank;
    for (int i = 0; i < rank; i++) to.dim[i] = dim[i];
    RF_TRY(rf_onnx_tensor_count(&to));
    if (to.count != from->count)
        return rf_fail(RF_E_INPUT, "a constant of %zu numbers cannot be reshaped to %zu", from->count,
                       to.count);
    to.values = NULL;
    if (from->proto != NULL) { /* the file's numbers stay where they are */
        RF_TRY(rf_onnx_tensor_add(call->build, &to, &out));
        call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
        return RF_OK;
    }
    RF_TRY(begin(&values, call, to.type, rank, dim));
    memcpy(values, from->values, from->count * sizeof *values);
    copy_origins(call->out.constant, from);
    return RF_OK;
}

/* The index in `in`, broadcast to `out`, of the number at `at` of out. */
static size_t broadcast_index(const rf_onnx_tensor *in, const rf_onnx_tensor *out, size_t at) {
    size_t index = 0, stride = 1;
    for (int i = out->rank - 1, k = in->rank - 1; k >= 0; i--, k--) {
        const size_t coordinate = at % (size_t)out->dim[i];
        at /= (size_t)out->dim[i];
        if (in->dim[k] != 1) index += coordinate * stride;
        stride *= (size_t)in->dim[k];
    }
    return index;
}

/* b_given may be dim. */
static rf_status broadcast_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_tensor *a, int b_rank,
                                const int64_t *b_given) {
    int64_t b[RF_ONNX_MAX_RANK];
    memcpy(b, b_given, (size_t)b_rank * sizeof *b);
    *rank = RF_MAX(a->rank, b_rank);
    for (int i = 0; i < *rank; i++) {
        const int ka = i - (*rank - a->rank), kb = i - (*rank - b_rank);
        const int64_t da = ka < 0 ? 1 : a->dim[ka], db = kb < 0 ? 1 : b[kb];
        if (da != db && da != 1 && db != 1)
            return rf_fail(RF_E_INPUT, "dimension %d of its constants is %lld and %lld", i, (long long)da,
                           (long long)db);
        dim[i] = da == 1 ? db : da;
    }
    return RF_OK;
}

/* ---- ops ---- */

static rf_status fold_constant(rf_onnx_call *call) {
    const Onnx__AttributeProto *a = call->node->n_attribute == 1 ? call->node->attribute[0] : NULL;
    rf_onnx_tensor tensor, *out;
    double *values;
    if (a == NULL || a->name == NULL) return rf_fail(RF_E_INPUT, "it has no value");
    if (strcmp(a->name, "value") == 0 && a->t != NULL) {
        RF_TRY(rf_onnx_tensor_describe(&tensor, &call->build->file, a->t));
        RF_TRY(rf_onnx_tensor_add(call->build, &tensor, &out));
        call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
        return RF_OK;
    }
    const bool list = strcmp(a->name, "value_ints") == 0 || strcmp(a->name, "value_floats") == 0;
    const bool integer = strcmp(a->name, "value_int") == 0 || strcmp(a->name, "value_ints") == 0;
    const int64_t count = !list ? 1 : integer ? (int64_t)a->n_ints : (int64_t)a->n_floats;
    if (!list && !integer && strcmp(a->name, "value_float") != 0)
        return rf_fail(RF_E_INPUT, "a constant given as '%.60s' is not read", a->name);
    RF_TRY(begin(&values, call, integer ? INT64 : FLOAT, list, &count));
    for (int64_t i = 0; i < count; i++)
        values[i] = integer ? (double)(list ? a->ints[i] : a->i) : (double)(list ? a->floats[i] : a->f);
    return RF_OK;
}

rf_status rf_onnx_fold_identity(rf_onnx_call *call) {
    call->out = *rf_onnx_in(call, 0);
    return RF_OK;
}

rf_status rf_onnx_fold_cast(rf_onnx_call *call) {
    rf_onnx_tensor *from, *like = rf_onnx_constant_in(call, 1);
    const double *in;
    double *out;
    RF_TRY(numbers_in(&from, &in, call, 0));
    const int type = (int)rf_onnx_int(call->node, "to", like != NULL ? like->type : FLOAT);
    if (type == from->type) return rf_onnx_fold_identity(call);
    RF_TRY(begin(&out, call, type, from->rank, from->dim));
    for (size_t i = 0; i < from->count; i++)
        out[i] = type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL ? in[i] != 0
                 : rf_onnx_is_integer(type)                  ? trunc(in[i])
                                                             : in[i];
    return RF_OK;
}

rf_status rf_onnx_fold_shape(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    int64_t dim[RF_ONNX_MAX_RANK], rank;
    double *out;
    if (x->form == RF_ONNX_CONSTANT) {
        rank = x->constant->rank;
        memcpy(dim, x->constant->dim, sizeof dim);
    } else {
        rf_onnx_dims(dim, call->build, x);
        rank = x->rank;
    }
    int64_t first = rf_onnx_int(call->node, "start", 0), end = rf_onnx_int(call->node, "end", rank);
    first = RF_MAX(RF_MIN(first < 0 ? first + rank : first, rank), 0);
    end = RF_MAX(RF_MIN(end < 0 ? end + rank : end, rank), first);
    const int64_t count = end - first;
    RF_TRY(begin(&out, call, INT64, 1, &count));
    for (int64_t i = 0; i < count; i++) out[i] = (double)dim[first + i];
    return RF_OK;
}

static rf_status with_dims(rf_onnx_call *call,
                           rf_status (*dims)(int64_t *, int *, const rf_onnx_call *, const int64_t *, int)) {
    const rf_onnx_tensor *from = rf_onnx_constant_in(call, 0);
    int64_t dim[RF_ONNX_MAX_RANK];
    int rank;
    RF_TRY(dims(dim, &rank, call, from->dim, from->rank));
    return reshaped(call, rank, dim);
}
rf_status rf_onnx_fold_reshape(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_reshape_dims);
}
rf_status rf_onnx_fold_unsqueeze(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_unsqueeze_dims);
}
rf_status rf_onnx_fold_squeeze(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_squeeze_dims);
}

rf_status rf_onnx_fold_transpose(rf_onnx_call *call) {
    rf_onnx_tensor *from;
    const double *in;
    double *out;
    int64_t order[RF_ONNX_MAX_RANK], dim[RF_ONNX_MAX_RANK], stride[RF_ONNX_MAX_RANK];
    int count, seen = 0;
    RF_TRY(numbers_in(&from, &in, call, 0));
    RF_TRY(rf_onnx_list(order, &count, call, "perm", SIZE_MAX));
    for (int i = 0; count < 0 && i < from->rank; i++) order[i] = from->rank - 1 - i;
    for (int i = 0; i < from->rank; i++) {
        if ((count >= 0 && count != from->rank) || order[i] < 0 || order[i] >= from->rank ||
            seen & 1 << order[i])
            return rf_fail(RF_E_INPUT, "perm is no order of %d dimensions", from->rank);
        seen |= 1 << order[i];
        dim[i] = from->dim[order[i]];
        stride[i] = 1;
        for (int k = from->rank - 1; k > order[i]; k--) stride[i] *= from->dim[k];
    }
    RF_TRY(begin(&out, call, from->type, from->rank, dim));
    copy_origins(call->out.constant, from);
    for (size_t at = 0; at < from->count; at++) {
        size_t rest = at, index = 0;
        for (int i = from->rank - 1; i >= 0; i--) {
            index += rest % (size_t)dim[i] * (size_t)stride[i];
            rest /= (size_t)dim[i];
        }
        out[at] = in[index];
    }
    return RF_OK;
}

/* Whole numbers in an input, as dimensions. */
static rf_status dims_in(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call, size_t input) {
    RF_TRY(rf_onnx_list(dim, rank, call, NULL, input));
    return *rank >= 0 ? RF_OK : rf_fail(RF_E_INPUT, "input %zu is missing, or no constant", input + 1);
}

rf_status rf_onnx_fold_expand(rf_onnx_call *call) {
    rf_onnx_tensor *from;
    const double *in;
    double *out;
    int64_t wanted[RF_ONNX_MAX_RANK], dim[RF_ONNX_MAX_RANK];
    int wanted_rank, rank;
    RF_TRY(numbers_in(&from, &in, call, 0));
    RF_TRY(dims_in(wanted, &wanted_rank, call, 1));
    RF_TRY(broadcast_dims(dim, &rank, from, wanted_rank, wanted));
    RF_TRY(begin(&out, call, from->type, rank, dim));
    for (size_t i = 0; i < call->out.constant->count; i++)
        out[i] = in[broadcast_index(from, call->out.constant, i)];
    return RF_OK;
}

static rf_status fold_fill(rf_onnx_call *call) {
    const Onnx__AttributeProto *value = rf_onnx_attribute(call->node, "value");
    rf_onnx_tensor tensor = {.type = FLOAT};
    int64_t dim[RF_ONNX_MAX_RANK];
    double *out, number = 0;
    int rank;
    if (value != NULL && value->t != NULL) {
        RF_TRY(rf_onnx_tensor_describe(&tensor, &call->build->file, value->t));
        if (tensor.count != 1) return rf_fail(RF_E_INPUT, "its value has %zu numbers, not one", tensor.count);
        RF_TRY(rf_onnx_tensor_read(&number, NULL, &call->build->file, &tensor));
    }
    RF_TRY(dims_in(dim, &rank, call, 0));
    RF_TRY(begin(&out, call, tensor.type, rank, dim));
    for (size_t i = 0; i < call->out.constant->count; i++) out[i] = number;
    return RF_OK;
}

static rf_status fold_range(rf_onnx_call *call) {
    double limit[3], *out;
    for (size_t i = 0; i < 3; i++)
        RF_TRY(rf_onnx_scalar(&limit[i], call->build, rf_onnx_constant_in(call, i)));
    const double count = ceil((limit[1] - limit[0]) / limit[2]);
    if (!(count < MAX_RANGE)) return rf_fail(RF_E_INPUT, "a range of %g numbers", count);
    const int64_t length = (int64_t)RF_MAX(count, 0);
    RF_TRY(begin(&out, call, rf_onnx_constant_in(call, 0)->type, 1, &length));
    for (int64_t i = 0; i < length; i++) out[i] = limit[0] + (double)i * limit[2];
    return RF_OK;
}

/* The products of the dimensions before and behind an axis. */
static void around(size_t *outer, size_t *inner, const rf_onnx_tensor *tensor, int axis) {
    *outer = *inner = 1;
    for (int i = 0; i < tensor->rank; i++)
        if (i != axis) *(i < axis ? outer : inner) *= (size_t)tensor->dim[i];
}

rf_status rf_onnx_fold_gather(rf_onnx_call *call) {
    rf_onnx_tensor *from, *indices;
    const double *in, *index;
    double *out;
    int64_t dim[2 * RF_ONNX_MAX_RANK];
    size_t outer, inner;
    int axis, rank = 0;
    RF_TRY(numbers_in(&from, &in, call, 0));
    RF_TRY(numbers_in(&indices, &index, call, 1));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 0), from->rank));
    for (int i = 0; i < axis; i++) dim[rank++] = from->dim[i];
    for (int i = 0; i < indices->rank; i++) dim[rank++] = indices->dim[i];
    for (int i = axis + 1; i < from->rank; i++) dim[rank++] = from->dim[i];
    RF_TRY(begin(&out, call, from->type, rank, dim));
    around(&outer, &inner, from, axis);
    for (size_t i = 0; i < indices->count; i++) {
        const double at = index[i] < 0 ? index[i] + (double)from->dim[axis] : index[i];
        if (!(at >= 0 && at < (double)from->dim[axis]))
            return rf_fail(RF_E_INPUT, "index %g of %lld numbers", index[i], (long long)from->dim[axis]);
        for (size_t o = 0; o < outer; o++)
            memcpy(out + (o * indices->count + i) * inner,
                   in + (o * (size_t)from->dim[axis] + (size_t)at) * inner, inner * sizeof *out);
    }
    return RF_OK;
}

/* One axis at a time. */
static rf_status slice_axis(rf_onnx_call *call, rf_onnx_tensor **from, int64_t axis_given, double start,
                            double end, double step) {
    const double *in;
    double *out;
    size_t outer, inner;
    int axis;
    RF_TRY(rf_onnx_numbers(&in, call->build, *from));
    RF_TRY(rf_onnx_axis(&axis, axis_given, (*from)->rank));
    const double length = (double)(*from)->dim[axis];
    if (!(fabs(step) >= 1)) return rf_fail(RF_E_INPUT, "step %g", step);
    start = fmin(fmax(start < 0 ? start + length : start, 0), step < 0 ? length - 1 : length);
    end = fmin(fmax(end < 0 ? end + length : end, step < 0 ? -1 : 0), length);
    int64_t dim[RF_ONNX_MAX_RANK];
    memcpy(dim, (*from)->dim, sizeof dim);
    dim[axis] = (int64_t)fmax(ceil((end - start) / step), 0);
    RF_TRY(begin(&out, call, (*from)->type, (*from)->rank, dim));
    around(&outer, &inner, *from, axis);
    for (size_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < dim[axis]; i++)
            memcpy(out + (o * (size_t)dim[axis] + (size_t)i) * inner,
                   in + (o * (size_t)length + (size_t)(start + (double)i * step)) * inner,
                   inner * sizeof *out);
    *from = call->out.constant;
    return RF_OK;
}

rf_status rf_onnx_fold_slice(rf_onnx_call *call) {
    static const char *const attributes[] = {"starts", "ends", "axes", NULL};
    int64_t list[4][RF_ONNX_MAX_RANK];
    int count[4];
    rf_onnx_tensor *from = rf_onnx_constant_in(call, 0);
    call->out = *rf_onnx_in(call, 0);
    for (size_t i = 0; i < 4; i++) RF_TRY(rf_onnx_list(list[i], &count[i], call, attributes[i], i + 1));
    for (int i = 0; i < count[0]; i++) {
        if (count[1] != count[0] || (count[2] >= 0 && count[2] != count[0]) ||
            (count[3] >= 0 && count[3] != count[0]))
            return rf_fail(RF_E_INPUT, "starts, ends, axes and steps are not of one length");
        RF_TRY(slice_axis(call, &from, count[2] < 0 ? i : list[2][i], (double)list[0][i], (double)list[1][i],
                          count[3] < 0 ? 1 : (double)list[3][i]));
    }
    return RF_OK;
}

rf_status rf_onnx_fold_concat(rf_onnx_call *call) {
    rf_onnx_tensor *first = rf_onnx_constant_in(call, 0), *from;
    const double *in;
    double *out;
    int64_t dim[RF_ONNX_MAX_RANK];
    size_t outer, inner, offset = 0;
    int axis;
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 0), first->rank));
    memcpy(dim, first->dim, sizeof dim);
    dim[axis] = 0;
    for (size_t i = 0; i < call->node->n_input; i++) {
        if ((from = rf_onnx_constant_in(call, i)) == NULL)
            return rf_fail(RF_E_INPUT, "input %zu is missing", i + 1);
        for (int k = 0; k < first->rank; k++)
            if (from->rank != first->rank || (k != axis && from->dim[k] != first->dim[k]))
                return rf_fail(RF_E_INPUT, "input %zu is of another shape than the first", i + 1);
        dim[axis] += from->dim[axis];
    }
    RF_TRY(begin(&out, call, first->type, first->rank, dim));
    around(&outer, &inner, first, axis);
    for (size_t i = 0; i < call->node->n_input; i++) {
        RF_TRY(numbers_in(&from, &in, call, i));
        const size_t row = (size_t)from->dim[axis] * inner;
        for (size_t o = 0; o < outer; o++)
            memcpy(out + o * (size_t)dim[axis] * inner + offset, in + o * row, row * sizeof *out);
        offset += row;
    }
    return RF_OK;
}

/* f of up to three broadcast inputs; the result has the type of input `typed`. */
static rf_status elementwise(rf_onnx_call *call, size_t inputs, size_t typed,
                             double (*f)(const rf_onnx_call *call, const double x[3])) {
    rf_onnx_tensor *from[3] = {NULL};
    const double *in[3] = {NULL};
    double *out, x[3] = {0};
    int64_t dim[RF_ONNX_MAX_RANK];
    int rank = 0;
    bool same[3]; /* shape as the output's */
    for (size_t i = 0; i < inputs; i++) {
        RF_TRY(numbers_in(&from[i], &in[i], call, i));
        RF_TRY(broadcast_dims(dim, &rank, from[i], rank, dim));
    }
    RF_TRY(begin(&out, call, from[typed]->type, rank, dim)); /* of what Equal gives only truth is used */
    for (size_t i = 0; i < inputs; i++) {
        rf_onnx_add_origins(call->out.constant, from[i]);
        same[i] = from[i]->count == call->out.constant->count;
    }
    for (size_t at = 0; at < call->out.constant->count; at++) {
        for (size_t i = 0; i < inputs; i++)
            x[i] = in[i][same[i] ? at : broadcast_index(from[i], call->out.constant, at)];
        out[at] = f(call, x);
        if (rf_onnx_is_integer(from[typed]->type)) out[at] = trunc(out[at]);
    }
    return RF_OK;
}

static double apply_unary(const rf_onnx_call *call, const double x[3]) {
    return call->op->unary(x[0]);
}
static double apply_binary(const rf_onnx_call *call, const double x[3]) {
    return call->op->binary(x[0], x[1]);
}
static double apply_where(const rf_onnx_call *call, const double x[3]) {
    (void)call;
    return x[0] != 0 ? x[1] : x[2];
}
rf_status rf_onnx_fold_unary(rf_onnx_call *call) {
    return elementwise(call, 1, 0, apply_unary);
}
rf_status rf_onnx_fold_binary(rf_onnx_call *call) {
    if (call->node->n_input == 1) return rf_onnx_fold_identity(call);
    if (call->node->n_input != 2)
        return rf_fail(RF_E_INPUT, "%zu inputs; 2 are what is taken", call->node->n_input);
    return elementwise(call, 2, 0, apply_binary);
}
rf_status rf_onnx_fold_where(rf_onnx_call *call) {
    return elementwise(call, 3, 1, apply_where);
}

static double equal(double a, double b) {
    return a == b;
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_constant_ops[] = {
    {"Ceil", 1, " ", rf_onnx_fold_unary, .unary = ceil},
    {"Constant", 0, NULL, fold_constant},
    {"ConstantOfShape", 1, " value ", fold_fill},
    {"Equal", 2, " ", rf_onnx_fold_binary, .binary = equal},
    {"Floor", 1, " ", rf_onnx_fold_unary, rf_onnx_floor, .unary = floor},
    {"Range", 3, " ", fold_range},
    {NULL},
};
