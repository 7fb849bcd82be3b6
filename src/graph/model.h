/* A model as the graph layer sees it: nodes in topological order and their named parameters. */
#ifndef RF_GRAPH_MODEL_H
#define RF_GRAPH_MODEL_H

#include "graph/names.h"
#include "op/op.h"
#include "rangefinder/model.h"

typedef struct rf_node {
    const rf_op *op; /* NULL for node 0, the images */
    char *name;      /* unique; "images" for node 0; "layer1.0.conv1" */
    rf_attrs attrs;
    int inputs, input[RF_MAX_INPUTS]; /* earlier nodes */
    rf_shape shape;                   /* of the output, with n = 1 */
    int line;                         /* of the model's text; 0: built in C */
    int weights_of; /* the earlier node whose parameters and buffers are also this one's; 0: it has its own */
} rf_node;

/* What a parameter's first values are drawn from. */
typedef enum rf_distribution {
    RF_DISTRIBUTION_DEFAULT, /* the op's (rf_init) */
    RF_DISTRIBUTION_NORMAL,  /* of mean 0; scale: the standard deviation */
    RF_DISTRIBUTION_UNIFORM, /* from -scale to scale */
    RF_DISTRIBUTION_CONSTANT /* scale itself */
} rf_distribution;

typedef struct rf_parameter {
    char *name;     /* "layer1.0.conv1.weight" */
    int node, slot; /* the node it belongs to; its index among the node's params, or states */
    bool is_state;  /* a batch-norm buffer: not trained */
    bool fixed;     /* a constant of the network: not trained either */
    rf_param_spec spec;
    rf_distribution distribution;
    double scale;
    float *values; /* PyTorch's layout; owned */
} rf_parameter;

struct rf_model {
    char *name;
    rf_image_shape images;
    rf_node *nodes;
    int node_count, node_capacity;
    rf_parameter *parameters; /* in PyTorch's order: node by node, params then states */
    int parameter_count, parameter_capacity;
    int output; /* the node whose values are the class scores; the last one */
    bool finished;
    int normalises; /* the images itself, whose pixels are from 0 to so much, 1 or 255; 0: it does not */
    rf_names names; /* of the nodes */
    size_t parameter_numbers; /* floats in all parameters and buffers together */
    char *note;               /* owned; rf_model_note */
    int64_t steps;            /* taken so far to expand its text (model/lang/eval.h) */
};

/* Whether a parameter is trained: no buffer, no constant, and not frozen.  trained: of each parameter; NULL: none is frozen. */
static inline bool rf_is_trained(const rf_model *model, const bool *trained, int parameter) {
    const rf_parameter *p = &model->parameters[parameter];
    return !p->is_state && !p->fixed && (trained == NULL || trained[parameter]);
}

/* Limits against malicious texts: 2^30 floats are 4 GiB. */
enum { RF_MAX_NODES = 100000, RF_MAX_NAME = 200, RF_MAX_NUMBERS = 1 << 30 };

/* Adds a node whose attributes are complete; infers its shape.  On failure the message names the layer. */
rf_status rf_model_add_node(rf_model *model, const rf_op *op, const char *name, const rf_attrs *attrs,
                            int inputs, const int *input);
/* Lets the last node have the parameters and buffers of an earlier one, which has its own, instead of its own.  Errors:
 * RF_E_INPUT, they are of other ops or shapes. */
rf_status rf_model_share_weights(rf_model *model, int with);
/* The node that has a node's parameters: itself, unless it shares them. */
static inline int rf_model_owner(const rf_model *model, int node) {
    return model->nodes[node].weights_of > 0 ? model->nodes[node].weights_of : node;
}
/* The first of the parameters that a node has, or shares; they and its buffers follow each other while their node is the owner. */
int rf_model_first_parameter(const rf_model *model, int node);
/* The number of one of these by slot, or of a buffer; -1: it has none. */
int rf_model_find_parameter(const rf_model *model, int node, bool is_state, int slot);
/* The last layer with parameters, where it is one whose outputs can be others (linear, convolution); -1: none. */
int rf_model_head(const rf_model *model);
/* Draws its values, which are allocated (init.c). */
void rf_parameter_init(rf_parameter *parameter, uint64_t seed);
/* Frees the values, once a device has them.  Name and shape stay. */
void rf_parameter_drop_values(rf_parameter *parameter);
int rf_model_find_node(const rf_model *model, const char *name, size_t length); /* -1: none */
/* The problem of a node at a batch size, without fusion. */
void rf_node_problem(rf_problem *problem, const rf_model *model, int node, int batch);

#endif
