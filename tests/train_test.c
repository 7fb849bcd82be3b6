/* Training: a run that is stopped and resumed has the bits of the one that never was; what a folder keeps; when a run
 * stops by itself; evaluation. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "files.h"
#include "rangefinder/rangefinder.h"

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

static rf_device *device;
static rf_dataset *digits;

static const char network[] = "conv1: conv 5 3 pad=1 bias=no\nbn1: batch_norm\nrelu\nmax_pool 2\n"
                              "drop: dropout 0.3\nflatten\nfc1: linear classes\n";

static rf_model *model_of(const char *text) {
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, text, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    return model;
}

static rf_trainer *trainer_with(const char *text, rf_trainer_desc desc) {
    rf_trainer *trainer = NULL;
    rf_model *model = model_of(text);
    desc.device = device;
    desc.model = model;
    desc.dataset = desc.dataset != NULL ? desc.dataset : digits;
    desc.seed = 7;
    CHECK(rf_trainer_create(&trainer, &desc));
    rf_model_free(model);
    return trainer;
}

static rf_trainer *trainer_of(rf_trainer_desc desc) {
    return trainer_with(network, desc);
}

/* ---- resuming ---- */

static const struct {
    rf_trainer_desc trainer;
    rf_train_desc train;
} runs[] = {
    {{.batch = 100, .optimizer = "adam", .validation = 300}, {.lr = 0.01, .epochs = 5}},
    {{.batch = 60, .accumulate = 2, .optimizer = "sgd momentum=0.9", .validation = 97},
     {.lr = 0.03,
      .epochs = 7,
      .schedule = "plateau patience=0 threshold=0.2 factor=0.5",
      .validate_every = 2}},
    {{.batch = 128, .optimizer = "sgd"}, {.lr = 0.1, .epochs = 4, .schedule = "onecycle"}},
};

/* Stops after so many steps of this call. */
static bool stop_later(void *context, const rf_train_progress *now) {
    (void)now;
    return --*(int *)context > 0;
}

static void train_with_stops(rf_train_result *result, size_t run, const char *folder, int steps_each) {
    rf_train_desc desc = runs[run].train;
    desc.folder = folder;
    desc.save_every = -1;
    for (int part = 0;; part++) {
        int left = steps_each;
        rf_trainer *trainer = trainer_of(runs[run].trainer);
        desc.resume = part > 0;
        desc.progress = steps_each > 0 ? stop_later : NULL;
        desc.context = &left;
        CHECK(rf_train(result, trainer, &desc));
        rf_trainer_free(trainer);
        if (result->stop == RF_STOP_COMPLETED) return;
        assert_int_equal(result->stop, RF_STOP_INTERRUPTED);
        assert_true(part < 200);
    }
}

static void assert_same_file(const char *folder, const char *other, const char *name) {
    char a[256], b[256];
    void *data[2] = {NULL, NULL};
    size_t length[2];
    snprintf(a, sizeof a, "%s/%s", folder, name);
    snprintf(b, sizeof b, "%s/%s", other, name);
    CHECK(rf_file_read(&data[0], &length[0], a, 1 << 24));
    CHECK(rf_file_read(&data[1], &length[1], b, 1 << 24));
    if (length[0] != length[1] || memcmp(data[0], data[1], length[0]) != 0)
        fail_msg("%s of the run that was stopped is another", name);
    free(data[0]);
    free(data[1]);
}

static void a_run_that_was_stopped_ends_with_the_same_bits(void **unused) {
    (void)unused;
    for (size_t r = 0; r < RF_COUNT(runs); r++) {
        rf_train_result whole, parts;
        char first[64], second[64];
        snprintf(first, sizeof first, "%s", at("whole%zu", r));
        snprintf(second, sizeof second, "%s", at("parts%zu", r));
        train_with_stops(&whole, r, first, 0);
        train_with_stops(&parts, r, second, 9);
        assert_same_file(first, second, "state.safetensors");
        assert_same_file(first, second, "last.safetensors");
        assert_int_equal(whole.best.epoch, parts.best.epoch);
        assert_true((whole.best.epoch > 0) == (runs[r].trainer.validation > 0));
        if (whole.best.epoch > 0) {
            assert_same_file(first, second, "best.safetensors");
            assert_true(whole.best.accuracy == parts.best.accuracy);
        }
        assert_int_equal(whole.last.epoch, runs[r].train.epochs);
    }
}

/* The trainer is as it was before: so are the weights that training ends with. */
static void a_range_test_before_leaves_no_trace(void **unused) {
    (void)unused;
    rf_state *states[2];
    for (int tested = 0; tested < 2; tested++) {
        rf_train_result result;
        rf_curve *curve = NULL;
        rf_trainer *trainer = trainer_of(runs[0].trainer);
        if (tested) CHECK(rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.iterations = 30}));
        rf_curve_free(curve);
        CHECK(rf_train(&result, trainer, &(rf_train_desc){.lr = 0.01, .epochs = 2}));
        CHECK(rf_trainer_get_state(&states[tested], trainer));
        rf_trainer_free(trainer);
    }
    CHECK(rf_state_compare(states[0], states[1]));
    rf_state_free(states[0]);
    rf_state_free(states[1]);
}

/* Training takes the rates of schedule_test, which are PyTorch's: it ends as steps at each of them do. */
static void every_schedule_gives_each_step_its_rate(void **unused) {
    (void)unused;
    enum { EPOCHS = 4, PER_EPOCH = 17 };
    for (const char *const *name = rf_schedule_names(); *name != NULL; name++) {
        const char *schedule = strcmp(*name, "table") == 0 ? "1x2,0.1x2 warmup=1" : *name;
        double rates[EPOCHS * PER_EPOCH];
        rf_train_result result;
        rf_state *trained = NULL, *stepped = NULL;
        rf_trainer *trainer = trainer_of((rf_trainer_desc){.batch = 100});
        CHECK(
            rf_train(&result, trainer, &(rf_train_desc){.lr = 0.1, .schedule = schedule, .epochs = EPOCHS}));
        CHECK(rf_trainer_get_state(&trained, trainer));
        rf_trainer_free(trainer);
        trainer = trainer_of((rf_trainer_desc){.batch = 100});
        CHECK(rf_schedule_rates(rates, RF_COUNT(rates), schedule, 0.1, PER_EPOCH));
        for (size_t i = 0; i < RF_COUNT(rates); i++) CHECK(rf_trainer_run(trainer, rates[i], 1, NULL));
        CHECK(rf_trainer_get_state(&stepped, trainer));
        rf_trainer_free(trainer);
        if (rf_state_compare(trained, stepped) != RF_OK) fail_msg("%s: %s", schedule, rf_error_message());
        rf_state_free(trained);
        rf_state_free(stepped);
    }
}

/* ---- folders ---- */

static void change_file(const char *path, size_t length, size_t byte) {
    void *data = NULL;
    size_t old;
    CHECK(rf_file_read(&data, &old, path, 1 << 24));
    if (byte < old) ((uint8_t *)data)[byte] ^= 0x20;
    CHECK(rf_file_write(path, data, RF_MIN(length, old)));
    free(data);
}

static void a_damaged_state_is_said_and_the_one_before_is_taken(void **unused) {
    (void)unused;
    rf_train_result result;
    const char *folder = at("damaged");
    char newest[128], previous[128];
    rf_train_desc desc = {.lr = 0.1, .epochs = 3, .folder = folder, .save_every = -1};
    rf_trainer *trainer = trainer_of(runs[2].trainer);
    CHECK(rf_train(&result, trainer, &desc));
    rf_trainer_free(trainer);
    snprintf(newest, sizeof newest, "%s/state.safetensors", folder);
    snprintf(previous, sizeof previous, "%s/state.previous.safetensors", folder);
    change_file(newest, SIZE_MAX, 3000);
    desc.resume = true;
    trainer = trainer_of(runs[2].trainer);
    CHECK(rf_train(&result, trainer, &desc));
    rf_trainer_free(trainer);
    assert_non_null(strstr(result.note, "its checksum does not hold; the state before it is taken"));
    change_file(newest, 100, SIZE_MAX);
    change_file(previous, 5000, SIZE_MAX);
    trainer = trainer_of(runs[2].trainer);
    assert_int_equal(rf_train(&result, trainer, &desc), RF_E_INPUT);
    rf_trainer_free(trainer);
}

/* Cut at each length, and a byte changed at each of many places: refused, or nothing that counts has changed. */
static void damaged_states_never_load(void **unused) {
    (void)unused;
    const char *path = at("bytes");
    rf_state *good = NULL, *bad = NULL;
    void *data = NULL;
    size_t length;
    rf_random random;
    rf_trainer *trainer = trainer_of(runs[2].trainer);
    CHECK(rf_trainer_get_state(&good, trainer));
    CHECK(rf_state_save(good, path));
    CHECK(rf_file_read(&data, &length, path, 1 << 24));
    for (size_t cut = 0; cut < length; cut += cut < 200 || cut + 200 > length ? 1 : 97) {
        CHECK(rf_file_write(path, data, cut));
        assert_int_equal(rf_state_load(&bad, path), RF_E_INPUT);
    }
    rf_random_init(&random, 1, 0);
    for (int i = 0; i < 1000; i++) {
        uint8_t *byte = (uint8_t *)data + rf_random_below(&random, (uint32_t)length), old = *byte;
        *byte ^= (uint8_t)(1 + rf_random_below(&random, 255));
        CHECK(rf_file_write(path, data, length));
        *byte = old;
        if (rf_state_load(&bad, path) != RF_OK) continue;
        CHECK(rf_state_compare(good, bad));
        rf_state_free(bad);
    }
    free(data);
    rf_state_free(good);
    rf_trainer_free(trainer);
}

/* Locks a folder as training does, says so, and waits to be told to end: train_test --hold FOLDER READY DONE. */
static int hold(char **words) {
    char byte = 0;
    const int lock = rf_make_dirs(words[0]) == RF_OK ? open(words[0], O_RDONLY) : -1;
    if (lock < 0 || flock(lock, LOCK_EX) != 0 || write(atoi(words[1]), &byte, 1) != 1) return 1;
    return read(atoi(words[2]), &byte, 1) != 1;
}

static void a_folder_has_one_process(void **unused) {
    (void)unused;
    const char *folder = at("shared");
    int ready[2], done[2], status;
    char byte = 0;
    rf_train_result result;
    assert_int_equal(pipe(ready) | pipe(done), 0);
    const pid_t child = fork();
    if (child == 0) {
        char numbers[2][16];
        snprintf(numbers[0], sizeof numbers[0], "%d", ready[1]);
        snprintf(numbers[1], sizeof numbers[1], "%d", done[0]);
        execl("/proc/self/exe", "train_test", "--hold", folder, numbers[0], numbers[1], (char *)NULL);
        _exit(127);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    rf_trainer *trainer = trainer_of(runs[2].trainer);
    const rf_train_desc desc = {.lr = 0.1, .epochs = 1, .folder = folder};
    assert_int_equal(rf_train(&result, trainer, &desc), RF_E_USAGE);
    assert_non_null(strstr(rf_error_message(), "another process"));
    assert_int_equal(write(done[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    CHECK(rf_train(&result, trainer, &desc));
    rf_trainer_free(trainer);
}

static void runs_of_others_are_refused(void **unused) {
    (void)unused;
    rf_train_result result;
    rf_dataset *less = NULL;
    rf_train_desc desc = {.lr = 0.1, .epochs = 1, .folder = at("others")};
    rf_trainer *trainer = trainer_of(runs[2].trainer);
    CHECK(rf_train(&result, trainer, &desc));
    rf_trainer_free(trainer);
    CHECK(rf_dataset_open(&less, "digits:", &(rf_dataset_options){.limit = 1000}));
    rf_trainer_desc other = runs[2].trainer;
    other.dataset = less;
    trainer = trainer_of(other);
    desc.resume = true;
    desc.epochs = 3;
    assert_int_equal(rf_train(&result, trainer, &desc), RF_E_USAGE);
    assert_non_null(strstr(rf_error_message(), "images '1797'; the trainer has '1000'"));
    desc.force = true;
    CHECK(rf_train(&result, trainer, &desc));
    rf_trainer_free(trainer);
    rf_dataset_free(less);
}

/* ---- when a run stops by itself ---- */

static void patience_stops_a_run_that_gets_no_better(void **unused) {
    (void)unused;
    rf_train_result result;
    rf_trainer *trainer = trainer_of((rf_trainer_desc){.batch = 100, .validation = 200});
    CHECK(rf_train(&result, trainer, &(rf_train_desc){.lr = 1e-30, .epochs = 50, .patience = 20}));
    assert_true(result.early && result.last.epoch < 50);
    assert_int_equal(result.last.epoch, result.best.epoch + 20);
    rf_trainer_free(trainer);
    trainer = trainer_of((rf_trainer_desc){.batch = 100});
    assert_int_equal(rf_train(&result, trainer, &(rf_train_desc){.lr = 0.1, .patience = 1}), RF_E_USAGE);
    rf_trainer_free(trainer);
}

static void a_loss_that_is_not_finite_keeps_the_good_state(void **unused) {
    (void)unused;
    rf_train_result result;
    rf_state *state = NULL;
    rf_parameter_view view;
    char path[128];
    const char *folder = at("infinite");
    rf_trainer *trainer = trainer_with("flatten\nfc: linear classes\n", (rf_trainer_desc){.batch = 100});
    assert_int_equal(rf_train(&result, trainer, &(rf_train_desc){.lr = 1e38, .folder = folder}), RF_E_FAILED);
    assert_non_null(strstr(rf_error_message(), "not finite at step"));
    assert_non_null(strstr(rf_error_message(), "learning rate 1e+38"));
    rf_trainer_free(trainer);
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    CHECK(rf_state_load(&state, path));
    for (size_t i = 0; rf_state_array(state, i, &view); i++)
        for (size_t k = 0; k < view.count; k++) assert_true(isfinite(view.values[k]));
    rf_state_free(state);
}

static void options_are_checked(void **unused) {
    (void)unused;
    static const rf_train_desc bad[] = {
        {.lr = 0},
        {.lr = NAN},
        {.lr = 0.1, .epochs = -1},
        {.lr = 0.1, .validate_every = -1},
        {.lr = 0.1, .schedule = "cosin"},
        {.lr = 0.1, .epochs = 2, .schedule = "cosine warmup=3"},
        {.lr = 0.1, .resume = true},
    };
    rf_train_result result;
    rf_trainer *trainer = trainer_of((rf_trainer_desc){.batch = 100});
    for (size_t i = 0; i < RF_COUNT(bad); i++)
        if (rf_train(&result, trainer, &bad[i]) != RF_E_USAGE) fail_msg("options %zu are taken", i);
    rf_trainer_free(trainer);
}

/* ---- evaluation ---- */

typedef struct seen {
    const rf_dataset *data;
    size_t count, right, right5;
    double loss;
} seen;

/* The definitions, in double precision. */
static bool see(void *context, size_t first, size_t count, const float *scores) {
    seen *s = context;
    assert_int_equal(first, s->count);
    for (size_t i = 0; i < count; i++, scores += 10, s->count++) {
        const int label = s->data->labels[s->count];
        double sum = 0;
        int higher = 0;
        for (int c = 0; c < 10; c++) {
            sum += exp((double)scores[c] - (double)scores[label]);
            higher += scores[c] > scores[label];
        }
        s->loss += log(sum);
        s->right += higher == 0;
        s->right5 += higher < 5;
    }
    return true;
}

static void evaluation_is_that_of_the_scores(void **unused) {
    (void)unused;
    rf_train_result result;
    rf_evaluation *evaluation = NULL;
    rf_model *model = model_of(network);
    seen s = {.data = digits};
    size_t confusion[100], right = 0, all = 0;
    rf_trainer *trainer = trainer_of((rf_trainer_desc){.batch = 100});
    CHECK(rf_train(&result, trainer, &(rf_train_desc){.lr = 0.05, .epochs = 2}));
    CHECK(rf_trainer_export(trainer, model));
    rf_trainer_free(trainer);
    CHECK(rf_evaluate(&evaluation, &(rf_evaluate_desc){.device = device,
                                                       .model = model,
                                                       .dataset = digits,
                                                       .batch = 100,
                                                       .scores = see,
                                                       .context = &s}));
    assert_int_equal(s.count, digits->count);
    assert_true(fabs(evaluation->loss - s.loss / (double)s.count) < 1e-5);
    assert_true(evaluation->accuracy == (double)s.right / (double)s.count);
    assert_true(evaluation->accuracy5 == (double)s.right5 / (double)s.count);
    assert_true(evaluation->accuracy > 0.5 && evaluation->accuracy < 1);
    rf_evaluation_confusion(confusion, evaluation);
    for (size_t i = 0; i < 100; i++) {
        all += confusion[i];
        right += i % 11 == 0 ? confusion[i] : 0;
    }
    assert_int_equal(all, digits->count);
    assert_int_equal(right, s.right);
    rf_evaluation_free(evaluation);
    rf_model_free(model);
}

/* All scores are 0: the first class is predicted, a label's rank is its number, and the loss ln 10. */
static void of_equal_scores_the_first_is_predicted(void **unused) {
    (void)unused;
    rf_evaluation *evaluation = NULL;
    rf_model *model = model_of("flatten\nfc: linear classes\n");
    rf_parameter_view view;
    size_t zeros = 0, below5 = 0;
    for (size_t i = 0; rf_model_parameter(model, i, &view); i++)
        memset(view.values, 0, view.count * sizeof *view.values);
    for (int i = 0; i < digits->count; i++) {
        zeros += digits->labels[i] == 0;
        below5 += digits->labels[i] < 5;
    }
    CHECK(rf_evaluate(&evaluation, &(rf_evaluate_desc){.device = device, .model = model, .dataset = digits}));
    for (size_t i = 0; i < evaluation->count; i++) {
        assert_int_equal(evaluation->predicted[i], 0);
        assert_int_equal(evaluation->rank[i], digits->labels[i]);
    }
    assert_true(evaluation->accuracy == (double)zeros / digits->count);
    assert_true(evaluation->accuracy5 == (double)below5 / digits->count);
    assert_true(fabs(evaluation->loss - log(10)) < 1e-5);
    rf_evaluation_free(evaluation);
    rf_model_free(model);
}

/* ---- TensorBoard ---- */

/* All event files of a folder, one after another; owned. */
static uint8_t *read_events(size_t *length, const char *folder) {
    uint8_t *all = NULL;
    glob_t found;
    *length = 0;
    assert_int_equal(glob(at("%s/events.out.tfevents.*", folder), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        void *data;
        size_t bytes;
        CHECK(rf_file_read(&data, &bytes, found.gl_pathv[i], 1 << 20));
        all = rf_resize(all, *length + bytes, 1);
        memcpy(all + *length, data, bytes);
        *length += bytes;
        free(data);
    }
    globfree(&found);
    return all;
}

static void event_files_hold_each_step_and_epoch(void **unused) {
    (void)unused;
    /* As TensorFlow and PyTorch begin theirs: 24 bytes follow, and the masked CRC-32C of that number. */
    static const uint8_t start[] = {24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 0x09};
    static const char tag[] = "\x0a\x0aloss/train\x15";
    rf_train_desc desc = {
        .lr = 0.01, .epochs = 2, .folder = at("run"), .save_every = -1, .tensorboard = true};
    rf_train_result result;
    for (int part = 0; part < 2; part++) {
        int left = 20;
        rf_trainer *trainer = trainer_of(runs[0].trainer); /* 14 steps an epoch */
        desc.resume = part > 0;
        desc.progress = part == 0 ? stop_later : NULL;
        desc.context = &left;
        CHECK(rf_train(&result, trainer, &desc));
        rf_trainer_free(trainer);
    }
    size_t length, records = 0;
    uint8_t *events = read_events(&length, "run");
    assert_memory_equal(events, start, sizeof start);
    float loss = NAN;
    for (size_t at_byte = 0; at_byte < length; records++) {
        assert_true(length - at_byte >= 16);
        const size_t bytes = events[at_byte] | events[at_byte + 1] << 8;
        const uint8_t *found = memmem(events + at_byte, bytes + 16, tag, sizeof tag - 1);
        if (found != NULL) memcpy(&loss, found + sizeof tag - 1, sizeof loss);
        at_byte += bytes + 16;
        assert_true(at_byte <= length);
    }
    assert_int_equal(records, 2 * 2 + 28 + 2); /* two openings of two records each, steps, epochs */
    assert_true(loss == (float)result.last.loss);
    free(events);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_was_stopped_ends_with_the_same_bits),
        TEST(a_range_test_before_leaves_no_trace),
        TEST(every_schedule_gives_each_step_its_rate),
        TEST(a_damaged_state_is_said_and_the_one_before_is_taken),
        TEST(damaged_states_never_load),
        TEST(a_folder_has_one_process),
        TEST(runs_of_others_are_refused),
        TEST(patience_stops_a_run_that_gets_no_better),
        TEST(a_loss_that_is_not_finite_keeps_the_good_state),
        TEST(options_are_checked),
        TEST(event_files_hold_each_step_and_epoch),
        TEST(evaluation_is_that_of_the_scores),
        TEST(of_equal_scores_the_first_is_predicted),
    };
    if (argc == 5 && strcmp(argv[1], "--hold") == 0) return hold(argv + 2);
    if (rf_device_open(&device, NULL) != RF_OK || rf_dataset_open(&digits, "digits:", NULL) != RF_OK) {
        fprintf(stderr, "train_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed = RUN_IN_FOLDER(tests);
    rf_dataset_free(digits);
    rf_device_close(device);
    return failed;
}
