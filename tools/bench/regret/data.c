/* The study's data sets: real images, some with wrong labels or rare classes, and textures made here. */
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { SEED = 20, TEXTURE_COUNT = 3000, TEXTURE_SIZE = 12, TEXTURE_CLASSES = 8 };

typedef struct source {
    const char *name;
    const char *path; /* in the folder; NULL: the embedded digits */
    int size;         /* of the images; 0: as they are */
    double wrong;     /* share of labels replaced by a random one */
    double rarer;     /* each class keeps this share of what the one before it kept; 0: all */
} source;

static const source sources[] = {
    {"digits", NULL, 0, 0, 0},
    {"digits-wrong", NULL, 0, 0.2, 0},
    {"digits-rare", NULL, 0, 0, 0.8},
    {"mnist", "mnist-10k", 0, 0, 0},
    {"mnist14", "mnist-10k", 14, 0, 0},
    {"mnist14-wrong", "mnist-10k", 14, 0.2, 0},
    {"mnist14-rare", "mnist-10k", 14, 0, 0.8},
    {"cifar", "cifar10-small/train", 0, 0, 0},
    {"cifar16", "cifar10-small/train", 16, 0, 0},
    {"cifar16-wrong", "cifar10-small/train", 16, 0.2, 0},
    {"cifar16-rare", "cifar10-small/train", 16, 0, 0.8},
};

/* Gratings: the class is the direction; wave length, phase and contrast are random, and there is noise. */
static rf_status open_textures(rf_dataset **out) {
    enum { PIXELS = TEXTURE_SIZE * TEXTURE_SIZE };
    rf_random random;
    rf_status status = RF_E_MEMORY;
    uint8_t *const pixels = rf_alloc((size_t)TEXTURE_COUNT * PIXELS, 1);
    int32_t *const labels = rf_alloc(TEXTURE_COUNT, sizeof *labels);
    if (!pixels || !labels) goto done;
    rf_random_init(&random, SEED, 1);
    for (int i = 0; i < TEXTURE_COUNT; i++) {
        labels[i] = i % TEXTURE_CLASSES;
        const double direction = acos(-1) * labels[i] / TEXTURE_CLASSES;
        const double wave = 2 * acos(-1) / (3 + 3 * rf_random_uniform(&random));
        const double phase = 2 * acos(-1) * rf_random_uniform(&random);
        const double contrast = 20 + 60 * rf_random_uniform(&random);
        for (int p = 0; p < PIXELS; p++) {
            const double along = cos(direction) * (p % TEXTURE_SIZE) + sin(direction) * (p / TEXTURE_SIZE);
            const double value = 128 + contrast * sin(wave * along + phase) + 30 * rf_random_normal(&random);
            pixels[i * PIXELS + p] = (uint8_t)fmin(fmax(value, 0), 255);
        }
    }
    status = rf_dataset_from_memory(out, "textures", pixels, labels, TEXTURE_COUNT, 1, TEXTURE_SIZE,
                                    TEXTURE_SIZE, TEXTURE_CLASSES);
done:
    free(labels);
    free(pixels);
    return status;
}

static void spoil_labels(rf_dataset *data, double share) {
    rf_random random;
    rf_random_init(&random, SEED, 2);
    for (int i = 0; i < data->count; i++)
        if (rf_random_uniform(&random) < share)
            data->labels[i] = (int32_t)rf_random_below(&random, (uint32_t)data->classes);
}

/* Moves an image and its label down to place `to`. */
static void move_image(rf_dataset *data, int to, int from) {
    const size_t bytes = (size_t)data->channels * (size_t)data->height * (size_t)data->width;
    data->labels[to] = data->labels[from];
    memmove(data->pixels + (size_t)to * bytes, data->pixels + (size_t)from * bytes, bytes);
}

static void drop_images(rf_dataset *data, double rarer) {
    rf_random random;
    int kept = 0;
    rf_random_init(&random, SEED, 3);
    for (int i = 0; i < data->count; i++)
        if (rf_random_uniform(&random) < pow(rarer, data->labels[i])) move_image(data, kept++, i);
    data->count = kept;
}

void data_halve(rf_dataset *data, bool second) {
    const int half = data->classes / 2, first = second ? half : 0, end = second ? data->classes : half;
    int kept = 0;
    for (int i = 0; i < data->count; i++) {
        if (data->labels[i] < first || data->labels[i] >= end) continue;
        data->labels[i] -= first;
        move_image(data, kept++, i);
    }
    for (int c = 0; data->class_names && c < data->classes; c++) free(data->class_names[c]);
    free(data->class_names);
    data->class_names = NULL;
    data->classes = end - first;
    data->count = kept;
}

rf_status data_open(rf_dataset **out, const char *name, const char *folder) {
    *out = NULL;
    if (strcmp(name, "textures") == 0) return open_textures(out);
    for (size_t i = 0; i < RF_COUNT(sources); i++) {
        const source *s = &sources[i];
        if (strcmp(name, s->name) != 0) continue;
        char *const path = s->path ? rf_format("%s/%s", folder, s->path) : rf_strdup("digits:");
        if (!path) return RF_E_MEMORY;
        const rf_dataset_options options = {.image_height = s->size, .image_width = s->size};
        const rf_status status = rf_dataset_open(out, path, &options);
        free(path);
        if (status != RF_OK) return status;
        if (s->wrong > 0) spoil_labels(*out, s->wrong);
        if (s->rarer > 0) drop_images(*out, s->rarer);
        return RF_OK;
    }
    return rf_fail(RF_E_INPUT, "there is no data set '%s' in data.c", name);
}

int data_held_out(const rf_dataset *data) {
    return RF_MIN(data->count / 4, 1000);
}
