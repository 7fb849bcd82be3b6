/* The model language's values: variables, names, expressions, and attributes computed for given images. */
#ifndef RF_MODEL_LANG_EVAL_H
#define RF_MODEL_LANG_EVAL_H

#include "graph/model.h"
#include "model/lang/net.h"

/* A number (in y; yes and no are 1 and 0), or a pair. */
typedef struct rf_value {
    double y, x;
    bool pair;
} rf_value;

typedef struct rf_variable {
    rf_slice name;
    rf_value value;
} rf_variable;

enum { RF_MAX_VARIABLES = 256, RF_MAX_INITS = 32 };

/* What a block's body sees; the text outside of blocks is one as well. */
typedef struct rf_scope {
    char prefix[RF_MAX_NAME + 2]; /* of its layers' names: "layer1.0." */
    int in, prev;                 /* nodes */
    rf_variable *variables;       /* owned */
    int count, capacity;
    int16_t slot[2 * RF_MAX_VARIABLES]; /* a hash table of them: index + 1, or 0 */
} rf_scope;

/* A named use of a block: the name stands for its last layer. */
typedef struct rf_instance {
    char *name;
    int node;
} rf_instance;

typedef struct rf_expansion {
    rf_model *model;
    const rf_net *net;
    rf_instance *instances;
    int instance_count, instance_capacity;
    rf_names instance_names;
    int calls;
    int inits[RF_MAX_INITS], init_count; /* nodes: those in effect, one a parameter of an op */
} rf_expansion;

/* ---- variables (scope.c) ---- */

/* Counts `steps`, each about the cost of reading a variable, and fails above a limit that follows from the sizes of
 * text and network. */
rf_status rf_take_steps(rf_expansion *e, int steps, rf_place place);
rf_status rf_scope_set(rf_scope *scope, rf_expansion *e, rf_slice name, rf_value value, rf_place place);
/* *out: borrowed until a variable is set; NULL: there is none of that name. */
rf_status rf_scope_get(const rf_value **out, const rf_scope *scope, rf_expansion *e, rf_slice name,
                       rf_place place);
void rf_scope_free(rf_scope *scope);

/* ---- names and values (eval.c) ---- */

/* prefix + name, with {variables} replaced by their values. */
rf_status rf_name_expand(char out[RF_MAX_NAME + 1], rf_expansion *e, const rf_scope *scope, rf_slice name,
                         rf_place place);
/* The node that a name stands for. */
rf_status rf_name_find(int *out, rf_expansion *e, const rf_scope *scope, rf_slice name, rf_place place);
rf_status rf_eval(rf_value *out, rf_expansion *e, const rf_scope *scope, int expr);
rf_status rf_eval_number(double *out, rf_expansion *e, const rf_scope *scope, int expr);
rf_status rf_eval_int(int *out, rf_expansion *e, const rf_scope *scope, int expr);
rf_status rf_eval_attributes(rf_attrs *out, rf_expansion *e, const rf_scope *scope, const rf_tree *layer);
/* Sets the parameters of the block that `layer` uses; its arguments are computed in `outer`. */
rf_status rf_eval_parameters(rf_scope *inner, rf_expansion *e, const rf_scope *outer, const rf_tree *layer);

#endif
