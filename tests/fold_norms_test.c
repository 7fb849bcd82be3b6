/* Folding batch norms: which of small networks' become part of the layer before them, and that the scores stay. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/fold_norms.h"
#include "scores.h"

enum { IMAGES = 5, SIZE = 9, CLASSES = 4 };

static rf_device *device, *reference;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s", rf_error_message());                                             \
    } while (0)

#define END  "adaptive_avg_pool 1\nflatten\nlinear classes\n"
#define ENDS " adaptive_avg_pool flatten linear"

/* Of each: its text, and the ops that remain, +bias where one had to be added. */
static const struct {
    const char *what, *network, *ops;
} networks[] = {
    {"a convolution without bias", "conv 8 3 pad=1 bias=no\nbatch_norm\nrelu\n" END, "conv+bias relu" ENDS},
    {"one with bias", "conv 8 3 pad=1\nbatch_norm eps=0.1\nsilu\n" END, "conv silu" ENDS},
    {"groups", "conv 6 1\nconv 12 3 stride=2 groups=3 bias=no\nbatch_norm\nhard_swish\n" END,
     "conv conv+bias hard_swish" ENDS},
    {"depthwise", "conv 7 1\nconv 7 3 pad=1 groups=7 bias=no\nbatch_norm\nrelu6\n" END,
     "conv conv+bias relu6" ENDS},
    {"pooling behind it", "conv 8 3 bias=no\nbatch_norm\nsilu\nmax_pool 2\n" END,
     "conv+bias silu max_pool" ENDS},
    {"a linear layer", "flatten\nlinear 6 bias=no\nbatch_norm\nrelu\nlinear classes\n",
     "flatten linear+bias relu linear"},
    {"a linear layer at each position", "conv 5 1 linear=yes\nbatch_norm\n" END, "conv" ENDS},
    {"the last layer", "flatten\nlinear classes bias=no\nbatch_norm\n", "flatten linear+bias"},
    {"of two in a row the first", "conv 5 1\nbatch_norm\nbatch_norm\n" END, "conv batch_norm" ENDS},
    {"not behind an activation", "conv 5 1\nrelu\nbatch_norm\n" END, "conv relu batch_norm" ENDS},
    {"not where another layer reads the convolution", "c: conv 5 1\nbatch_norm\nrelu\nadd <- c, prev\n" END,
     "conv batch_norm relu add" ENDS},
    {"not the images'", "batch_norm\nconv 5 1\n" END, "batch_norm conv" ENDS},
    {"not behind a transposed convolution", "conv_transpose 5 2\nbatch_norm\n" END,
     "conv_transpose batch_norm" ENDS},
    {"of both branches of a block",
     "x: conv 5 1\na: conv 5 3 pad=1 bias=no <- x\nan: batch_norm\nb: conv 5 1 bias=no <- x\nbn: batch_norm\n"
     "add <- an, bn\nrelu\n" END,
     "conv conv+bias conv+bias add relu" ENDS},
};

static rf_model *model_of(const char *text) {
    rf_model *model;
    CHECK(rf_model_parse(&model, text, "t", (rf_image_shape){3, SIZE, SIZE, CLASSES}, 1));
    return model;
}

/* Values as of a trained network: of weights and variances from 0.5 to 1.5, of biases and means from -0.5 to 0.5. */
static void train(rf_model *model) {
    rf_random random;
    rf_random_init(&random, 7, 0);
    for (int i = 0; i < model->parameter_count; i++) {
        rf_parameter *p = &model->parameters[i];
        if (strcmp(model->nodes[p->node].op->name, "batch_norm") != 0) continue;
        const double least = p->slot == (p->is_state ? 1 : 0) ? 0.5 : -0.5;
        for (size_t k = 0; k < rf_param_count(&p->spec); k++)
            p->values[k] = (float)(least + rf_random_u32(&random) * 0x1p-32);
    }
}

static void scores_of(float scores[IMAGES * CLASSES], rf_device *on, const rf_model *model) {
    static const int32_t labels[IMAGES];
    static const double mean[] = {0.5, 0.5, 0.5}, std[] = {0.2, 0.2, 0.2};
    uint8_t pixels[IMAGES * 3 * SIZE * SIZE];
    rf_dataset *dataset;
    rf_random random;
    rf_random_init(&random, 3, 0);
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)rf_random_u32(&random);
    CHECK(rf_dataset_from_memory(&dataset, "test", pixels, labels, IMAGES, 3, SIZE, SIZE, CLASSES));
    CHECK(evaluate_scores(scores, on, model, dataset, 3, mean, std)); /* batches of 3, and of 2 */
    rf_dataset_free(dataset);
}

static char *ops_of(const rf_model *folded, const rf_model *model) {
    rf_str out = {0};
    for (int k = 1; k < folded->node_count; k++) {
        const rf_node *node = &folded->nodes[k],
                      *before = &model->nodes[rf_model_find_node(model, node->name, strlen(node->name))];
        rf_str_addf(&out, "%s%s%s", k > 1 ? " " : "", node->op->name,
                    node->attrs.bias && !before->attrs.bias ? "+bias" : "");
    }
    assert_false(out.failed);
    return out.data;
}

static void norms_are_folded(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(networks); i++) {
        rf_model *model = model_of(networks[i].network), *folded;
        CHECK(rf_model_fold_norms(&folded, model));
        char *ops = ops_of(folded, model);
        if (strcmp(ops, networks[i].ops) != 0)
            fail_msg("%s: %s\nand not %s", networks[i].what, ops, networks[i].ops);
        free(ops);
        rf_model_free(folded);
        rf_model_free(model);
    }
}

/* On a device evaluation folds by itself, and fuses what is left; the reference computes all layers. */
static void scores_stay(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(networks); i++) {
        float expected[IMAGES * CLASSES], scores[IMAGES * CLASSES], by_itself[IMAGES * CLASSES];
        rf_model *model = model_of(networks[i].network), *folded;
        train(model);
        CHECK(rf_model_fold_norms(&folded, model));
        scores_of(expected, reference, model);
        scores_of(scores, reference, folded);
        scores_of(by_itself, device, model);
        for (int k = 0; k < IMAGES * CLASSES; k++)
            if (!(fabsf(scores[k] - expected[k]) <= 1e-5 * (1 + fabsf(expected[k]))) ||
                !(fabsf(by_itself[k] - expected[k]) <= 1e-5 * (1 + fabsf(expected[k]))))
                fail_msg("%s: score %d is %.7g folded, %.7g by evaluation, and %.7g without",
                         networks[i].what, k, (double)scores[k], (double)by_itself[k], (double)expected[k]);
        rf_model_free(folded);
        rf_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(norms_are_folded), cmocka_unit_test(scores_stay)};
    if (rf_device_open(&device, NULL) != RF_OK || rf_device_open(&reference, "reference") != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(reference);
    rf_device_close(device);
    return failed;
}
