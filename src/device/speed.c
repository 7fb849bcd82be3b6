/* Measured speeds of devices, kept in the user's cache folder, by which `auto` chooses among devices of one kind; and
 * the best vector width of a CPU. */
#include <math.h>
#include <stdlib.h>

#include "device/backend.h"
#include "rangefinder/version.h"

char *rf_device_cache_path(const rf_device_info *info, const char *what, const char *ending) {
    const char *parts[] = {info->platform, info->name, info->version, info->driver, rf_version()};
    rf_str identity = {0};
    for (size_t i = 0; i < RF_COUNT(parts); i++) rf_str_addf(&identity, "%s\n", parts[i]);
    uint64_t hash = rf_hash(rf_str_text(&identity), identity.length, 0);
    char *folder = rf_cache_dir();
    char *path =
        folder != NULL ? rf_format("%s/%s-%016llx.%s", folder, what, (unsigned long long)hash, ending) : NULL;
    free(folder);
    rf_str_free(&identity);
    return path;
}

/* A number in a file of the cache folder. */
static rf_status record(const rf_device_info *info, const char *what, double value) {
    char text[64], *path = rf_device_cache_path(info, what, "txt");
    if (path == NULL) return rf_fail(RF_E_IO, "there is no cache folder: set HOME or XDG_CACHE_HOME");
    int length = snprintf(text, sizeof text, "%.9g\n", value);
    rf_status status = rf_file_write(path, text, (size_t)length);
    free(path);
    return status;
}

/* 0: there is none. */
static double recorded(const rf_device_info *info, const char *what) {
    char *path = rf_device_cache_path(info, what, "txt");
    void *text = NULL;
    size_t length = 0;
    double value = 0;
    if (path != NULL && rf_file_read(&text, &length, path, 64) == RF_OK) value = strtod(text, NULL);
    free(text);
    free(path);
    return value > 0 && value < 1e12 ? value : 0;
}

rf_status rf_device_record_speed(const rf_device_info *info, double images_per_second) {
    return record(info, "speed", images_per_second);
}

double rf_device_speed(const rf_device_info *info) {
    return recorded(info, "speed");
}

/* ---- vectors ---- */

#if defined(__x86_64__) && defined(__GNUC__)
/* Twelve vectors in registers that are multiplied ROUNDS times; the result must be used, or the compiler removes it. */
#define MULTIPLY(N, TARGET)                                                                                  \
    __attribute__((target(TARGET), noinline)) static float multiply_##N(float by) {                          \
        typedef float vector __attribute__((vector_size(N * sizeof(float))));                                \
        enum { ROUNDS = 8192, VECTORS = 12 };                                                                \
        vector sum = {0}, x[VECTORS];                                                                        \
        EACH(j) x[j] = sum + (float)j;                                                                       \
        for (int i = 0; i < ROUNDS; i++) EACH(j) x[j] *= by;                                                 \
        EACH(j) sum += x[j];                                                                                 \
        return sum[0];                                                                                       \
    }
#define EACH(j) _Pragma("GCC unroll 12") for (int j = 0; j < VECTORS; j++)
MULTIPLY(8, "avx2")
MULTIPLY(16, "avx512f")
#undef EACH

static double time_of(float (*work)(float)) {
    static volatile float by = 1;
    const double start = rf_time_ms();
    by = work(by) > 0 ? 1 : 2;
    return rf_time_ms() - start;
}

/* A CPU device is this processor. Vectors of 16 take as long as those of 8 where they pay, and twice as long where they
 * are executed as two halves: the minimum of some short runs, in turn. */
static int measured_width(void) {
    double of_8 = HUGE_VAL, of_16 = HUGE_VAL;
    if (!__builtin_cpu_supports("avx512f")) return 16; /* then it has other vectors */
    for (int turn = 0; turn < 16; turn++) {
        of_8 = fmin(of_8, time_of(multiply_8));
        of_16 = fmin(of_16, time_of(multiply_16));
    }
    return of_16 < 1.4 * of_8 ? 16 : 8;
}
#else
static int measured_width(void) {
    return 16;
}
#endif

/* The first measurement is kept: other vectors sum in another order, and the same seed must give the same bits. */
void rf_device_choose_vectors(rf_device *device) {
    const char *text = getenv("RANGEFINDER_VECTOR");
    const int forced = text != NULL ? atoi(text) : 0;
    rf_device_info *info = &device->info;
    if (info->kind != RF_DEVICE_CPU) return;
    if (forced == 4 || forced == 8 || forced == 16)
        info->native_vector_width = info->vector_width = forced;
    else if (info->vector_width >= 16) {
        const double width = recorded(info, "vectors");
        info->vector_width = width == 8 || width == 16 ? (int)width : measured_width();
        if (info->vector_width != width) record(info, "vectors", info->vector_width);
    }
}
