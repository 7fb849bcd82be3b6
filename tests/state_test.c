/* States: a run that is saved, loaded in another process and continued has the bits of the run that never stopped;
 * states move between devices; and a state that does not fit a trainer is refused, and leaves it unchanged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"
#include "model/safetensors.h"
#include "rangefinder/rangefinder.h"

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

static rf_device *device;
static rf_dataset *digits;

/* Running statistics, random numbers, a linear layer on maps (whose weights lie in another order), odd numbers of
 * channels. */
static const char network[] = "conv1: conv 5 3 pad=1 bias=no\nbn1: batch_norm\nrelu\nmax_pool 2\n"
                              "drop: dropout 0.3\nconv2: conv 19 3 pad=1 groups=1\nrelu\nflatten\n"
                              "fc1: linear classes\n";

static const rf_parameter_group groups[] = {{"fc1.*", 2, true, 0.1}, {"conv*", 0.5}};

/* A hundred images are a 17th of an epoch: each run sees two epochs. */
static const struct {
    const char *stream; /* of RANGEFINDER_STREAM */
    rf_trainer_desc desc;
} runs[] = {
    {"0", {.batch = 100, .optimizer = "sgd"}},
    {"1", {.batch = 100, .optimizer = "sgd momentum=0.9 nesterov weight_decay=1e-3"}},
    {"0", {.batch = 100, .optimizer = "adam", .validation = 50}},
    {"1", {.batch = 20, .optimizer = "adamw", .accumulate = 5}},
    {"0", {.batch = 100, .optimizer = "rmsprop momentum=0.5", .no_shuffle = true}},
    {"0", {.batch = 50, .optimizer = "lars", .accumulate = 2}},
    {"1", {.batch = 100, .optimizer = "lamb"}},
    {"0", {.batch = 100, .optimizer = "adagrad lr_decay=0.01"}},
    {"0", {.batch = 100, .optimizer = "adadelta"}},
    {"0", {.batch = 100, .optimizer = "adamax"}},
    {"0", {.batch = 100, .optimizer = "nadam"}},
    {"0", {.batch = 100, .optimizer = "radam"}},
    {"0", {.batch = 100, .optimizer = "lion"}},
    {"0", {.batch = 100, .augment = "flip+shift pixels=2+cutout size=3"}},
    {"1", {.batch = 50, .accumulate = 2, .augment = "rotate+mixup+cutmix p=0.5"}},
    {"0", {.batch = 100, .optimizer = "adamw_schedule_free"}},
    {"0", {.batch = 100, .optimizer = "prodigy d0=1e-4", .freeze = "conv1.*,bn1.weight"}},
    {"1",
     {.batch = 50,
      .optimizer = "sgd momentum=0.9",
      .accumulate = 2,
      .clip_norm = 0.5,
      .clip_value = 0.1,
      .ema = 0.9}},
    {"0",
     {.batch = 100,
      .optimizer = "adamw",
      .groups = groups,
      .group_count = RF_COUNT(groups),
      .decay_exclude = "norm,bias"}},
};
enum { BEFORE = 11, AFTER = 9 }; /* steps */

static rf_trainer *trainer_of(size_t run, rf_device *on) {
    rf_trainer *trainer = NULL;
    rf_model *model = NULL;
    rf_trainer_desc desc = runs[run].desc;
    setenv("RANGEFINDER_STREAM", runs[run].stream, 1);
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    desc.device = on;
    desc.model = model;
    desc.dataset = digits;
    desc.seed = UINT64_MAX - 5;
    CHECK(rf_trainer_create(&trainer, &desc));
    rf_model_free(model);
    return trainer;
}

static rf_state *state_of(rf_trainer *trainer) {
    rf_state *state = NULL;
    CHECK(rf_trainer_get_state(&state, trainer));
    return state;
}

static void save_state_of(rf_trainer *trainer, const char *path) {
    rf_state *state = state_of(trainer);
    CHECK(rf_state_save(state, path));
    rf_state_free(state);
}

/* ---- going on ---- */

/* What the other process does: state_test --continue RUN FROM TO. */
static int continue_run(char **words) {
    rf_state *state = NULL;
    rf_trainer *trainer = trainer_of((size_t)atoi(words[0]), device);
    if (rf_state_load(&state, words[1]) != RF_OK || rf_trainer_set_state(trainer, state) != RF_OK ||
        rf_trainer_run(trainer, 0.01, AFTER, NULL) != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    rf_state_free(state);
    save_state_of(trainer, words[2]);
    rf_trainer_free(trainer);
    return 0;
}

static void in_another_process(size_t run, const char *from, const char *to) {
    char number[16];
    int status = -1;
    snprintf(number, sizeof number, "%zu", run);
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "state_test", "--continue", number, from, to, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_run_goes_on_in_another_process_with_the_same_bits(void **unused) {
    (void)unused;
    for (size_t r = 0; r < RF_COUNT(runs); r++) {
        const char *saved = at("saved"), *resumed = at("resumed");
        rf_state *other = NULL;
        rf_trainer *trainer = trainer_of(r, device);
        CHECK(rf_trainer_run(trainer, 0.01, BEFORE, NULL));
        save_state_of(trainer, saved);
        CHECK(rf_trainer_run(trainer, 0.01, AFTER, NULL));
        in_another_process(r, saved, resumed);
        rf_state *whole = state_of(trainer);
        CHECK(rf_state_load(&other, resumed));
        if (rf_state_compare(whole, other) != RF_OK)
            fail_msg("%s: %s", runs[r].desc.optimizer, rf_error_message());
        assert_string_equal(rf_state_text(other, "steps"), "20");
        rf_state_free(whole);
        rf_state_free(other);
        rf_trainer_free(trainer);
    }
}

/* From this device to the reference, and back. */
static void states_move_between_devices(void **unused) {
    (void)unused;
    rf_device *reference = NULL;
    CHECK(rf_device_open(&reference, "reference"));
    for (size_t r = 0; r < RF_COUNT(runs); r++) {
        rf_trainer *here = trainer_of(r, device), *there = trainer_of(r, reference);
        CHECK(rf_trainer_run(here, 0.01, 3, NULL));
        rf_state *state = state_of(here);
        CHECK(rf_trainer_set_state(there, state));
        rf_state *moved = state_of(there);
        CHECK(rf_state_compare(state, moved));
        CHECK(rf_trainer_run(here, 0.01, 2, NULL));
        assert_int_equal(rf_trainer_set_state(here, moved), RF_OK);
        rf_state *back = state_of(here);
        CHECK(rf_state_compare(state, back));
        rf_state_free(state);
        rf_state_free(moved);
        rf_state_free(back);
        rf_trainer_free(here);
        rf_trainer_free(there);
    }
    rf_device_close(reference);
}

/* PyTorch's SGD: after the first step the momentum is the gradient, and the parameter has moved by rate times it. */
static void arrays_have_pytorchs_names_and_layouts(void **unused) {
    (void)unused;
    static const rf_trainer_desc desc = {.batch = 100, .optimizer = "sgd momentum=0.9"};
    rf_trainer_desc full = desc;
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    rf_parameter_view before, now, momentum;
    size_t moved = 0;
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    full.device = device;
    full.model = model;
    full.dataset = digits;
    CHECK(rf_trainer_create(&trainer, &full));
    CHECK(rf_trainer_run(trainer, 0.5, 1, NULL));
    rf_state *state = state_of(trainer);
    for (size_t p = 0; rf_model_parameter(model, p, &before); p++) {
        char *name = rf_format("optimizer.momentum_buffer.%s", before.name);
        bool found = false, trained = strstr(before.name, "running") == NULL;
        for (size_t i = 0; !found && rf_state_array(state, i, &now); i++)
            found = strcmp(now.name, before.name) == 0;
        assert_true(found);
        assert_int_equal(now.rank, before.rank);
        assert_memory_equal(now.shape, before.shape, (size_t)now.rank * sizeof *now.shape);
        found = false;
        for (size_t i = 0; !found && rf_state_array(state, i, &momentum); i++)
            found = strcmp(momentum.name, name) == 0;
        assert_int_equal(found, trained);
        for (size_t i = 0; trained && i < now.count; i++) {
            const float expected = before.values[i] - 0.5f * momentum.values[i];
            assert_true(fabsf(now.values[i] - expected) <= 1e-6f * fmaxf(1, fabsf(expected)));
            moved += now.values[i] != before.values[i];
        }
        free(name);
    }
    assert_true(moved > 1000);
    rf_state_free(state);
    rf_trainer_free(trainer);
    rf_model_free(model);
}

/* ---- what is refused ---- */

static void states_of_other_runs_are_refused(void **unused) {
    (void)unused;
    static const struct {
        size_t from, to;
        const char *says;
    } pairs[] = {
        {0, 1, "optimizer 'sgd momentum=0 "}, {0, 2, "'sgd"}, {3, 0, "'adamw"}, {0, 13, "augment 'none'"}};
    for (size_t i = 0; i < RF_COUNT(pairs); i++) {
        rf_trainer *from = trainer_of(pairs[i].from, device), *to = trainer_of(pairs[i].to, device);
        CHECK(rf_trainer_run(from, 0.01, 2, NULL));
        rf_state *state = state_of(from), *before = state_of(to);
        assert_int_equal(rf_trainer_set_state(to, state), RF_E_USAGE);
        if (strstr(rf_error_message(), pairs[i].says) == NULL) fail_msg("%s", rf_error_message());
        rf_state *after = state_of(to);
        CHECK(rf_state_compare(before, after));
        rf_state_free(state);
        rf_state_free(before);
        rf_state_free(after);
        rf_trainer_free(from);
        rf_trainer_free(to);
    }
}

/* A copy of a state's file with something changed. */
typedef struct change {
    const char *drop;           /* an array */
    const char *add;            /* an array of one number */
    const char *reshape;        /* an array, to one dimension */
    const char *text, *becomes; /* a text; becomes NULL: it is dropped */
    rf_status status;
    const char *says;
} change;

static void write_changed(const char *to, const char *from, const change *c) {
    static const float zero[1] = {0};
    static const int one[1] = {1};
    rf_tensor_file *file = NULL;
    rf_tensor_source tensors[64];
    rf_tensor_note notes[32];
    int shapes[64][RF_TENSOR_MAX_RANK];
    float *values[64] = {NULL};
    size_t count = 0, note_count = 0;
    CHECK(rf_tensor_file_open(&file, from));
    for (size_t i = 0; i < file->count; i++) {
        const rf_tensor *t = &file->tensors[i];
        if (c->drop != NULL && strcmp(c->drop, t->name) == 0) continue;
        for (int k = 0; k < t->rank; k++) shapes[count][k] = (int)t->shape[k];
        values[count] = malloc(rf_tensor_count(t) * sizeof(float));
        assert_non_null(values[count]);
        CHECK(rf_tensor_read(values[count], file, t));
        tensors[count] = (rf_tensor_source){t->name, t->rank, shapes[count], values[count]};
        if (c->reshape != NULL && strcmp(c->reshape, t->name) == 0) {
            shapes[count][0] = (int)rf_tensor_count(t);
            tensors[count].rank = 1;
        }
        count++;
    }
    if (c->add != NULL) tensors[count++] = (rf_tensor_source){c->add, 1, one, zero};
    for (size_t i = 0; i < file->note_count; i++) {
        notes[note_count] = file->notes[i];
        if (c->text != NULL && strcmp(c->text, notes[note_count].name) == 0) {
            if (c->becomes == NULL) continue;
            notes[note_count].text = (char *)c->becomes;
        }
        note_count++;
    }
    CHECK(rf_tensor_file_write(to, tensors, count, notes, note_count, false));
    for (size_t i = 0; i < RF_COUNT(values); i++) free(values[i]);
    rf_tensor_file_close(file);
}

static void changed_files_are_refused(void **unused) {
    (void)unused;
    static const change changes[] = {
        {.status = RF_OK, .says = ""},
        {.drop = "conv2.weight", .status = RF_E_INPUT, .says = "no 'conv2.weight'"},
        {.drop = "optimizer.exp_avg.fc1.bias", .status = RF_E_INPUT, .says = "optimizer.exp_avg.fc1.bias"},
        {.add = "head.weight",
         .status = RF_E_INPUT,
         .says = "'head.weight', which the trainer does not know"},
        {.add = "optimizer.exp_avg.bn1.running_mean", .status = RF_E_INPUT, .says = "does not know"},
        {.reshape = "conv2.weight",
         .status = RF_E_SHAPE,
         .says = "'conv2.weight' is 855 in the state, 19x5x3x3"},
        {.text = "format", .becomes = "pt", .status = RF_E_INPUT, .says = "no state of a training run"},
        {.text = "format", .status = RF_E_INPUT, .says = "no state of a training run"},
        {.text = "format_version", .becomes = "2", .status = RF_E_INPUT, .says = "version 2 of the format"},
        {.text = "steps", .status = RF_E_INPUT, .says = "does not say its 'steps'"},
        {.text = "steps", .becomes = "-1", .status = RF_E_INPUT, .says = "'-1', which is no number"},
        {.text = "steps", .becomes = "3 or 4", .status = RF_E_INPUT, .says = "which is no number"},
        {.text = "epoch_batch", .becomes = "18", .status = RF_E_INPUT, .says = "'epoch_batch' is '18'"},
        {.text = "random_step", .becomes = "4294967296", .status = RF_E_INPUT, .says = "random_step"},
        {.text = "batch", .becomes = "99", .status = RF_E_USAGE, .says = "batch '99'; the trainer has '100'"},
        {.text = "seed", .becomes = "1", .status = RF_E_USAGE, .says = "seed '1'"},
        {.text = "images", .becomes = "3", .status = RF_E_USAGE, .says = "images '3'"},
        {.text = "clip_norm",
         .becomes = "1",
         .status = RF_E_USAGE,
         .says = "clip_norm '1'; the trainer has '0'"},
        {.text = "clip_value", .becomes = "0.5", .status = RF_E_USAGE, .says = "clip_value '0.5'"},
        {.text = "ema", .becomes = "0.99", .status = RF_E_USAGE, .says = "ema '0.99'; the trainer has '0'"},
        {.text = "freeze", .becomes = "conv1.*", .status = RF_E_USAGE, .says = "freeze 'conv1.*'"},
        {.text = "decay_exclude", .becomes = "norm", .status = RF_E_USAGE, .says = "decay_exclude 'norm'"},
        {.text = "groups", .becomes = "fc*=2", .status = RF_E_USAGE, .says = "groups 'fc*=2'"},
    };
    const char *good = at("good"), *bad = at("bad");
    rf_trainer *trainer = trainer_of(2, device);
    CHECK(rf_trainer_run(trainer, 0.01, 2, NULL));
    save_state_of(trainer, good);
    rf_state *before = state_of(trainer);
    for (size_t i = 0; i < RF_COUNT(changes); i++) {
        rf_state *state = NULL;
        write_changed(bad, good, &changes[i]);
        rf_status status = rf_state_load(&state, bad);
        if (status == RF_OK) status = rf_trainer_set_state(trainer, state);
        if (status != changes[i].status ||
            (status != RF_OK && strstr(rf_error_message(), changes[i].says) == NULL))
            fail_msg("change %zu: %s, '%s'", i, rf_status_text(status), rf_error_message());
        rf_state_free(state);
        rf_state *after = state_of(trainer);
        CHECK(rf_state_compare(before, after));
        rf_state_free(after);
    }
    rf_state_free(before);
    rf_trainer_free(trainer);
}

static void files_that_cannot_be_written_are_reported(void **unused) {
    (void)unused;
    rf_trainer *trainer = trainer_of(0, device);
    rf_state *state = state_of(trainer), *none = (void *)state;
    const char *path = at("no/such/folder");
    assert_int_equal(rf_state_save(state, path), RF_E_IO);
    assert_int_equal(rf_state_load(&none, path), RF_E_IO);
    assert_null(none);
    rf_state_free(state);
    rf_trainer_free(trainer);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(a_run_goes_on_in_another_process_with_the_same_bits),
        TEST(states_move_between_devices),
        TEST(arrays_have_pytorchs_names_and_layouts),
        TEST(states_of_other_runs_are_refused),
        TEST(changed_files_are_refused),
        TEST(files_that_cannot_be_written_are_reported),
    };
    if (rf_device_open(&device, NULL) != RF_OK || rf_dataset_open(&digits, "digits", NULL) != RF_OK) {
        fprintf(stderr, "state_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed =
        argc == 5 && strcmp(argv[1], "--continue") == 0 ? continue_run(argv + 2) : RUN_IN_FOLDER(tests);
    rf_dataset_free(digits);
    rf_device_close(device);
    return failed;
}
