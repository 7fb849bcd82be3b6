/* The device layer's interface: memory, programs, kernels, an in-order queue.
 * Nothing here knows an op; nothing above includes OpenCL's headers. */
#ifndef RF_DEVICE_DEVICE_H
#define RF_DEVICE_DEVICE_H

#include "base/base.h"
#include "rangefinder/device.h"

/* rf_device_open for one of several processes on a machine, by its number.  selector may be a list with commas, of which the
 * process takes one; else, unless it is P:D, one of the devices that are of the same name as the one that it means.  *count:
 * how many there are to take; with fewer than processes, they share. */
rf_status rf_device_open_for(rf_device **out, int *count, const char *selector, int process);

/* A piece of device memory, or a region of one.  Regions must start at a multiple of info.alignment_bytes and
 * may overlap; the queue is in order, so that a whole and its regions can be used one after another. */
typedef struct rf_buffer rf_buffer;
rf_status rf_buffer_create(rf_buffer **out, rf_device *device, size_t bytes); /* contents undefined */
rf_status rf_buffer_create_zeroed(rf_buffer **out, rf_device *device, size_t bytes);
rf_status rf_buffer_region(rf_buffer **out, rf_buffer *parent, size_t offset,
                           size_t bytes); /* borrowed parent */
void rf_buffer_free(rf_buffer *buffer);
size_t rf_buffer_bytes(const rf_buffer *buffer);

/* Transfers are in queue order.  write and read return when the host memory may be reused / holds the data, also on
 * failure. */
rf_status rf_buffer_write(rf_buffer *buffer, size_t offset, const void *data, size_t bytes);
rf_status rf_buffer_read(rf_buffer *buffer, size_t offset, void *data, size_t bytes);
rf_status rf_buffer_copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes);
rf_status rf_buffer_fill(rf_buffer *buffer, uint32_t pattern); /* whole buffer; its size is a multiple of 4 */
/* Maps for reading and writing by the host; waits for what was enqueued before.  Free of cost with
 * host_memory. */
rf_status rf_buffer_map(void **data, rf_buffer *buffer);
rf_status rf_buffer_unmap(rf_buffer *buffer, void *data);

/* A marker in the queue: non-blocking transfers return one, for the host to wait on. */
typedef struct rf_event rf_event;
/* `data` lives until the event was waited for; free it by rf_device_free_host, since a wait may fail. */
rf_status rf_buffer_read_begin(rf_event **out, rf_buffer *buffer, size_t offset, void *data, size_t bytes);
rf_status rf_buffer_write_begin(rf_event **out, rf_buffer *buffer, size_t offset, const void *data,
                                size_t bytes);
rf_status rf_event_wait(rf_event *event); /* does not free */
void rf_event_free(rf_event *event);      /* does not wait */

/* A kernel of kernels/<program>.cl built with `options` ("-DVEC=8 ..."); programs are built once per (name,
 * options) and device, and their binaries kept in the user's cache folder.  Errors: RF_E_DEVICE with the
 * build log's first error, or that the compiler did not end within $RANGEFINDER_BUILD_TIMEOUT seconds (60).
 */
typedef struct rf_kernel rf_kernel;
rf_status rf_kernel_create(rf_kernel **out, rf_device *device, const char *program, const char *name,
                           const char *options);
void rf_kernel_free(rf_kernel *kernel);
/* True if the program's binary was built now rather than found in the cache (then it has not been checked
 * yet). */
bool rf_kernel_is_new(const rf_kernel *kernel);
/* Drops the cached binary of a program whose results were wrong: the next run builds and checks it again. */
void rf_kernel_distrust(rf_kernel *kernel);

/* Calls back once, before the first program that is not cached is built, where a second process can help:
 * the driver compiles one kernel at a time in a process, and keeps what it compiled in a cache of its own
 * (PoCL). */
void rf_device_on_compile(rf_device *device, void (*call)(void *context), void *context);
/* For that second process: builds go only to the driver's cache, and count neither as built nor as checked. */
void rf_device_compile_ahead(rf_device *device);

/* Reports what takes long, and what is left out, in a sentence. text is borrowed for the call. */
void rf_device_on_notice(rf_device *device, void (*call)(void *context, const char *text), void *context);

typedef enum rf_arg_kind {
    RF_ARG_END,
    RF_ARG_BUFFER,
    RF_ARG_I32,
    RF_ARG_U32,
    RF_ARG_F32,
    RF_ARG_LOCAL
} rf_arg_kind;
typedef struct rf_arg {
    rf_arg_kind kind;
    union {
        rf_buffer *buffer; /* NULL passes a null pointer */
        int32_t i32;
        uint32_t u32;
        float f32;
        size_t local_bytes;
    } as;
} rf_arg;
#define RF_BUF(b)                                                                                            \
    { .kind = RF_ARG_BUFFER, .as.buffer = (b) }
#define RF_I32(v)                                                                                            \
    { .kind = RF_ARG_I32, .as.i32 = (int32_t)(v) }
#define RF_U32(v)                                                                                            \
    { .kind = RF_ARG_U32, .as.u32 = (uint32_t)(v) }
#define RF_F32(v)                                                                                            \
    { .kind = RF_ARG_F32, .as.f32 = (float)(v) }
#define RF_LOCAL(n)                                                                                          \
    { .kind = RF_ARG_LOCAL, .as.local_bytes = (n) }
#define RF_MAX_ARGS 32

/* Sets all arguments; they stay until set again.  args end with RF_ARG_END. */
rf_status rf_kernel_set_args(rf_kernel *kernel, const rf_arg *args);
/* Enqueues.  global must be multiples of local.  *event (may be NULL: none) times it when profiling is on. */
rf_status rf_kernel_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                           rf_event **event);
size_t rf_kernel_max_group(const rf_kernel *kernel); /* 0: the driver does not say, and the message is set */

/* C = A B + beta C by a library (CLBlast), which gets the device's queue and memory.  Matrices are column-major without
 * gaps, also those to be transposed. */
typedef struct rf_matrix {
    rf_buffer *buffer;
    size_t at; /* its first element, in floats */
    bool transposed;
} rf_matrix;
typedef struct rf_gemm {
    size_t m, n, k; /* A is m x k, B is k x n */
    rf_matrix a, b, c;
    float beta;
    rf_buffer *work; /* rf_gemm_work bytes from its start; NULL: the library allocates its own */
} rf_gemm;
const char *rf_gemm_library(void);              /* "CLBlast 1.5.3"; NULL: this build has none */
bool rf_gemm_is_there(const rf_device *device); /* false for NULL */
/* Ignores the buffers, but not the offsets: a matrix at another than 0 may be copied. */
size_t rf_gemm_work(const rf_device *device, const rf_gemm *gemm);
/* Compiles the library's kernels before the first product, under the time limit of a kernel's program. *is_new: as
 * rf_kernel_is_new. */
rf_status rf_gemm_compile(rf_device *device, bool *is_new);
void rf_gemm_distrust(rf_device *device); /* as rf_kernel_distrust */
/* Enqueues, as rf_kernel_launch does. */
rf_status rf_gemm_run(rf_device *device, const rf_gemm *gemm, rf_event **event);

rf_status rf_device_sync(rf_device *device);  /* waits for everything enqueued */
rf_status rf_device_flush(rf_device *device); /* starts it without waiting */
/* For clean-up: waits by whichever call of the driver succeeds, and keeps the error message. False: none did, and
 * commands may still be running. */
bool rf_device_drain(rf_device *device);
/* free() for host memory that transfers may be using: waits for them first. Where no wait succeeds the memory leaks,
 * since the device may still write it. */
void rf_device_free_host(rf_device *device, void *memory);
/* Turns profiling events on or off (waits; off at first); rf_event_times gives ns on the device's clock. */
rf_status rf_device_profile(rf_device *device, bool on);
rf_status rf_event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns);

/* Leaves out an op or a solver ("conv", or "conv_tile.forward") from now on: another solver, or the reference, takes its
 * place.  `rf_device_quarantined` lists it, and a notice says it.  $RANGEFINDER_QUARANTINE (a comma-separated list) does it
 * from the start. */
void rf_device_quarantine(rf_device *device, const char *op, const char *reason);
enum { RF_QUARANTINE_TEXT = 280 };
/* A sentence that says so; returns text. */
const char *rf_quarantine_text(char text[RF_QUARANTINE_TEXT], const rf_quarantine *entry);
bool rf_device_is_quarantined(const rf_device *device, const char *op, const char *direction);

/* The file WHAT-....ENDING in the user's cache folder for this device, driver and version of ours: free();
 * NULL: there is no cache folder. */
char *rf_device_cache_path(const rf_device_info *info, const char *what, const char *ending);
/* The training speed of a device, in images a second of one fixed network, kept in the user's cache folder by device
 * and driver. `auto` prefers the fastest measured among devices of one kind.  0: not measured. */
rf_status rf_device_record_speed(const rf_device_info *info, double images_per_second);
double rf_device_speed(const rf_device_info *info);
/* Sets info.vector_width of a CPU that is being opened.  Vectors of 16 waste more where channels do not fill them, and
 * some processors (AMD's Zen 4, Intel's with one unit for them) execute them as two halves: they are kept where they
 * were measured to multiply faster; the result is cached.  $RANGEFINDER_VECTOR (4, 8, 16) decides without measuring. */
void rf_device_choose_vectors(rf_device *device);

#endif
