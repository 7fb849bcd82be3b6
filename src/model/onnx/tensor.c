/* ONNX tensors: their types and shapes, and where their numbers lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "graph/model.h"
#include "model/onnx/file.h"

/* The types that are read: suffix of the name, bits of a number in raw data, the field that has them else (at the low end of a
 * number there), their value, whether it is integer. */
#define TYPES(X)                                                                                             \
    X(FLOAT, float, float_data, (double), false)                                                             \
    X(DOUBLE, double, double_data, (double), false)                                                          \
    X(FLOAT16, uint16_t, int32_data, (double)rf_half_to_float, false)                                        \
    X(BFLOAT16, uint16_t, int32_data, (double)rf_bfloat16_to_float, false)                                   \
    X(INT32, int32_t, int32_data, (double), true)                                                            \
    X(INT64, int64_t, int64_data, (double), true)                                                            \
    X(BOOL, uint8_t, int32_data, (double), true)

/* Numbers as they lie in memory. */
typedef struct span {
    const unsigned char *bytes;
    size_t length, size; /* in bytes; of one number */
    double (*get)(const unsigned char *at);
} span;

#define GET(name, type, field, value_of, integer)                                                            \
    static double get_##name(const unsigned char *at) {                                                      \
        type bits;                                                                                           \
        memcpy(&bits, at, sizeof bits);                                                                      \
        return value_of(bits);                                                                               \
    }
TYPES(GET)

static const struct {
    int type;
    const char *name;
    size_t size;
    bool integer;
    double (*get)(const unsigned char *at);
} types[] = {
#define ROW(name, type, field, value_of, integer)                                                            \
    {ONNX__TENSOR_PROTO__DATA_TYPE__##name, #name, sizeof(type), integer, get_##name},
    TYPES(ROW)};

static int find_type(int type) {
    for (size_t i = 0; i < RF_COUNT(types); i++)
        if (types[i].type == type) return (int)i;
    return -1;
}

bool rf_onnx_is_integer(int type) {
    const int at = find_type(type);
    return at >= 0 && types[at].integer;
}

bool rf_onnx_is_real(int type) {
    const int at = find_type(type);
    return at >= 0 && !types[at].integer;
}

const char *rf_onnx_type_name(int type) {
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, type);
    return value != NULL ? value->name : "an unknown type";
}

rf_status rf_onnx_tensor_count(rf_onnx_tensor *tensor) {
    double count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dim[i] < 0)
            return rf_fail(RF_E_INPUT, "dimension %d of a constant is %lld", i, (long long)tensor->dim[i]);
        count *= (double)tensor->dim[i];
        if (count > RF_MAX_NUMBERS)
            return rf_fail(RF_E_INPUT, "a constant of %.3g numbers or more; %d are the most", count,
                           RF_MAX_NUMBERS);
    }
    tensor->count = (size_t)count;
    return RF_OK;
}

/* ---- external data ---- */

const char *rf_onnx_external(const Onnx__TensorProto *proto, const char *key) {
    if (proto->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return NULL;
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = proto->external_data[i];
        if (entry->key != NULL && strcmp(entry->key, key) == 0) return entry->value;
    }
    return NULL;
}

rf_status rf_onnx_external_path(char **out, const rf_onnx_file *file, const Onnx__TensorProto *proto) {
    const char *location = rf_onnx_external(proto, "location"), *slash = strrchr(file->path, '/');
    const int folder_length = slash != NULL ? (int)(slash - file->path) : 0;
    char *folder = rf_format("%.*s/.", folder_length, slash != NULL ? file->path : ""), *path = NULL,
         *real = NULL, *inside = NULL;
    *out = NULL;
    if (folder != NULL && slash == NULL) strcpy(folder, ".");
    if (folder != NULL) path = rf_format("%s/%s", folder, location != NULL ? location : "");
    rf_status status = path != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK &&
        ((inside = realpath(folder, NULL)) == NULL || (real = realpath(path, NULL)) == NULL))
        status = rf_fail(RF_E_INPUT,
                         "its tensors are in '%.300s', which is missing: keep the two files in one folder",
                         location != NULL ? location : "");
    if (status == RF_OK) {
        const size_t length = strlen(inside);
        if (strncmp(real, inside, length) != 0 || (length > 1 && real[length] != '/'))
            status = rf_fail(RF_E_INPUT, "its tensors are in '%.300s', outside its folder: that is not read",
                             location);
    }
    if (status == RF_OK) {
        *out = real;
        real = NULL;
    }
    free(folder);
    free(path);
    free(inside);
    free(real);
    return status;
}

static bool parse_offset(uint64_t *out, const Onnx__TensorProto *proto, const char *key, uint64_t absent) {
    const char *text = rf_onnx_external(proto, key);
    char *end;
    *out = absent;
    if (text == NULL) return true;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out < (uint64_t)1 << 62;
}

/* Where an external tensor's bytes lie.  path is owned. */
static rf_status find_external(char **path, uint64_t *offset, const rf_onnx_file *file,
                               const Onnx__TensorProto *proto, size_t wanted) {
    uint64_t length;
    struct stat info;
    *path = NULL;
    if (!parse_offset(offset, proto, "offset", 0) || !parse_offset(&length, proto, "length", wanted))
        return rf_fail(RF_E_INPUT, "offset or length of external data is no number");
    RF_TRY(rf_onnx_external_path(path, file, proto));
    if (length == wanted && stat(*path, &info) == 0 && S_ISREG(info.st_mode) &&
        *offset + wanted <= (uint64_t)info.st_size)
        return RF_OK;
    rf_fail(RF_E_INPUT, "%s: too short, or another file: %zu bytes are wanted at %llu", *path, wanted,
            (unsigned long long)*offset);
    free(*path);
    *path = NULL;
    return RF_E_INPUT;
}

/* *bytes is owned. */
static rf_status read_external(unsigned char **bytes, const rf_onnx_file *file,
                               const Onnx__TensorProto *proto, size_t wanted) {
    uint64_t offset;
    char *path;
    RF_TRY(find_external(&path, &offset, file, proto, wanted));
    FILE *stream = fopen(path, "rbe");
    rf_status status = stream != NULL ? RF_OK : rf_fail_errno(errno, "%s: cannot be opened", path);
    if (status == RF_OK && (*bytes = rf_alloc(RF_MAX(wanted, 1), 1)) == NULL) status = RF_E_MEMORY;
    if (status == RF_OK &&
        (fseeko(stream, (off_t)offset, SEEK_SET) != 0 || fread(*bytes, 1, wanted, stream) != wanted))
        status = rf_fail(RF_E_IO, "%s: cannot be read", path);
    if (stream != NULL) fclose(stream);
    free(path);
    return status;
}

/* ---- numbers ---- */

static span in_field(const Onnx__TensorProto *proto) {
#define FIELD(name, type, field, value_of, integer)                                                          \
    if (proto->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__##name)                                           \
        return (span){(const unsigned char *)proto->field, proto->n_##field * sizeof *proto->field,          \
                      sizeof *proto->field, get_##name};
    TYPES(FIELD)
    return (span){NULL};
}

/* Where the numbers are, unless in a file beside it. */
static span locate(const Onnx__TensorProto *proto) {
    const int type = find_type(proto->data_type);
    return proto->has_raw_data
               ? (span){proto->raw_data.data, proto->raw_data.len, types[type].size, types[type].get}
               : in_field(proto);
}

static bool is_external(const Onnx__TensorProto *proto) {
    return proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static rf_status describe(rf_onnx_tensor *tensor, const rf_onnx_file *file, const Onnx__TensorProto *proto) {
    const int type = find_type(proto->data_type);
    if (type < 0)
        return rf_fail(RF_E_INPUT, "numbers of type %s, which is not read: export the network in float32",
                       rf_onnx_type_name(proto->data_type));
    if (proto->n_dims > RF_ONNX_MAX_RANK)
        return rf_fail(RF_E_INPUT, "%zu dimensions; %d are the most", proto->n_dims, RF_ONNX_MAX_RANK);
    *tensor = (rf_onnx_tensor){.proto = proto, .type = proto->data_type, .rank = (int)proto->n_dims};
    for (int i = 0; i < tensor->rank; i++) tensor->dim[i] = proto->dims[i];
    RF_TRY(rf_onnx_tensor_count(tensor));
    if (is_external(proto)) {
        char *path;
        uint64_t offset;
        const rf_status status = find_external(&path, &offset, file, proto, tensor->count * types[type].size);
        free(path);
        return status;
    }
    const span numbers = locate(proto);
    if (numbers.length == tensor->count * numbers.size) return RF_OK;
    return rf_fail(RF_E_INPUT, "%zu bytes, and its shape has %zu numbers", numbers.length, tensor->count);
}

rf_status rf_onnx_tensor_describe(rf_onnx_tensor *tensor, const rf_onnx_file *file,
                                  const Onnx__TensorProto *proto) {
    const rf_status status = describe(tensor, file, proto);
    return status == RF_OK || proto->name == NULL ? status
                                                  : rf_fail_prefix(status, "constant '%.200s'", proto->name);
}

rf_status rf_onnx_tensor_read(double *doubles, float *floats, const rf_onnx_file *file,
                              const rf_onnx_tensor *tensor) {
    const Onnx__TensorProto *proto = tensor->proto;
    unsigned char *owned = NULL;
    span numbers = {(const unsigned char *)tensor->values, 0, sizeof(double), get_DOUBLE};
    if (tensor->values == NULL) {
        const int type = find_type(tensor->type);
        numbers = is_external(proto) ? (span){NULL, 0, types[type].size, types[type].get} : locate(proto);
        if (is_external(proto)) {
            const rf_status status = read_external(&owned, file, proto, tensor->count * numbers.size);
            if (status != RF_OK) {
                free(owned);
                return status;
            }
            numbers.bytes = owned;
        }
    }
    for (size_t i = 0; i < tensor->count; i++) {
        const double value = numbers.get(numbers.bytes + i * numbers.size);
        if (doubles != NULL)
            doubles[i] = value;
        else
            floats[i] = (float)value;
    }
    free(owned);
    return RF_OK;
}
