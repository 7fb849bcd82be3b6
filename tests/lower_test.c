/* Lowering: which nodes of small networks are fused, which stay, and which solvers they get.  The device is the reference,
 * declared as a CPU: lowering queries its solvers, and runs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/backend.h"
#include "graph/choose.h"
#include "graph/defer.h"
#include "graph/lower.h"

static rf_device *device;

/* Closed by its classes' scores, which are the last node. */
#define SCORES "adaptive_avg_pool 1\nflatten\nlinear classes\n"
#define TAIL   " adaptive_avg_pool(%) flatten(%) linear(%)"

static rf_model *model_of(const char *text) {
    rf_model *model = NULL;
    if (rf_model_parse(&model, text, "t", (rf_image_shape){3, 16, 16, 4}, 1) != RF_OK)
        fail_msg("%s", rf_error_message());
    return model;
}

static rf_lowered *lowered_of(const rf_model *model, bool training, const char *loss) {
    rf_lowered *lowered = NULL;
    const rf_lower_desc desc = {.model = model,
                                .batch = 8,
                                .training = training,
                                .loss = loss != NULL ? rf_op_find(loss) : NULL,
                                .device = device};
    if (rf_lower(&lowered, &desc) != RF_OK) fail_msg("%s", rf_error_message());
    return lowered;
}

/* "conv+relu(images) batch_norm(0)": each node's op with what it took in, and the numbers of those it reads; % is the
 * one before, and * a deferred batch norm. */
static char *text_of(const rf_lowered *lowered) {
    rf_str out = {0};
    for (int k = 0; k < lowered->count; k++) {
        const rf_lowered_node *node = &lowered->nodes[k];
        rf_str_addf(&out, "%s%s", k > 0 ? " " : "", node->problem.op->name);
        if (node->problem.act != RF_ACT_NONE) rf_str_addf(&out, "+%s", rf_act_names[node->problem.act]);
        if (node->problem.deferred) rf_str_add(&out, "*");
        for (int i = 0; i < node->problem.inputs; i++) {
            const int from = node->input[i];
            rf_str_add(&out, i == 0 ? "(" : ",");
            if (from == RF_FROM_IMAGES || from == RF_FROM_LABELS)
                rf_str_add(&out, from == RF_FROM_IMAGES ? "images" : "labels");
            else if (from == k - 1)
                rf_str_add(&out, "%");
            else
                rf_str_addf(&out, "%d", from);
        }
        rf_str_add(&out, ")");
    }
    assert_false(out.failed);
    return out.data;
}

static void expect(const char *network, bool training, const char *expected) {
    rf_model *model = model_of(network);
    rf_lowered *lowered = lowered_of(model, training, NULL);
    char *text = text_of(lowered);
    if (strcmp(text, expected) != 0) fail_msg("%s\nbecomes  %s\nand not  %s", network, text, expected);
    free(text);
    rf_lowered_free(lowered);
    rf_model_free(model);
}

/* Of each: fused; with $RANGEFINDER_FUSION=0; fused at inference, where that differs. */
static const struct {
    const char *what, *network, *fused, *plain, *inference;
} networks[] = {
    {"an activation", "conv 8 3 pad=1\nrelu\n" SCORES, "conv+relu(images)" TAIL, "conv(images) relu(%)" TAIL},
    {"of two activations the first", "conv 8 3 pad=1\nrelu6\nrelu\n" SCORES,
     "conv+relu6(images) relu(%)" TAIL, "conv(images) relu6(%) relu(%)" TAIL},
    {"no activation that is not in the list", "conv 8 3 pad=1\nsigmoid\n" SCORES,
     "conv(images) sigmoid(%)" TAIL, "conv(images) sigmoid(%)" TAIL},
    {"none behind what takes none", "avg_pool 2\nrelu\nconv 8 1\n" SCORES,
     "avg_pool(images) relu(%) conv(%)" TAIL, "avg_pool(images) relu(%) conv(%)" TAIL},
    {"none behind the images", "relu\nconv 8 1\n" SCORES, "relu(images) conv(%)" TAIL,
     "relu(images) conv(%)" TAIL},
    {"behind batch norm", "conv 8 3 pad=1\nbatch_norm\nrelu\n" SCORES, "conv(images) batch_norm+relu(%)" TAIL,
     "conv(images) batch_norm(%) relu(%)" TAIL},
    {"one whose gradient needs x, behind batch norm", "conv 8 3 pad=1\nbatch_norm\nsilu\n" SCORES,
     "conv(images) batch_norm+silu(%)" TAIL, "conv(images) batch_norm(%) silu(%)" TAIL},
    {"none such behind what has not x", "conv 8 3 pad=1\nhard_swish\n" SCORES,
     "conv(images) hard_swish(%)" TAIL, "conv(images) hard_swish(%)" TAIL, "conv+hard_swish(images)" TAIL},
    {"no maximum before one that falls and rises", "conv 8 3 pad=1\nsilu\nmax_pool 2\n" SCORES,
     "conv(images) silu(%) max_pool(%)" TAIL, "conv(images) silu(%) max_pool(%)" TAIL,
     "conv+silu(images) max_pool(%)" TAIL},
    {"none such behind a residual",
     "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- n, a\nsilu\n" SCORES,
     "conv(images) conv(%) batch_norm(%,0) silu(%)" TAIL,
     "conv(images) conv(%) batch_norm(%) add(%,0) silu(%)" TAIL,
     "conv(images) conv(%) batch_norm+silu(%,0)" TAIL},
    {"a residual, and the activation behind it",
     "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- n, a\nrelu\n" SCORES,
     "conv(images) conv(%) batch_norm+relu(%,0)" TAIL,
     "conv(images) conv(%) batch_norm(%) add(%,0) relu(%)" TAIL},
    {"a residual from either side",
     "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- a, n\n" SCORES,
     "conv(images) conv(%) batch_norm(%,0)" TAIL, "conv(images) conv(%) batch_norm(%) add(0,%)" TAIL},
    {"of two batch norms one",
     "a: conv 8 3 pad=1\nn: batch_norm\nb: conv 8 3 pad=1 <- a\nm: batch_norm\nadd <- n, m\n" SCORES,
     "conv(images) conv(%) batch_norm(%) batch_norm(0,%)" TAIL,
     "conv(images) batch_norm(%) conv(0) batch_norm(%) add(1,%)" TAIL},
    {"no residual that is batch norm's own input", "a: conv 8 3 pad=1\nn: batch_norm\nadd <- n, a\n" SCORES,
     "conv(images) batch_norm(%) add(%,0)" TAIL, "conv(images) batch_norm(%) add(%,0)" TAIL,
     "conv(images) batch_norm(%,%)" TAIL},
    {"no sum with itself", "conv 8 3 pad=1\nn: batch_norm\nadd <- n, n\n" SCORES,
     "conv(images) batch_norm(%) add(%,%)" TAIL, "conv(images) batch_norm(%) add(%,%)" TAIL},
    {"no sum of three", "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- n, a, b\n" SCORES,
     "conv(images) conv(%) batch_norm(%) add(%,0,1)" TAIL,
     "conv(images) conv(%) batch_norm(%) add(%,0,1)" TAIL},
    {"a residual into a 1x1 convolution at inference", "a: conv 8 1\nb: conv 8 1\nadd <- a, b\nrelu\n" SCORES,
     "conv(images) conv(%) add(0,%) relu(%)" TAIL, "conv(images) conv(%) add(0,%) relu(%)" TAIL,
     "conv(images) conv+relu(%,%)" TAIL},
    {"an activation behind a sum at inference",
     "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nc: conv 8 3 pad=1\nadd <- c, b, a\nrelu\n" SCORES,
     "conv(images) conv(%) conv(%) add(%,1,0) relu(%)" TAIL,
     "conv(images) conv(%) conv(%) add(%,1,0) relu(%)" TAIL,
     "conv(images) conv(%) conv(%) add+relu(%,1,0)" TAIL},
    {"no residual into a convolution of 3x3", "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nadd <- b, a\n" SCORES,
     "conv(images) conv(%) add(%,0)" TAIL, "conv(images) conv(%) add(%,0)" TAIL},
    {"no activation behind a map that is read twice", "c: conv 8 3 pad=1\nr: relu\nadd <- r, c\n" SCORES,
     "conv(images) relu(%) add(%,0)" TAIL, "conv(images) relu(%) add(%,0)" TAIL},
    {"no residual behind a map that is read twice",
     "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\ns: add <- n, a\nconcat <- s, n\n" SCORES,
     "conv(images) conv(%) batch_norm(%) add(%,0) concat(%,2)" TAIL,
     "conv(images) conv(%) batch_norm(%) add(%,0) concat(%,2)" TAIL},
    {"a pooling of 2x2, with the activation between", "conv 8 3 pad=1\nrelu\nmax_pool 2\n" SCORES,
     "conv_pool+relu(images)" TAIL, "conv(images) relu(%) max_pool(%)" TAIL},
    {"no pooling of 3x3", "conv 8 3 pad=1\nmax_pool 3 stride=2\n" SCORES, "conv(images) max_pool(%)" TAIL,
     "conv(images) max_pool(%)" TAIL},
    {"no pooling of 2x2 that overlaps", "conv 8 3 pad=1\nmax_pool 2 stride=1\n" SCORES,
     "conv(images) max_pool(%)" TAIL, "conv(images) max_pool(%)" TAIL},
    {"no average pooling", "conv 8 3 pad=1\navg_pool 2\n" SCORES, "conv(images) avg_pool(%)" TAIL,
     "conv(images) avg_pool(%)" TAIL},
    {"no pooling of a map that is read twice",
     "c: conv 8 3 pad=1\np: max_pool 2\nq: avg_pool 2 <- c\nconcat <- p, q\n" SCORES,
     "conv(images) max_pool(%) avg_pool(0) concat(1,%)" TAIL,
     "conv(images) max_pool(%) avg_pool(0) concat(1,%)" TAIL},
    {"scores behind an activation", "flatten\nlinear classes\nrelu\n", "flatten(images) linear+relu(%)",
     "flatten(images) linear(%) relu(%)"},
};

static void what_an_op_takes_is_fused(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(networks); i++)
        for (int training = 0; training < 2; training++)
            expect(networks[i].network, training,
                   training || networks[i].inference == NULL ? networks[i].fused : networks[i].inference);
}

static void nothing_is_fused_where_it_is_not_wanted(void **state) {
    (void)state;
    setenv("RANGEFINDER_FUSION", "0", 1);
    for (size_t i = 0; i < RF_COUNT(networks); i++) expect(networks[i].network, true, networks[i].plain);
    unsetenv("RANGEFINDER_FUSION");
}

static void the_reference_fuses_nothing(void **state) {
    (void)state;
    const rf_device_kind kind = device->info.kind;
    device->info.kind = RF_DEVICE_REFERENCE;
    for (size_t i = 0; i < RF_COUNT(networks); i++) expect(networks[i].network, true, networks[i].plain);
    device->info.kind = kind;
    setenv("RANGEFINDER_SOLVER", "reference", 1);
    for (size_t i = 0; i < RF_COUNT(networks); i++) expect(networks[i].network, true, networks[i].plain);
    unsetenv("RANGEFINDER_SOLVER");
}

/* So that what is before and behind it is fused; but where it makes the scores. */
static void dropout_goes_at_inference(void **state) {
    (void)state;
    static const char residual[] =
        "a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nd: stochastic_depth 0.2\n"
        "e: dropout 0.5\nadd <- e, a\n" SCORES,
                      scores[] = "flatten\nlinear classes\ndropout 0.5\n";
    expect(residual, false, "conv(images) conv(%) batch_norm(%,0)" TAIL);
    expect(residual, true, "conv(images) conv(%) batch_norm(%) stochastic_depth(%) dropout(%) add(%,0)" TAIL);
    expect(scores, false, "flatten(images) linear(%) dropout(%)");
}

static void batch_norm_is_deferred_where_one_node_reads_it_that_can(void **state) {
    (void)state;
    static const struct {
        const char *network, *expected;
    } cases[] = {
        {"conv 8 3 pad=1\nbatch_norm\nrelu6\nconv 8 3 pad=1 groups=8\n" SCORES,
         "conv(images) batch_norm+relu6*(%) conv(%)" TAIL},
        {"conv 8 3 pad=1\nbatch_norm\nsilu\nconv 12 1\n" SCORES,
         "conv(images) batch_norm+silu*(%) conv(%)" TAIL},
        {"conv 64 3 pad=1\nbatch_norm\nrelu\nconv 64 3 pad=1\n" SCORES,
         "conv(images) batch_norm+relu*(%) conv(%)" TAIL},
        {"conv 8 3 pad=1\nbatch_norm\nrelu\nmax_pool 3 stride=2\n" SCORES,
         "conv(images) batch_norm+relu*(%) max_pool(%)" TAIL},
        {"batch_norm\nconv 8 1\n" SCORES, "batch_norm*(images) conv(%)" TAIL},
        {"c: conv 8 3 pad=1\nbatch_norm\na: conv 8 1\nadd <- a, c\n" SCORES,
         "conv(images) batch_norm*(%) conv(%) add(%,0)" TAIL},
        /* others read it, or it has a residual */
        {"conv 8 3 pad=1\nn: batch_norm\na: conv 8 1\nadd <- a, n\n" SCORES,
         "conv(images) batch_norm(%) conv(%) add(%,1)" TAIL},
        {"a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- n, a\nconv 8 1\n" SCORES,
         "conv(images) conv(%) batch_norm(%,0) conv(%)" TAIL},
        {"flatten\nlinear classes\nbatch_norm\n", "flatten(images) linear(%) batch_norm(%)"},
        /* no solver reads through it, or only slower ones do */
        {"conv 8 3 pad=1\nbatch_norm\navg_pool 2\n" SCORES, "conv(images) batch_norm(%) avg_pool(%)" TAIL},
        {"conv 8 3 pad=1\nbatch_norm\nconv 8 3 pad=1 stride=2\n" SCORES,
         "conv(images) batch_norm(%) conv(%)" TAIL},
        {"conv 64 3 pad=1\nbatch_norm\nconv 256 3 pad=1\n" SCORES, "conv(images) batch_norm(%) conv(%)" TAIL},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++)
        for (int wanted = 1; wanted >= 0; wanted--) {
            if (!wanted) setenv("RANGEFINDER_FUSION", "0", 1);
            rf_model *model = model_of(cases[i].network);
            rf_lowered *lowered = lowered_of(model, true, NULL);
            assert_int_equal(rf_defer_norms(lowered, device, NULL), RF_OK);
            char *text = text_of(lowered);
            if (wanted ? strcmp(text, cases[i].expected) != 0 : strchr(text, '*') != NULL)
                fail_msg("%s\nbecomes  %s\nand not  %s", cases[i].network, text, cases[i].expected);
            for (int k = 0; k < lowered->count; k++) {
                const int before = lowered->nodes[k].input[0];
                assert_true(lowered->nodes[k].problem.normed ==
                            (before >= 0 && lowered->nodes[before].problem.deferred));
            }
            free(text);
            rf_lowered_free(lowered);
            rf_model_free(model);
            unsetenv("RANGEFINDER_FUSION");
        }
}

/* The scores are what the fused node writes; the loss stays a node of its own. */
static void scores_and_loss_stay(void **state) {
    (void)state;
    static const char network[] = "flatten\nl: linear classes\nrelu\n";
    rf_model *model = model_of(network);
    rf_lowered *lowered = lowered_of(model, true, "cross_entropy");
    assert_int_equal(lowered->count, 3);
    assert_int_equal(lowered->scores, 1);
    assert_int_equal(lowered->loss, 2);
    assert_string_equal(lowered->nodes[2].problem.op->name, "cross_entropy");
    assert_int_equal(lowered->nodes[2].input[0], 1);
    assert_int_equal(lowered->nodes[2].input[1], RF_FROM_LABELS);
    rf_lowered_free(lowered);
    rf_model_free(model);
}

/* A fused node has the parameters, and the name, of the one that it began as. */
static void a_fused_node_keeps_its_parameters(void **state) {
    (void)state;
    rf_model *model =
        model_of("a: conv 8 3 pad=1\nb: conv 8 3 pad=1\nn: batch_norm\nadd <- a, n\nrelu\n" SCORES);
    rf_lowered *lowered = lowered_of(model, true, NULL);
    const rf_lowered_node *node = &lowered->nodes[2];
    assert_string_equal(node->name, "n");
    assert_int_equal(node->model_node, 3);
    assert_int_equal(node->problem.x[0].c, 8);
    assert_int_equal(node->problem.x[1].c, 8);
    rf_lowered_free(lowered);
    rf_model_free(model);
}

/* As docs/performance.md says. */
static void convolutions_get_the_solvers_that_are_made_for_them(void **state) {
    (void)state;
    static const struct {
        const char *layer, *solver[RF_DIRECTIONS];
    } cases[] = {
        {"conv 64 3 pad=1", {"winograd_tile", "winograd_tile", "winograd_tile"}},
        {"conv 64 5 pad=2", {"winograd_tile", "winograd_tile", "winograd_tile"}},
        {"conv 64 1", {"pointwise_tile", "wgrad_tile", "pointwise_tile"}},
        {"conv 64 1 stride=2", {"pointwise_tile", "wgrad_tile", "pointwise_tile"}},
        {"conv 64 3 pad=1 stride=2", {"conv_tile", "wgrad_tile", "conv_tile"}},
        {"conv 64 3 pad=4 dilation=4", {"conv_tile", "conv_tile", "conv_tile"}},
        {"conv 128 3 pad=1 groups=128", {"depthwise_tile", "depthwise_tile", "depthwise_tile"}},
        {"conv 64 3 pad=1 groups=8", {"grouped_tile", "grouped_tile", "grouped_tile"}},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        char *text = rf_format("conv 128 1\n%s\n" SCORES, cases[i].layer);
        rf_model *model = model_of(text);
        rf_lowered *lowered = lowered_of(model, true, NULL);
        for (int d = 0; d < RF_DIRECTIONS; d++) {
            rf_choice choice;
            assert_int_equal(rf_choose(&choice, 1, &lowered->nodes[1].problem, d, device, NULL), 1);
            if (strcmp(choice.solver->name, cases[i].solver[d]) != 0)
                fail_msg("%s, %s: %s rather than %s", cases[i].layer, rf_direction_names[d],
                         choice.solver->name, cases[i].solver[d]);
        }
        rf_lowered_free(lowered);
        rf_model_free(model);
        free(text);
    }
}

/* What is left to the reference is not fused.  The last test: a quarantine stays. */
static void a_quarantined_op_is_not_fused(void **state) {
    (void)state;
    static const char network[] = "conv 8 3 pad=1\nrelu\nmax_pool 2\n" SCORES;
    rf_device_quarantine(device, "max_pool.backward_data", "the test says so");
    expect(network, false, "conv_pool+relu(images)" TAIL);
    expect(network, true, "conv+relu(images) max_pool(%)" TAIL);
    rf_device_quarantine(device, "conv.forward", "the test says so");
    expect(network, false, "conv(images) relu(%) max_pool(%)" TAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_op_takes_is_fused),
        cmocka_unit_test(nothing_is_fused_where_it_is_not_wanted),
        cmocka_unit_test(the_reference_fuses_nothing),
        cmocka_unit_test(dropout_goes_at_inference),
        cmocka_unit_test(batch_norm_is_deferred_where_one_node_reads_it_that_can),
        cmocka_unit_test(scores_and_loss_stay),
        cmocka_unit_test(a_fused_node_keeps_its_parameters),
        cmocka_unit_test(convolutions_get_the_solvers_that_are_made_for_them),
        cmocka_unit_test(a_quarantined_op_is_not_fused),
    };
    if (rf_device_open(&device, "reference") != RF_OK) {
        fprintf(stderr, "lower_test: %s\n", rf_error_message());
        return 1;
    }
    const rf_device_info info = device->info;
    device->info.kind = RF_DEVICE_CPU;
    device->info.vector_width = device->info.native_vector_width = 8;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device->info = info;
    rf_device_close(device);
    return failed;
}
