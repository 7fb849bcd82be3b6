/* Networks written as ONNX files: every op has its form, and what is read back is the same network.  That other programs
 * compute the same is checked by the numbers of onnx_test, and by ONNX's own checker in tests/cli/export.sh. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "graph/model.h"
#include "model/onnx/export.h"
#include "model/onnx/onnx.h"
#include "op/pool/pool.h"
#include "rangefinder/rangefinder.h"
#include "scores.h"

enum { IMAGES = 2, CHANNELS = 3, CLASSES = 5, MAX_PARAMETERS = 1 << 24 };

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s", rf_error_message());                                             \
    } while (0)

static rf_device *device;
static char made[] = "/tmp/rangefinder-export-XXXXXX.onnx";

static rf_model *read_back(rf_image_shape images) {
    rf_model *model = NULL;
    CHECK(rf_model_create(&model, made, images, 2));
    return model;
}

static void scores_of(float *scores, const rf_model *model) {
    static const double mean[CHANNELS] = {0.5, 0.5, 0.5}, std[CHANNELS] = {0.1, 0.1, 0.1};
    const rf_image_shape s = model->images;
    const size_t count = (size_t)IMAGES * CHANNELS * (size_t)s.height * (size_t)s.width;
    uint8_t *pixels = malloc(count);
    const int32_t labels[IMAGES] = {0};
    rf_dataset *dataset;
    rf_random random;
    assert_non_null(pixels);
    rf_random_init(&random, 3, 0);
    for (size_t i = 0; i < count; i++) pixels[i] = (uint8_t)rf_random_u32(&random);
    CHECK(rf_dataset_from_memory(&dataset, "test", pixels, labels, IMAGES, CHANNELS, s.height, s.width,
                                 CLASSES));
    CHECK(evaluate_scores(scores, device, model, dataset, 0, mean, std));
    rf_dataset_free(dataset);
    free(pixels);
}

/* ---- ops ---- */

static bool is_layer(const rf_op *op) { /* of networks: no loss, and none that lowering makes of two */
    return !op->is_loss && op->parts[0] == NULL;
}

static void every_op_has_its_form(void **state) {
    const rf_op *op;
    (void)state;
    for (size_t i = 0; (op = rf_op_at(i)) != NULL; i++)
        if (is_layer(op) && rf_onnx_writer_find(op->name) == NULL)
            fail_msg("'%s' has no row in src/model/onnx/export_forms.c", op->name);
}

static int add_node(rf_model *model, const char *op, const char *name, const rf_attrs *attrs, int inputs,
                    const int *input) {
    CHECK(rf_model_add_node(model, rf_op_find(op), name, attrs, inputs, input));
    return model->node_count - 1;
}

/* A network that runs a case: convolutions make the op's inputs of the images, a linear layer scores of its output. */
static rf_model *network_of(const rf_op *op, const rf_case *c) {
    const int inputs = c->inputs > 0 ? c->inputs : op->inputs_min;
    int height = 0, width = 0, x[RF_MAX_INPUTS];
    rf_model *model;
    for (int i = 0; i < inputs; i++) {
        height = RF_MAX(height, c->x[i].h);
        width = RF_MAX(width, c->x[i].w);
    }
    CHECK(rf_model_begin(&model, "case", (rf_image_shape){CHANNELS, height, width, CLASSES}));
    for (int i = 0; i < inputs; i++) {
        char name[16];
        const rf_attrs conv = {.out = c->x[i].c,
                               .kernel = {height - c->x[i].h + 1, width - c->x[i].w + 1},
                               .stride = {1, 1},
                               .dilation = {1, 1},
                               .groups = 1,
                               .bias = true},
                       none = {0};
        snprintf(name, sizeof name, "input%d", i);
        x[i] = add_node(model, "conv", name, &conv, 1, &(int){0});
        snprintf(name, sizeof name, "above%d", i);
        if (op->x_above_zero) x[i] = add_node(model, "exp", name, &none, 1, &x[i]);
        snprintf(name, sizeof name, "flat%d", i);
        if (c->x[i].flat) x[i] = add_node(model, "flatten", name, &none, 1, &x[i]);
    }
    const int y = add_node(model, op->name, "case", &c->attrs, inputs, x);
    add_node(model, "linear", "scores", &(rf_attrs){.out = CLASSES, .bias = true}, 1, &y);
    CHECK(rf_model_finish(model, 1));
    return model;
}

static void expect_same_scores(const char *what, const char *label, const rf_model *a, const rf_model *b) {
    float x[IMAGES * CLASSES], y[IMAGES * CLASSES];
    scores_of(x, a);
    scores_of(y, b);
    for (size_t i = 0; i < RF_COUNT(x); i++)
        if (!(fabsf(x[i] - y[i]) <= 1e-6F * fmaxf(1, fabsf(x[i]))))
            fail_msg("%s, %s: score %zu is %.7g, read back %.7g", what, label, i, (double)x[i], (double)y[i]);
}

/* Written as products with matrices, which are not read. */
static bool is_pooled_unevenly(const rf_op *op, const rf_case *c) {
    const rf_problem problem = {.op = op, .attrs = c->attrs, .x = {c->x[0]}};
    return strcmp(op->name, "adaptive_avg_pool") == 0 && rf_window_varies(&problem);
}

static void each_case_is_read_back_with_the_same_scores(void **state) {
    const rf_op *op;
    int cases = 0;
    (void)state;
    for (size_t i = 0; (op = rf_op_at(i)) != NULL; i++)
        for (const rf_case *c = op->cases; is_layer(op) && c->label != NULL; c++) {
            if (c->large || c->act != RF_ACT_NONE || c->inputs > op->inputs_max ||
                (op->takes_residual && c->inputs > 1)) /* what only lowering makes */
                continue;
            if (is_pooled_unevenly(op, c)) continue;
            rf_model *model = network_of(op, c);
            CHECK(rf_model_save_onnx(model, made, NULL));
            rf_model *same = read_back(model->images);
            expect_same_scores(op->name, c->label, model, same);
            rf_model_free(same);
            rf_model_free(model);
            cases++;
        }
    assert_true(cases > 60);
}

/* ---- networks ---- */

static rf_model *built_in(const char *name) {
    rf_model *model = NULL;
    if (rf_model_create(&model, name, (rf_image_shape){3, 64, 64, CLASSES}, 1) != RF_OK)
        CHECK(rf_model_create(&model, name, (rf_image_shape){3, 224, 224, CLASSES}, 1));
    return model;
}

/* Flattening may be left out or put in; stochastic depth has no form in ONNX. */
static int next_layer(const rf_model *model, int node) {
    do node++;
    while (node < model->node_count && (strcmp(model->nodes[node].op->name, "flatten") == 0 ||
                                        strcmp(model->nodes[node].op->name, "stochastic_depth") == 0));
    return node;
}

static void built_in_networks_are_read_back_whole(void **state) {
    (void)state;
    for (const char *const *name = rf_model_names(); *name != NULL; name++) {
        if (strncmp(*name, "vgg", 3) == 0 && getenv("RANGEFINDER_TEST_ALL") == NULL) continue; /* large */
        rf_model *model = built_in(*name);
        if (rf_model_parameter_count(model) <= MAX_PARAMETERS) { /* else it takes long */
            CHECK(rf_model_save_onnx(model, made, NULL));
            rf_model *same = read_back(model->images);
            int a = next_layer(model, 0), b = next_layer(same, 0);
            for (; a < model->node_count && b < same->node_count;
                 a = next_layer(model, a), b = next_layer(same, b)) {
                assert_string_equal(model->nodes[a].op->name, same->nodes[b].op->name);
                assert_memory_equal(&model->nodes[a].shape, &same->nodes[b].shape, 4 * sizeof(int));
            }
            assert_true(a == model->node_count && b == same->node_count);
            assert_int_equal(model->parameter_count, same->parameter_count);
            for (int i = 0; i < model->parameter_count; i++) {
                const rf_parameter *p = &model->parameters[i], *q = &same->parameters[i];
                assert_string_equal(p->name, q->name);
                assert_int_equal(rf_param_count(&p->spec), rf_param_count(&q->spec));
                assert_memory_equal(p->values, q->values, rf_param_count(&p->spec) * sizeof *p->values);
            }
            rf_model_free(same);
        }
        rf_model_free(model);
    }
}

/* Norms without weights among them, whose ones and zeros are not trained. */
static void what_is_trained_of_a_file_is_trained_again(void **state) {
    DIR *folder = opendir(RF_TEST_DATA "/onnx");
    int files = 0;
    (void)state;
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *ending = strrchr(entry->d_name, '.');
        if (ending == NULL || strcmp(ending, ".onnx") != 0) continue;
        char *path = rf_format("%s/onnx/%s", RF_TEST_DATA, entry->d_name);
        rf_model *model;
        CHECK(rf_onnx_create(&model, path, (rf_image_shape){.classes = 1}, 1));
        CHECK(rf_model_save_onnx(model, made, NULL));
        rf_model *same = read_back(model->images);
        if (rf_model_parameter_count(model) != rf_model_parameter_count(same))
            fail_msg("%s: %zu numbers are trained, read back %zu", entry->d_name,
                     rf_model_parameter_count(model), rf_model_parameter_count(same));
        rf_model_free(same);
        rf_model_free(model);
        free(path);
        files++;
    }
    closedir(folder);
    assert_true(files > 30);
}

/* ---- the file ---- */

static Onnx__ModelProto *unpack(void) {
    void *bytes;
    size_t length;
    CHECK(rf_file_read(&bytes, &length, made, 1 << 24));
    Onnx__ModelProto *file = onnx__model_proto__unpack(NULL, length, bytes);
    free(bytes);
    assert_non_null(file);
    return file;
}

static rf_model *small(void) {
    static const char text[] = "conv1: conv 4 3x3\nr: relu\nfc: conv classes 6x6\n";
    rf_model *model;
    CHECK(rf_model_parse(&model, text, "t", (rf_image_shape){3, 8, 8, 3}, 1));
    return model;
}

static void the_batch_is_free_and_metadata_name_the_classes(void **state) {
    static const char *const names[] = {"cat", "d\"og", "b\303\244r"};
    static const double mean[] = {0.5, 0.25, 0.125}, std[] = {1, 2, 4};
    static const char *const expected[][2] = {{"class_names", "[\"cat\", \"d\\\"og\", \"b\303\244r\"]"},
                                              {"mean", "[0.5, 0.25, 0.125]"},
                                              {"std", "[1.0, 2.0, 4.0]"}};
    rf_model *model = small();
    (void)state;
    CHECK(rf_model_save_onnx(model, made,
                             &(rf_export_options){.class_names = names, .mean = mean, .std = std}));
    Onnx__ModelProto *file = unpack();
    const Onnx__TensorShapeProto *in = file->graph->input[0]->type->tensor_type->shape,
                                 *out = file->graph->output[0]->type->tensor_type->shape;
    assert_string_equal(file->producer_name, "rangefinder");
    assert_string_equal(file->producer_version, rf_version());
    assert_int_equal(file->ir_version, 8);
    assert_int_equal(file->opset_import[0]->version, 17);
    assert_int_equal(file->n_metadata_props, RF_COUNT(expected));
    for (size_t i = 0; i < RF_COUNT(expected); i++) {
        assert_string_equal(file->metadata_props[i]->key, expected[i][0]);
        assert_string_equal(file->metadata_props[i]->value, expected[i][1]);
    }
    assert_string_equal(file->graph->input[0]->name, "images");
    assert_string_equal(in->dim[0]->dim_param, "batch");
    assert_int_equal(in->dim[1]->dim_value, 3);
    assert_int_equal(in->dim[3]->dim_value, 8);
    assert_string_equal(file->graph->output[0]->name, "scores"); /* the network's are (N,C,1,1) */
    assert_int_equal(out->n_dim, 2);
    assert_int_equal(out->dim[1]->dim_value, 3);
    assert_string_equal(file->graph->node[3]->op_type, "Flatten");
    assert_string_equal(file->graph->node[3]->output[0], "scores");
    onnx__model_proto__free_unpacked(file, NULL);
    rf_model_free(model);
}

static void normalisation_comes_first(void **state) {
    static const double mean[] = {0.5, 0.25, 0.125}, std[] = {1, 2, 4};
    rf_model *model = small();
    (void)state;
    CHECK(rf_model_save_onnx(model, made, &(rf_export_options){.mean = mean, .std = std, .normalize = true}));
    Onnx__ModelProto *file = unpack();
    const double *const numbers[] = {mean, std};
    const char *x = "images";
    for (size_t i = 0; i < 2; i++) {
        const Onnx__NodeProto *node = file->graph->node[i];
        const Onnx__TensorProto *t = NULL;
        assert_string_equal(node->op_type, i == 0 ? "Sub" : "Div");
        assert_string_equal(node->input[0], x);
        for (size_t k = 0; k < file->graph->n_initializer; k++)
            if (strcmp(file->graph->initializer[k]->name, node->input[1]) == 0)
                t = file->graph->initializer[k];
        assert_non_null(t);
        assert_int_equal(t->n_dims, 4);
        for (size_t c = 0; c < 3; c++) assert_true((double)t->float_data[c] == numbers[i][c]);
        x = node->output[0];
    }
    assert_string_equal(file->graph->node[2]->input[0], x);
    assert_int_equal(rf_model_save_onnx(model, made, &(rf_export_options){.normalize = true}), RF_E_USAGE);
    onnx__model_proto__free_unpacked(file, NULL);
    rf_model_free(model);
}

/* Layers may have the names that the file's own values want, or those of parameters. */
static void names_that_are_taken_get_numbers(void **state) {
    static const char text[] =
        "scores: conv 4 3x3\nscores.weight: silu\nx: flatten\nx.flat: linear classes\n";
    rf_model *model;
    (void)state;
    CHECK(rf_model_parse(&model, text, "t", (rf_image_shape){3, 8, 8, CLASSES}, 1));
    CHECK(rf_model_save_onnx(model, made, NULL));
    rf_model *same = read_back(model->images);
    expect_same_scores("names", "taken", model, same);
    rf_model_free(same);
    rf_model_free(model);
}

static void what_cannot_be_written_is_said(void **state) {
    rf_model *model = small(), *begun;
    (void)state;
    CHECK(rf_model_begin(&begun, "begun", (rf_image_shape){3, 8, 8, 2}));
    assert_int_equal(rf_model_save_onnx(begun, made, NULL), RF_E_USAGE);
    assert_int_equal(rf_model_save_onnx(model, "/nowhere/net.onnx", NULL), RF_E_IO);
    assert_non_null(strstr(rf_error_message(), "/nowhere/net.onnx"));
    rf_model_free(begun);
    rf_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_its_form),
        cmocka_unit_test(each_case_is_read_back_with_the_same_scores),
        cmocka_unit_test(built_in_networks_are_read_back_whole),
        cmocka_unit_test(what_is_trained_of_a_file_is_trained_again),
        cmocka_unit_test(the_batch_is_free_and_metadata_name_the_classes),
        cmocka_unit_test(normalisation_comes_first),
        cmocka_unit_test(names_that_are_taken_get_numbers),
        cmocka_unit_test(what_cannot_be_written_is_said),
    };
    const int fd = mkstemps(made, 5);
    if (fd < 0 || rf_device_open(&device, "reference") != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(device);
    unlink(made);
    return failed;
}
