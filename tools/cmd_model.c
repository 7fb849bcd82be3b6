/* rangefinder model: a network's layers, shapes, parameters, FLOPs and memory. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "command.h"
#include "graph/model.h"
#include "model/zoo.h"

typedef struct model_args {
    rf_common common;
    bool json;
    rf_maps input;
    int classes;
} model_args;

#define AT(field) .offset = offsetof(model_args, field)
static const rf_option options[] = {
    {"input", "CxHxW", "the images' channels, height and width" RF_USUAL_INPUT, .parse = rf_opt_maps,
     AT(input), .min = 1, .max = 16384},
    {"classes", "N", "number of classes" RF_USUAL_CLASSES, .parse = rf_opt_int, AT(classes), .min = 2,
     .max = 1000000},
    {"json", NULL, "print one JSON document", .parse = rf_opt_flag, AT(json)},
    RF_OPT_END,
};

/* One layer as it is shown. */
typedef struct layer {
    const rf_node *node;
    size_t parameters;
    double flops; /* of the forward pass of one image */
} layer;

typedef struct totals {
    size_t parameters, state_floats, activation_floats; /* activations of one image */
    double flops;
} totals;

/* *out is owned: one layer a node, the images (node 0) left out. */
static rf_status measure(layer **out, totals *sum, const rf_model *model) {
    layer *layers = rf_alloc((size_t)model->node_count, sizeof *layers);
    *out = layers;
    *sum = (totals){.parameters = rf_model_parameter_count(model)};
    if (layers == NULL) return RF_E_MEMORY;
    for (int i = 1; i < model->node_count; i++) {
        const rf_node *node = &model->nodes[i];
        rf_problem problem;
        rf_node_problem(&problem, model, i, 1);
        layers[i].node = node;
        layers[i].flops = node->op->flops != NULL ? node->op->flops(&problem) : 0;
        sum->flops += layers[i].flops;
        if (!node->op->alias) sum->activation_floats += rf_shape_count(node->shape);
    }
    for (int p = 0; p < model->parameter_count; p++) {
        const rf_parameter *parameter = &model->parameters[p];
        if (rf_is_trained(model, NULL, p))
            layers[parameter->node].parameters += rf_param_count(&parameter->spec);
        else
            sum->state_floats += rf_param_count(&parameter->spec);
    }
    return RF_OK;
}

static const char *shape_text(char text[48], const rf_shape *shape) {
    if (shape->flat)
        snprintf(text, 48, "%zu", rf_shape_count(*shape));
    else
        snprintf(text, 48, "%dx%dx%d", shape->c, shape->h, shape->w);
    return text;
}

/* Which layers it reads: nothing where that is the one above. */
static void add_inputs_cell(rf_table *table, const rf_model *model, int index) {
    const rf_node *node = &model->nodes[index];
    rf_str names = {0};
    if (node->inputs != 1 || node->input[0] != index - 1)
        for (int i = 0; i < node->inputs; i++)
            rf_str_addf(&names, "%s%s", i > 0 ? " " : "", model->nodes[node->input[i]].name);
    rf_table_cell(table, "%s", rf_str_text(&names));
    table->failed |= names.failed;
    rf_str_free(&names);
}

static rf_status print_as_table(const rf_model *model, const layer *layers, const totals *sum) {
    rf_table table;
    char shape[48], count[32], weights[32], activations[32];
    static const char *const heading[] = {"layer", "op", "output", "parameters", "MFLOP", "reads"};
    rf_table_begin(&table, "lllrrl");
    for (size_t i = 0; i < RF_COUNT(heading); i++) rf_table_cell(&table, "%s", heading[i]);
    for (int i = 1; i < model->node_count; i++) {
        const layer *l = &layers[i];
        rf_table_cell(&table, "%s", l->node->name);
        rf_table_cell(&table, "%s", l->node->op->name);
        rf_table_cell(&table, "%s", shape_text(shape, &l->node->shape));
        if (l->node->weights_of > 0)
            rf_table_cell(&table, "as %s", model->nodes[l->node->weights_of].name);
        else
            rf_table_cell(&table, "%s", l->parameters > 0 ? rf_count_text(count, l->parameters) : "");
        if (l->flops > 0)
            rf_table_cell(&table, "%.3f", l->flops / 1e6);
        else
            rf_table_cell(&table, "%s", "");
        add_inputs_cell(&table, model, i);
    }
    rf_print_line("%s for images %dx%dx%d, %d classes", rf_model_name(model), model->images.channels,
                  model->images.height, model->images.width, model->images.classes);
    putchar('\n');
    RF_TRY(rf_table_end(&table, stdout));
    printf("\nparameters   %s (%s)\nforward      %.3f MFLOP an image\nactivations  %s an image\n",
           rf_count_text(count, sum->parameters), rf_bytes_text(weights, 4.0 * (double)sum->parameters),
           sum->flops / 1e6, rf_bytes_text(activations, 4.0 * (double)sum->activation_floats));
    return RF_OK;
}

static void add_sizes(rf_json *json, const char *key, int channels, int height, int width) {
    rf_json_open(json, key, '[');
    rf_json_count(json, NULL, (uint64_t)channels);
    rf_json_count(json, NULL, (uint64_t)height);
    rf_json_count(json, NULL, (uint64_t)width);
    rf_json_close(json);
}

static void add_layer(rf_json *json, const rf_model *model, const layer *l) {
    const rf_shape *shape = &l->node->shape;
    rf_json_open(json, NULL, '{');
    rf_json_string(json, "name", l->node->name);
    rf_json_string(json, "op", l->node->op->name);
    rf_json_open(json, "inputs", '[');
    for (int i = 0; i < l->node->inputs; i++)
        rf_json_string(json, NULL, model->nodes[l->node->input[i]].name);
    rf_json_close(json);
    add_sizes(json, "output", shape->c, shape->h, shape->w);
    rf_json_count(json, "parameters", l->parameters);
    if (l->node->weights_of > 0) rf_json_string(json, "weights_of", model->nodes[l->node->weights_of].name);
    rf_json_number(json, "flops", l->flops);
    rf_json_close(json);
}

static rf_status print_as_json(const rf_model *model, const layer *layers, const totals *sum) {
    const rf_image_shape *images = &model->images;
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "model", rf_model_name(model));
    add_sizes(&json, "input", images->channels, images->height, images->width);
    rf_json_count(&json, "classes", (uint64_t)images->classes);
    rf_json_count(&json, "parameters", sum->parameters);
    rf_json_number(&json, "flops", sum->flops);
    rf_json_count(&json, "weight_bytes", 4 * (sum->parameters + sum->state_floats));
    rf_json_count(&json, "activation_bytes", 4 * sum->activation_floats);
    rf_json_open(&json, "layers", '[');
    for (int i = 1; i < model->node_count; i++) add_layer(&json, model, &layers[i]);
    return rf_json_write(&json, "-");
}

static rf_status model_main(void *given, char **operands) {
    const model_args *args = given;
    const rf_image_shape images = rf_images_named(operands[0], args->input, args->classes);
    rf_model *model = NULL;
    layer *layers = NULL;
    totals sum;
    rf_status status = rf_model_create(&model, operands[0], images, 0);
    if (status == RF_OK && rf_model_note(model) != NULL) rf_say("note: %s", rf_model_note(model));
    if (status == RF_OK) status = measure(&layers, &sum, model);
    if (status == RF_OK) status = (args->json ? print_as_json : print_as_table)(model, layers, &sum);
    free(layers);
    rf_model_free(model);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder model resnet18", "ResNet-18 for ImageNet's images and classes"},
    {"rangefinder model resnet18 --input 3x32x32 --classes 10", "the one for images as small as CIFAR-10's"},
    {NULL},
};

const rf_command rf_command_model = {
    .name = "model",
    .examples = examples,
    .operand_choices = rf_model_names,
    .operands = "NAME|FILE",
    .operand_count = 1,
    .summary = "A network's layers, shapes, parameters, FLOPs and memory",
    .details =
        "NAME is one of the built-in networks; FILE is in the model language, or ONNX. FLOPs are of the "
        "forward pass of "
        "one image; a training step costs about three times as many.",
    .options = options,
    .args_size = sizeof(model_args),
    .run = model_main,
};
