/* ONNX files that are damaged, hold what is not taken, or say the same in another way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx.pb-c.h"
#include "onnx_samples.h"

/* ---- bad files ---- */

static void *bytes_of(size_t *length, const char *file) {
    char path[300];
    void *bytes;
    snprintf(path, sizeof path, RF_TEST_DATA "/onnx/%s.onnx", file);
    CHECK(rf_file_read(&bytes, length, path, 1 << 20));
    return bytes;
}

static void put(const void *bytes, size_t length) {
    FILE *file = fopen(made, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* Loads what was put: a model, or a message. */
static void expect_an_answer(void) {
    rf_model *model = NULL;
    const rf_status status = rf_model_create(&model, made, shape, 1);
    assert_true(status == RF_OK ? model != NULL : model == NULL && *rf_error_message() != '\0');
    rf_model_free(model);
}

static void cut_files_are_refused(void **state) {
    size_t length;
    char *bytes = bytes_of(&length, "patterns-dynamo");
    (void)state;
    for (size_t cut = 3; cut < length; cut += cut < 200 || getenv("RANGEFINDER_TEST_ALL") != NULL ? 1 : 7) {
        rf_model *model = NULL;
        put(bytes, cut);
        if (rf_model_create(&model, made, shape, 1) == RF_OK)
            fail_msg("%zu of %zu bytes were read", cut, length);
    }
    free(bytes);
}

static void flipped_bytes_do_no_harm(void **state) {
    static const char *const files[] = {"patterns-script", "groups-dynamo",  "response-dynamo",
                                        "cnn-dynamo",      "shuffle-dynamo", "convnext-opset16",
                                        "unet-opset11"};
    rf_random random;
    (void)state;
    rf_random_init(&random, 7, 0);
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        size_t length;
        unsigned char *bytes = bytes_of(&length, files[i]);
        for (int k = 0; k < 300; k++) {
            const size_t at = rf_random_below(&random, (uint32_t)length);
            const unsigned char old = bytes[at];
            bytes[at] = (unsigned char)rf_random_u32(&random);
            put(bytes, length);
            expect_an_answer();
            bytes[at] = old;
        }
        free(bytes);
    }
}

/* cnn-script with a change, and what is said of it. */
typedef struct change {
    void (*make)(Onnx__ModelProto *model);
    const char *message;
} change;

static char *copy(const char *text) {
    char *owned = malloc(strlen(text) + 1); /* protobuf-c frees it */
    assert_non_null(owned);
    return strcpy(owned, text);
}
static void set(char **text, const char *to) {
    free(*text);
    *text = copy(to);
}
static void make_a_cycle(Onnx__ModelProto *m) {
    set(&m->graph->node[0]->input[0], m->graph->node[3]->output[0]);
}
static void lose_an_input(Onnx__ModelProto *m) {
    set(&m->graph->node[2]->input[0], "nowhere");
}
static void name_twice(Onnx__ModelProto *m) {
    set(&m->graph->node[1]->output[0], m->graph->node[0]->output[0]);
}
static void loop(Onnx__ModelProto *m) {
    set(&m->graph->node[2]->op_type, "Loop");
}
static void foreign(Onnx__ModelProto *m) {
    set(&m->graph->node[2]->op_type, "FancyNorm");
}
static void other_domain(Onnx__ModelProto *m) {
    set(&m->graph->node[2]->domain, "com.example");
}
static void quantised(Onnx__ModelProto *m) {
    m->graph->initializer[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT8;
}
static void half_as_long(Onnx__ModelProto *m) {
    m->graph->initializer[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
}
static void enormous(Onnx__ModelProto *m) {
    m->graph->initializer[0]->dims[0] = INT64_C(1) << 40;
}
static void negative(Onnx__ModelProto *m) {
    m->graph->initializer[0]->dims[0] = -8;
}
static void too_short(Onnx__ModelProto *m) {
    m->graph->initializer[0]->raw_data.len -= 4;
}
static void not_a_number(Onnx__ModelProto *m) {
    memset(m->graph->initializer[0]->raw_data.data, 0xff, 4);
}
static void twice(Onnx__ModelProto *m) {
    set(&m->graph->node[1]->input[2], m->graph->node[1]->input[1]);
}
static void shared(Onnx__ModelProto *m) {
    const Onnx__NodeProto *first = NULL;
    for (size_t i = 0; i < m->graph->n_node; i++) {
        Onnx__NodeProto *node = m->graph->node[i];
        if (strcmp(node->op_type, "BatchNormalization") != 0) continue;
        if (first != NULL) set(&node->input[1], first->input[1]);
        first = node;
    }
}
static void old(Onnx__ModelProto *m) {
    m->opset_import[0]->version = 6;
}
static void bad_padding(Onnx__ModelProto *m) {
    for (size_t i = 0; i < m->graph->node[0]->n_attribute; i++)
        if (strcmp(m->graph->node[0]->attribute[i]->name, "pads") == 0)
            m->graph->node[0]->attribute[i]->ints[0] = -1;
}
static void unknown_attribute(Onnx__ModelProto *m) {
    set(&m->graph->node[0]->attribute[0]->name, "shear");
}
static void outside(Onnx__ModelProto *m) {
    Onnx__TensorProto *t = m->graph->initializer[0];
    Onnx__StringStringEntryProto *entry = calloc(1, sizeof *entry), **list = malloc(sizeof(void *));
    assert_true(entry != NULL && list != NULL);
    onnx__string_string_entry_proto__init(entry);
    entry->key = copy("location");
    entry->value = copy("../etc/passwd");
    *list = entry;
    t->external_data = list;
    t->n_external_data = 1;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static const change changes[] = {
    {make_a_cycle, "made by a later node"},
    {lose_an_input, "input 'nowhere' is missing"},
    {name_twice, "is there already"},
    {loop, "op Loop is not among those taken; export without control flow"},
    {foreign, "op FancyNorm is not among those taken"},
    {other_domain, "op com.example.Relu is not among those taken"},
    {quantised, "INT8, which is not read: export the network in float32"},
    {half_as_long, "bytes, and its shape has"},
    {enormous, "the most"},
    {negative, "is -8"},
    {too_short, "bytes, and its shape has"},
    {not_a_number, "holds NaN"},
    {twice, "is two of its parameters"},
    {shared, "shares some of its parameters with layer"},
    {old, "version 6"},
    {bad_padding, "pads of -1"},
    {unknown_attribute, "attribute 'shear'"},
    {outside, "outside its folder"},
};

/* Writes the changed model to `made`. */
static void put_changed(const char *file, void (*make)(Onnx__ModelProto *model)) {
    size_t length;
    void *bytes = bytes_of(&length, file);
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, length, bytes);
    assert_non_null(model);
    make(model);
    uint8_t *changed = malloc(onnx__model_proto__get_packed_size(model));
    assert_non_null(changed);
    put(changed, onnx__model_proto__pack(model, changed));
    free(changed);
    onnx__model_proto__free_unpacked(model, NULL);
    free(bytes);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(changes); i++) {
        put_changed("cnn-script", changes[i].make);
        expect_failure(made, shape, changes[i].message);
    }
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number of tensor i of a network in halves, of which every third tensor is in BFLOAT16. */
static uint16_t halved(size_t i, float value) {
    return i % 3 == 0 ? (uint16_t)(bits_of(value) >> 16) : rf_half_from_float(value);
}

/* Of the tensors every other one has its numbers in the field for them. */
static void make_halves(Onnx__ModelProto *m) {
    m->graph->input[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
        Onnx__TensorProto *t = m->graph->initializer[i];
        const size_t count = t->raw_data.len / sizeof(float);
        assert_int_equal(t->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        t->data_type =
            i % 3 == 0 ? ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
        t->int32_data = malloc(count * sizeof *t->int32_data);
        assert_non_null(t->int32_data);
        for (size_t k = 0; k < count; k++) {
            float value;
            memcpy(&value, t->raw_data.data + k * sizeof value, sizeof value);
            const uint16_t half = halved(i, value);
            t->int32_data[k] = half;
            memcpy(t->raw_data.data + k * sizeof half, &half, sizeof half);
        }
        if (i % 2 == 0) {
            t->raw_data.len = count * sizeof(uint16_t);
        } else {
            t->has_raw_data = 0;
            t->n_int32_data = count;
        }
    }
}

/* Each number is the half that is nearest to that of the network in float32, or of a bfloat16 its upper 16 bits. */
static void halves_are_read(void **state) {
    rf_model *model, *exact = load("cnn-script");
    rf_parameter_view view, right;
    size_t differ = 0;
    (void)state;
    put_changed("cnn-script", make_halves);
    CHECK(rf_model_create(&model, made, shape, 1));
    for (size_t i = 0; rf_model_parameter(exact, i, &right); i++) {
        assert_true(rf_model_parameter(model, i, &view));
        assert_string_equal(view.name, right.name);
        for (size_t k = 0; k < view.count; k++) {
            const uint32_t bits = bits_of(right.values[k]);
            const float half = rf_half_to_float(rf_half_from_float(right.values[k])),
                        brain = float_of(bits & 0xffff0000);
            if (view.values[k] != half && view.values[k] != brain)
                fail_msg("%s: number %zu is %.9g, of %.9g", view.name, k, view.values[k], right.values[k]);
            differ += view.values[k] != right.values[k];
        }
    }
    assert_true(differ > 100);
    rf_model_free(model);
    rf_model_free(exact);
}

static void add_numbers(Onnx__GraphProto *g, const char *name, int64_t first, int64_t second) {
    Onnx__TensorProto *t = malloc(sizeof *t),
                      **list = realloc(g->initializer, (g->n_initializer + 1) * sizeof *list);
    assert_true(t != NULL && list != NULL);
    g->initializer = list;
    list[g->n_initializer++] = t;
    onnx__tensor_proto__init(t);
    t->name = copy(name);
    t->has_data_type = 1;
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    t->dims = malloc(sizeof *t->dims);
    t->int64_data = malloc(2 * sizeof *t->int64_data);
    assert_true(t->dims != NULL && t->int64_data != NULL);
    t->dims[0] = 2;
    t->n_dims = 1;
    t->int64_data[0] = first;
    t->int64_data[1] = second;
    t->n_int64_data = 2;
}

/* In front; b: NULL for ops of one input. */
static void add_node(Onnx__GraphProto *g, const char *op, const char *a, const char *b, const char *y) {
    Onnx__NodeProto *n = malloc(sizeof *n), **list = realloc(g->node, (g->n_node + 1) * sizeof *list);
    assert_true(n != NULL && list != NULL);
    g->node = list;
    memmove(list + 1, list, g->n_node++ * sizeof *list);
    *list = n;
    onnx__node_proto__init(n);
    n->op_type = copy(op);
    n->input = malloc(2 * sizeof *n->input);
    n->output = malloc(sizeof *n->output);
    assert_true(n->input != NULL && n->output != NULL);
    n->input[n->n_input++] = copy(a);
    if (b != NULL) n->input[n->n_input++] = copy(b);
    n->output[n->n_output++] = copy(y);
}

/* As Paddle's exporter does. */
static void hand_the_scores_on(Onnx__ModelProto *m) {
    Onnx__GraphProto *g = m->graph;
    add_node(g, "Identity", g->output[0]->name, NULL, "handed_on");
    Onnx__NodeProto *last = g->node[0];
    memmove(g->node, g->node + 1, (g->n_node - 1) * sizeof *g->node);
    g->node[g->n_node - 1] = last;
    set(&g->output[0]->name, "handed_on");
}

static void a_softmax_that_is_handed_on_is_the_last_one(void **state) {
    (void)state;
    rf_model *model;
    put_changed("patterns-script", hand_the_scores_on);
    CHECK(rf_model_create(&model, made, shape, 1));
    assert_non_null(strstr(rf_model_note(model), "Softmax is taken for the loss's"));
    rf_model_free(model);
}

/* A shape for what was flattened, (0,-1): from the sum of two lists, handed on under other names, which are read more than once. */
static void compute_the_shape(Onnx__ModelProto *m) {
    Onnx__GraphProto *g = m->graph;
    for (size_t i = 0; i < g->n_node; i++) {
        Onnx__NodeProto *node = g->node[i];
        if (strcmp(node->op_type, "Flatten") != 0) continue;
        set(&node->op_type, "Reshape");
        while (node->n_attribute > 0)
            onnx__attribute_proto__free_unpacked(node->attribute[--node->n_attribute], NULL);
        node->input = realloc(node->input, 2 * sizeof *node->input);
        assert_non_null(node->input);
        node->input[node->n_input++] = copy("shape");
    }
    add_numbers(g, "ones", 1, 1);
    add_numbers(g, "less", -1, -2);
    add_node(g, "Sub", "c", "first", "shape"); /* the last one first */
    add_node(g, "Add", "a", "b", "c");
    add_node(g, "Sub", "second", "ones", "b");
    add_node(g, "Add", "second", "ones", "a");
    add_node(g, "Identity", "sum", NULL, "second");
    add_node(g, "Identity", "sum", NULL, "first");
    add_node(g, "Add", "ones", "less", "sum");
}

static void computed_numbers_stay_until_all_have_read_them(void **state) {
    (void)state;
    rf_model *model;
    put_changed("cnn-script", compute_the_shape);
    CHECK(rf_model_create(&model, made, shape, 1));
    rf_model_free(model);
}

/* The same with four inputs. */
static void add_wide_node(Onnx__GraphProto *g, const char *op, const char *const in[4], const char *y) {
    add_node(g, op, in[0], in[1], y);
    Onnx__NodeProto *n = g->node[0];
    n->input = realloc(n->input, 4 * sizeof *n->input);
    assert_non_null(n->input);
    n->input[n->n_input++] = copy(in[2]);
    n->input[n->n_input++] = copy(in[3]);
}

/* What reads the images reads `other` instead. */
static void replace_images(Onnx__GraphProto *g, const char *other) {
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_input; k++)
            if (strcmp(g->node[i]->input[k], g->input[0]->name) == 0) set(&g->node[i]->input[k], other);
}

/* Images get rows and columns, which are cut off again. */
static void pad_by_axes(Onnx__ModelProto *m) {
    Onnx__GraphProto *g = m->graph;
    replace_images(g, "as_before");
    add_numbers(g, "more", 3, 1);
    add_numbers(g, "fewer", -3, -1);
    add_numbers(g, "axes", 3, -2);
    for (int i = 0; i < 2; i++) { /* the same before and behind, along both axes */
        Onnx__TensorProto *t = g->initializer[g->n_initializer - 3 + (size_t)i];
        t->int64_data = realloc(t->int64_data, 4 * sizeof *t->int64_data);
        assert_non_null(t->int64_data);
        t->int64_data[2] = t->int64_data[0];
        t->int64_data[3] = t->int64_data[1];
        t->dims[0] = 4;
        t->n_int64_data = 4;
    }
    add_wide_node(g, "Pad", (const char *const[]){"larger", "fewer", "", "axes"}, "as_before");
    add_wide_node(g, "Pad", (const char *const[]){g->input[0]->name, "more", "", "axes"}, "larger");
}

static void padding_may_be_of_some_axes(void **state) {
    float as_is[SCORED * CLASSES], padded[SCORED * CLASSES];
    rf_model *model = load("cnn-script");
    (void)state;
    scores_of(as_is, model);
    rf_model_free(model);
    put_changed("cnn-script", pad_by_axes);
    CHECK(rf_model_create(&model, made, shape, 1));
    assert_int_equal(model->nodes[1].shape.w, shape.width + 6);
    assert_int_equal(model->nodes[1].shape.h, shape.height + 2);
    scores_of(padded, model);
    assert_memory_equal(padded, as_is, sizeof as_is);
    rf_model_free(model);
}

/* Before they are normalised, images are put beside themselves and cut in half again, many times. */
static void double_and_halve(Onnx__ModelProto *m) {
    enum { TIMES = 60 };
    Onnx__GraphProto *g = m->graph;
    char from[16], twice[16], to[16];
    snprintf(to, sizeof to, "half%d", TIMES);
    replace_images(g, to);
    add_numbers(g, "starts", 0, 0);
    add_numbers(g, "ends", shape.channels, shape.width);
    add_numbers(g, "axes", 1, 3);
    for (int i = TIMES; i > 0; i--) { /* the last one first */
        Onnx__AttributeProto *axis = malloc(sizeof *axis);
        assert_non_null(axis);
        onnx__attribute_proto__init(axis);
        axis->name = copy("axis");
        axis->has_type = axis->has_i = 1;
        axis->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        axis->i = 1;
        snprintf(from, sizeof from, "half%d", i - 1);
        snprintf(twice, sizeof twice, "twice%d", i);
        snprintf(to, sizeof to, "half%d", i);
        const char *const images = i > 1 ? from : g->input[0]->name;
        add_wide_node(g, "Slice", (const char *const[]){twice, "starts", "ends", "axes"}, to);
        add_node(g, "Concat", images, images, twice);
        g->node[0]->attribute = malloc(sizeof axis);
        assert_non_null(g->node[0]->attribute);
        g->node[0]->attribute[g->node[0]->n_attribute++] = axis;
    }
}

/* Looking through each input of each layer for the images would take 2^60 steps. */
static void branches_of_images_take_no_longer_than_their_number(void **state) {
    float as_is[SCORED * CLASSES], changed[SCORED * CLASSES];
    rf_model *model = load("maxout-script");
    (void)state;
    scores_of(as_is, model);
    rf_model_free(model);
    put_changed("maxout-script", double_and_halve);
    CHECK(rf_model_create(&model, made, shape, 1));
    scores_of(changed, model);
    assert_memory_equal(changed, as_is, sizeof as_is);
    rf_model_free(model);
}

/* A field of length `inner` around what is inside, again and again: messages in messages. */
static void deep_nesting_is_refused(void **state) {
    enum { DEPTH = 4000 };
    unsigned char *bytes = malloc(DEPTH * 12);
    size_t start = DEPTH * 12, length = 0;
    (void)state;
    assert_non_null(bytes);
    /* A graph's node (1), its attribute (5), which is a graph (6). */
    static const unsigned char tags[] = {1 << 3 | 2, 5 << 3 | 2, 6 << 3 | 2};
    for (int i = 0; i < DEPTH; i++) {
        const unsigned char tag = tags[(DEPTH - 1 - i) % 3];
        unsigned char size[5];
        int used = 0;
        for (size_t rest = length; used == 0 || rest > 0; rest >>= 7)
            size[used++] = (rest & 127) | (rest > 127 ? 128 : 0);
        start -= (size_t)used + 1;
        bytes[start] = tag;
        memcpy(bytes + start + 1, size, (size_t)used);
        length += (size_t)used + 1;
    }
    FILE *file = fopen(made, "wb");
    assert_non_null(file);
    const unsigned char head[] = {8,
                                  8,
                                  7 << 3 | 2,
                                  (unsigned char)(length & 127) | 128,
                                  (unsigned char)(length >> 7 & 127) | 128,
                                  (unsigned char)(length >> 14)};
    fwrite(head, 1, sizeof head, file);
    fwrite(bytes + start, 1, length, file);
    fclose(file);
    free(bytes);
    expect_failure(made, shape, "cannot be unpacked");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(flipped_bytes_do_no_harm),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(halves_are_read),
        cmocka_unit_test(a_softmax_that_is_handed_on_is_the_last_one),
        cmocka_unit_test(computed_numbers_stay_until_all_have_read_them),
        cmocka_unit_test(padding_may_be_of_some_axes),
        cmocka_unit_test(branches_of_images_take_no_longer_than_their_number),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
