/* Data sets of noise, "synthetic:CxHxW[,CLASSES[,COUNT]]": pixels uniform in 0..255, labels uniform; from the
 * seed. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "data/format.h"

static const char prefix[] = "synthetic";
enum { STREAM = 0x53594e54, DEFAULT_CLASSES = 10, DEFAULT_COUNT = 100 };

static rf_status claims(bool *mine, const char *spec) {
    size_t length = strlen(prefix);
    *mine = strncmp(spec, prefix, length) == 0 && (spec[length] == '\0' || spec[length] == ':');
    return RF_OK;
}

/* Reads one number and steps over it; false where there is none, or one that no data set can have. */
static bool number(const char **text, uint64_t *value) {
    if (!isdigit((unsigned char)**text)) return false;
    char *end;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return *value <= INT32_MAX;
}

static bool skip(const char **text, char c) {
    return **text == c && (*text)++ != NULL;
}

static rf_status parse(rf_data_shape *shape, const char *spec) {
    const char *text = spec + strlen(prefix);
    *shape = (rf_data_shape){.classes = DEFAULT_CLASSES, .count = DEFAULT_COUNT};
    bool good = skip(&text, ':') && number(&text, &shape->channels) && skip(&text, 'x') &&
                number(&text, &shape->height) && skip(&text, 'x') && number(&text, &shape->width);
    if (good && skip(&text, ',')) good = number(&text, &shape->classes);
    if (good && skip(&text, ',')) good = number(&text, &shape->count);
    if (good && *text == '\0') return RF_OK;
    return rf_fail(
        RF_E_INPUT,
        "%s: '%s' is not understood; write synthetic:CxHxW[,CLASSES[,COUNT]] with whole numbers, for "
        "example synthetic:3x32x32,10,1000",
        spec, text);
}

static rf_status open_synthetic(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    rf_data_shape shape;
    rf_random random;
    RF_TRY(parse(&shape, spec));
    RF_TRY(rf_dataset_create(out, spec, shape));
    size_t bytes = (size_t)(shape.count * shape.channels * shape.height * shape.width);
    uint8_t *pixels = (*out)->pixels;
    rf_random_init(&random, options->seed, STREAM);
    for (int i = 0; i < (*out)->count; i++)
        (*out)->labels[i] = (int32_t)rf_random_below(&random, (uint32_t)shape.classes);
    for (size_t i = 0; i < bytes; i += 4) {
        if ((i & 0xffffff) == 0 && rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
        uint32_t bits = rf_random_u32(&random);
        for (size_t j = i; j < RF_MIN(bytes, i + 4); j++, bits >>= 8) pixels[j] = (uint8_t)bits;
    }
    return RF_OK;
}

const rf_data_format rf_data_format_synthetic = {
    .spec = "synthetic:CxHxW[,CLASSES[,COUNT]]",
    .name = "synthetic:",
    .claims = claims,
    .open = open_synthetic,
};
