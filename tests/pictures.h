/* Pictures for the tests: drawn, copied from tests/data, or of sizes that no fixture could have. */
#ifndef RF_TESTS_PICTURES_H
#define RF_TESTS_PICTURES_H

#include "files.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

/* A picture in which every value differs from its neighbours; JPEG only as 6x7 in colour, from a file. */
static uint8_t value_at(int y, int x, int c) {
    return (uint8_t)(y * 16 + x * 5 + c * 70);
}

static void picture(const char *path, int height, int width, int channels) {
    uint8_t *pixels = malloc((size_t)(height * width * channels)), *p = pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) *p++ = value_at(y, x, c);
    const char *ending = strrchr(path, '.');
    if (strcmp(ending, ".png") == 0)
        assert_true(stbi_write_png(path, width, height, channels, pixels, 0));
    else if (strcmp(ending, ".bmp") == 0)
        assert_true(stbi_write_bmp(path, width, height, channels, pixels));
    else if (strcmp(ending, ".jpg") == 0) {
        uint8_t *jpeg;
        size_t length = read_file(&jpeg, RF_TEST_DATA "/picture-6x7.jpg");
        write_file(path, jpeg, length);
        free(jpeg);
    } else {
        rf_str text = {0};
        rf_str_addf(&text, "P%d # made by a test\n%d %d\n255\n", channels == 1 ? 5 : 6, width, height);
        rf_str_add_bytes(&text, pixels, (size_t)(height * width * channels));
        write_file(path, text.data, text.length);
        rf_str_free(&text);
    }
    free(pixels);
}

static void copy_image(const char *to, const char *name) {
    uint8_t *data;
    char path[512];
    snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, name);
    size_t length = read_file(&data, path);
    write_file(to, data, length);
    free(data);
}

typedef struct jpeg_desc {
    int width, height, components, scans;
    bool progressive;
    int blocks; /* coded in the first scan, each of two 0 bits: no change, no coefficients */
} jpeg_desc;

/* A flat JPEG of whatever size: baseline with all its blocks, or progressive with empty refinement scans. */
static void flat_jpeg(const char *path, jpeg_desc j) {
    rf_str s = {0};
    uint8_t quantisation[69] = {0xFF, 0xDB, 0, 67, 0};
    memset(quantisation + 5, 1, 64);
    const uint8_t table[2][21] = {{0xFF, 0xC4, 0, 20, 0x00, 1}, {0xFF, 0xC4, 0, 20, 0x10, 1}};
    const uint8_t frame[] = {0xFF,
                             j.progressive ? 0xC2 : 0xC0,
                             0,
                             (uint8_t)(8 + 3 * j.components),
                             8,
                             (uint8_t)(j.height >> 8),
                             (uint8_t)j.height,
                             (uint8_t)(j.width >> 8),
                             (uint8_t)j.width,
                             (uint8_t)j.components};
    rf_str_add_bytes(&s, "\xFF\xD8", 2);
    rf_str_add_bytes(&s, quantisation, sizeof quantisation);
    rf_str_add_bytes(&s, frame, sizeof frame);
    for (int c = 0; c < j.components; c++)
        rf_str_add_bytes(&s, (uint8_t[]){(uint8_t)(c + 1), c == 0 && j.components == 3 ? 0x22 : 0x11, 0}, 3);
    for (int t = 0; t < 2; t++) {
        rf_str_add_bytes(&s, table[t], sizeof table[t]);
        rf_str_add_bytes(&s, "", 1); /* the one code stands for 0 */
    }
    for (int i = 0; i < j.scans; i++) {
        int n = i == 0 ? j.components : 1;
        rf_str_add_bytes(&s, (uint8_t[]){0xFF, 0xDA, 0, (uint8_t)(6 + 2 * n), (uint8_t)n}, 5);
        for (int c = 0; c < n; c++) rf_str_add_bytes(&s, (uint8_t[]){(uint8_t)(c + 1), 0}, 2);
        const uint8_t band[2][3] = {{0, j.progressive ? 0 : 63, 0}, {1, 63, 0x10}};
        rf_str_add_bytes(&s, band[i > 0], 3);
        for (int b = 0; b < (i == 0 ? (j.blocks * 2 + 7) / 8 : 1); b++) rf_str_add_bytes(&s, "", 1);
    }
    rf_str_add_bytes(&s, "\xFF\xD9", 2);
    write_file(path, s.data, s.length);
    rf_str_free(&s);
}

/* Blocks of a 4:2:0 image: four and two of each 16x16. */
static int blocks_420(int width, int height) {
    return (width + 15) / 16 * ((height + 15) / 16) * 6;
}

/* A grey PNG of depth 8 that claims width x height, whose data are `bytes` zeros. */
static void zero_png(const char *path, uint32_t width, uint32_t height, size_t bytes) {
    rf_str s = {0};
    uLongf packed = compressBound(bytes);
    uint8_t *raw = calloc(bytes, 1), *data = malloc(packed);
    assert_int_equal(compress(data, &packed, raw, bytes), Z_OK);
    const struct {
        const char *type;
        const void *data;
        size_t length;
    } chunks[] = {{"IHDR",
                   (uint8_t[13]){(uint8_t)(width >> 24), (uint8_t)(width >> 16), (uint8_t)(width >> 8),
                                 (uint8_t)width, (uint8_t)(height >> 24), (uint8_t)(height >> 16),
                                 (uint8_t)(height >> 8), (uint8_t)height, 8},
                   13},
                  {"IDAT", data, packed},
                  {"IEND", "", 0}};
    rf_str_add_bytes(&s, "\x89PNG\r\n\x1A\n", 8);
    for (size_t i = 0; i < RF_COUNT(chunks); i++) {
        size_t n = chunks[i].length;
        rf_str_add_bytes(
            &s, (uint8_t[]){(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 4);
        rf_str_add(&s, chunks[i].type);
        rf_str_add_bytes(&s, chunks[i].data, n);
        rf_str_add_bytes(&s, "crc?", 4);
    }
    write_file(path, s.data, s.length);
    rf_str_free(&s);
    free(data);
    free(raw);
}

#endif
