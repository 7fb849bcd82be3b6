/* The ONNX standard's own tests of its operators (Debian: libonnx-testdata), through our reader and the reference.  Each is one
 * node, as a rule, with inputs and outputs.  An op of activations gets its first input, or all of them, as images, and an op of
 * constants all as such.  What is read must agree; those listed in data/onnx/testdata.txt must be read. */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "model/onnx/graph.h"
#include "rangefinder/rangefinder.h"

enum { MAX_INPUTS = 8, MAX_FILE = 64 << 20 };

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s", rf_error_message());                                             \
    } while (0)

static char made[] = "/tmp/rangefinder-testdata-XXXXXX.onnx";

/* ---- messages of a test; what is added to them is freed with them ---- */

typedef struct sample {
    char name[128];
    Onnx__ModelProto *file;
    Onnx__GraphProto *graph; /* of file */
    rf_onnx_tensor input[MAX_INPUTS], expected;
    Onnx__TensorProto *proto[MAX_INPUTS + 1]; /* theirs, owned unless moved to the graph */
    size_t inputs;
} sample;

static void *zeroed(size_t bytes) {
    void *memory = calloc(1, bytes);
    assert_non_null(memory);
    return memory;
}
static char *copy(const char *text) {
    return strcpy(zeroed(strlen(text) + 1), text);
}
static void set(char **text, const char *to) {
    free(*text);
    *text = copy(to);
}

#define APPEND(list, count, item)                                                                            \
    do {                                                                                                     \
        (list) = realloc((list), ((count) + 1) * sizeof *(list));                                            \
        assert_non_null(list);                                                                               \
        (list)[(count)++] = (item);                                                                          \
    } while (0)

static Onnx__TensorProto *add_constant(Onnx__GraphProto *graph, const char *name, int type, size_t rank,
                                       const int64_t *dim) {
    Onnx__TensorProto *t = zeroed(sizeof *t);
    onnx__tensor_proto__init(t);
    t->name = copy(name);
    t->has_data_type = 1;
    t->data_type = type;
    for (size_t i = 0; i < rank; i++) APPEND(t->dims, t->n_dims, dim[i]);
    APPEND(graph->initializer, graph->n_initializer, t);
    return t;
}

static float *add_zeros(Onnx__GraphProto *graph, const char *name, size_t rank, const int64_t *dim) {
    Onnx__TensorProto *t = add_constant(graph, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dim);
    t->n_float_data = 1;
    for (size_t i = 0; i < rank; i++) t->n_float_data *= (size_t)dim[i];
    return t->float_data = zeroed((t->n_float_data + 1) * sizeof(float));
}

/* A node before or behind the others; inputs: names with blanks between. */
static Onnx__NodeProto *add_node(Onnx__GraphProto *graph, bool first, const char *op, const char *output,
                                 const char *inputs) {
    char *names = copy(inputs), *rest = names, *name;
    Onnx__NodeProto *node = zeroed(sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = copy(op);
    node->name = copy(output);
    APPEND(node->output, node->n_output, copy(output));
    while ((name = strsep(&rest, " ")) != NULL) APPEND(node->input, node->n_input, copy(name));
    free(names);
    APPEND(graph->node, graph->n_node, node);
    if (first) {
        memmove(graph->node + 1, graph->node, (graph->n_node - 1) * sizeof(void *));
        graph->node[0] = node;
    }
    return node;
}

static void add_int(Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *a = zeroed(sizeof *a);
    onnx__attribute_proto__init(a);
    a->name = copy(name);
    a->has_i = a->has_type = 1;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->i = value;
    APPEND(node->attribute, node->n_attribute, a);
}

/* ---- a test's files ---- */

static bool read_tensor(rf_onnx_tensor *out, Onnx__TensorProto **proto, const char *folder, const char *what,
                        size_t number) {
    char path[PATH_MAX];
    void *bytes;
    size_t length;
    const rf_onnx_file none = {.path = path};
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", folder, what, number);
    if (rf_file_read(&bytes, &length, path, MAX_FILE) != RF_OK) return false;
    *proto = onnx__tensor_proto__unpack(NULL, length, bytes);
    free(bytes);
    if (*proto == NULL || rf_onnx_tensor_describe(out, &none, *proto) != RF_OK) return false;
    out->values = zeroed((out->count + 1) * sizeof *out->values);
    double *values = out->values;
    out->values = NULL; /* else it is the source */
    const rf_status status = rf_onnx_tensor_read(values, NULL, &none, out);
    out->values = values;
    return status == RF_OK;
}

static void release(sample *s) {
    for (size_t i = 0; i < RF_COUNT(s->proto); i++)
        if (s->proto[i] != NULL) onnx__tensor_proto__free_unpacked(s->proto[i], NULL);
    for (size_t i = 0; i < MAX_INPUTS; i++) free(s->input[i].values);
    free(s->expected.values);
    if (s->file != NULL) onnx__model_proto__free_unpacked(s->file, NULL);
}

/* In old files the initialisers are inputs, too. */
static void drop_initialised(Onnx__GraphProto *graph) {
    for (size_t i = graph->n_input; i-- > 0;)
        for (size_t k = 0; k < graph->n_initializer; k++)
            if (strcmp(graph->input[i]->name, graph->initializer[k]->name) == 0) {
                onnx__value_info_proto__free_unpacked(graph->input[i], NULL);
                graph->n_input--;
                memmove(graph->input + i, graph->input + i + 1, (graph->n_input - i) * sizeof(void *));
                break;
            }
}

/* False: of kinds that have no numbers, or none that we read. */
static bool open_sample(sample *s, const char *folder) {
    void *bytes;
    size_t length;
    *s = (sample){.file = NULL};
    snprintf(s->name, sizeof s->name, "%s", strrchr(folder, '/') + 1);
    char *path = rf_format("%s/model.onnx", folder);
    const rf_status status = rf_file_read(&bytes, &length, path, MAX_FILE);
    free(path);
    if (status != RF_OK) return false;
    s->file = onnx__model_proto__unpack(NULL, length, bytes);
    free(bytes);
    assert_non_null(s->file);
    s->graph = s->file->graph;
    for (size_t i = 0; i < s->file->n_opset_import;
         i++) /* older ones mean the same, or have attributes of their own */
        s->file->opset_import[i]->version = RF_MAX(s->file->opset_import[i]->version, 9);
    drop_initialised(s->graph);
    bool read = read_tensor(&s->expected, &s->proto[MAX_INPUTS], folder, "output", 0);
    for (; read && s->inputs < s->graph->n_input; s->inputs++)
        read = s->inputs < MAX_INPUTS &&
               read_tensor(&s->input[s->inputs], &s->proto[s->inputs], folder, "input", s->inputs);
    return read;
}

/* ---- as a network ---- */

/* Makes the inputs from the given one on constants; the network's own is a batch of images of that shape. */
static void fix_inputs(sample *s, size_t from, const int64_t images[4]) {
    Onnx__GraphProto *graph = s->graph;
    for (size_t i = from; i < s->inputs; i++) {
        set(&s->proto[i]->name, graph->input[i]->name);
        APPEND(graph->initializer, graph->n_initializer, s->proto[i]);
        s->proto[i] = NULL;
    }
    Onnx__ValueInfoProto *first = zeroed(sizeof *first);
    Onnx__TypeProto *type = zeroed(sizeof *type);
    onnx__value_info_proto__init(first);
    onnx__type_proto__init(type);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = zeroed(sizeof *type->tensor_type);
    onnx__type_proto__tensor__init(type->tensor_type);
    type->tensor_type->has_elem_type = 1;
    type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    type->tensor_type->shape = zeroed(sizeof *type->tensor_type->shape);
    onnx__tensor_shape_proto__init(type->tensor_type->shape);
    for (int i = 0; i < 4; i++) {
        Onnx__TensorShapeProto__Dimension *d = zeroed(sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = images[i];
        APPEND(type->tensor_type->shape->dim, type->tensor_type->shape->n_dim, d);
    }
    first->type = type;
    first->name = copy("images");
    for (size_t i = 0; i < graph->n_input; i++) onnx__value_info_proto__free_unpacked(graph->input[i], NULL);
    graph->n_input = 0;
    APPEND(graph->input, graph->n_input, first);
}

static rf_model *load(const sample *s, const int64_t images[4], int classes) {
    const size_t length = onnx__model_proto__get_packed_size(s->file);
    uint8_t *bytes = zeroed(length);
    rf_model *model = NULL;
    onnx__model_proto__pack(s->file, bytes);
    CHECK(rf_file_write(made, bytes, length));
    free(bytes);
    (void)!rf_model_create(&model, made,
                           (rf_image_shape){(int)images[1], (int)images[2], (int)images[3], classes}, 1);
    return model;
}

static const char *output_of(const sample *s) {
    return s->graph->output[0]->name;
}

/* (N,C,H,W) to (N,H,W,C), or back. */
static void convert(float *channels_last, float *plain, rf_shape x, bool to_plain) {
    for (int n = 0; n < x.n; n++)
        for (int c = 0; c < x.c; c++)
            for (int p = 0; p < x.h * x.w; p++) {
                float *a = channels_last + ((size_t)n * (size_t)(x.h * x.w) + (size_t)p) * (size_t)x.c + c,
                      *b = plain + ((size_t)n * (size_t)x.c + (size_t)c) * (size_t)(x.h * x.w) + p;
                if (to_plain)
                    *b = *a;
                else
                    *a = *b;
            }
}

/* The output of a node, (N,C,H,W), by the reference of each op. */
static float *run(const rf_model *model, int last, const double *images, int batch, size_t *count) {
    float **y = zeroed((size_t)model->node_count * sizeof *y);
    int parameter = 0;
    for (int i = 0; i <= last; i++) {
        const rf_node *node = &model->nodes[i];
        rf_problem problem;
        rf_arrays a = {.y = NULL};
        rf_node_problem(&problem, model, i, batch);
        *count = rf_shape_count(problem.y);
        y[i] = a.y = zeroed((*count + 1) * sizeof(float));
        if (i == 0) {
            float *plain = zeroed((*count + 1) * sizeof *plain);
            for (size_t k = 0; k < *count; k++) plain[k] = (float)images[k];
            convert(y[0], plain, problem.y, false);
            free(plain);
            continue;
        }
        for (int k = 0; k < node->inputs; k++) a.x[k] = y[node->input[k]];
        const int first = parameter;
        for (; parameter < model->parameter_count && model->parameters[parameter].node == i; parameter++) {
            const rf_parameter *p = &model->parameters[parameter];
            float *storage = zeroed(rf_param_storage(&p->spec) * sizeof *storage);
            rf_param_pack(storage, p->values, &p->spec);
            *(p->is_state ? &a.state[p->slot] : &a.param[p->slot]) = storage;
        }
        a.saved = node->op->saved != NULL ? zeroed((node->op->saved(&problem) + 1) * sizeof(float)) : NULL;
        node->op->reference[RF_FORWARD](&problem, &a);
        for (int k = first; k < parameter; k++)
            free(*(model->parameters[k].is_state ? &a.state[model->parameters[k].slot]
                                                 : &a.param[model->parameters[k].slot]));
        free(a.saved);
    }
    rf_shape shape = model->nodes[last].shape;
    shape.n = batch;
    float *out = zeroed((*count + 1) * sizeof *out);
    convert(y[last], out, shape, true);
    for (int i = 0; i <= last; i++) free(y[i]);
    free(y);
    return out;
}

/* ---- comparing ---- */

typedef enum outcome { NOT_TAKEN, REFUSED, PASSED, DIFFERS } outcome;

/* With the tolerance of ONNX's own runner. */
static outcome compare(const sample *s, const float *ours, size_t count) {
    if (count != s->expected.count) {
        print_error("%s: %zu numbers, not %zu\n", s->name, count, s->expected.count);
        return DIFFERS;
    }
    for (size_t i = 0; i < count; i++) {
        const double a = (double)ours[i], b = s->expected.values[i];
        if (fabs(a - b) <= 1e-7 + 1e-3 * fabs(b) || a == b || (isnan(a) && isnan(b))) continue;
        print_error("%s: number %zu is %.7g, not %.7g\n", s->name, i, a, b);
        return DIFFERS;
    }
    return PASSED;
}

static const rf_onnx_op *op_of(const sample *s) { /* NULL: one of its ops is not taken */
    const rf_onnx_op *op = NULL;
    for (size_t i = s->graph->n_node; i-- > 0;) {
        const Onnx__NodeProto *node = s->graph->node[i];
        op = rf_onnx_is_standard(node->domain) ? rf_onnx_op_find(node->op_type) : NULL;
        if (op == NULL || op->advice != NULL) return NULL;
    }
    return op;
}

/* The shape does not matter to these. */
static bool is_elementwise(const char *op) {
    static const char *const ops[] = {
        "Add",       "Celu",        "Clip",     "Div",       "Dropout",  "Elu", "Erf",  "Gelu",
        "HardSwish", "HardSigmoid", "Identity", "LeakyRelu", "Max",      "Min", "Mish", "Mul",
        "Relu",      "Selu",        "Sigmoid",  "Softplus",  "Softsign", "Sub", "Sum",  "Tanh"};
    for (size_t i = 0; i < RF_COUNT(ops); i++)
        if (strcmp(op, ops[i]) == 0) return true;
    return false;
}

/* As a batch of images: (N,C,H,W); rows as (N,C,1,1); what else an elementwise op reads as one image. */
static bool shape_of(int64_t images[4], const sample *s, size_t inputs) {
    const rf_onnx_tensor *x = &s->input[0];
    if (s->inputs < inputs || x->count == 0 || s->expected.count == 0 || x->rank > 4) return false;
    for (size_t i = 0; i < inputs; i++)
        if (s->input[i].type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || s->input[i].rank != x->rank ||
            memcmp(s->input[i].dim, x->dim, (size_t)x->rank * sizeof *x->dim) != 0)
            return false;
    const int before = x->rank == 2 ? 0 : 4 - x->rank;
    for (int i = 0; i < 4; i++) images[i] = i >= before && i - before < x->rank ? x->dim[i - before] : 1;
    return x->rank == 4 || x->rank == 2 || is_elementwise(s->graph->node[0]->op_type);
}

/* Input i of a test: the images, or those of its channels that hold it, by a convolution that copies them. */
static void take_input(sample *s, size_t i, size_t inputs, int64_t channels, const char *name) {
    const bool flat = s->input[0].rank == 2;
    const size_t all = inputs * (size_t)channels;
    char *weight = rf_format("testdata.weight%zu", i), *maps = rf_format("testdata.input%zu", i),
         *conv = rf_format("images %s", weight);
    float *copies = add_zeros(s->graph, weight, 4, (const int64_t[]){channels, (int64_t)all, 1, 1});
    for (size_t c = 0; c < (size_t)channels; c++) copies[c * all + i * (size_t)channels + c] = 1;
    if (flat) add_node(s->graph, true, "Flatten", name, maps);
    add_node(s->graph, true, "Conv", flat ? maps : name, conv);
    free(weight);
    free(maps);
    free(conv);
}

/* The first inputs as images; behind what is tested there is a linear layer to one class. */
static outcome as_layer(sample *s, size_t inputs) {
    int64_t images[4];
    if (!shape_of(images, s, inputs)) return NOT_TAKEN;
    const size_t batch = (size_t)images[0], image = s->input[0].count / batch;
    const int64_t channels = images[1];
    double *x = zeroed(inputs * s->input[0].count * sizeof *x);
    for (size_t i = 0; i < inputs; i++) {
        for (size_t n = 0; n < batch; n++)
            memcpy(x + (n * inputs + i) * image, s->input[i].values + n * image, image * sizeof *x);
        take_input(s, i, inputs, channels, s->graph->input[i]->name);
    }
    images[1] *= (int64_t)inputs;
    fix_inputs(s, inputs, images);
    add_zeros(s->graph, "testdata.head", 2, (const int64_t[]){1, (int64_t)(s->expected.count / batch)});
    add_node(s->graph, false, "Flatten", "testdata.flat", output_of(s));
    add_int(add_node(s->graph, false, "Gemm", "testdata.scores", "testdata.flat testdata.head"), "transB", 1);
    set(&s->graph->output[0]->name, "testdata.scores");
    outcome result = REFUSED;
    rf_model *model = load(s, images, 1);
    if (model != NULL) {
        size_t count;
        float *ours = run(model, model->nodes[model->output].input[0], x, (int)batch, &count);
        result = compare(s, ours, count);
        free(ours);
    } else if (strstr(rf_error_message(), "'testdata.scores'") != NULL) { /* an output of another size */
        print_error("%s: %s\n", s->name, rf_error_message());
        result = DIFFERS;
    }
    free(x);
    rf_model_free(model);
    return result;
}

/* All inputs are constants; their result is the bias of a convolution of nothing. */
static outcome as_constant(sample *s) {
    const int64_t one[4] = {1, 1, 1, 1}, count = (int64_t)s->expected.count, weight[4] = {count, 1, 1, 1};
    if (count == 0) return NOT_TAKEN;
    fix_inputs(s, 0, one);
    Onnx__TensorProto *shape = add_constant(s->graph, "testdata.shape", ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
                                            1, (const int64_t[]){1});
    APPEND(shape->int64_data, shape->n_int64_data, -1);
    add_zeros(s->graph, "testdata.weight", 4, weight);
    add_int(add_node(s->graph, false, "Cast", "testdata.cast", output_of(s)), "to",
            ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    add_node(s->graph, false, "Reshape", "testdata.bias", "testdata.cast testdata.shape");
    add_node(s->graph, false, "Conv", "testdata.scores", "images testdata.weight testdata.bias");
    set(&s->graph->output[0]->name, "testdata.scores");
    rf_model *model = load(s, one, (int)count);
    if (model == NULL) return REFUSED;
    size_t numbers;
    float *ours = run(model, model->output, (const double[]){0}, 1, &numbers);
    const outcome result = compare(s, ours, numbers);
    free(ours);
    rf_model_free(model);
    return result;
}

/* ---- all of them ---- */

typedef struct counts {
    int all, taken, passed, refused, differ, lost;
} counts;

static bool is_listed(const char *name) {
    char line[160];
    bool found = false;
    FILE *file = fopen(RF_TEST_DATA "/onnx/testdata.txt", "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strcmp(line, name) == 0;
    }
    fclose(file);
    return found;
}

/* What comes of it in the best way that it can be read. */
static outcome try_all(const char *folder, char reason[400]) {
    enum { FIRST, ALL, CONSTANT, WAYS };
    outcome best = NOT_TAKEN;
    for (int way = 0; way < WAYS && best != DIFFERS; way++) {
        sample s;
        outcome result = NOT_TAKEN;
        if (open_sample(&s, folder)) {
            const rf_onnx_op *op = op_of(&s);
            if (op != NULL && (way == CONSTANT ? op->fold != NULL : op->lower != NULL))
                result = way == CONSTANT ? as_constant(&s) : as_layer(&s, way == ALL ? s.inputs : 1);
        }
        if (result == REFUSED) snprintf(reason, 400, "%s", rf_error_message());
        release(&s);
        best = RF_MAX(best, result);
    }
    return best;
}

static void try_folder(counts *n, const char *folder) {
    const char *name = strrchr(folder, '/') + 1;
    char reason[400] = "";
    const outcome result = try_all(folder, reason);
    n->all++;
    n->taken += result != NOT_TAKEN;
    n->passed += result == PASSED;
    n->refused += result == REFUSED;
    n->differ += result == DIFFERS;
    const bool listed = is_listed(name);
    if (result == PASSED && !listed) print_message("passes, and is not in testdata.txt: %s\n", name);
    if (result != PASSED && listed) {
        n->lost++;
        print_error("%s does not pass any more: %s\n", name, reason);
    } else if (result == REFUSED)
        print_message("refused %s: %s\n", name, reason);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void operators_compute_what_the_standard_says(void **state) {
    static const char *const groups[] = {"node", "simple", "pytorch-operator", "pytorch-converted"};
    counts n = {0};
    (void)state;
    for (size_t g = 0; g < RF_COUNT(groups); g++) {
        char **names = NULL, *folder = rf_format(RF_ONNX_TESTDATA "/%s", groups[g]);
        size_t count = 0;
        DIR *directory = opendir(folder);
        assert_non_null(directory);
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
            if (strncmp(entry->d_name, "test_", 5) == 0 && strstr(entry->d_name, "training") == NULL)
                APPEND(names, count, copy(entry->d_name));
        closedir(directory);
        qsort(names, count, sizeof *names, by_name);
        for (size_t i = 0; i < count; i++) {
            char *path = rf_format("%s/%s", folder, names[i]);
            try_folder(&n, path);
            free(path);
            free(names[i]);
        }
        free(names);
        free(folder);
    }
    print_message("of %d tests %d are of ops that are taken: %d pass, %d are refused, %d differ\n", n.all,
                  n.taken, n.passed, n.refused, n.differ);
    assert_int_equal(n.differ, 0);
    assert_int_equal(n.lost, 0);
    assert_true(n.passed > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(operators_compute_what_the_standard_says)};
    const int fd = mkstemps(made, 5);
    if (fd < 0) return 1;
    close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(made);
    return failed;
}
