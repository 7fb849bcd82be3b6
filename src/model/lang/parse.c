/* The model language's parser: recursive descent, with one token of lookahead. */
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "model/lang/net.h"

enum { MAX_TREE = 1 << 20, MAX_ARGUMENTS = 64 };

typedef struct parser {
    rf_net *net;
    rf_lexer lexer;
    rf_token token; /* the lookahead */
    int nesting, layers;
} parser;

static rf_status parse_body(int *out, parser *p);

/* ---- helpers ---- */

static rf_status advance(parser *p) {
    return rf_lexer_next(&p->token, &p->lexer);
}

/* Makes a node and hands out its index; pointers to nodes do not survive this. */
static rf_status make(int *out, parser *p, rf_tree node) {
    rf_net *net = p->net;
    if (net->count >= MAX_TREE)
        return rf_net_fail(net->origin, node.place, "the text is too large: more than %d parts", MAX_TREE);
    if (net->count >= net->capacity) {
        const int capacity = RF_MAX(64, net->capacity * 2);
        rf_tree *more = rf_resize(net->nodes, (size_t)capacity, sizeof *more);
        if (!more) return RF_E_MEMORY;
        net->nodes = more;
        net->capacity = capacity;
        if (!net->count) net->nodes[net->count++] = (rf_tree){0}; /* index 0 is none */
    }
    *out = net->count;
    net->nodes[net->count++] = node;
    return RF_OK;
}

static rf_status expected(const parser *p, const char *what) {
    const rf_token *token = &p->token;
    if (token->kind == RF_TOKEN_END)
        return rf_net_fail(p->net->origin, token->place, "expected %s, found the end of the text", what);
    if (token->kind == RF_TOKEN_NEWLINE)
        return rf_net_fail(p->net->origin, token->place, "expected %s, found the end of the line", what);
    return rf_net_fail(p->net->origin, token->place, "expected %s, found '%.*s'", what,
                       RF_MIN(token->text.length, 80), token->text.at);
}

static rf_status accept(parser *p, rf_token_kind kind, const char *what) {
    if (p->token.kind != kind) return expected(p, what);
    return advance(p);
}

static rf_status accept_line_end(parser *p, const char *what) {
    if (p->token.kind == RF_TOKEN_END) return RF_OK;
    return accept(p, RF_TOKEN_NEWLINE, what);
}

/* A plain word that a variable, a parameter or a block may have as its name. */
static rf_status accept_new_name(rf_token *out, parser *p, const char *what) {
    static const char *const taken[] = {
        "in", "prev", "images", "min", "max", "floor", "sqrt", "init", RF_CONSTANT_MAP(RF_CONSTANT_NAME)};
    if (p->token.kind != RF_TOKEN_WORD) return expected(p, what);
    for (size_t i = 0; i < RF_COUNT(taken); i++)
        if (rf_slice_is(p->token.text, taken[i]))
            return rf_net_fail(p->net->origin, p->token.place,
                               "expected %s, found '%s', which has a meaning already", what, taken[i]);
    if (memchr(p->token.text.at, '.', (size_t)p->token.text.length) ||
        memchr(p->token.text.at, '{', (size_t)p->token.text.length))
        return rf_net_fail(p->net->origin, p->token.place,
                           "expected %s, found '%.*s': it may hold no dot and no brace", what,
                           RF_SLICE(p->token.text));
    *out = p->token;
    return advance(p);
}

/* ---- expressions ---- */

static rf_status parse_expr(int *out, parser *p);

static rf_status make_expr(int *out, parser *p, rf_tree node) {
    const rf_tree *nodes = p->net->nodes;
    const int first = node.first ? nodes[node.first].depth : 0,
              second = node.second ? nodes[node.second].depth : 0;
    node.depth = RF_MAX(first, second) + 1;
    if (node.depth > RF_MAX_DEPTH)
        return rf_net_fail(p->net->origin, node.place,
                           "the expression is too long; give a part of it a name first (`half = ...`)");
    return make(out, p, node);
}

/* "(" expr ["," expr] ")": behind a function's name, a pair, or only parentheses */
static rf_status parse_parentheses(int *first, int *second, parser *p) {
    *first = *second = 0;
    RF_TRY(accept(p, RF_TOKEN_OPEN, "'('"));
    RF_TRY(parse_expr(first, p));
    if (p->token.kind == RF_TOKEN_COMMA) {
        RF_TRY(advance(p));
        RF_TRY(parse_expr(second, p));
    }
    return accept(p, RF_TOKEN_CLOSE, "')'");
}

static bool takes_one(rf_slice function) {
    return rf_slice_is(function, "floor") || rf_slice_is(function, "sqrt");
}

static rf_status parse_call(int *out, parser *p) {
    rf_tree node = {.kind = RF_TREE_CALL, .place = p->token.place, .name = p->token.text};
    RF_TRY(advance(p));
    RF_TRY(parse_parentheses(&node.first, &node.second, p));
    const bool one = takes_one(node.name);
    if (one != !node.second)
        return rf_net_fail(p->net->origin, node.place, "expected %.*s%s, found %s", RF_SLICE(node.name),
                           one ? "(x)" : "(a, b)", one ? "two numbers" : "one number");
    return make_expr(out, p, node);
}

static rf_status parse_primary(int *out, parser *p) {
    const rf_token token = p->token;
    rf_tree node = {.kind = RF_TREE_NUMBER, .place = token.place, .number = token.number};
    switch (token.kind) {
    case RF_TOKEN_NUMBER:
        RF_TRY(advance(p));
        return make_expr(out, p, node);
    case RF_TOKEN_PAIR:
        RF_TRY(advance(p));
        RF_TRY(make_expr(&node.first, p, node));
        node.number = token.second;
        RF_TRY(make_expr(&node.second, p, node));
        p->net->nodes[node.second].first = 0;
        node.kind = RF_TREE_PAIR;
        return make_expr(out, p, node);
    case RF_TOKEN_WORD:
        if (rf_slice_is(token.text, "min") || rf_slice_is(token.text, "max") || takes_one(token.text))
            return parse_call(out, p);
        node.kind = RF_TREE_WORD;
        node.name = token.text;
        RF_TRY(advance(p));
        return make_expr(out, p, node);
    case RF_TOKEN_OPEN:
        RF_TRY(parse_parentheses(&node.first, &node.second, p));
        node.kind = RF_TREE_PAIR;
        *out = node.first;
        return node.second ? make_expr(out, p, node) : RF_OK;
    default:
        return expected(p, "a number");
    }
}

static rf_status parse_unary(int *out, parser *p) {
    const rf_token token = p->token;
    if (token.kind != RF_TOKEN_MINUS && token.kind != RF_TOKEN_NOT) return parse_primary(out, p);
    if (++p->nesting > RF_MAX_DEPTH) return rf_net_fail(p->net->origin, token.place, "nested too deep");
    rf_tree node = {.kind = RF_TREE_UNARY, .place = token.place, .token = token.kind};
    RF_TRY(advance(p));
    RF_TRY(parse_unary(&node.first, p));
    p->nesting--;
    return make_expr(out, p, node);
}

/* Of a binary operator; 0: it is none. */
static int precedence(rf_token_kind kind) {
    static const unsigned char table[] = {
        [RF_TOKEN_OR] = 1,     [RF_TOKEN_AND] = 2,     [RF_TOKEN_EQUAL] = 3, [RF_TOKEN_UNEQUAL] = 3,
        [RF_TOKEN_LESS] = 3,   [RF_TOKEN_AT_MOST] = 3, [RF_TOKEN_MORE] = 3,  [RF_TOKEN_AT_LEAST] = 3,
        [RF_TOKEN_PLUS] = 4,   [RF_TOKEN_MINUS] = 4,   [RF_TOKEN_TIMES] = 5, [RF_TOKEN_DIVIDE] = 5,
        [RF_TOKEN_MODULO] = 5,
    };
    return (size_t)kind < sizeof table ? table[kind] : 0;
}

/* Precedence climbing: operators of at least `precedence_min`; equal ones from the left. */
static rf_status parse_binary(int *out, parser *p, int precedence_min) {
    if (++p->nesting > RF_MAX_DEPTH) return rf_net_fail(p->net->origin, p->token.place, "nested too deep");
    RF_TRY(parse_unary(out, p));
    while (precedence(p->token.kind) >= precedence_min) {
        rf_tree node = {
            .kind = RF_TREE_BINARY, .place = p->token.place, .token = p->token.kind, .first = *out};
        RF_TRY(advance(p));
        RF_TRY(parse_binary(&node.second, p, precedence(node.token) + 1));
        RF_TRY(make_expr(out, p, node));
    }
    p->nesting--;
    return RF_OK;
}

static rf_status parse_expr(int *out, parser *p) {
    return parse_binary(out, p, 1);
}

/* ---- layers ---- */

/* True at `word =`, which is an attribute by its name rather than a value. */
static rf_status at_key(bool *out, const parser *p) {
    rf_lexer ahead = p->lexer;
    rf_token next;
    *out = false;
    if (p->token.kind != RF_TOKEN_WORD) return RF_OK;
    RF_TRY(rf_lexer_next(&next, &ahead));
    *out = next.kind == RF_TOKEN_ASSIGN;
    return RF_OK;
}

static rf_status parse_arguments(parser *p, int layer) {
    int last = 0, positional = 0;
    for (int count = 0; p->token.kind != RF_TOKEN_ARROW && p->token.kind != RF_TOKEN_NEWLINE &&
                        p->token.kind != RF_TOKEN_END;
         count++) {
        rf_tree node = {.kind = RF_TREE_ARGUMENT, .place = p->token.place};
        bool named;
        if (count == MAX_ARGUMENTS)
            return rf_net_fail(p->net->origin, node.place, "more than %d attributes", MAX_ARGUMENTS);
        RF_TRY(at_key(&named, p));
        if (named) {
            node.name = p->token.text;
            RF_TRY(advance(p));
            RF_TRY(advance(p));
        }
        int argument;
        RF_TRY(make(&argument, p, node));
        RF_TRY(rf_net_bind_argument(p->net, layer, argument, named ? -1 : positional++));
        RF_TRY(parse_expr(&node.first, p));
        p->net->nodes[argument].first = node.first;
        *(last ? &p->net->nodes[last].next : &p->net->nodes[layer].first) = argument;
        last = argument;
    }
    return RF_OK;
}

static rf_status parse_inputs(parser *p, int layer) {
    int last = 0;
    do {
        int input;
        p->lexer.names = true;
        RF_TRY(advance(p));
        if (p->token.kind != RF_TOKEN_WORD) return expected(p, "the name of a layer");
        RF_TRY(make(&input, p,
                    (rf_tree){.kind = RF_TREE_INPUT, .place = p->token.place, .name = p->token.text}));
        *(last ? &p->net->nodes[last].next : &p->net->nodes[layer].second) = input;
        last = input;
        RF_TRY(advance(p));
    } while (p->token.kind == RF_TOKEN_COMMA);
    return RF_OK;
}

/* `name` is given where the text had "name:" */
static rf_status parse_layer(int *out, parser *p, rf_slice name) {
    if (p->token.kind != RF_TOKEN_WORD) return expected(p, "an op or a block");
    if (++p->layers > RF_MAX_NODES)
        return rf_net_fail(p->net->origin, p->token.place,
                           "more than %d layers: a network may not have so many", RF_MAX_NODES);
    RF_TRY(make(out, p, (rf_tree){.kind = RF_TREE_LAYER, .place = p->token.place, .name = name}));
    RF_TRY(rf_net_bind_op(p->net, *out, p->token));
    RF_TRY(advance(p));
    RF_TRY(parse_arguments(p, *out));
    RF_TRY(rf_net_bind_check(p->net, *out));
    if (p->token.kind == RF_TOKEN_ARROW) RF_TRY(parse_inputs(p, *out));
    return accept_line_end(p, "the end of the line");
}

/* ---- other statements ---- */

static rf_status parse_set(int *out, parser *p) {
    rf_token name;
    RF_TRY(accept_new_name(&name, p, "a variable"));
    rf_tree node = {.kind = RF_TREE_SET, .place = name.place, .name = name.text};
    RF_TRY(accept(p, RF_TOKEN_ASSIGN, "'='"));
    RF_TRY(parse_expr(&node.first, p));
    RF_TRY(accept_line_end(p, "the end of the line"));
    return make(out, p, node);
}

static rf_status accept_end(parser *p, const char *word, rf_place place) {
    if (p->token.kind != RF_TOKEN_END_BLOCK) {
        char what[64];
        snprintf(what, sizeof what, "'end' of the '%s' in line %d", word, place.line);
        return expected(p, what);
    }
    RF_TRY(advance(p));
    return accept_line_end(p, "the end of the line");
}

/* if ... [else if ...] [else ...] end; the chain of `else if` is a chain of nodes with one `end` */
static rf_status parse_if(int *out, parser *p) {
    rf_tree node = {.kind = RF_TREE_IF, .place = p->token.place};
    RF_TRY(advance(p));
    RF_TRY(parse_expr(&node.first, p));
    RF_TRY(accept_line_end(p, "the end of the line"));
    RF_TRY(parse_body(&node.second, p));
    if (p->token.kind != RF_TOKEN_ELSE) {
        RF_TRY(accept_end(p, "if", node.place));
        return make(out, p, node);
    }
    RF_TRY(advance(p));
    if (p->token.kind == RF_TOKEN_IF) {
        if (++p->nesting > RF_MAX_NESTING)
            return rf_net_fail(p->net->origin, p->token.place, "nested too deep");
        RF_TRY(parse_if(&node.third, p));
        p->nesting--;
        return make(out, p, node);
    }
    RF_TRY(accept_line_end(p, "'if' or the end of the line"));
    RF_TRY(parse_body(&node.third, p));
    RF_TRY(accept_end(p, "if", node.place));
    return make(out, p, node);
}

static rf_status parse_for(int *out, parser *p) {
    rf_tree node = {.kind = RF_TREE_FOR, .place = p->token.place};
    rf_token name;
    RF_TRY(advance(p));
    RF_TRY(accept_new_name(&name, p, "a variable"));
    node.name = name.text;
    RF_TRY(accept(p, RF_TOKEN_ASSIGN, "'='"));
    RF_TRY(parse_expr(&node.first, p));
    RF_TRY(accept(p, RF_TOKEN_TO, "'to'"));
    RF_TRY(parse_expr(&node.second, p));
    RF_TRY(accept_line_end(p, "the end of the line"));
    RF_TRY(parse_body(&node.third, p));
    RF_TRY(accept_end(p, "for", node.place));
    return make(out, p, node);
}

/* "conv.weight" */
static rf_status parse_init_parameter(rf_tree *init, parser *p) {
    const rf_slice word = p->token.text;
    const char *dot = memchr(word.at, '.', (size_t)word.length);
    char op[64];
    if (p->token.kind != RF_TOKEN_WORD || !dot)
        return expected(p, "OP.weight or OP.bias, as in `init conv.weight normal 0.01`");
    init->name = (rf_slice){dot + 1, word.length - (int)(dot + 1 - word.at)};
    snprintf(op, sizeof op, "%.*s", (int)(dot - word.at), word.at);
    init->op = rf_op_find(op);
    if (!init->op || !init->op->params)
        return rf_net_fail(p->net->origin, p->token.place, "expected an op with parameters, found '%s'", op);
    if (!rf_slice_is(init->name, "weight") && !rf_slice_is(init->name, "bias"))
        return expected(p, "OP.weight or OP.bias, as in `init conv.weight normal 0.01`");
    return advance(p);
}

/* 0: there is none of that name. */
static rf_distribution find_distribution(rf_slice word) {
    static const char *const names[] = {[RF_DISTRIBUTION_NORMAL] = "normal",
                                        [RF_DISTRIBUTION_UNIFORM] = "uniform",
                                        [RF_DISTRIBUTION_CONSTANT] = "constant"};
    for (size_t i = 1; i < RF_COUNT(names); i++)
        if (rf_slice_is(word, names[i])) return (rf_distribution)i;
    return RF_DISTRIBUTION_DEFAULT;
}

static rf_status parse_init(int *out, parser *p) {
    rf_tree node = {.kind = RF_TREE_INIT, .place = p->token.place};
    RF_TRY(advance(p));
    RF_TRY(parse_init_parameter(&node, p));
    node.index = p->token.kind == RF_TOKEN_WORD ? find_distribution(p->token.text) : 0;
    if (!node.index) return expected(p, "normal, uniform or constant");
    RF_TRY(advance(p));
    RF_TRY(parse_expr(&node.first, p));
    RF_TRY(accept_line_end(p, "the end of the line"));
    return make(out, p, node);
}

static rf_status parse_block_parameters(parser *p, int block) {
    int last = 0, count = 0;
    do {
        rf_token name;
        rf_tree node = {.kind = RF_TREE_PARAMETER, .index = count};
        RF_TRY(advance(p));
        RF_TRY(accept_new_name(&name, p, "the name of a parameter"));
        node.place = name.place;
        node.name = name.text;
        if (++count > RF_MAX_BLOCK_PARAMETERS)
            return rf_net_fail(p->net->origin, name.place, "a block may have at most %d parameters",
                               RF_MAX_BLOCK_PARAMETERS);
        if (p->token.kind == RF_TOKEN_ASSIGN) {
            RF_TRY(advance(p));
            RF_TRY(parse_expr(&node.first, p));
        }
        int parameter;
        RF_TRY(make(&parameter, p, node));
        *(last ? &p->net->nodes[last].next : &p->net->nodes[block].first) = parameter;
        last = parameter;
    } while (p->token.kind == RF_TOKEN_COMMA);
    return accept(p, RF_TOKEN_CLOSE, "')'");
}

static rf_status parse_block(int *out, parser *p) {
    rf_net *net = p->net;
    rf_token name;
    const rf_place place = p->token.place;
    if (p->nesting > 1)
        return rf_net_fail(net->origin, place, "a block can be defined only outside of blocks, ifs and fors");
    RF_TRY(advance(p));
    RF_TRY(accept_new_name(&name, p, "the name of the block"));
    for (int i = 0; i < net->block_count; i++) {
        const rf_tree *other = &net->nodes[net->blocks[i]];
        if (other->name.length == name.text.length &&
            !memcmp(other->name.at, name.text.at, (size_t)name.text.length))
            return rf_net_fail(net->origin, name.place, "the block '%.*s' is defined already, in line %d",
                               RF_SLICE(name.text), other->place.line);
    }
    if (net->block_count == RF_MAX_BLOCKS)
        return rf_net_fail(net->origin, name.place, "a network may have at most %d blocks", RF_MAX_BLOCKS);
    RF_TRY(make(out, p, (rf_tree){.kind = RF_TREE_BLOCK, .place = name.place, .name = name.text}));
    if (p->token.kind == RF_TOKEN_OPEN) RF_TRY(parse_block_parameters(p, *out));
    RF_TRY(accept_line_end(p, "the end of the line"));
    int body;
    RF_TRY(parse_body(&body, p));
    net->nodes[*out].second = body;
    RF_TRY(accept_end(p, "block", place));
    net->blocks[net->block_count++] = *out; /* only now: a block cannot call itself */
    return RF_OK;
}

static rf_status parse_statement(int *out, parser *p) {
    *out = 0;
    switch (p->token.kind) {
    case RF_TOKEN_NEWLINE:
        return advance(p);
    case RF_TOKEN_BLOCK:
        return parse_block(out, p);
    case RF_TOKEN_IF:
        return parse_if(out, p);
    case RF_TOKEN_FOR:
        return parse_for(out, p);
    case RF_TOKEN_WORD:
        break;
    default:
        return expected(p, "a layer");
    }
    rf_lexer ahead = p->lexer;
    rf_token next;
    RF_TRY(rf_lexer_next(&next, &ahead));
    if (next.kind == RF_TOKEN_ASSIGN) return parse_set(out, p);
    if (next.kind != RF_TOKEN_COLON && rf_slice_is(p->token.text, "init")) return parse_init(out, p);
    if (next.kind != RF_TOKEN_COLON) return parse_layer(out, p, (rf_slice){0});
    const rf_slice name = p->token.text;
    RF_TRY(advance(p));
    RF_TRY(advance(p));
    return parse_layer(out, p, name);
}

/* Statements until `end`, `else` or the end of the text. */
static rf_status parse_body(int *out, parser *p) {
    int last = 0;
    *out = 0;
    if (++p->nesting > RF_MAX_NESTING) return rf_net_fail(p->net->origin, p->token.place, "nested too deep");
    while (p->token.kind != RF_TOKEN_END && p->token.kind != RF_TOKEN_END_BLOCK &&
           p->token.kind != RF_TOKEN_ELSE) {
        int statement;
        RF_TRY(parse_statement(&statement, p));
        if (!statement) continue;
        *(last ? &p->net->nodes[last].next : out) = statement;
        last = statement;
    }
    p->nesting--;
    return RF_OK;
}

/* ---- entry ---- */

rf_status rf_net_parse(rf_net *net, const char *text, const char *origin) {
    *net = (rf_net){.origin = origin};
    parser p = {.net = net};
    rf_lexer_init(&p.lexer, text, origin);
    RF_TRY(advance(&p));
    RF_TRY(parse_body(&net->body, &p));
    if (p.token.kind != RF_TOKEN_END) return expected(&p, "a layer, or the end of the text");
    return RF_OK;
}

rf_status rf_net_parse_layer(rf_net *net, const char *op, const char *attributes, const char *origin) {
    *net = (rf_net){.origin = origin};
    parser p = {.net = net};
    const rf_token word = {.kind = RF_TOKEN_WORD, .place = {1, 1}, .text = {op, (int)strlen(op)}};
    rf_lexer_init(&p.lexer, attributes, origin);
    p.lexer.names = false;
    RF_TRY(make(&net->body, &p, (rf_tree){.kind = RF_TREE_LAYER, .place = word.place}));
    RF_TRY(rf_net_bind_op(net, net->body, word));
    RF_TRY(advance(&p));
    RF_TRY(parse_arguments(&p, net->body));
    RF_TRY(rf_net_bind_check(net, net->body));
    if (p.token.kind != RF_TOKEN_END) return expected(&p, "an attribute");
    return RF_OK;
}

void rf_net_free(rf_net *net) {
    free(net->nodes);
    *net = (rf_net){0};
}
