/* TensorBoard's event files: records (tensorflow/core/lib/io/record_writer.h), each a protobuf message
 * (tensorflow/core/util/event.proto).  Four of its fields are written here, which needs no protobuf library. */
#include "train/tensorboard.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "events.out.tfevents."

struct rf_events {
    FILE *file;
    char *path;
    rf_str record; /* that is being written */
};

/* ---- protobuf ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void add_varint(rf_str *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) rf_str_add_bytes(out, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    rf_str_add_bytes(out, &(uint8_t){(uint8_t)value}, 1);
}

static void add_key(rf_str *out, unsigned field, unsigned type) {
    add_varint(out, field << 3 | type);
}

static void add_little_endian(rf_str *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) rf_str_add_bytes(out, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void add_bytes(rf_str *out, unsigned field, const char *bytes, size_t length) {
    add_key(out, field, BYTES);
    add_varint(out, length);
    rf_str_add_bytes(out, bytes, length);
}

static void add_double(rf_str *out, unsigned field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(out, field, FIXED64);
    add_little_endian(out, bits, sizeof bits);
}

static void add_float(rf_str *out, unsigned field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(out, field, FIXED32);
    add_little_endian(out, bits, sizeof bits);
}

/* ---- records ---- */

/* CRC-32C (Castagnoli), rotated and shifted as the format has it. */
static uint32_t masked_crc(const char *data, size_t length) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < length; i++) {
        crc ^= (uint8_t)data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1));
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* Event: wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7. */
static rf_status write_event(rf_events *e, size_t step, unsigned field, const rf_str *content) {
    rf_str event = {0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    add_double(&event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step > 0) { /* as protobuf leaves out what is the default */
        add_key(&event, 2, VARINT);
        add_varint(&event, step);
    }
    add_bytes(&event, field, rf_str_text(content), content->length);
    rf_str *r = &e->record;
    r->length = 0;
    add_little_endian(r, event.length, 8);
    add_little_endian(r, masked_crc(rf_str_text(r), r->length), 4);
    rf_str_add_bytes(r, rf_str_text(&event), event.length);
    add_little_endian(r, masked_crc(rf_str_text(&event), event.length), 4);
    rf_status status = rf_str_status(content);
    if (status == RF_OK) status = rf_str_status(&event);
    if (status == RF_OK) status = rf_str_status(r);
    rf_str_free(&event);
    RF_TRY(status);
    return fwrite(r->data, 1, r->length, e->file) == r->length
               ? RF_OK
               : rf_fail_errno(errno, "%s: cannot be written", e->path);
}

/* ---- what is written ---- */

static rf_status write_start(rf_events *e, size_t step) {
    rf_str version = {0}, start = {0};
    rf_str_add(&version, "brain.Event:2");
    add_key(&start, 1, VARINT); /* SessionLog: status = 1, which is START */
    add_varint(&start, 1);
    rf_status status = write_event(e, 0, 3, &version);
    if (status == RF_OK) status = write_event(e, step, 7, &start);
    rf_str_free(&version);
    rf_str_free(&start);
    return status == RF_OK ? rf_events_flush(e) : status;
}

rf_status rf_events_open(rf_events **out, const char *folder, size_t step) {
    char host[256] = "";
    *out = NULL;
    rf_events *e = rf_alloc(1, sizeof *e);
    if (e == NULL) return RF_E_MEMORY;
    gethostname(host, sizeof host - 1);
    e->path = rf_format("%s/" PREFIX "%lld.%s.%ld", folder, (long long)time(NULL), host, (long)getpid());
    rf_status status = e->path != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK && (e->file = fopen(e->path, "ab")) == NULL)
        status = rf_fail_errno(errno, "%s: cannot be made", e->path);
    if (status == RF_OK) status = write_start(e, step);
    if (status == RF_OK)
        *out = e;
    else
        rf_events_close(e);
    return status;
}

/* Summary: values = 1, each with tag = 1 and simple_value = 2. */
rf_status rf_events_add(rf_events *e, size_t step, const rf_scalar *scalars, size_t count) {
    rf_str summary = {0};
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(scalars[i].value)) continue;
        rf_str value = {0};
        add_bytes(&value, 1, scalars[i].tag, strlen(scalars[i].tag));
        add_float(&value, 2, (float)scalars[i].value);
        add_bytes(&summary, 1, rf_str_text(&value), value.length);
        summary.failed |= value.failed;
        rf_str_free(&value);
    }
    rf_status status = write_event(e, step, 5, &summary);
    rf_str_free(&summary);
    return status;
}

rf_status rf_events_flush(rf_events *e) {
    return fflush(e->file) == 0 ? RF_OK : rf_fail_errno(errno, "%s: cannot be written", e->path);
}

void rf_events_close(rf_events *e) {
    if (e == NULL) return;
    if (e->file != NULL) fclose(e->file);
    rf_str_free(&e->record);
    free(e->path);
    free(e);
}

rf_status rf_events_remove(const char *path) {
    DIR *folder = opendir(path);
    rf_status status = RF_OK;
    if (folder == NULL) return rf_fail_errno(errno, "%s: cannot be opened", path);
    for (const struct dirent *entry; status == RF_OK && (entry = readdir(folder)) != NULL;)
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            status = rf_fail_errno(errno, "%s/%s: cannot be removed", path, entry->d_name);
    closedir(folder);
    return status;
}
