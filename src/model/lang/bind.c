/* The model language's binding: which op or block a layer is, and which attribute each argument sets, by the
 * tables of the ops.  Reports misspelt and missing names. */
#include <string.h>

#include "model/lang/net.h"

enum { MAX_WORDS = 512 };

/* Adds ": did you mean 'x'?" of the nearest word to the message that is set. */
static rf_status suggest(rf_status status, rf_slice word, const char *const *words, size_t count) {
    char copy[64];
    snprintf(copy, sizeof copy, "%.*s", RF_SLICE(word));
    const char *near = rf_nearest(copy, words, count);
    return near ? rf_fail(status, "%s; did you mean '%s'?", rf_error_message(), near) : status;
}

/* ---- ops ---- */

rf_status rf_net_bind_op(rf_net *net, int layer, rf_token op) {
    char name[64];
    for (int i = 0; i < net->block_count; i++) {
        const rf_slice block = net->nodes[net->blocks[i]].name;
        if (block.length != op.text.length || memcmp(block.at, op.text.at, (size_t)block.length)) continue;
        net->nodes[layer].block = net->blocks[i];
        return RF_OK;
    }
    snprintf(name, sizeof name, "%.*s", RF_SLICE(op.text));
    const rf_op *found = op.text.length < (int)sizeof name ? rf_op_find(name) : NULL;
    if (found && !found->is_loss && !found->parts[0]) {
        net->nodes[layer].op = found;
        return RF_OK;
    }
    if (found && found->is_loss)
        return rf_net_fail(net->origin, op.place,
                           "'%s' is a loss, which belongs to the training, not to the network; end with the "
                           "scores of the classes",
                           name);
    const char *words[MAX_WORDS];
    char blocks[RF_MAX_BLOCKS][64];
    size_t count = 0;
    const rf_op *o;
    for (size_t i = 0; (o = rf_op_at(i)) && count < MAX_WORDS - RF_MAX_BLOCKS; i++)
        if (!o->parts[0]) words[count++] = o->name;
    for (int i = 0; i < net->block_count; i++) {
        snprintf(blocks[i], sizeof blocks[i], "%.*s", RF_SLICE(net->nodes[net->blocks[i]].name));
        words[count++] = blocks[i];
    }
    const rf_status status = rf_net_fail(net->origin, op.place, "expected an op or a block, found '%.*s'",
                                         RF_MIN(op.text.length, 60), op.text.at);
    return suggest(status, op.text, words, count);
}

/* ---- attributes of an op ---- */

static int find_spec(const rf_op *op, rf_slice name) {
    for (int i = 0; op->attrs && op->attrs[i].name; i++)
        if (rf_slice_is(name, op->attrs[i].name)) return i;
    return -1;
}

/* The `position`th word of the op's positional attributes. */
static rf_slice positional_word(const rf_op *op, int position) {
    const char *at = op->positional ? op->positional : "";
    at += strspn(at, " ");
    for (; position > 0 && *at; position--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return (rf_slice){at, (int)strcspn(at, " ")};
}

static rf_status bind_attribute(int *index, const rf_net *net, const rf_tree *argument, const rf_op *op,
                                int position) {
    const rf_slice name = position < 0 ? argument->name : positional_word(op, position);
    *index = name.length ? find_spec(op, name) : -1;
    if (*index >= 0) return RF_OK;
    const char *words[32];
    size_t count = 0;
    rf_str known = {0};
    for (; op->attrs && op->attrs[count].name && count < RF_COUNT(words); count++) {
        words[count] = op->attrs[count].name;
        rf_str_addf(&known, "%s%s", count ? ", " : "", words[count]);
    }
    rf_status status;
    if (position >= 0)
        status = rf_net_fail(
            net->origin, argument->place,
            position
                ? "expected attribute=value, '<-' or the end of the line: %s takes %d value%s without a name"
                : "expected attribute=value, '<-' or the end of the line: %s takes no value without a name",
            op->name, position, position == 1 ? "" : "s");
    else if (!count)
        status = rf_net_fail(net->origin, argument->place, "%s has no attributes, found '%.*s'", op->name,
                             RF_MIN(name.length, 60), name.at);
    else
        status = suggest(rf_net_fail(net->origin, argument->place, "%s has no attribute '%.*s' (it has %s)",
                                     op->name, RF_MIN(name.length, 60), name.at, rf_str_text(&known)),
                         name, words, count);
    rf_str_free(&known);
    return status;
}

/* ---- parameters of a block ---- */

static rf_status bind_parameter(int *index, const rf_net *net, const rf_tree *argument, int block,
                                int position) {
    char names[RF_MAX_BLOCK_PARAMETERS][64];
    const char *words[RF_MAX_BLOCK_PARAMETERS];
    int count = 0;
    for (int i = net->nodes[block].first; i; i = net->nodes[i].next, count++) {
        const rf_slice name = net->nodes[i].name;
        *index = count;
        if (position == count) return RF_OK;
        if (position < 0 && name.length == argument->name.length &&
            !memcmp(name.at, argument->name.at, (size_t)name.length))
            return RF_OK;
        snprintf(names[count], sizeof names[count], "%.*s", RF_SLICE(name));
        words[count] = names[count];
    }
    const rf_slice block_name = net->nodes[block].name;
    if (position >= 0)
        return rf_net_fail(net->origin, argument->place, "the block '%.*s' takes %d value%s, found one more",
                           RF_SLICE(block_name), count, count == 1 ? "" : "s");
    return suggest(rf_net_fail(net->origin, argument->place, "the block '%.*s' has no parameter '%.*s'",
                               RF_SLICE(block_name), RF_MIN(argument->name.length, 60), argument->name.at),
                   argument->name, words, (size_t)count);
}

/* ---- both ---- */

rf_status rf_net_bind_argument(rf_net *net, int layer, int argument, int position) {
    rf_tree *node = &net->nodes[argument];
    const rf_tree *owner = &net->nodes[layer];
    if (owner->op)
        RF_TRY(bind_attribute(&node->index, net, node, owner->op, position));
    else
        RF_TRY(bind_parameter(&node->index, net, node, owner->block, position));
    for (int i = owner->first; i; i = net->nodes[i].next)
        if (net->nodes[i].index == node->index)
            return rf_net_fail(net->origin, node->place,
                               "the same attribute is given twice; the first stands in column %d",
                               net->nodes[i].place.column);
    return RF_OK;
}

static bool is_given(const rf_net *net, int layer, int index) {
    for (int i = net->nodes[layer].first; i; i = net->nodes[i].next)
        if (net->nodes[i].index == index) return true;
    return false;
}

rf_status rf_net_bind_check(const rf_net *net, int layer) {
    const rf_tree *node = &net->nodes[layer];
    for (int i = 0; node->op && node->op->attrs && node->op->attrs[i].name; i++)
        if (node->op->attrs[i].required && !is_given(net, layer, i))
            return rf_net_fail(net->origin, node->place, "%s needs the attribute '%s': write `%s %s`",
                               node->op->name, node->op->attrs[i].name, node->op->name,
                               node->op->positional ? node->op->positional : "");
    if (node->op) return RF_OK;
    for (int i = net->nodes[node->block].first, k = 0; i; i = net->nodes[i].next, k++)
        if (!net->nodes[i].first && !is_given(net, layer, k))
            return rf_net_fail(net->origin, node->place, "the block '%.*s' needs a value for '%.*s'",
                               RF_SLICE(net->nodes[node->block].name), RF_SLICE(net->nodes[i].name));
    return RF_OK;
}
