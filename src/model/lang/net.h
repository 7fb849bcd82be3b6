/* The model language's internals: tokens, and the syntax tree.
 *
 *   # ResNet's basic block; `in` names what it reads, its value is its last layer
 *   block basic(out, stride=1)
 *       conv1: conv out 3 stride=stride pad=1 bias=no
 *       bn1: batch_norm
 *       relu
 *       ...
 *       if stride != 1 or in.channels != out
 *           downsample.0: conv out 1 stride=stride bias=no <- in
 *           downsample.1: batch_norm
 *           add <- bn2, downsample.1
 *       else
 *           add <- bn2, in
 *       end
 *       relu
 *   end
 *   layer1.0: basic 64
 *   layer2.0: basic 128 stride=2
 *
 *   text      = { statement NEWLINE }                      # a comment ends with its line
 *   statement = [ name ":" ] op-or-block { expr | key "=" expr } [ "<-" name { "," name } ]
 *             | "block" word [ "(" [ word [ "=" expr ] { "," ... } ] ")" ] NEWLINE text "end"
 *             | "if" expr NEWLINE text [ "else" NEWLINE text | "else" "if" ... ] "end"
 *             | "for" word "=" expr "to" expr NEWLINE text "end"
 *             | "init" op "." ( "weight" | "bias" ) ( "normal" | "uniform" | "constant" ) expr
 *             | word "=" expr
 *   expr      = numbers, pairs (3x5 or (3, 5)), yes, no, variables, classes channels height width (the
 * images'), LAYER.channels .height .width .features; or and not == != < <= > >= + - * / % min max floor sqrt
 *   name      = letters, digits, _, - and dots; {i} or {i+1} in it stands for a number, with the variable i
 * A layer without "<-" reads the one before it, `prev`; at the top `in` is the images. */
#ifndef RF_MODEL_LANG_NET_H
#define RF_MODEL_LANG_NET_H

#include "op/op.h"

typedef struct rf_slice { /* a piece of the text, not terminated */
    const char *at;
    int length;
} rf_slice;
#define RF_SLICE(s) (s).length, (s).at /* for "%.*s" */
#define RF_SLICE_OF(literal)                                                                                 \
    (rf_slice) {                                                                                             \
        literal, sizeof(literal) - 1                                                                         \
    }
bool rf_slice_is(rf_slice slice, const char *word);

typedef struct rf_place {
    int line, column; /* from 1 */
} rf_place;

/* ---- tokens (lex.c) ---- */

/* Symbols, longest first where one begins another. */
#define RF_SYMBOL_MAP(X)                                                                                     \
    X(ARROW, "<-")                                                                                           \
    X(EQUAL, "==")                                                                                           \
    X(UNEQUAL, "!=")                                                                                         \
    X(AT_MOST, "<=")                                                                                         \
    X(AT_LEAST, ">=")                                                                                        \
    X(LESS, "<")                                                                                             \
    X(MORE, ">")                                                                                             \
    X(ASSIGN, "=")                                                                                           \
    X(COLON, ":")                                                                                            \
    X(COMMA, ",")                                                                                            \
    X(OPEN, "(")                                                                                             \
    X(CLOSE, ")")                                                                                            \
    X(PLUS, "+")                                                                                             \
    X(MINUS, "-")                                                                                            \
    X(TIMES, "*")                                                                                            \
    X(DIVIDE, "/")                                                                                           \
    X(MODULO, "%")

/* Words that have a meaning of their own; no variable, block or parameter may be named so. */
#define RF_KEYWORD_MAP(X)                                                                                    \
    X(BLOCK, "block")                                                                                        \
    X(END_BLOCK, "end")                                                                                      \
    X(IF, "if")                                                                                              \
    X(ELSE, "else")                                                                                          \
    X(FOR, "for")                                                                                            \
    X(TO, "to")                                                                                              \
    X(OR, "or")                                                                                              \
    X(AND, "and")                                                                                            \
    X(NOT, "not")

/* Words that have a value everywhere; `images` are those that the network is for. */
#define RF_CONSTANT_MAP(X)                                                                                   \
    X("classes", images->classes)                                                                            \
    X("channels", images->channels)                                                                          \
    X("height", images->height)                                                                              \
    X("width", images->width)                                                                                \
    X("yes", 1)                                                                                              \
    X("no", 0)                                                                                               \
    X("true", 1)                                                                                             \
    X("false", 0)
#define RF_CONSTANT_NAME(name, value) name,

typedef enum rf_token_kind {
    RF_TOKEN_END, /* of the text */
    RF_TOKEN_NEWLINE,
    RF_TOKEN_NUMBER,
    RF_TOKEN_PAIR,
    RF_TOKEN_WORD,
#define RF_TOKEN_ENUM(name, text) RF_TOKEN_##name,
    RF_SYMBOL_MAP(RF_TOKEN_ENUM) RF_KEYWORD_MAP(RF_TOKEN_ENUM)
#undef RF_TOKEN_ENUM
} rf_token_kind;

typedef struct rf_token {
    rf_token_kind kind;
    rf_place place;
    rf_slice text;
    double number, second; /* NUMBER; PAIR: y and x */
} rf_token;

typedef struct rf_lexer {
    const char *origin; /* what messages call the text */
    const char *at, *line_start;
    int line;
    bool names; /* the next word names a layer (where lines start): it may begin with a digit, and hold - */
} rf_lexer;

void rf_lexer_init(rf_lexer *lexer, const char *text, const char *origin);
rf_status rf_lexer_next(rf_token *out, rf_lexer *lexer);
rf_status rf_net_fail(const char *origin, rf_place place, const char *format, ...) RF_PRINTF(3, 4);

/* ---- the tree (parse.c) ---- */

typedef enum rf_tree_kind {
    RF_TREE_NUMBER,   /* number */
    RF_TREE_PAIR,     /* (first, second) */
    RF_TREE_WORD,     /* text: a variable, or LAYER.channels */
    RF_TREE_UNARY,    /* token first */
    RF_TREE_BINARY,   /* first token second */
    RF_TREE_CALL,     /* text(first[, second]): min max floor sqrt */
    RF_TREE_LAYER,    /* name: op or block, first: arguments, second: inputs */
    RF_TREE_SET,      /* name = first */
    RF_TREE_BLOCK,    /* name, first: parameters, second: body */
    RF_TREE_IF,       /* first: condition, second: body, third: the other body */
    RF_TREE_FOR,      /* name = first to second, third: body */
    RF_TREE_INIT,     /* name: of the op's parameter, index: its distribution, first: the scale */
    RF_TREE_ARGUMENT, /* first: value; index: of the attribute, or of the block's parameter */
    RF_TREE_INPUT,    /* name */
    RF_TREE_PARAMETER /* name, first: default or 0 */
} rf_tree_kind;

/* A node of the tree; nodes name each other by index, 0 is none.  `next` chains statements, arguments, ... */
typedef struct rf_tree {
    uint8_t kind, token; /* rf_tree_kind, rf_token_kind */
    uint8_t depth;       /* of an expression */
    rf_place place;
    union {
        rf_slice name;
        double number;
    };
    union {
        const rf_op *op; /* of a layer (NULL: it is a block's), of an init */
        int third;
    };
    union {
        int block; /* of a layer: the block, a node */
        int index;
    };
    int first, second, next;
} rf_tree;
_Static_assert(sizeof(rf_tree) <= 64, "a text of many small parts takes many times its size");

enum { RF_MAX_BLOCKS = 256, RF_MAX_BLOCK_PARAMETERS = 32, RF_MAX_NESTING = 32, RF_MAX_DEPTH = 64 };

typedef struct rf_net {
    const char *origin; /* borrowed, as the text is */
    rf_tree *nodes;
    int count, capacity;
    int body; /* the first statement */
    int blocks[RF_MAX_BLOCKS], block_count;
} rf_net;

/* Parses a text and checks all that can be known without images: ops, attributes, blocks, nesting. */
rf_status rf_net_parse(rf_net *net, const char *text, const char *origin); /* free it on failure too */
/* Parses one layer's attributes as a text of the single statement `op attributes`. */
rf_status rf_net_parse_layer(rf_net *net, const char *op, const char *attributes, const char *origin);
void rf_net_free(rf_net *net);

/* ---- binding (bind.c): what a layer's op is and which attribute each argument sets ---- */
rf_status rf_net_bind_op(rf_net *net, int layer, rf_token op);
rf_status rf_net_bind_argument(rf_net *net, int layer, int argument,
                               int position);              /* by its name, or position */
rf_status rf_net_bind_check(const rf_net *net, int layer); /* nothing required is missing */

/* ---- expansion (expand.c): the tree executed for given images, layer by layer ---- */
struct rf_model;
rf_status rf_net_expand(struct rf_model *model, const rf_net *net);
/* The attributes of the only layer of rf_net_parse_layer. */
rf_status rf_net_attributes(rf_attrs *out, struct rf_model *model, const rf_net *net);

#endif
