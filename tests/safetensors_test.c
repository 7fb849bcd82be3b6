/* Weights from and to safetensors files: types, names, round trips, damaged files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "graph/model.h"

static char path[] = "/tmp/rangefinder-weights-XXXXXX";

/* Two parameters: fc.weight (2,3) and fc.bias (2). */
static rf_model *tiny_model(void) {
    rf_model *model;
    const rf_image_shape images = {.channels = 3, .height = 1, .width = 1, .classes = 2};
    assert_int_equal(rf_model_parse(&model, "flatten\nfc: linear classes\n", "tiny", images, 3), RF_OK);
    return model;
}

static void write_bytes(uint64_t header_bytes, const char *header, const void *data, size_t data_bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 8; i++) fputc((int)(header_bytes >> 8 * i & 255), file);
    fputs(header, file);
    if (data_bytes) fwrite(data, 1, data_bytes, file);
    fclose(file);
}

static void write_file(const char *header, const void *data, size_t data_bytes) {
    write_bytes(strlen(header), header, data, data_bytes);
}

static void expect_values(const rf_model *model, size_t index, const float *values) {
    rf_parameter_view view;
    assert_true(rf_model_parameter(model, index, &view));
    for (size_t i = 0; i < view.count; i++)
        if (!(view.values[i] == values[i] || (isnan(view.values[i]) && isnan(values[i]))))
            fail_msg("%s[%zu] is %g, expected %g", view.name, i, view.values[i], values[i]);
}

static const float weights[6] = {1, -2, 0.5f, 65504, 0x1p-24f, -0x1p-14f}, biases[2] = {-0.25f, 3};

static void reads_f32_f16_and_bf16(void **state) {
    (void)state;
    rf_model *model = tiny_model();
    const uint16_t half[] = {0x3c00, 0xc000, 0x3800, 0x7bff, 0x0001, 0x8400}, brain[] = {0xbe80, 0x4040};
    unsigned char data[64];
    memcpy(data, half, 12);
    memcpy(data + 12, brain, 4);
    write_file("{\"__metadata__\":{\"format\":\"pt\"},"
               "\"fc.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
               "\"fc.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]}}   ",
               data, 16);
    if (rf_model_load_weights(model, path) != RF_OK) fail_msg("%s", rf_error_message());
    expect_values(model, 0, weights);
    expect_values(model, 1, biases);
    memcpy(data, biases, 8);
    memcpy(data + 8, weights, 24);
    memset(data + 32, 0, 8);
    write_file("{\"module.bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[32,40]},"
               "\"module.fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
               "\"module.fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
               data, 40);
    if (rf_model_load_weights(model, path) != RF_OK) fail_msg("%s", rf_error_message());
    expect_values(model, 0, weights);
    expect_values(model, 1, biases);
    rf_model_free(model);
}

/* A file of fc.weight (2,3) and fc.bias (2) in doubles, with something before and behind their names. */
static void write_doubles(const char *prefix, const double values[8], const char *more) {
    char *header = rf_format("{\"%sfc.weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,48]},"
                             "\"%sfc.bias\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[48,64]}%s}",
                             prefix, prefix, more);
    write_file(header, values, 8 * sizeof *values); /* as on every machine that we know, little-endian */
    free(header);
}

static void names_lose_what_wrappers_put_before_them(void **state) {
    (void)state;
    static const char *const prefixes[] = {"",     "module.",   "_orig_mod.",       "module._orig_mod.",
                                           "net.", "backbone.", "_forward_module.", "model._orig_mod."};
    const double values[8] = {1, -2, 0.5, 65504, 0x1p-24, -0x1p-14, -0.25, 3};
    for (size_t i = 0; i < RF_COUNT(prefixes); i++) {
        rf_model *model = tiny_model();
        write_doubles(prefixes[i], values, "");
        if (rf_model_load_weights(model, path) != RF_OK) fail_msg("%s", rf_error_message());
        expect_values(model, 0, weights);
        expect_values(model, 1, biases);
        rf_model_free(model);
    }
    rf_model *model = tiny_model(); /* a network whose own names begin so keeps them */
    write_doubles("head.", values, ",\"other\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[64,64]}");
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "1 unexpected key: other"));
    rf_model_free(model);
    const rf_image_shape images = {.channels = 3, .height = 1, .width = 1, .classes = 2};
    assert_int_equal(rf_model_parse(&model, "flatten\nhead.fc: linear classes\n", "t", images, 3), RF_OK);
    write_doubles("head.", values, "");
    if (rf_model_load_weights(model, path) != RF_OK) fail_msg("%s", rf_error_message());
    expect_values(model, 1, biases);
    rf_model_free(model);
}

static void weights_that_are_not_finite_are_named_and_nothing_changes(void **state) {
    (void)state;
    rf_model *model = tiny_model();
    const float before = model->parameters[0].values[0];
    const double bad[8] = {1, NAN, 0.5, INFINITY, NAN, 2, -0.25, -1e300};
    write_doubles("module.", bad, "");
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(),
                           "2 tensors hold numbers that are not finite: module.fc.weight (2 NaN and 1 "
                           "infinite of 6), module.fc.bias (0 NaN and 1 infinite of 2)"));
    assert_true(model->parameters[0].values[0] == before);
    const uint16_t half[] = {0x3c00, 0x7c00, 0xfe00, 0,
                             0,      0,      0x7fc0, 0xff80}; /* infinity, NaN; NaN, -infinity */
    write_file("{\"fc.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
               "\"fc.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]}}",
               half, sizeof half);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(),
                           "fc.weight (1 NaN and 1 infinite of 6), fc.bias (1 NaN and 1 infinite of 2)"));
    rf_model_free(model);
}

static void saved_weights_come_back(void **state) {
    (void)state;
    rf_model *a, *b;
    const rf_image_shape images = {.channels = 1, .height = 8, .width = 8, .classes = 10};
    assert_int_equal(rf_model_create(&a, "resnet20", images, 1), RF_OK);
    assert_int_equal(rf_model_create(&b, "resnet20", images, 2), RF_OK);
    assert_int_equal(rf_model_save_weights(a, path), RF_OK);
    if (rf_model_load_weights(b, path) != RF_OK) fail_msg("%s", rf_error_message());
    for (int i = 0; i < a->parameter_count; i++)
        assert_memory_equal(a->parameters[i].values, b->parameters[i].values,
                            rf_param_count(&a->parameters[i].spec) * sizeof(float));
    assert_int_equal(rf_model_save_weights(a, "/nonexistent/folder/w.safetensors"), RF_E_IO);
    rf_model_free(a);
    rf_model_free(b);
}

static void what_does_not_fit_is_named_and_nothing_changes(void **state) {
    (void)state;
    rf_model *model = tiny_model();
    const float zeros[8] = {0}, before = model->parameters[0].values[0];
    write_file("{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
               "\"head.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}",
               zeros, sizeof zeros);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "1 missing key: fc.bias"));
    assert_non_null(strstr(rf_error_message(), "1 unexpected key: head.bias"));
    assert_non_null(
        strstr(rf_error_message(), "1 shape mismatch: fc.weight (the file has 3x2, the network 2x3)"));
    assert_true(model->parameters[0].values[0] == before);
    rf_model_free(model);
}

/* ---- weights of a network that was trained for other classes ---- */

/* A file of "NAME TYPE SIZE,SIZE,...; ..." whose floats are 0.5, those of averages 0.25. */
static void write_tensors(const char *tensors) {
    char name[64], type[8], sizes[32];
    int length;
    uint64_t at = 0;
    unsigned char data[1024] = {0};
    rf_str header = {0};
    for (const char *text = tensors; sscanf(text, "%63s %7s %31[0-9,]%n", name, type, sizes, &length) == 3;) {
        const uint64_t begin = at;
        uint64_t count = 1;
        for (char *size = sizes; *size; size += *size == ',') count *= strtoul(size, &size, 10);
        const float value = strstr(name, "ema") ? 0.25f : 0.5f;
        for (uint64_t i = 0; !strcmp(type, "F32") && i < count; i++)
            memcpy(data + begin + 4 * i, &value, sizeof value);
        at += count * (!strcmp(type, "F32") ? 4 : !strcmp(type, "I64") ? 8 : 1);
        rf_str_addf(&header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}",
                    begin ? ',' : '{', name, type, sizes, (int)begin, (int)at);
        text += length;
        text += strspn(text, "; ");
    }
    rf_str_add(&header, "}");
    assert_true(at < sizeof data);
    write_file(rf_str_text(&header), data, at);
    rf_str_free(&header);
}

#define CONV "conv1.weight F32 2,3,1,1; "
#define HEAD "fc.weight F32 2,2; fc.bias F32 2; "
/* What a file holds, for conv1.weight (2,3,1,1), fc.weight (2,2) and fc.bias (2). */
static const struct {
    const char *tensors;
    int new_head;
    const char *strict;  /* what rf_model_load_weights refuses it with; NULL: it takes it */
    const char *refused; /* rf_model_load_pretrained, too; NULL: it takes it */
    const char *note;    /* NULL: there is none */
    float conv, head;    /* the values then; 0: the initial ones */
} pretrained[] = {
    {CONV HEAD, 0, NULL, NULL, NULL, 0.5f, 0.5f},
    {"conv1.weight F32 2,3; fc.weight F32 2,2,1,1; fc.bias F32 2", 0, NULL, NULL, NULL, 0.5f, 0.5f},
    {CONV HEAD, 1, NULL, NULL, "the last layer, fc, is new", 0.5f, 0},
    {CONV "fc.weight F32 5,2; fc.bias F32 5; ", 0,
     "2 shape mismatches: fc.weight (the file has 5x2, the network 2x2), fc.bias (the file has 5, the "
     "network 2)",
     NULL, "the last layer, fc, is new: fc.weight (the file has 5x2, the network 2x2), fc.bias (the file",
     0.5f, 0},
    {CONV "fc.weight F32 2,2; ", 0, "1 missing key: fc.bias", NULL, "the last layer, fc, is new", 0.5f, 0},
    {CONV, 0, "2 missing keys: fc.weight, fc.bias", NULL, "the last layer, fc, is new", 0.5f, 0},
    {CONV "fc.0.weight F32 4,2; fc.0.bias F32 4; fc.2.weight F32 2,4", 0,
     "3 unexpected keys: fc.0.weight, fc.0.bias, fc.2.weight", NULL, "the last layer, fc, is new", 0.5f, 0},
    {"n_averaged I64 1; module." CONV "module.fc.weight F32 2,2; module.fc.bias F32 2", 0, NULL, NULL, NULL,
     0.5f, 0.5f},
    {"ema." CONV "ema.fc.weight F32 2,2; ema.fc.bias F32 2; model." CONV
     "model.fc.weight F32 2,2; model.fc.bias F32 2; model.bn1.num_batches_tracked I64 1",
     0, NULL, NULL, NULL, 0.5f, 0.5f},
    {"model_ema.module." CONV "model_ema.module.fc.weight F32 2,2; model_ema.module.fc.bias F32 2", 0, NULL,
     NULL, NULL, 0.25f, 0.25f},
    {"backbone." CONV "head.weight F32 5,2; criterion.weight F32 5", 0,
     "2 missing keys: fc.weight, fc.bias; 2 unexpected keys: head.weight, criterion.weight", NULL,
     "the last layer, fc, is new; 2 tensors of no part of it are left out: head.weight, criterion.weight",
     0.5f, 0},
    {CONV HEAD "index I64 3; mask BOOL 3", 0, NULL, NULL, NULL, 0.5f, 0.5f},
    {"conv1.weight F32 2,3,3,3; " HEAD, 0,
     "1 shape mismatch: conv1.weight (the file has 2x3x3x3, the network 2x3x1x1)",
     "1 shape mismatch: conv1.weight", NULL, 0, 0},
    {CONV HEAD "conv2.weight F32 1", 0, "1 unexpected key: conv2.weight", "1 unexpected key: conv2.weight",
     NULL, 0, 0},
    {"conv1.weight I8 2,3,1,1; " HEAD, 0, "'conv1.weight' is I8; F64, F32, F16 and BF16",
     "'conv1.weight' is I8", NULL, 0, 0},
    {HEAD "other.weight F32 1", 0, "1 missing key: conv1.weight; 1 unexpected key: other.weight",
     "1 missing key: conv1.weight", NULL, 0, 0},
    {"other.weight F32 1", 0, "3 missing keys", "3 missing keys", NULL, 0, 0},
};

static void expect_load(int i, rf_status status, const char *refused) {
    if ((status == RF_OK) != (refused == NULL) || (refused && !strstr(rf_error_message(), refused)))
        fail_msg("file %d: '%s', not '%s'", i, status == RF_OK ? "taken" : rf_error_message(),
                 refused ? refused : "taken");
}

static void the_last_layer_may_be_another_where_that_is_wanted(void **state) {
    (void)state;
    static const char network[] = "conv1: conv 2 1 bias=no\nflatten\nfc: linear classes\n";
    const rf_image_shape images = {.channels = 3, .height = 1, .width = 1, .classes = 2};
    for (int i = 0; i < (int)RF_COUNT(pretrained); i++) {
        rf_model *model;
        write_tensors(pretrained[i].tensors);
        assert_int_equal(rf_model_parse(&model, network, "n", images, 3), RF_OK);
        const float conv = model->parameters[0].values[0], head = model->parameters[1].values[0];
        expect_load(i, rf_model_load_weights(model, path), pretrained[i].strict);
        rf_model_free(model);
        assert_int_equal(rf_model_parse(&model, network, "n", images, 3), RF_OK);
        expect_load(i, rf_model_load_pretrained(model, path, pretrained[i].new_head), pretrained[i].refused);
        assert_int_equal(rf_model_note(model) != NULL, pretrained[i].note != NULL);
        if (pretrained[i].note && !strstr(rf_model_note(model), pretrained[i].note))
            fail_msg("file %d: '%s' does not say '%s'", i, rf_model_note(model), pretrained[i].note);
        assert_true(model->parameters[0].values[0] == (pretrained[i].conv ? pretrained[i].conv : conv));
        assert_true(model->parameters[1].values[0] == (pretrained[i].head ? pretrained[i].head : head));
        rf_model_free(model);
    }
}

static void long_lists_are_cut(void **state) {
    (void)state;
    rf_model *model;
    const rf_image_shape images = {.channels = 3, .height = 32, .width = 32, .classes = 10};
    assert_int_equal(rf_model_create(&model, "resnet20", images, 1), RF_OK);
    write_file("{}", NULL, 0);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "107 missing keys: conv1.weight, bn1.weight, bn1.bias"));
    assert_true(strlen(rf_error_message()) < 800);
    rf_model_free(model);
}

#define FC(type, shape, offsets)                                                                             \
    "{\"fc.weight\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
/* A header (its length, 0: as it is), followed by 32 bytes of data, and what the error must say. */
static const struct {
    const char *header;
    uint64_t length;
    const char *message;
} damaged[] = {
    {"{}", UINT64_C(1) << 62, "header claims 4611686018427387904 bytes"},
    {"{}", 35, "header claims 35 bytes"},
    {"{\"a\":", 0, "the header is no JSON"},
    {"{\"a\":1,\"a\":2}", 0, "the header is no JSON"},
    {"[1]", 0, "must be a JSON object"},
    {"{\"fc.weight\":1}", 0, "expected {\"dtype\""},
    {"{\"fc.weight\":{\"dtype\":\"F32\"}}", 0, "expected {\"dtype\""},
    {FC("\"F99\"", "[2,3]", "[0,24]"), 0, "type 'F99' is not known"},
    {FC("\"I32\"", "[2,3]", "[0,24]"), 0, "1 missing key: fc.bias"},
    {FC("\"F32\"", "[2,3]", "[0,25]"), 0, "needs 24 bytes, its offsets hold 25"},
    {FC("\"F32\"", "[2,3]", "[24,0]"), 0, "lie outside"},
    {FC("\"F32\"", "[2,3]", "[9223372036854775000,9223372036854775024]"), 0, "lie outside"},
    {FC("\"F32\"", "[2,3]", "[0,1e3]"), 0, "whole numbers"},
    {FC("\"F32\"", "[2,-3]", "[0,24]"), 0, "whole numbers"},
    {FC("\"F32\"", "[2,3]", "[16,40]"), 0, "lie outside"},
    {FC("\"F32\"", "[4611686018427387904,4611686018427387904]", "[0,0]"), 0,
     "more numbers than can be counted"},
    {FC("\"F32\"", "[4294967296,1073741824]", "[0,0]"), 0, "more numbers than can be counted"},
    {FC("\"F32\"", "[1,1,1,1,1,1,1,1,6]", "[0,24]"), 0, "9 dimensions"},
    {"{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
     "\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}}",
     0, "overlap"},
    {"{\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
     "\"fc.bias\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[24,32]}}",
     0, "is I32; F64, F32, F16 and BF16"},
};

static void damaged_files_are_refused(void **state) {
    (void)state;
    rf_model *model = tiny_model();
    const unsigned char data[32] = {0};
    for (size_t i = 0; i < RF_COUNT(damaged); i++) {
        write_bytes(damaged[i].length ? damaged[i].length : strlen(damaged[i].header), damaged[i].header,
                    data, sizeof data);
        assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
        if (!strstr(rf_error_message(), damaged[i].message))
            fail_msg("case %zu: '%s' does not say '%s'", i, rf_error_message(), damaged[i].message);
    }
    rf_model_free(model);
}

static void hostile_headers_are_refused(void **state) {
    (void)state;
    rf_model *model = tiny_model();
    const size_t depth = 100000, large = 9 << 20;
    char *text = malloc(large + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    text[depth] = 0;
    write_file(text, NULL, 0);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    memset(text, ' ', large);
    text[large] = 0;
    write_file(text, NULL, 0);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "the most that is read"));
    free(text);
    FILE *file = fopen(path, "wb");
    fputs("short", file);
    fclose(file);
    assert_int_equal(rf_model_load_weights(model, path), RF_E_INPUT);
    assert_int_equal(rf_model_load_weights(model, "/tmp"), RF_E_IO);
    assert_int_equal(rf_model_load_weights(model, "/nonexistent.safetensors"), RF_E_IO);
    rf_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_f32_f16_and_bf16),
        cmocka_unit_test(names_lose_what_wrappers_put_before_them),
        cmocka_unit_test(weights_that_are_not_finite_are_named_and_nothing_changes),
        cmocka_unit_test(saved_weights_come_back),
        cmocka_unit_test(what_does_not_fit_is_named_and_nothing_changes),
        cmocka_unit_test(the_last_layer_may_be_another_where_that_is_wanted),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(hostile_headers_are_refused),
    };
    const int file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
