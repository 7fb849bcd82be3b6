/* The thread safety that rangefinder.h promises, for builds with RF_SANITIZE=thread. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>

#include "files.h"

#include "rangefinder/rangefinder.h"

enum { THREADS = 24, ROUNDS = 8, POINTS = 40 };

typedef struct worker {
    int number;
    const char *failed; /* what went wrong; cmocka's own assertions belong to the main thread */
    const rf_dataset *dataset;
    const rf_model *model;
    rf_curve *curve;
    pthread_t thread;
    char message[512];
} worker;

/* All at once, and all without a fault. */
static void together(worker workers[THREADS], void *(*body)(void *)) {
    for (int i = 0; i < THREADS; i++) {
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        if (workers[i].failed != NULL) fail_msg("thread %d: %s", i, workers[i].failed);
}

static void no_temporary_file_is_left(int files) {
    int count = 0;
    DIR *folder_stream = opendir(root);
    for (struct dirent *item; (item = readdir(folder_stream)) != NULL;)
        count += strcmp(item->d_name, ".") && strcmp(item->d_name, "..");
    closedir(folder_stream);
    assert_int_equal(count, files);
}

/* ---- reports ---- */

/* A curve whose losses say whose it is. */
static rf_curve *curve_of(int number) {
    double lr[POINTS], loss[POINTS];
    rf_curve *curve = NULL;
    for (int i = 0; i < POINTS; i++) {
        lr[i] = pow(10, -6 + 7.0 * i / POINTS);
        loss[i] = 1000 + number;
    }
    if (rf_curve_create(&curve, lr, loss, POINTS) != RF_OK) return NULL;
    return curve;
}

static bool is_of(const char *path, int number) {
    rf_curve *read = NULL;
    bool good = rf_curve_read(&read, path) == RF_OK && read->count == POINTS;
    for (size_t i = 0; good && i < read->count; i++)
        good = number < 0 ? read->loss[i] == read->loss[0] : read->loss[i] == 1000 + number;
    rf_curve_free(read);
    return good;
}

#ifdef RF_PLOTS
enum { NUMBERS = 2, PICTURES = 3 };
#else
enum { NUMBERS = 2, PICTURES = 0 };
#endif

/* Pictures take their time: one of each. */
static rf_status write_all(const rf_report *report, const char *stem, bool pictures) {
    static rf_status (*const writers[])(const rf_report *, const char *) = {
        rf_report_csv, rf_report_json, rf_report_plot, rf_report_plot, rf_report_plot};
    static const char *const endings[] = {"csv", "json", "svg", "png", "pdf"};
    char path[600];
    for (size_t i = 0; i < (pictures ? NUMBERS + PICTURES : NUMBERS); i++) {
        snprintf(path, sizeof path, "%s.%s", stem, endings[i]);
        RF_TRY(writers[i](report, path));
    }
    return RF_OK;
}

static void *report_to_own_files(void *given) {
    worker *w = given;
    char stem[512], path[600], *text = NULL;
    rf_verdict verdict;
    w->curve = curve_of(w->number);
    rf_report report = {.curve = w->curve, .verdict = &verdict, .model = "net", .data = "images", .batch = 1};
    if (w->curve == NULL || rf_curve_judge(&verdict, w->curve) != RF_OK) w->failed = "no curve";
    snprintf(stem, sizeof stem, "%s/own-%d", root, w->number);
    for (int round = 0; round < ROUNDS && w->failed == NULL; round++) {
        if (write_all(&report, stem, round == 0) != RF_OK) w->failed = "a report could not be written";
        snprintf(path, sizeof path, "%s.csv", stem);
        if (!is_of(path, w->number)) w->failed = "a CSV file is another's";
        snprintf(path, sizeof path, "%s.json", stem);
        if (!is_of(path, w->number)) w->failed = "a JSON file is another's";
        if (rf_report_terminal(&text, &report, &(rf_terminal_options){80, 20, true, true}) != RF_OK)
            w->failed = "no text";
        free(text);
        text = NULL;
    }
    rf_curve_free(w->curve);
    return NULL;
}

static void reports_of_many_threads_are_their_own(void **state) {
    worker workers[THREADS] = {0};
    (void)state;
    together(workers, report_to_own_files);
    no_temporary_file_is_left((NUMBERS + PICTURES) * THREADS);
}

static void *report_to_one_file(void *given) {
    worker *w = given;
    char stem[512], path[600];
    w->curve = curve_of(w->number);
    rf_report report = {.curve = w->curve};
    snprintf(stem, sizeof stem, "%s/common", root);
    snprintf(path, sizeof path, "%s.csv", stem);
    for (int round = 0; round < ROUNDS; round++) {
        if (rf_report_csv(&report, path) != RF_OK) w->failed = "a report could not be written";
        if (!is_of(path, -1)) w->failed = "a file is of two writers";
    }
    rf_curve_free(w->curve);
    return NULL;
}

static void one_file_of_many_writers_is_always_whole(void **state) {
    worker workers[THREADS] = {0};
    (void)state;
    together(workers, report_to_one_file);
    no_temporary_file_is_left(1);
}

/* The half of the threads that write reports must not change what the others' files may be read by. */
static void *make_private_files(void *given) {
    worker *w = given;
    char path[512];
    struct stat info;
    if (w->number % 2 == 0) return report_to_one_file(given);
    snprintf(path, sizeof path, "%s/private-%d", root, w->number);
    for (int round = 0; round < 20 * ROUNDS && w->failed == NULL; round++) {
        int fd = open(path, O_WRONLY | O_CREAT, 0666);
        if (fd < 0 || fstat(fd, &info) != 0 || (info.st_mode & 0777) != 0600)
            w->failed = "the umask was not in force";
        close(fd);
        unlink(path);
    }
    return NULL;
}

static void the_umask_is_left_alone(void **state) {
    worker workers[THREADS] = {0};
    mode_t before = umask(077);
    struct stat info;
    (void)state;
    together(workers, make_private_files);
    assert_int_equal(stat(at("common.csv"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    umask(before);
}

/* ---- errors ---- */

static void *fail_in_own_words(void *given) {
    worker *w = given;
    char name[64];
    rf_dataset *none;
    snprintf(name, sizeof name, "/no/such/data/%d/", w->number);
    for (int round = 0; round < 20 * ROUNDS; round++)
        if (rf_dataset_open(&none, name, NULL) == RF_OK || strstr(rf_error_message(), name) == NULL)
            w->failed = "another thread's message";
    return NULL;
}

static void messages_are_of_each_thread(void **state) {
    worker workers[THREADS] = {0};
    (void)state;
    together(workers, fail_in_own_words);
}

/* ---- the whole job ---- */

static void *find_a_rate(void *given) {
    worker *w = given;
    rf_device *device = NULL;
    rf_dataset *own = NULL;
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    rf_suggestion *suggestions = NULL;
    size_t count = 0;
    rf_verdict verdict;
    rf_trainer_desc desc = {.model = w->model, .dataset = w->dataset, .batch = 8, .seed = 7};
    rf_status status = rf_device_open(&device, NULL);
    if (status == RF_OK) status = rf_dataset_open(&own, "digits", &(rf_dataset_options){.limit = 100});
    if (status == RF_OK) status = rf_model_create(&model, "lenet", (rf_image_shape){3, 32, 32, 10}, 1);
    desc.device = device;
    if (status == RF_OK) status = rf_trainer_create(&trainer, &desc);
    if (status == RF_OK)
        status = rf_range_test_run(&w->curve, trainer, &(rf_range_test_desc){.iterations = 12});
    if (status == RF_OK) status = rf_curve_suggest(&suggestions, &count, w->curve, NULL);
    if (status == RF_OK) status = rf_curve_judge(&verdict, w->curve);
    if (status != RF_OK) {
        snprintf(w->message, sizeof w->message, "%s", rf_error_message());
        w->failed = w->message;
    }
    free(suggestions);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(own);
    rf_device_close(device);
    return NULL;
}

/* Data set and network are read by all at once; device and trainer are each thread's own. */
static void range_tests_of_many_threads_agree(void **state) {
    worker workers[THREADS] = {0};
    rf_dataset *dataset = opened("synthetic:1x8x8,3,64", NULL);
    rf_model *model = NULL;
    (void)state;
    assert_int_equal(rf_model_parse(&model, "conv 4 3\nbatch_norm\nrelu\nflatten\nlinear classes\n", "test",
                                    (rf_image_shape){1, 8, 8, 3}, 0),
                     RF_OK);
    for (int i = 0; i < THREADS; i++) workers[i].dataset = dataset, workers[i].model = model;
    together(workers, find_a_rate);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].curve->count, workers[0].curve->count);
        assert_memory_equal(workers[i].curve->loss, workers[0].curve->loss,
                            workers[0].curve->count * sizeof(double));
        if (i > 0) rf_curve_free(workers[i].curve);
    }
    rf_curve_free(workers[0].curve);
    rf_model_free(model);
    rf_dataset_free(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reports_of_many_threads_are_their_own),
        TEST(one_file_of_many_writers_is_always_whole),
        TEST(the_umask_is_left_alone),
        TEST(messages_are_of_each_thread),
        TEST(range_tests_of_many_threads_agree),
    };
    return RUN_IN_FOLDER(tests);
}
