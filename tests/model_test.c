/* Models: the built-in ones against PyTorch's names and shapes, the model language, building in C. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/embedded.h"
#include "graph/model.h"
#include "model/lang/net.h"

static const rf_image_shape digits = {.channels = 1, .height = 8, .width = 8, .classes = 10};
static const rf_image_shape colour = {.channels = 3, .height = 32, .width = 32, .classes = 10};

/* ---- built-in models ---- */

/* Of a built-in network, without values. */
static rf_model *describe(const char *name, rf_image_shape images) {
    rf_model *model;
    rf_net net;
    char file[64];
    snprintf(file, sizeof file, "%s.net", name);
    const rf_embedded *text = rf_embedded_find(rf_embedded_models, file);
    assert_non_null(text);
    assert_int_equal(rf_model_begin(&model, name, images), RF_OK);
    if (rf_net_parse(&net, (const char *)text->data, name) != RF_OK || rf_net_expand(model, &net) != RF_OK)
        fail_msg("%s", rf_error_message());
    rf_net_free(&net);
    return model;
}

/* The values are drawn anew; of many numbers, rms and mean of the absolute values are known well, and their ratio tells
 * the distribution. */
static void expect_initial_values(rf_parameter *parameter, double rms, double mean) {
    const size_t count = rf_param_count(&parameter->spec);
    double square = 0, absolute = 0;
    if (count > 300000) return; /* or it takes long */
    assert_non_null(parameter->values = malloc(count * sizeof(float)));
    rf_parameter_init(parameter, 7);
    for (size_t i = 0; i < count; i++) {
        square += (double)parameter->values[i] * parameter->values[i] / (double)count;
        absolute += fabs((double)parameter->values[i]) / (double)count;
    }
    const double tolerance = 4.5 / sqrt((double)count);
    if (fabs(sqrt(square) - rms) > tolerance * rms || fabs(absolute - mean) > tolerance * mean)
        fail_msg("%s: rms %g, mean %g; PyTorch's are %g, %g", parameter->name, sqrt(square), absolute, rms,
                 mean);
}

/* line: "name size size ... : rms mean".  The order is ours: a module's own parameters come first in PyTorch. */
static void expect_tensor(const rf_model *model, const char *line) {
    char name[200];
    rf_str text = {0};
    double rms, mean;
    int at = 0;
    assert_int_equal(sscanf(line, "%199s", name), 1);
    while (at < model->parameter_count && strcmp(model->parameters[at].name, name) != 0) at++;
    if (at == model->parameter_count) fail_msg("%s: no %s", model->name, name);
    rf_parameter *parameter = &model->parameters[at];
    rf_str_add(&text, parameter->name);
    for (int i = 0; i < parameter->spec.rank; i++) rf_str_addf(&text, " %d", parameter->spec.dim[i]);
    rf_str_add(&text, " : ");
    if (strncmp(rf_str_text(&text), line, text.length) != 0)
        fail_msg("%s: %s, not %s", model->name, rf_str_text(&text), line);
    assert_int_equal(sscanf(line + text.length, "%lf %lf", &rms, &mean), 2);
    expect_initial_values(parameter, rms, mean);
    rf_str_free(&text);
}

static void built_in_networks_have_pytorchs_state_dicts(void **state) {
    (void)state;
    char line[256], name[32];
    rf_model *model = NULL;
    int networks = 0, tensors = 0;
    FILE *file = fopen(RF_TEST_DATA "/state_dicts.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        rf_image_shape images = {.classes = 10};
        size_t parameters;
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#') continue;
        if (line[0] == ' ') {
            expect_tensor(model, line + 2);
            tensors++;
            continue;
        }
        if (model) assert_int_equal(model->parameter_count, tensors);
        rf_model_free(model);
        assert_int_equal(sscanf(line, "%31s %d %d %d %zu", name, &images.channels, &images.height,
                                &images.width, &parameters),
                         5);
        model = describe(name, images);
        assert_int_equal(rf_model_parameter_count(model), parameters);
        tensors = 0;
        networks++;
    }
    fclose(file);
    assert_int_equal(model->parameter_count, tensors);
    rf_model_free(model);
    for (int i = 0; i < networks; i++) assert_non_null(rf_model_names()[i]);
    assert_null(rf_model_names()[networks]);
}

/* Those that are for small images to images of any size, the others from 32x32. */
static void built_in_networks_adapt_to_the_images(void **state) {
    (void)state;
    static const rf_image_shape sizes[] = {{3, 33, 47, 7},   {1, 64, 64, 1000}, {4, 100, 65, 2},
                                           {3, 224, 224, 5}, {1, 8, 8, 10},     {1, 28, 28, 10},
                                           {4, 4, 5, 2}};
    for (size_t i = 0; rf_model_names()[i]; i++) {
        const char *name = rf_model_names()[i];
        const bool small = strstr(name, "-cifar") || !strcmp(name, "simplecnn") || !strcmp(name, "lenet") ||
                           !strcmp(name, "resnet20");
        for (size_t k = 0; k < (small ? RF_COUNT(sizes) : 4); k++) {
            rf_model *model = describe(name, sizes[k]);
            assert_int_equal(rf_shape_count(model->nodes[model->node_count - 1].shape), sizes[k].classes);
            rf_model_free(model);
        }
    }
}

/* A name, the images' height and width, the network that it is, and whether that is told. */
static const struct {
    const char *name;
    int height, width;
    const char *network;
    bool told;
} short_names[] = {
    {"resnet18", 32, 32, "resnet18-cifar", true},
    {"ResNet-18", 63, 64, "resnet18-cifar", true},
    {"resnet18", 64, 64, "resnet18", false},
    {"resnet18-cifar", 64, 64, "resnet18-cifar", false},
    {"resnet18_cifar", 8, 8, "resnet18-cifar", false},
    {"resnet34", 32, 32, "resnet34", false},
    {"mobilenetv2", 28, 28, "mobilenetv2-cifar", true},
    {"mobilenet_v2", 28, 28, "mobilenetv2-cifar", true},
    {"mobilenetv2", 64, 64, "mobilenet_v2", false},
    {"vgg11", 4, 4, "vgg11-cifar", true},
    {"resnet20", 8, 8, "resnet20", false},
};

static void short_names_are_networks_for_small_images(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(short_names); i++) {
        rf_model *model;
        const rf_image_shape images = {3, short_names[i].height, short_names[i].width, 10};
        if (rf_model_create(&model, short_names[i].name, images, 0) != RF_OK)
            fail_msg("%s", rf_error_message());
        assert_string_equal(rf_model_name(model), short_names[i].network);
        assert_int_equal(rf_model_note(model) != NULL, short_names[i].told);
        if (short_names[i].told) assert_non_null(strstr(rf_model_note(model), short_names[i].network));
        rf_model_free(model);
    }
}

static void unknown_network_lists_the_built_in_ones(void **state) {
    (void)state;
    rf_model *model;
    assert_int_equal(rf_model_create(&model, "resnet21", colour, 0), RF_E_INPUT);
    assert_null(model);
    assert_non_null(strstr(rf_error_message(), "did you mean resnet20?"));
    assert_non_null(strstr(rf_error_message(), "simplecnn"));
    assert_int_equal(rf_model_create(&model, "missing/file.net", colour, 0), RF_E_IO);
    assert_int_equal(rf_model_create(&model, ".", colour, 0), RF_E_IO);
}

/* ---- initialisation ---- */

static const float *values_of(const rf_model *model, const char *name, size_t *count) {
    rf_parameter_view view;
    for (size_t i = 0; rf_model_parameter(model, i, &view); i++)
        if (!strcmp(view.name, name)) {
            if (count) *count = view.count;
            return view.values;
        }
    fail_msg("no parameter %s", name);
    return NULL;
}

static void initialisation_is_pytorchs_default(void **state) {
    (void)state;
    rf_model *model;
    size_t count = 0;
    assert_int_equal(rf_model_create(&model, "resnet18-cifar", colour, 7), RF_OK);
    const float *weight = values_of(model, "layer4.1.conv2.weight", &count);
    const double bound = 1 / 67.88225099390856; /* 1 / sqrt(512 * 9) */
    double mean = 0, square = 0, lowest = 1, highest = -1;
    for (size_t i = 0; i < count; i++) {
        mean += weight[i] / (double)count;
        square += (double)weight[i] * weight[i] / (double)count;
        lowest = RF_MIN(lowest, weight[i]);
        highest = RF_MAX(highest, weight[i]);
    }
    assert_true(mean > -1e-5 * 3 && mean < 1e-5 * 3);
    assert_true(square > bound * bound / 3 * 0.99 && square < bound * bound / 3 * 1.01);
    assert_true(lowest >= -bound && lowest < -bound * 0.9999 && highest <= bound && highest > bound * 0.9999);
    assert_true(values_of(model, "bn1.weight", NULL)[5] == 1 && values_of(model, "bn1.bias", NULL)[5] == 0);
    assert_true(values_of(model, "bn1.running_mean", NULL)[5] == 0 &&
                values_of(model, "bn1.running_var", NULL)[5] == 1);
    rf_model_free(model);
}

static void same_seed_gives_same_values_and_layers_are_independent(void **state) {
    (void)state;
    rf_model *a, *b, *c;
    assert_int_equal(rf_model_parse(&a, "c: conv 4 3\nflatten\nfc: linear classes\n", "a", digits, 1), RF_OK);
    assert_int_equal(
        rf_model_parse(&b, "c: conv 4 3\nd: conv 5 1\nflatten\nfc: linear classes\n", "b", digits, 1), RF_OK);
    assert_int_equal(rf_model_parse(&c, "c: conv 4 3\nflatten\nfc: linear classes\n", "c", digits, 2), RF_OK);
    assert_memory_equal(values_of(a, "c.weight", NULL), values_of(b, "c.weight", NULL), 36 * sizeof(float));
    assert_memory_not_equal(values_of(a, "c.weight", NULL), values_of(c, "c.weight", NULL),
                            36 * sizeof(float));
    assert_true(values_of(a, "c.bias", NULL)[0] != values_of(a, "c.weight", NULL)[0]);
    rf_model_free(a);
    rf_model_free(b);
    rf_model_free(c);
}

/* ---- the language ---- */

static void language_knows_blocks_loops_and_arithmetic(void **state) {
    (void)state;
    rf_model *model;
    static const char network[] = "block pool\n"
                                  "  if in.height >= 2 and not in.width < 2\n"
                                  "    max_pool 2\n"
                                  "  else if height == 1000\n"
                                  "    relu\n"
                                  "  end\n"
                                  "end\n"
                                  "block stage(out, times=2, kernel=3x1)  # comment\r\n"
                                  "  for i = 1 to times\n"
                                  "    {i-1}.conv: conv out kernel pad=(1, 0) bias=no\n"
                                  "  end\n"
                                  "  merge: concat <- in, prev, 0.conv\n"
                                  "end\n"
                                  "\n"
                                  "wide = max(4, channels * 2) + 2 * (7 - 3) / 4 % 2\n"
                                  "stem: conv wide 3x5 pad=1x2\n"
                                  "s.a: stage wide times=1\n"
                                  "for i = 1 to 6\n"
                                  "  p{i}: pool\n"
                                  "end\n"
                                  "last: conv s.a.merge.channels + s.a.0.conv.channels 1\n"
                                  "flatten\n"
                                  "linear last.features\n"
                                  "fc: linear classes";
    if (rf_model_parse(&model, network, "text", digits, 0) != RF_OK) fail_msg("%s", rf_error_message());
    const int merge = rf_model_find_node(model, "s.a.merge", 9), last = rf_model_find_node(model, "last", 4);
    assert_int_equal(model->nodes[merge].shape.c, 1 * 4 + 4 + 4);
    assert_int_equal(model->nodes[merge].inputs, 3);
    assert_int_equal(model->nodes[last].shape.c, 16);
    assert_int_equal(model->nodes[last].shape.h, 1); /* 8, 4, 2, 1, and then no pooling */
    rf_model_free(model);
}

/* A text and what its error must say. */
static const struct {
    const char *text, *message;
} bad[] = {
    {"", "no layers"},
    {"# nothing\n", "no layers"},
    {"flatten\nlinear classes extra=1\n", "t:2:16: linear has no attribute 'extra'"},
    {"c: conv 4 3 strid=2\n", "did you mean 'stride'?"},
    {"cnov 4 3\n", "t:1:1: expected an op or a block, found 'cnov'; did you mean 'conv'?"},
    {"conv 4\n", "conv needs the attribute 'kernel': write `conv out kernel`"},
    {"conv 4 3 3\n", "t:1:10: expected attribute=value"},
    {"conv 4 3q\n", "t:1:8: expected a number, found '3q'"},
    {"conv 4 3x\n", "expected a number, found '3x'"},
    {"conv 4 3 stride=\n", "t:1:17: expected a number, found the end of the line"},
    {"conv 4 3 stride=1 stride=2\n", "given twice"},
    {"conv 0 3\n", "out: expected a number from 1 to"},
    {"conv 4.5 3\n", "out: expected a whole number, found 4.5"},
    {"conv 1e300 3\n", "at most 15 digits"},
    {"conv 1e20 3\n", "expected a whole number"},
    {"conv -1 3\n", "expected a number from 1"},
    {"conv 3x3 3\n", "expected one number, found the pair 3x3"},
    {"conv 4 3 bias=2\n", "expected yes or no, found 2"},
    {"conv 4 3x3+1\n", "expected one number, found the pair 3x3"},
    {"conv out 3\n", "expected a number, found 'out'"},
    {"conv clases 3\n", "did you mean 'classes'?"},
    {"conv 1/0 3\n", "division by zero"},
    {"conv 4 3 <- b\nb: relu\n", "comes only in line 2"},
    {"b: relu <- b\n", "reads itself"},
    {"conv1: conv 4 3\nrelu <- conv2\n", "t:2:9: no layer 'conv2'; did you mean 'conv1'?"},
    {"a: relu\na: relu\n", "two layers are named 'a': the first is in line 1"},
    {"a: relu\nb: relu <- a, a\n", "relu reads 1 layer, not 2"},
    {"a: relu\nadd <- a\n", "add reads 2 to 8 layers, not 1"},
    {"a: relu\nrelu <- in\nflatten\nlinear classes\n", "line 1: layer 'a': no other layer reads it"},
    {"conv 4 3\n", "the network ends in 4x6x6; end it with `flatten` and `linear classes`"},
    {"flatten\nlinear 4\n", "the network ends in 4 scores, but there are 10 classes"},
    {"flatten\nlinear classes\ncross_entropy\n", "is a loss"},
    {"conv 4 9\n", "layer 'conv_1'"},
    {"block b\n relu\n", "expected 'end' of the 'block' in line 1, found the end of the text"},
    {"end\n", "expected a layer, or the end of the text, found 'end'"},
    {"block b\n b\nend\n", "expected an op or a block, found 'b'"},
    {"block b(a)\n relu\nend\nb\n", "the block 'b' needs a value for 'a'"},
    {"block b(a)\n relu\nend\nb 1 2\n", "takes 1 value"},
    {"block b(abc)\n relu\nend\nb abd=1\n", "has no parameter 'abd'; did you mean 'abc'?"},
    {"block b\n block c\n end\nend\n", "only outside"},
    {"block b\nend\nblock b\nend\n", "defined already, in line 1"},
    {"height = 3\n", "which has a meaning already"},
    {"a.b = 3\n", "no dot"},
    {"if 1\nrelu\nelse 3\nend\n", "expected 'if' or the end of the line"},
    {"for i = 1 to 2\na: relu\nend\n", "two layers are named 'a'"},
    {"for i = 1 3\nend\n", "expected 'to', found '3'"},
    {"a{j}: relu\n", "expected a number, found 'j'"},
    {"a{: relu\n", "expected a variable in braces"},
    {"relu in.depth\n", "relu takes no value without a name"},
    {"conv sqrt(0 - 4) 3\n", "t:1:6: sqrt of -4, a negative number"},
    {"conv sqrt(1, 4) 3\n", "expected sqrt(x), found two numbers"},
    {"conv min(1) 3\n", "expected min(a, b), found one number"},
    {"init weight normal 1\n", "t:1:6: expected OP.weight or OP.bias"},
    {"init conv.wieght normal 1\n",
     "expected OP.weight or OP.bias, as in `init conv.weight normal 0.01`, found"},
    {"init cnov.weight normal 1\n", "expected an op with parameters, found 'cnov'"},
    {"init relu.weight normal 1\n", "expected an op with parameters, found 'relu'"},
    {"init conv.weight cauchy 1\n", "t:1:18: expected normal, uniform or constant, found 'cauchy'"},
    {"init conv.weight normal\n", "expected a number, found the end of the line"},
    {"init conv.weight normal 1 / fan_inn\nconv 4 3\n", "did you mean 'fan_in'?"},
    {"init conv.weight normal 1e9\nconv 4 3\n", "t:1:1: init: expected a number of at most 1000000"},
    {"init = 3\n", "found 'init', which has a meaning already"},
    {"conv in.depth 3\n", "expected .channels, .height, .width or .features"},
    {"relu $\n", "the character '$' has no meaning here"},
    {"relu \x01\n", "the byte 0x01 has no meaning here"},
    {"r: relu\nconv r 3\n", "found the layer 'r'"},
    {"conv 1000000 8\nconv 1000000 1\n", "t:2:1: layer 'conv_2'"},
    {"a: conv 4 3\nb: conv 4 1 <- in\nc: concat <- a, b\n", "t:3:4: layer 'c'"},
    {"batch_norm eps=0\n", "eps: expected a number from 1e-20 to 1000, found 0"},
    {"max_pool 2 stride=0\n", "stride: expected a number from 1 to 64, found 0"},
    {"max_pool 2 pad=1 dilation=20\n", "layer 'max_pool_1'"},
    {"c: conv 4 4 stride=2\nmax_pool 2 pad=1 dilation=4 stride=1\n", "wholly in the padding"},
    {"conv 1 3 pad=1 stride=2\nconv 1 3x2 stride=1x2\nflatten\n", "the network ends in 1x2x2"},
};

static void language_errors_say_where_and_what(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        rf_model *model;
        const rf_status status = rf_model_parse(&model, bad[i].text, "t", digits, 0);
        if (status == RF_OK || !strstr(rf_error_message(), bad[i].message))
            fail_msg("case %zu: '%s' gave '%s', expected '%s'", i, bad[i].text,
                     status == RF_OK ? "success" : rf_error_message(), bad[i].message);
        assert_null(model);
        assert_true(status == RF_E_INPUT || status == RF_E_SHAPE);
    }
}

/* `count` times `part`, between a beginning and an end. */
static char *repeated(const char *begin, const char *part, int count, const char *end) {
    rf_str text = {0};
    rf_str_add(&text, begin);
    for (int i = 0; i < count; i++) rf_str_add(&text, part);
    rf_str_add(&text, end);
    assert_false(text.failed);
    return text.data;
}

static void expect_refused(char *text, const char *message) {
    rf_model *model;
    assert_int_equal(rf_model_parse(&model, text, "t", digits, 0), RF_E_INPUT);
    if (!strstr(rf_error_message(), message)) fail_msg("'%s' does not say '%s'", rf_error_message(), message);
    free(text);
}

static void language_is_bounded(void **state) {
    (void)state;
    expect_refused(repeated("", "relu\n", 1000000, ""), "more than 100000 layers");
    expect_refused(repeated("for i = 1 to 1000000\n", "relu\n", 1, "end\n"), "more than 100000 layers");
    expect_refused(repeated("for i = 1 to 2000000000\n", "", 1, "end\n"), "steps to unfold");
    expect_refused(repeated("a = ", "(", 4000, "1\n"), "nested too deep");
    expect_refused(repeated("a = 1", "+1", 2000, "\n"), "too long");
    expect_refused(repeated("a =", " ", 5000, "1\n"), "a line may have at most");
    expect_refused(repeated("a = ", "-", 2000, "1\n"), "nested too deep");
    expect_refused(repeated("", "if 1\n", 100000, ""), "nested too deep");
    expect_refused(repeated("if 0\n", "else if 0\n", 100000, "end\n"), "nested too deep");
    expect_refused(repeated("", "a", 300, ": relu\n"), "would have 300 characters");
    expect_refused(repeated("a = 1", "", 1, "1111111111111111111\n"), "at most 15 digits");

    rf_str text = {0}; /* each block uses the one before ten times: 10^40 steps, or 40 deep */
    rf_str_add(&text, "block b0\nend\n");
    for (int i = 1; i < 40; i++) rf_str_addf(&text, "block b%d\nfor i = 1 to 10\n b%d\nend\nend\n", i, i - 1);
    rf_str_add(&text, "b39\n");
    expect_refused(text.data, "");
}

/* Unfolds a text; the steps that it took must lie within what its size and its network's explain. */
static void expect_steps(char *text, rf_status expected) {
    rf_model *model;
    rf_net net;
    assert_int_equal(rf_model_begin(&model, "t", digits), RF_OK);
    if (rf_net_parse(&net, text, "t") != RF_OK) fail_msg("%s", rf_error_message());
    assert_true((size_t)net.count <= strlen(text) + 2);
    const rf_status status = rf_net_expand(model, &net);
    if (status != expected || (status != RF_OK && !strstr(rf_error_message(), "steps to unfold")))
        fail_msg("%.60s...: %s", text, status == RF_OK ? "accepted" : rf_error_message());
    assert_in_range(model->steps, 1, (2 << 20) + 16 * net.count + 256 * model->node_count);
    rf_model_free(model);
    rf_net_free(&net);
    free(text);
}

static void unfolding_takes_steps_in_proportion_to_text_and_network(void **state) {
    (void)state;
    char line[700], name[181];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;

    /* one statement that computes much; one variable is the last of many */
    rf_str text = {0};
    for (int i = 0; i < 200; i++) rf_str_addf(&text, "v%03d = 1\n", i);
    rf_str_add(&text, "for i = 1 to 1900000\n v000 = (v199");
    for (int i = 0; i < 60; i++) rf_str_add(&text, " + (v199 + (v199 * v199))");
    expect_steps(repeated(text.data, ")\n", 1, "end\n"), RF_E_INPUT);
    rf_str_free(&text);

    /* names that are long, in expressions and as variables */
    snprintf(line, sizeof line, "%s: relu\nfor i = 1 to 1900000\n v = ", name);
    rf_str_addf(&text, " %s.channels", name);
    rf_str long_sum = {0};
    rf_str_addf(&long_sum, "%s", rf_str_text(&text));
    for (int i = 0; i < 15; i++) rf_str_addf(&long_sum, "+%s", rf_str_text(&text));
    expect_steps(repeated(line, rf_str_text(&long_sum), 1, "\nend\n"), RF_E_INPUT);
    rf_str_free(&text);
    rf_str_free(&long_sum);
    snprintf(line, sizeof line, "%s = 1\nfor i = 1 to 1900000\n %s = %s\nend\n", name, name, name);
    expect_steps(repeated(line, "", 0, ""), RF_E_INPUT);

    /* loops of loops; uses of blocks that hold nothing, with many parameters, and in one another */
    expect_steps(repeated("for i = 1 to 2000000000\n for j = 1 to 2000000000\n", "", 0, " end\nend\n"),
                 RF_E_INPUT);
    expect_steps(repeated("block b\nend\nfor i = 1 to 1900000\n u{i}: b\n", "", 0, "end\n"), RF_E_INPUT);
    rf_str_add(&text, "block b(p0=1");
    for (int i = 1; i < 32; i++) rf_str_addf(&text, ", p%d=p%d", i, i - 1);
    rf_str_add(&text, ")\nend\nfor i = 1 to 1900000\n u{i}: b\nend\n");
    expect_steps(text.data, RF_E_INPUT);
    text = (rf_str){0};
    rf_str_add(&text, "block b0\nend\n");
    for (int i = 1; i < 40; i++)
        rf_str_addf(&text, "block b%d\nfor i = 1 to 10\n u{i}: b%d\nend\nend\n", i, i - 1);
    rf_str_add(&text, "b39\n");
    expect_steps(text.data, RF_E_INPUT);

    /* what makes layers may compute */
    expect_steps(repeated("for i = 1 to 30000\n if i % 2 == 0 and i > 4\n  tanh\n else\n  relu\n end\n"
                          "w = min(8, i) + 2 * (i % 3)\n conv w 1\n dropout 0.5\n",
                          "", 0, "end\n"),
                 RF_OK);
    expect_steps(repeated("", "a = 1 + 2 * 3\n", 50000, "flatten\n"), RF_OK);
}

static void a_file_that_is_no_text_is_refused(void **state) {
    (void)state;
    char path[] = "/tmp/rangefinder-model-XXXXXX";
    rf_model *model;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    FILE *stream = fdopen(file, "w");
    assert_int_equal(fwrite("relu\n\0\n", 1, 7, stream), 7);
    fclose(stream);
    assert_int_equal(rf_model_create(&model, path, digits, 0), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "0 byte"));
    remove(path);
}

/* ---- building in C ---- */

static void models_can_be_built_in_c(void **state) {
    (void)state;
    rf_model *model;
    rf_parameter_view view;
    assert_int_equal(rf_model_begin(&model, "mine", digits), RF_OK);
    assert_int_equal(rf_model_add(model, "conv", "stem", "4 3x3 pad=1", NULL), RF_OK);
    assert_int_equal(rf_model_add(model, "relu", NULL, NULL, NULL), RF_OK);
    assert_int_equal(rf_model_add(model, "conv", "right", "2 * 2 3 pad=1", "stem"), RF_OK);
    assert_int_equal(rf_model_add(model, "add", "sum", "", "relu_2 right"), RF_OK);
    assert_int_equal(rf_model_add(model, "conv", "bad", "4 3 pad=x", NULL), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "layer 'bad'"));
    assert_int_equal(rf_model_add(model, "conv", "bad", "4 3 <- stem", NULL), RF_E_INPUT);
    assert_int_equal(rf_model_add(model, "conv", "sum", "4 3", NULL), RF_E_INPUT);
    assert_int_equal(rf_model_add(model, "relu", "bad", NULL, "nobody"), RF_E_INPUT);
    assert_int_equal(rf_model_add(model, "flatten", NULL, NULL, NULL), RF_OK);
    assert_int_equal(rf_model_add(model, "linear", "fc", "classes", NULL), RF_OK);
    assert_int_equal(rf_model_finish(model, 1), RF_OK);
    assert_int_equal(rf_model_finish(model, 1), RF_E_USAGE);
    assert_int_equal(rf_model_add(model, "relu", "late", NULL, NULL), RF_E_USAGE);
    assert_true(rf_model_parameter(model, 0, &view));
    assert_string_equal(view.name, "stem.weight");
    rf_model_free(model);
    rf_model_free(NULL);
}

static void images_out_of_range_are_refused(void **state) {
    (void)state;
    static const rf_image_shape wrong[] = {
        {0, 8, 8, 10}, {1, -8, 8, 10}, {1, 8, 8, 0}, {65536, 65536, 65536, 10}, {1, 1 << 20, 8, 10}};
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        rf_model *model;
        assert_int_equal(rf_model_begin(&model, "x", wrong[i]), RF_E_SHAPE);
        assert_null(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_networks_have_pytorchs_state_dicts),
        cmocka_unit_test(built_in_networks_adapt_to_the_images),
        cmocka_unit_test(short_names_are_networks_for_small_images),
        cmocka_unit_test(unknown_network_lists_the_built_in_ones),
        cmocka_unit_test(initialisation_is_pytorchs_default),
        cmocka_unit_test(same_seed_gives_same_values_and_layers_are_independent),
        cmocka_unit_test(language_knows_blocks_loops_and_arithmetic),
        cmocka_unit_test(language_errors_say_where_and_what),
        cmocka_unit_test(language_is_bounded),
        cmocka_unit_test(unfolding_takes_steps_in_proportion_to_text_and_network),
        cmocka_unit_test(a_file_that_is_no_text_is_refused),
        cmocka_unit_test(models_can_be_built_in_c),
        cmocka_unit_test(images_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
