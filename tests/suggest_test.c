/* Curves and the known libraries' suggestions for them. The golden numbers come from the libraries
 * themselves: pytorch-lr-finder 0.2.2, fastai 2.8.12, Lightning 2.6.6, Ignite 0.5.5. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "curve/curve.h"
#include "curve/method.h"

enum { STEPS = 100 };

/* Each library's own ladder of rates. */
typedef double ladder(int i);
static double pytorch_ladder(int i) {
    return 1e-5 * pow(10 / 1e-5, i / (STEPS - 1.));
}
static double fastai_ladder(int i) {
    return 1e-7 * pow(10 / 1e-7, (double)i / STEPS);
}
static double lightning_ladder(int i) {
    return i == 0 ? 1e-8 : 1e-8 * pow(1 / 1e-8, (i + 1.) / STEPS);
}

static double golden_loss(double lr, int i) {
    const double x = log10(lr);
    return 2.3 - 1.6 / (1 + exp(-3 * (x + 2.2))) + exp(4 * (x - 0.3)) + 0.05 * sin(1.7 * i);
}

static rf_curve *golden_curve(ladder *rates, int count) {
    double lr[STEPS], loss[STEPS];
    rf_curve *curve;
    for (int i = 0; i < count; i++) {
        lr[i] = rates(i);
        loss[i] = golden_loss(lr[i], i);
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, (size_t)count), RF_OK);
    return curve;
}

static rf_suggestion answer(const rf_curve *curve, const char *method, bool raw) {
    rf_suggestion *list, found = {0};
    size_t count;
    assert_int_equal(rf_curve_suggest(&list, &count, curve, &(rf_suggest_options){.raw = raw}), RF_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].method, method) == 0) found = list[i];
    free(list);
    assert_non_null(found.method);
    return found;
}

static void every_rule_gives_its_librarys_number(void **state) {
    static const struct {
        const char *method, *lr;
        ladder *ladder;
        bool raw;
        int points, index; /* index in the curve, where the answer is one of its rates */
    } golden[] = {
        {"steepest", "1.873817e-02", pytorch_ladder, false, 100, 54},
        {"steepest", "6.135907e-03", pytorch_ladder, true, 93, 46},
        {"valley", "5.248075e-03", fastai_ladder, false, 100, 59},
        {"slide", "1.584893e-02", fastai_ladder, false, 100, 65},
        {"minimum", "1.584893e-01", fastai_ladder, false, 100, -1},
        {"steep", "2.754229e-02", fastai_ladder, false, 100, 68},
        {"lightning", "1.905461e-03", lightning_ladder, false, 100, 65},
        {"ignite", "1.873817e-02", pytorch_ladder, false, 100, 54},
        {"valley", "5.248075e-03", fastai_ladder, true, 100, 59},
        {"slide", "4.365158e-05", fastai_ladder, true, 100, 33},
        {"minimum", "1.445440e-02", fastai_ladder, true, 100, -1},
        {"steep", "3.630781e-03", fastai_ladder, true, 100, 57},
        {"lightning", "1.318257e-07", lightning_ladder, true, 100, 13},
        {"ignite", "6.135907e-03", pytorch_ladder, true, 93, 46},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(golden); i++) {
        char text[32];
        rf_curve *const curve = golden_curve(golden[i].ladder, golden[i].points);
        const rf_suggestion found = answer(curve, golden[i].method, golden[i].raw);
        snprintf(text, sizeof text, "%.6e", found.lr);
        assert_string_equal(text, golden[i].lr);
        assert_string_equal(found.reason, "");
        if (golden[i].index >= 0) assert_true(found.lr == curve->lr[golden[i].index]);
        rf_curve_free(curve);
    }
}

static void smoothing_and_stop_are_the_librarys(void **state) {
    (void)state;
    double out[STEPS], three[] = {1, 1, 1}, jump[] = {1, 1, 1, 1000, 1};
    rf_curve *const curve = golden_curve(pytorch_ladder, STEPS);
    assert_int_equal(rf_smooth_pytorch(out, curve->loss, STEPS), STEPS);
    assert_float_equal(out[0], 2.2996403, 1e-7);
    assert_float_equal(out[99], 4.0479801, 1e-7);
    rf_curve_free(curve);

    rf_smooth_fastai(out, three, 3);
    assert_float_equal(out[2], 1, 1e-6);
    rf_smooth_lightning(out, three, 3); /* the correction is one step ahead */
    assert_float_equal(out[0], 0.02 / (1 - 0.98 * 0.98), 1e-12);
    assert_int_equal(rf_smooth_pytorch(out, jump, 5), 4);
    assert_int_equal(rf_smooth_fastai(out, jump, 5), 4);
    assert_int_equal(rf_smooth_lightning(out, jump, 5), 4);
}

static void too_few_points_give_a_reason(void **state) {
    (void)state;
    rf_curve *const one = golden_curve(fastai_ladder, 1), *const few = golden_curve(fastai_ladder, 16);
    rf_suggestion *list;
    size_t count;
    assert_int_equal(rf_curve_suggest(&list, &count, one, NULL), RF_OK);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(isnan(list[i].lr));
        assert_string_not_equal(list[i].reason, "");
    }
    free(list);
    assert_string_equal(answer(few, "steepest", false).reason, "needs 17 points, has 16");
    assert_string_equal(answer(few, "slide", false).reason,
                        "10 of 16 points are left after trimming, 16 needed");
    assert_false(isnan(answer(few, "valley", false).lr));
    rf_curve_free(one);
    rf_curve_free(few);
}

/* Libraries do not stop at a NaN; what they then say is odd, but it is what they say. */
static void a_nan_does_to_each_rule_what_it_does_there(void **state) {
    (void)state;
    double lr[60], loss[60];
    rf_curve *curve;
    for (int i = 0; i < 60; i++) {
        lr[i] = pow(10, -6 + i / 10.);
        loss[i] = i < 40 ? 2 - i * 0.01 * (i == 30) - i * 0.02 : NAN;
    }
    assert_int_equal(rf_curve_create(&curve, lr, loss, 60), RF_OK);
    assert_int_equal(curve->count, 41);
    assert_int_equal(curve->planned, 60);
    assert_int_equal(curve->stop, RF_STOP_NOT_FINITE);
    assert_true(isnan(curve->smoothed[40]));
    assert_true(answer(curve, "steepest", true).lr == lr[39]); /* NumPy's argmin: the first NaN */
    assert_true(answer(curve, "ignite", true).lr == lr[39]);
    assert_true(answer(curve, "steep", true).lr == lr[29]); /* fastai cuts the NaNs off */
    rf_curve_free(curve);

    for (int i = 5; i < 60; i++) loss[i] = NAN;
    assert_int_equal(rf_curve_create(&curve, lr, loss, 60), RF_OK);
    assert_string_equal(answer(curve, "steepest", true).reason,
                        "not finite after 6 steps, before the rule's step 11");
    rf_curve_free(curve);
}

/* A long flat or falling curve must not take the square of its length. */
static void a_million_points_take_no_time(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    double *const lr = rf_alloc(MANY, sizeof *lr), *const loss = rf_alloc(MANY, sizeof *loss);
    rf_curve *curve;
    for (int i = 0; i < MANY; i++) lr[i] = i + 1, loss[i] = MANY - i;
    assert_int_equal(rf_curve_create(&curve, lr, loss, MANY), RF_OK);
    const clock_t start = clock(); /* of the processor: whatever else the machine does */
    assert_false(isnan(answer(curve, "valley", true).lr));
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    rf_curve_free(curve);
    free(lr);
    free(loss);
}

/* ---- files of other libraries ---- */

static rf_status read_text(rf_curve **curve, const char *text) {
    char path[] = "/tmp/rangefinder-curve-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    const rf_status status = rf_curve_read(curve, path);
    unlink(path);
    return status;
}

/* Writes a curve as JSON, in the form that `format` gives with the rates and the losses in it; reads it back. */
static rf_curve *read_written(const char *format, const double *lr, const double *loss, size_t count) {
    rf_str rates = {0}, losses = {0};
    rf_curve *curve;
    for (size_t i = 0; i < count; i++) {
        rf_str_addf(&rates, "%s%.17g", i ? ", " : "", lr[i]);
        rf_str_addf(&losses, "%s%.17g", i ? ", " : "", loss[i]);
    }
    char *const text = rf_format(format, rf_str_text(&rates), rf_str_text(&losses));
    if (read_text(&curve, text) != RF_OK) fail_msg("%s", rf_error_message());
    free(text);
    rf_str_free(&rates);
    rf_str_free(&losses);
    return curve;
}

/* A file that a library wrote after its own run on the golden losses: the library's row is what it says there
 * (the golden numbers again), and so are all others, since the raw losses come back. */
static void a_librarys_own_file_is_smoothed_already(void **state) {
    static const struct {
        const char *format, *method, *lr;
        ladder *ladder;
        rf_smooth *smooth;
        rf_smoothing smoothing;
    } files[] = {
        {"{\"lr\": [%s], \"loss\": [%s]}", "steepest", "1.873817e-02", pytorch_ladder, rf_smooth_pytorch,
         RF_SMOOTHING_PYTORCH},
        {"{\"lr\": [%s], \"loss\": [%s]}", "ignite", "1.873817e-02", pytorch_ladder, rf_smooth_pytorch,
         RF_SMOOTHING_PYTORCH},
        {"{\"lr\": [%s], \"loss\": [%s]}", "lightning", "1.905461e-03", lightning_ladder, rf_smooth_lightning,
         RF_SMOOTHING_LIGHTNING},
        {"{\"lrs\": [%s], \"losses\": [%s]}", "valley", "5.248075e-03", fastai_ladder, rf_smooth_fastai,
         RF_SMOOTHING_FASTAI},
        {"{\"lrs\": [%s], \"losses\": [%s]}", "slide", "1.584893e-02", fastai_ladder, rf_smooth_fastai,
         RF_SMOOTHING_FASTAI},
        {"{\"lrs\": [%s], \"losses\": [%s]}", "steep", "2.754229e-02", fastai_ladder, rf_smooth_fastai,
         RF_SMOOTHING_FASTAI},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        const double tolerance =
            files[i].smoothing == RF_SMOOTHING_FASTAI ? 1e-3 : 1e-12; /* fastai: float32 */
        double smoothed[STEPS];
        char text[32];
        rf_curve *const raw = golden_curve(files[i].ladder, STEPS);
        const size_t count = files[i].smooth(smoothed, raw->loss, STEPS);
        rf_curve *const curve = read_written(files[i].format, raw->lr, smoothed, count);
        assert_int_equal(curve->smoothing, files[i].smoothing);
        snprintf(text, sizeof text, "%.6e", answer(curve, files[i].method, false).lr);
        assert_string_equal(text, files[i].lr);
        for (size_t k = 0; k < count; k++) {
            assert_true(curve->recorded[k] == smoothed[k]);
            assert_true(fabs(curve->loss[k] - raw->loss[k]) < tolerance);
        }
        rf_curve_free(curve);
        rf_curve_free(raw);
    }
}

/* pytorch-lr-finder with smooth_f 0 and diverge_th 1e9, or a file in its form that someone else wrote: its row
 * is still np.gradient's minimum over what stands there, and the losses are what stands there. */
static void losses_that_nobody_smoothed_are_not_undone(void **state) {
    (void)state;
    rf_curve *const raw = golden_curve(pytorch_ladder, 93);
    rf_curve *const curve = read_written("{\"lr\": [%s], \"loss\": [%s]}", raw->lr, raw->loss, raw->count);
    assert_null(curve->recorded);
    assert_int_equal(curve->smoothing, RF_SMOOTHING_PYTORCH);
    for (size_t i = 0; i < curve->count; i++) assert_true(curve->loss[i] == raw->loss[i]);
    assert_true(answer(curve, "steepest", false).lr == raw->lr[46]);
    assert_true(answer(curve, "valley", false).lr == answer(raw, "valley", false).lr);
    rf_curve_free(curve);
    rf_curve_free(raw);
}

static void smoothing_can_be_set(void **state) {
    (void)state;
    double smoothed[STEPS];
    rf_curve *const raw = golden_curve(pytorch_ladder, STEPS);
    rf_smooth_pytorch(smoothed, raw->loss, STEPS);
    rf_curve *const curve =
        read_written("{\"lr\": [%s], \"loss\": [%s], \"seed\": [1]}", raw->lr, smoothed, STEPS);
    assert_int_equal(curve->smoothing, RF_SMOOTHING_NONE);
    assert_true(answer(curve, "steepest", false).lr > 2 * raw->lr[54]); /* smoothed twice: late */
    assert_int_equal(rf_curve_set_smoothing(curve, RF_SMOOTHING_PYTORCH), RF_OK);
    assert_true(answer(curve, "steepest", false).lr == raw->lr[54]);
    for (int i = 0; i < STEPS; i++) assert_true(fabs(curve->smoothed[i] - raw->smoothed[i]) < 1e-9);
    assert_int_equal(rf_curve_set_smoothing(curve, RF_SMOOTHING_NONE), RF_OK);
    for (int i = 0; i < STEPS; i++) assert_true(curve->loss[i] == smoothed[i]);
    assert_null(curve->recorded);
    rf_curve_free(curve);
    rf_curve_free(raw);
}

/* ---- curves ---- */

static void smoothed_is_a_centred_gaussian_of_capped_losses(void **state) {
    (void)state;
    double lr[41], loss[41], sum = 0;
    rf_curve *curve;
    for (int i = 0; i < 41; i++) lr[i] = i + 1, loss[i] = 1;
    loss[20] = 2;
    assert_int_equal(rf_curve_create(&curve, lr, loss, 41), RF_OK);
    for (int i = -20; i <= 20; i++) sum += exp(-0.5 * i * i / 9);
    assert_float_equal(curve->smoothed[20], 1 + 1 / sum, 1e-9);
    assert_float_equal(curve->smoothed[17], curve->smoothed[23], 1e-12);
    assert_float_equal(curve->smoothed[17], 1 + exp(-0.5) / sum, 1e-9);
    rf_curve_free(curve);
    loss[20] = 1e9; /* counts as three times the first five's mean */
    assert_int_equal(rf_curve_create(&curve, lr, loss, 41), RF_OK);
    assert_float_equal(curve->smoothed[20], 1 + 2 / sum, 1e-9);
    rf_curve_free(curve);
}

static void csv_and_json_are_read_in_all_their_forms(void **state) {
    static const char *const same[] = {
        "1e-3,2\n1e-2,1\n",
        "lr,loss\n1e-3,2\n1e-2,1",
        "lr,loss,smoothed\r\n1e-3,2,2\r\n1e-2,1,1\r\n",
        "# of a run\n\n\"loss\", \"LR\"\n 2.0 , 0.001\n\n1.0,.01\n",
        "step;learning_rate;loss\n1;0,001;2,0\n2;0,01;1,0\n",
        "1e-3\t2\n1e-2\t1\n",
        "  1e-3   2\n  1e-2   1  \n",
        "\xEF\xBB\xBFlr,loss\n1e-3,2\n1e-2,1\n",
        "lrs,losses\n0.001,2.0\n0.01,1.0\n",
        "{\"lr\": [1e-3, 0.01], \"loss\": [2, 1]}",
        /* pandas: to_csv, and to_json in every orientation and a line an object */
        ",lr,loss\n0,0.001,2.0\n1,0.01,1.0\n",
        "Unnamed: 0,loss,lr\n0,2.0,0.001\n1,1.0,0.01\n",
        "{\"lr\":{\"0\":0.001,\"1\":0.01},\"loss\":{\"0\":2.0,\"1\":1.0}}",
        "[{\"lr\":0.001,\"loss\":2.0},{\"lr\":0.01,\"loss\":1.0}]",
        "{\"columns\":[\"epoch\",\"loss\",\"lr\"],\"index\":[0,1],\"data\":[[0,2.0,0.001],[1,1.0,0.01]]}",
        "{\"0\":{\"lr\":0.001,\"loss\":2.0},\"1\":{\"lr\":0.01,\"loss\":1.0}}",
        "[[0.001,2.0],[0.01,1.0]]",
        "{\"schema\":{\"fields\":[{\"name\":\"lr\",\"type\":\"number\"}],\"pandas_version\":\"1.4.0\"},"
        "\"data\":[{\"index\":0,\"lr\":0.001,\"loss\":2.0},{\"index\":1,\"lr\":0.01,\"loss\":1.0}]}",
        "{\"lr\":0.001,\"loss\":2.0}\n{\"lr\":0.01,\"loss\":1.0}\n",
        "{\"learning_rate\":[0.001,0.01],\"train_loss\":[2,1],\"epoch\":[0,1]}",
        "{\"loss\":[2,1],\"val_loss\":[9,8],\"accuracy\":[0,0],\"lr\":[0.001,0.01]}",
        "{\"lr\":0.5,\"optimizer\":\"sgd\",\"history\":{\"lr\":[0.001,0.01],\"loss\":[2,1]}}",
        /* Keras' CSVLogger, old and new; Lightning's, whose rows hold a rate or a loss */
        "epoch,loss,lr\n0,2.0,0.001\n1,1.0,0.01\n",
        "epoch,accuracy,learning_rate,loss\n0,0.1,0.001,2.0\n1,0.2,0.01,1.0\n",
        "epoch,lr-Adam,step,train_loss\n0,0.001,0,\n0,,0,2.0\n0,0.01,1,\n0,,1,1.0\n",
        "epoch,lr-SGD/"
        "pg1,step,train_loss_epoch,train_loss_step,val_loss\n0,1e-4,0,,,\n0,0.001,0,,,\n0,,0,,2.0,\n"
        "0,,,,,3\n0,0.01,1,,,\n0,,1,,1.0,\n0,,1,1.5,,\n",
        "[{\"lr-Adam\":0.001,\"step\":0},{\"loss\":2.0,\"step\":0},{\"lr-Adam\":0.01},{\"loss\":1.0}]",
        /* decimal commas */
        "lr;loss\n0,001;2,0\n0,01;1,0\n",
        "lr\tloss\n0,001\t2,0\n0,01\t1,0\n",
        "0,001 2,0\n0,01 1,0\n",
        " 0.001,2 \r\n 0.01,1 \r\n", /* none */
        "\"lr\";\"loss\"\r\n\"1,0E-03\";\"2,0\"\r\n\"1,0E-02\";\"1,0\"\r\n",
        /* NumPy's savetxt with a header */
        "# loss lr\n2.0 0.001\n1.0 0.01\n",
        "{\"device\": \"x\", \"curve\": {\"lr\": [1e-3, 0.01], \"loss\": [2.0, 1.0], \"smoothed\": [2, 1]}}",
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(same); i++) {
        rf_curve *curve;
        assert_int_equal(read_text(&curve, same[i]), RF_OK);
        assert_int_equal(curve->count, 2);
        assert_true(curve->lr[0] == 1e-3 && curve->lr[1] == 1e-2);
        assert_true(curve->loss[0] == 2 && curve->loss[1] == 1);
        rf_curve_free(curve);
    }
}

/* ---- memory ---- */

typedef void row(rf_str *out, int i);
static void csv_row(rf_str *out, int i) {
    rf_str_addf(out, "%d,1\n", i + 1);
}
static void record(rf_str *out, int i) {
    rf_str_addf(out, "%s{\"lr\":%d,\"loss\":1}", i ? "," : "[", i + 1);
}
static void json_line(rf_str *out, int i) {
    rf_str_addf(out, "{\"lr\":%d,\"loss\":1}\n", i + 1);
}
static void cell(rf_str *out, int i) {
    rf_str_addf(out, "%s[%d,1]", i ? "," : "[", i + 1);
}
static void rate(rf_str *out, int i) {
    rf_str_addf(out, "%s%d", i ? "," : "{\"lr\":[", i + 1);
}
static void one(rf_str *out, int i) {
    rf_str_add(out, i ? ",1" : "],\"loss\":[1");
}
static void other(rf_str *out, int i) {
    rf_str_addf(out, "%s[[],{},\"\"]", i ? "," : "{\"x\":[");
}

/* Bytes that reading takes at its peak, beyond what the process has. */
static size_t peak_of_reading(const char *path, rf_status *status) {
    int ends[2];
    size_t result[2] = {0};
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rusage before, after;
        rf_curve *curve;
        getrusage(RUSAGE_SELF, &before);
        result[0] = (size_t)rf_curve_read(&curve, path);
        getrusage(RUSAGE_SELF, &after);
        result[1] = (size_t)(after.ru_maxrss - before.ru_maxrss) << 10;
        _exit(write(ends[1], result, sizeof result) != sizeof result);
    }
    assert_int_equal(read(ends[0], result, sizeof result), sizeof result);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    *status = (rf_status)result[0];
    return result[1];
}

/* The address sanitizer keeps what is freed for a while, and a margin around everything. */
#ifdef __SANITIZE_ADDRESS__
enum { KEPT = 3 };
#else
enum { KEPT = 1 };
#endif

static void reading_takes_a_small_multiple_of_the_file(void **state) {
    static const struct {
        row *rows[2];
        const char *end;
        rf_status status;
    } files[] = {{{csv_row}, "", RF_OK},  {{record}, "]", RF_OK},     {{json_line}, "", RF_OK},
                 {{cell}, "]", RF_OK},    {{rate, one}, "]}", RF_OK}, {{other}, "]}", RF_E_INPUT},
                 {{rate}, "", RF_E_INPUT}};
    enum { ROWS = 400000, TIMES = 8 * KEPT, SLACK = 4 << 20 };
    (void)state;
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* what is freed here goes back, and is not at hand there */
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        char path[] = "/tmp/rangefinder-curve-XXXXXX";
        rf_str text = {0};
        rf_status status;
        close(mkstemp(path));
        for (int k = 0; k < 2; k++)
            for (int r = 0; r < ROWS && files[i].rows[k]; r++) files[i].rows[k](&text, r);
        rf_str_add(&text, files[i].end);
        assert_int_equal(rf_file_write(path, text.data, text.length), RF_OK);
        const size_t size = text.length;
        rf_str_free(&text);
        const size_t peak = peak_of_reading(path, &status);
        unlink(path);
        assert_int_equal(status, files[i].status);
        if (peak > TIMES * size + SLACK) fail_msg("file %zu: %zu bytes for one of %zu", i, peak, size);
        print_message("%.1f times its size\n", (double)peak / (double)size);
    }
}

static void a_loss_may_be_not_finite_at_the_end_only(void **state) {
    static const char *const ends[] = {"1,2\n2,nan\n",
                                       "1,2\n2,\n3,NaN\n",
                                       "1,2\n2,inf\n",
                                       "lr,loss\n1,2\n2,null",
                                       "{\"lr\": [1, 2, 3], \"loss\": [2, NaN, null]}",
                                       "{\"lr\": [1, 2], \"loss\": [2, -Infinity]}"};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(ends); i++) {
        rf_curve *curve;
        assert_int_equal(read_text(&curve, ends[i]), RF_OK);
        assert_int_equal(curve->count, 2);
        assert_false(isfinite(curve->loss[1]));
        assert_int_equal(curve->stop, RF_STOP_NOT_FINITE);
        rf_curve_free(curve);
    }
}

static void bad_curves_are_refused_with_the_place(void **state) {
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "is empty"},
        {"lr,loss\n", "no points"},
        {"# nothing\n\n", "no points"},
        {"lr,acc\n1,2\n", "line 1: the header names no column 'loss'"},
        {"step,loss\n1,2\n", "line 1: the header names no column 'lr'"},
        {"1e-3\n1e-2\n", "line 1: 1 column, expected lr,loss"},
        {"1,2\n2\n", "line 2: 1 column, expected lr,loss"},
        {"1,2\nx,2\n", "line 2: 'x' is no learning rate"},
        {"1,2\n2,bad\n", "line 2: 'bad' is no loss"},
        {"1,2\n2,3 4\n", "line 2: '3 4' is no loss"},
        {"1,2\n\n1,3\n", "line 3: the learning rate 1 is the same as the one before"},
        {"0.000001,2\n0.000001,3\n", "rounded when it was written; write rates with more digits"},
        {"{\"lr\": [1, 1], \"loss\": [1, 2]}", "index 1: the learning rate 1 is the same"},
        {"2,2\n1,3\n", "line 2: the learning rate 1 is not above"},
        {"0,2\n1,3\n", "line 1: the learning rate is 0, expected a positive number"},
        {"-1,2\n1,3\n", "line 1: the learning rate is -1"},
        {"nan,2\n", "line 1: the learning rate is nan"},
        {"inf,2\n", "line 1: the learning rate is inf"},
        {"1,2\n2,nan\n3,2\n", "line 3: the loss is 2 after one that is not finite"},
        {"{\"lr\": [1, 2, 3], \"loss\": [2, NaN, 3]}", "index 2: the loss is 3 after one that is not finite"},
        {"{", "line 1"},
        {"[1, 2]", "no array \"lr\""},
        {"{\"lr\": [1, 2]}", "no array \"loss\""},
        {"{\"lr\": [1, 2], \"loss\": [1]}", "2 learning rates but 1 losses"},
        {"{\"lr\": [1, \"2\"], \"loss\": [1, 2]}", "lr[1]: not a number"},
        {"{\"lr\": [1, 2], \"loss\": [1, [2]]}", "loss[1]: neither a number nor null"},
        {"{\"lr\": [1], \"lr\": [2], \"loss\": [1]}", "duplicate"},
        {"{\"lr\": [1e999], \"loss\": [1]}", "line 1"},
        {"{\"lr\": [], \"loss\": []}", "no points"},
        {"{\"lr\": [1], \"loss\": [1]} trailing", "line 1"},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        rf_curve *curve;
        assert_int_equal(read_text(&curve, bad[i].text), RF_E_INPUT);
        assert_null(curve);
        if (!strstr(rf_error_message(), bad[i].message)) fail_msg("%s: %s", bad[i].text, rf_error_message());
    }
    rf_curve *curve;
    assert_int_equal(rf_curve_read(&curve, "/no/such/file.csv"), RF_E_IO);
    assert_int_equal(rf_curve_create(&curve, NULL, NULL, 0), RF_E_INPUT);
}

static void a_depth_of_100000_is_an_error(void **state) {
    enum { DEPTH = 100000 };
    (void)state;
    static char text[2 * DEPTH + 16];
    rf_curve *curve;
    memset(text, '[', DEPTH);
    assert_int_equal(read_text(&curve, text), RF_E_INPUT);
    strcpy(text, "{\"no\":");
    memset(text + 6, '[', DEPTH);
    memset(text + 6 + DEPTH, ']', DEPTH);
    strcpy(text + 6 + 2 * DEPTH, "}");
    assert_int_equal(read_text(&curve, text), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "depth"));
}

static void rates_read_well(void **state) {
    static const struct {
        double lr;
        const char *text;
    } cases[] = {{3.16e-3, "3.2e-3"}, {1e-3, "1e-3"},   {9.96e-3, "0.01"}, {0.0321, "0.032"},
                 {0.1, "0.1"},        {1.58, "1.6"},    {15.8, "16"},      {158, "158"},
                 {1000, "1e3"},       {2.5e4, "2.5e4"}, {1e-12, "1e-12"}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++)
        assert_string_equal(rf_rate(cases[i].lr).text, cases[i].text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_gives_its_librarys_number),
        cmocka_unit_test(smoothing_and_stop_are_the_librarys),
        cmocka_unit_test(too_few_points_give_a_reason),
        cmocka_unit_test(a_nan_does_to_each_rule_what_it_does_there),
        cmocka_unit_test(a_million_points_take_no_time),
        cmocka_unit_test(a_librarys_own_file_is_smoothed_already),
        cmocka_unit_test(losses_that_nobody_smoothed_are_not_undone),
        cmocka_unit_test(smoothing_can_be_set),
        cmocka_unit_test(smoothed_is_a_centred_gaussian_of_capped_losses),
        cmocka_unit_test(csv_and_json_are_read_in_all_their_forms),
        cmocka_unit_test(reading_takes_a_small_multiple_of_the_file),
        cmocka_unit_test(a_loss_may_be_not_finite_at_the_end_only),
        cmocka_unit_test(bad_curves_are_refused_with_the_place),
        cmocka_unit_test(a_depth_of_100000_is_an_error),
        cmocka_unit_test(rates_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
