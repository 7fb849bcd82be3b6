/* The safetensors format.  Reading validates the header before using it. */
#include "model/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/json.h"
#include "base/kind.h"

enum { MAX_HEADER_BYTES = 8 << 20, CHUNK = 16384, CHECKSUM_DIGITS = 8 };

/* ---- types ---- */

static uint16_t get16(const unsigned char *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}
static uint32_t get32(const unsigned char *at) {
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_f32(const unsigned char *at) {
    return from_bits(get32(at));
}
static float from_bf16(const unsigned char *at) {
    return rf_bfloat16_to_float(get16(at));
}

static float from_f64(const unsigned char *at) {
    const uint64_t bits = get32(at) | (uint64_t)get32(at + 4) << 32;
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

static float from_f16(const unsigned char *at) {
    return rf_half_to_float((uint16_t)get16(at));
}

struct rf_tensor_type {
    const char *name;
    uint64_t bytes;
    float (*get)(const unsigned char *at); /* NULL: cannot be read as weights */
};
static const rf_tensor_type types[] = {
    {"F32", 4, from_f32}, {"F16", 2, from_f16}, {"BF16", 2, from_bf16}, {"F64", 8, from_f64},
    {"I64", 8, NULL},     {"U64", 8, NULL},     {"I32", 4, NULL},       {"U32", 4, NULL},
    {"I16", 2, NULL},     {"U16", 2, NULL},     {"I8", 1, NULL},        {"U8", 1, NULL},
    {"BOOL", 1, NULL},    {"F8_E4M3", 1, NULL}, {"F8_E5M2", 1, NULL},
};

static const rf_tensor_type *find_type(const char *name) {
    for (size_t i = 0; name && i < RF_COUNT(types); i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

/* ---- the header ---- */

uint64_t rf_tensor_count(const rf_tensor *tensor) {
    uint64_t count = 1;
    for (int i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
    return count;
}

bool rf_tensor_is_integer(const rf_tensor *tensor) {
    return !tensor->type->get && tensor->type->name[0] != 'F';
}

/* Shape and type must make up exactly the bytes that the offsets enclose. */
static rf_status check_size(const rf_tensor *tensor, const char *path) {
    uint64_t bytes = tensor->type->bytes;
    for (int i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(bytes, tensor->shape[i], &bytes))
            return rf_fail(RF_E_INPUT, "%s: tensor '%.200s': its shape has more numbers than can be counted",
                           path, tensor->name);
    if (bytes != tensor->end - tensor->begin)
        return rf_fail(RF_E_INPUT, "%s: tensor '%.200s': its shape needs %llu bytes, its offsets hold %llu",
                       path, tensor->name, (unsigned long long)bytes,
                       (unsigned long long)(tensor->end - tensor->begin));
    return RF_OK;
}

static bool get_natural(uint64_t *out, const json_t *value) {
    *out = json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value) : 0;
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static rf_status parse_tensor(rf_tensor *tensor, const json_t *entry, const char *path, uint64_t data_bytes) {
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    tensor->type = find_type(type);
    if (!type || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return rf_fail(RF_E_INPUT,
                       "%s: tensor '%.200s': expected {\"dtype\", \"shape\", \"data_offsets\": [begin, end]}",
                       path, tensor->name);
    if (!tensor->type)
        return rf_fail(
            RF_E_INPUT,
            "%s: tensor '%.200s': its type '%.20s' is not known; F64, F32, F16 and BF16 can be read", path,
            tensor->name, type);
    if (json_array_size(shape) > RF_TENSOR_MAX_RANK)
        return rf_fail(RF_E_INPUT, "%s: tensor '%.200s': it has %zu dimensions, at most %d can be read", path,
                       tensor->name, json_array_size(shape), RF_TENSOR_MAX_RANK);
    tensor->rank = (int)json_array_size(shape);
    bool natural = get_natural(&tensor->begin, json_array_get(offsets, 0)) &&
                   get_natural(&tensor->end, json_array_get(offsets, 1));
    for (int i = 0; i < tensor->rank && natural; i++)
        natural = get_natural(&tensor->shape[i], json_array_get(shape, (size_t)i));
    if (!natural)
        return rf_fail(RF_E_INPUT, "%s: tensor '%.200s': shape and offsets must be whole numbers from 0",
                       path, tensor->name);
    if (tensor->begin > tensor->end || tensor->end > data_bytes)
        return rf_fail(
            RF_E_INPUT,
            "%s: tensor '%.200s': offsets %llu to %llu lie outside of the file's %llu bytes of data", path,
            tensor->name, (unsigned long long)tensor->begin, (unsigned long long)tensor->end,
            (unsigned long long)data_bytes);
    return check_size(tensor, path);
}

static int by_place(const void *a, const void *b) {
    const rf_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static rf_status parse_notes(rf_tensor_file *file, json_t *metadata) {
    const char *name;
    json_t *text;
    file->notes = rf_alloc(json_object_size(metadata) + 1, sizeof *file->notes);
    if (!file->notes) return RF_E_MEMORY;
    json_object_foreach(metadata, name, text) {
        if (!json_is_string(text)) continue;     /* the format allows only strings; ignore all else */
        if (!strcmp(name, "checksum")) continue; /* the file's, and none of whoever wrote it */
        rf_tensor_note *note = &file->notes[file->note_count++];
        if (!(note->name = rf_strdup(name)) || !(note->text = rf_strdup(json_string_value(text))))
            return RF_E_MEMORY;
    }
    return RF_OK;
}

static rf_status parse_tensors(rf_tensor_file *file, json_t *root, uint64_t data_bytes) {
    const char *name;
    json_t *entry;
    file->tensors = rf_alloc(json_object_size(root) + 1, sizeof *file->tensors);
    if (!file->tensors) return RF_E_MEMORY;
    json_object_foreach(root, name, entry) {
        if (!strcmp(name, "__metadata__")) {
            RF_TRY(parse_notes(file, entry));
            continue;
        }
        rf_tensor *tensor = &file->tensors[file->count];
        tensor->name = rf_strdup(name);
        if (!tensor->name) return RF_E_MEMORY;
        file->count++;
        RF_TRY(parse_tensor(tensor, entry, file->path, data_bytes));
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    for (size_t i = 1; i < file->count; i++)
        if (file->tensors[i].begin < file->tensors[i - 1].end)
            return rf_fail(RF_E_INPUT, "%s: the tensors '%.200s' and '%.200s' overlap", file->path,
                           file->tensors[i - 1].name, file->tensors[i].name);
    return RF_OK;
}

static rf_status parse_header(rf_tensor_file *file, const char *text, size_t length, uint64_t data_bytes) {
    json_t *root = NULL;
    rf_status status = rf_json_parse(&root, text, length);
    if (status != RF_OK)
        status =
            rf_fail_prefix(status, "%s: the header%s", file->path, status == RF_E_INPUT ? " is no JSON" : "");
    else if (!json_is_object(root))
        status = rf_fail(RF_E_INPUT, "%s: the header must be a JSON object", file->path);
    else
        status = parse_tensors(file, root, data_bytes);
    json_decref(root);
    return status;
}

/* ---- the file ---- */

static rf_status read_at(const rf_tensor_file *file, uint64_t offset, void *data, size_t bytes) {
    if (fseeko(file->stream, (off_t)offset, SEEK_SET) || fread(data, 1, bytes, file->stream) != bytes)
        return rf_fail(RF_E_IO, "%s: cannot be read at byte %llu", file->path, (unsigned long long)offset);
    return RF_OK;
}

/* The digits of the checksum in a header; NULL: it has none. */
static char *checksum_of(char *header) {
    static const char key[] = "\"checksum\"";
    char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    at += strspn(at, ": \"");
    return strspn(at, "0123456789abcdef") == CHECKSUM_DIGITS ? at : NULL;
}

/* header: its text, which is changed; data_bytes: what follows it in the file. */
static rf_status check_sum(rf_tensor_file *file, char *header, size_t length, uint64_t data_bytes) {
    unsigned char chunk[CHUNK];
    char *digits = checksum_of(header);
    if (!digits) return RF_OK;
    const unsigned long expected = strtoul(digits, NULL, 16);
    memset(digits, '0', CHECKSUM_DIGITS);
    uLong sum = crc32_z(0, (const unsigned char *)header, length);
    for (uint64_t at = 0; at < data_bytes; at += CHUNK) {
        const size_t bytes = (size_t)RF_MIN(data_bytes - at, sizeof chunk);
        RF_TRY(read_at(file, file->data_start + at, chunk, bytes));
        sum = crc32_z(sum, chunk, bytes);
    }
    file->checked = sum == expected;
    return file->checked ? RF_OK : rf_fail(RF_E_INPUT, "%s: damaged: its checksum does not hold", file->path);
}

static rf_status read_header(rf_tensor_file *file) {
    struct stat info;
    unsigned char first[8];
    if (fstat(fileno(file->stream), &info)) return rf_fail_errno(errno, "%s", file->path);
    const uint64_t size = (uint64_t)info.st_size;
    if (size < sizeof first)
        return rf_fail(RF_E_INPUT, "%s: no safetensors file: it has only %llu bytes", file->path,
                       (unsigned long long)size);
    RF_TRY(read_at(file, 0, first, sizeof first));
    const uint64_t length = get32(first) | (uint64_t)get32(first + 4) << 32;
    if (length > size - sizeof first)
        return rf_fail(
            RF_E_INPUT,
            "%s: no safetensors file, or truncated: its header claims %llu bytes, the file has %llu",
            file->path, (unsigned long long)length, (unsigned long long)size);
    if (length > MAX_HEADER_BYTES)
        return rf_fail(RF_E_INPUT, "%s: its header of %llu bytes is larger than %d, the most that is read",
                       file->path, (unsigned long long)length, MAX_HEADER_BYTES);
    char *text = rf_alloc((size_t)length + 1, 1);
    if (!text) return RF_E_MEMORY;
    file->data_start = sizeof first + length;
    rf_status status = read_at(file, sizeof first, text, (size_t)length);
    if (status == RF_OK) status = parse_header(file, text, (size_t)length, size - file->data_start);
    if (status == RF_OK) status = check_sum(file, text, (size_t)length, size - file->data_start);
    free(text);
    return status;
}

rf_status rf_tensor_file_open(rf_tensor_file **out, const char *path) {
    struct stat info;
    rf_status status = RF_E_MEMORY;
    *out = NULL;
    rf_tensor_file *file = rf_alloc(1, sizeof *file);
    if (!file || !(file->path = rf_strdup(path))) goto done;
    if (stat(path, &info) || (S_ISREG(info.st_mode) && !(file->stream = fopen(path, "rb")))) {
        status = rf_fail_errno(errno, "%s: cannot be opened", path);
        goto done;
    }
    if (!file->stream) {
        status = rf_fail(RF_E_IO, "%s: not a file", path);
        goto done;
    }
    status = rf_explain_file(read_header(file), path, RF_READER_WEIGHTS);
    if (status != RF_OK) goto done;
    *out = file;
    file = NULL;
done:
    rf_tensor_file_close(file);
    return status;
}

void rf_tensor_file_close(rf_tensor_file *file) {
    if (!file) return;
    for (size_t i = 0; i < file->count; i++) free(file->tensors[i].name);
    for (size_t i = 0; i < file->note_count; i++) {
        free(file->notes[i].name);
        free(file->notes[i].text);
    }
    if (file->stream) fclose(file->stream);
    free(file->notes);
    free(file->tensors);
    free(file->path);
    free(file);
}

rf_status rf_tensor_read(float *values, const rf_tensor_file *file, const rf_tensor *tensor) {
    const rf_tensor_type *type = tensor->type;
    unsigned char chunk[CHUNK];
    if (!type->get)
        return rf_fail(RF_E_INPUT, "%s: tensor '%.200s' is %s; F64, F32, F16 and BF16 can be read as weights",
                       file->path, tensor->name, type->name);
    for (uint64_t at = tensor->begin; at < tensor->end;) {
        const size_t bytes = (size_t)RF_MIN(tensor->end - at, sizeof chunk);
        RF_TRY(read_at(file, file->data_start + at, chunk, bytes));
        for (size_t i = 0; i < bytes; i += type->bytes) *values++ = type->get(chunk + i);
        at += bytes;
    }
    return RF_OK;
}

/* ---- writing ---- */

static size_t numbers_of(const rf_tensor_source *tensor) {
    size_t count = 1;
    for (int k = 0; k < tensor->rank; k++) count *= (size_t)tensor->shape[k];
    return count;
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const rf_tensor_source *const *)a)->name, (*(const rf_tensor_source *const *)b)->name);
}

/* The header, blanks at its end so that the data begins at a multiple of 8. *out is owned. */
static rf_status make_header(char **out, const rf_tensor_source *const *sorted, size_t count,
                             const rf_tensor_note *notes, size_t note_count) {
    rf_json json = {0};
    uint64_t at = 0;
    rf_json_open(&json, NULL, '{');
    rf_json_open(&json, "__metadata__", '{');
    rf_json_string(&json, "checksum", "00000000");
    for (size_t i = 0; i < note_count; i++) rf_json_string(&json, notes[i].name, notes[i].text);
    rf_json_close(&json);
    for (size_t i = 0; i < count; i++) {
        rf_json_open(&json, sorted[i]->name, '{');
        rf_json_string(&json, "dtype", "F32");
        rf_json_open(&json, "shape", '[');
        for (int k = 0; k < sorted[i]->rank; k++) rf_json_count(&json, NULL, (uint64_t)sorted[i]->shape[k]);
        rf_json_close(&json);
        rf_json_open(&json, "data_offsets", '[');
        rf_json_count(&json, NULL, at);
        rf_json_count(&json, NULL, at += numbers_of(sorted[i]) * sizeof(float));
        rf_json_close(&json);
        rf_json_close(&json);
    }
    rf_status status = rf_json_end(&json);
    *out = status == RF_OK ? rf_format("%-*s", (int)rf_round_up(json.text.length, 8), json.text.data) : NULL;
    rf_str_free(&json.text);
    return *out ? RF_OK : RF_E_MEMORY;
}

static void put32(unsigned char *at, uint32_t bits) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(bits >> 8 * i);
}

/* The next numbers as bytes, at most a chunk of them; returns how many bytes. */
static size_t take_floats(unsigned char chunk[CHUNK], const float *values, size_t count) {
    const size_t now = RF_MIN(count, (size_t)CHUNK / 4);
    for (size_t i = 0; i < now; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        put32(chunk + 4 * i, bits);
    }
    return 4 * now;
}

/* Writes the bytes of all tensors, or adds them to a checksum where there is no stream. */
static uLong put_data(FILE *stream, const rf_tensor_source *const *sorted, size_t count, uLong sum) {
    unsigned char chunk[CHUNK];
    for (size_t i = 0; i < count; i++)
        for (size_t done = 0, all = numbers_of(sorted[i]), bytes; done < all; done += bytes / 4) {
            bytes = take_floats(chunk, sorted[i]->values + done, all - done);
            if (stream)
                fwrite(chunk, 1, bytes, stream); /* the commit looks at the stream's errors */
            else
                sum = crc32_z(sum, chunk, bytes);
        }
    return sum;
}

rf_status rf_tensor_file_write(const char *path, const rf_tensor_source *tensors, size_t count,
                               const rf_tensor_note *notes, size_t note_count, bool durable) {
    char *header = NULL;
    rf_outfile *file = NULL;
    unsigned char length[8] = {0};
    const rf_tensor_source **sorted = rf_alloc(count + 1, sizeof *sorted);
    if (!sorted) return RF_E_MEMORY;
    for (size_t i = 0; i < count; i++) sorted[i] = &tensors[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    rf_status status = make_header(&header, sorted, count, notes, note_count);
    if (status == RF_OK) {
        char digits[CHECKSUM_DIGITS + 1];
        const uLong sum = crc32_z(0, (const unsigned char *)header, strlen(header));
        snprintf(digits, sizeof digits, "%08lx", put_data(NULL, sorted, count, sum));
        memcpy(checksum_of(header), digits, CHECKSUM_DIGITS);
        status = rf_outfile_open(&file, path);
    }
    if (status == RF_OK) {
        FILE *stream = rf_outfile_stream(file);
        put32(length, (uint32_t)strlen(header));
        fwrite(length, 1, sizeof length, stream);
        fwrite(header, 1, strlen(header), stream);
        put_data(stream, sorted, count, 0);
        status = durable ? rf_outfile_commit_durable(file) : rf_outfile_commit(file);
    }
    free(header);
    free(sorted);
    return status;
}
