/* The zoo, as the built-in models are called: models/NAME.net in the model language, embedded; and models from
 * files. */
#include "model/zoo.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "base/kind.h"
#include "graph/model.h"
#include "model/onnx/onnx.h"

enum { MAX_NAMES = 64, MAX_NAME = 32, SMALL = 64, MAX_TEXT_BYTES = 16 << 20 };

/* Networks that are not for photos; NAME-cifar are neither. */
static const char *const for_small_images[] = {"lenet", "resnet20", "simplecnn"};

/* Made once from the table of embedded files, constant from then on. */
static char name_texts[MAX_NAMES][MAX_NAME];
static const char *names[MAX_NAMES + 1];
static pthread_once_t names_made = PTHREAD_ONCE_INIT;

static void make_names(void) {
    for (int i = 0; i < MAX_NAMES && rf_embedded_models[i].name; i++) {
        snprintf(name_texts[i], MAX_NAME, "%s", rf_embedded_models[i].name);
        name_texts[i][strcspn(name_texts[i], ".")] = 0;
        names[i] = name_texts[i];
    }
}

const char *const *rf_model_names(void) {
    pthread_once(&names_made, make_names);
    return names;
}

/* Its first field is its version, a small number; no text begins so. */
bool rf_model_is_onnx(const char *path) {
    unsigned char head[2];
    size_t length;
    rf_error_hold();
    const rf_status status = rf_file_read_head(head, &length, NULL, path, sizeof head);
    rf_error_release();
    return status == RF_OK && length == 2 && head[0] == 0x08 && head[1] < ' ';
}

static rf_status create_from_file(rf_model **out, const char *path, rf_image_shape images, uint64_t seed) {
    void *text;
    size_t length;
    if (rf_model_is_onnx(path)) return rf_onnx_create(out, path, images, seed);
    rf_status status = rf_file_read(&text, &length, path, MAX_TEXT_BYTES);
    if (status != RF_OK) return rf_explain_file(status, path, RF_READER_MODEL);
    if (memchr(text, 0, length))
        status = rf_fail(RF_E_INPUT, "%s: not a text in the model language: it holds a 0 byte", path);
    else
        status = rf_model_parse(out, text, path, images, seed);
    free(text);
    return rf_explain_file(status, path, RF_READER_MODEL);
}

static rf_status fail_unknown(const char *name) {
    const char *const *zoo = rf_model_names();
    rf_str list = {0};
    size_t count = 0;
    for (; zoo[count]; count++) rf_str_addf(&list, "%s%s", count ? ", " : "", zoo[count]);
    const char *near = rf_nearest(name, zoo, count);
    rf_fail(RF_E_INPUT,
            "no network '%.80s'%s%s%s Built-in networks: %s; or give a file in the model language, or an "
            "ONNX file",
            name, near ? "; did you mean " : ".", near ? near : "", near ? "?" : "", rf_str_text(&list));
    rf_str_free(&list);
    return RF_E_INPUT;
}

/* "ResNet-18" and "resnet_18" are resnet18. */
static bool same_name(const char *a, const char *b) {
    for (;; a++, b++) {
        a += strspn(a, "-_");
        b += strspn(b, "-_");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        if (*a == 0) return true;
    }
}

/* The index of a network by exactly this name, or by one that is spelt a little differently; -1: none. */
static int find_in_zoo(const char *name, bool exactly) {
    const char *const *zoo = rf_model_names();
    for (int i = 0; zoo[i]; i++)
        if (exactly ? strcmp(zoo[i], name) == 0 : same_name(zoo[i], name)) return i;
    return -1;
}

/* resnet18-cifar where resnet18 is asked for, and the images are small. */
static int find_for_small(int known, const rf_image_shape *images) {
    char name[MAX_NAME + 8];
    if (RF_MIN(images->height, images->width) >= SMALL) return known;
    snprintf(name, sizeof name, "%s-cifar", rf_model_names()[known]);
    const int small = find_in_zoo(name, false);
    return small >= 0 ? small : known;
}

static rf_status create_from_zoo(rf_model **out, int known, rf_image_shape images, uint64_t seed) {
    const char *const *zoo = rf_model_names();
    const int taken = find_for_small(known, &images);
    rf_model *model;
    RF_TRY(rf_model_parse(&model, (const char *)rf_embedded_models[taken].data, zoo[taken], images, seed));
    if (taken != known)
        model->note = rf_format("%s: images of %dx%d are under %d pixels, so it is %s", zoo[known],
                                images.height, images.width, SMALL, zoo[taken]);
    if (taken != known && model->note == NULL) {
        rf_model_free(model);
        return RF_E_MEMORY;
    }
    *out = model;
    return RF_OK;
}

rf_status rf_model_create(rf_model **out, const char *name_or_file, rf_image_shape images, uint64_t seed) {
    *out = NULL;
    int known = find_in_zoo(name_or_file, true);
    bool file = known < 0 && (strpbrk(name_or_file, "/.") != NULL || access(name_or_file, F_OK) == 0);
    if (file) return create_from_file(out, name_or_file, images, seed);
    if (known < 0) known = find_in_zoo(name_or_file, false);
    if (known < 0) return fail_unknown(name_or_file);
    return create_from_zoo(out, known, images, seed);
}

rf_status rf_model_create_new_head(rf_model **out, const char *name_or_file, rf_image_shape images,
                                   uint64_t seed) {
    const int classes = images.classes;
    *out = NULL;
    if (find_in_zoo(name_or_file, true) >= 0 || !rf_model_is_onnx(name_or_file))
        return rf_model_create(out, name_or_file, images, seed);
    images.classes = 1;
    rf_model *model;
    RF_TRY(rf_onnx_create(&model, name_or_file, images, seed));
    const rf_status status = rf_model_new_head(model, classes, seed);
    if (status != RF_OK) {
        rf_model_free(model);
        return status;
    }
    *out = model;
    return RF_OK;
}

rf_image_shape rf_model_usual_images(const char *name_or_file) {
    const rf_image_shape small = {3, 32, 32, 10}, photos = {3, 224, 224, 1000}, own = {0, 0, 0, 1};
    const int known = find_in_zoo(name_or_file, false);
    if (known < 0) return rf_model_is_onnx(name_or_file) ? own : small;
    const char *name = rf_model_names()[known];
    for (size_t i = 0; i < RF_COUNT(for_small_images); i++)
        if (strcmp(name, for_small_images[i]) == 0) return small;
    return strstr(name, "-cifar") != NULL ? small : photos;
}

const char *const rf_model_copies[] = {"model.net", "model.onnx", NULL};

const char *rf_model_copy_name(const char *path) {
    return rf_model_copies[rf_model_is_onnx(path)];
}

rf_status rf_model_copy(const char *path, const char *folder) {
    void *data = NULL;
    size_t length;
    if (rf_model_is_onnx(path)) return rf_onnx_copy(path, folder, rf_model_copies[1]);
    char *to = rf_format("%s/%s", folder, rf_model_copies[0]);
    rf_status status = to != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK && !rf_same_file(path, to)) {
        status = rf_file_read(&data, &length, path, MAX_TEXT_BYTES);
        if (status == RF_OK) status = rf_file_write(to, data, length);
    }
    free(data);
    free(to);
    return status;
}
