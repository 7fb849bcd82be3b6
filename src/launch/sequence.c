/* Sequences of launches: kernels with their arguments set, library calls, or host functions over mapped buffers. */
#include "launch/sequence.h"

#include <stdlib.h>
#include <string.h>

typedef struct launch {
    rf_kernel *kernel; /* of a kernel */
    size_t global[3], local[3];
    bool is_new;          /* its program was built now, not cached */
    rf_gemm gemm;         /* of a library call: kernel and function are NULL */
    rf_host_fn *function; /* of a host call */
    void *context;
    rf_buffer **buffers; /* owned array of borrowed buffers */
    size_t buffer_count;
    char *label;
    char kernel_name[48];
    rf_launch_profile profile;
} launch;

struct rf_sequence {
    rf_device *device; /* borrowed: outlives the sequence */
    launch *launches;
    size_t count, capacity;
    rf_buffer **zeros; /* each larger than the one before */
    size_t zeros_count;
    char label[RF_MAX_LABEL];
    bool half_x, half_y; /* of the kernels to come */
};

rf_status rf_sequence_create(rf_sequence **out, rf_device *device) {
    *out = rf_alloc(1, sizeof **out);
    if (*out == NULL) return RF_E_MEMORY;
    (*out)->device = device;
    return RF_OK;
}

static void launch_release(launch *l) {
    rf_kernel_free(l->kernel);
    free(l->context);
    free(l->buffers);
    free(l->label);
}

void rf_sequence_truncate(rf_sequence *sequence, size_t first) {
    while (sequence->count > first) launch_release(&sequence->launches[--sequence->count]);
}

void rf_sequence_free(rf_sequence *sequence) {
    if (sequence == NULL) return;
    rf_sequence_truncate(sequence, 0);
    for (size_t i = 0; i < sequence->zeros_count; i++) rf_buffer_free(sequence->zeros[i]);
    free(sequence->zeros);
    free(sequence->launches);
    free(sequence);
}

rf_device *rf_sequence_device(const rf_sequence *sequence) {
    return sequence->device;
}

void rf_sequence_label(rf_sequence *sequence, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(sequence->label, sizeof sequence->label, format, args);
    va_end(args);
}

/* A new launch at the end, empty but for its label; NULL without memory. */
static launch *append(rf_sequence *sequence, const char *kernel_name, double flops, double bytes) {
    if (sequence->count == sequence->capacity) {
        size_t capacity = RF_MAX(sequence->capacity * 2, 64);
        launch *grown = rf_resize(sequence->launches, capacity, sizeof *grown);
        if (grown == NULL) return NULL;
        sequence->launches = grown;
        sequence->capacity = capacity;
    }
    launch *l = &sequence->launches[sequence->count];
    *l = (launch){.label = rf_strdup(sequence->label)};
    if (l->label == NULL) return NULL;
    snprintf(l->kernel_name, sizeof l->kernel_name, "%s", kernel_name);
    l->profile = (rf_launch_profile){.flops = flops, .bytes = bytes};
    sequence->count++;
    return l;
}

rf_status rf_sequence_zeros(rf_sequence *sequence, rf_buffer **out, size_t floats) {
    const size_t count = sequence->zeros_count, bytes = floats * sizeof(float);
    *out = count > 0 ? sequence->zeros[count - 1] : NULL;
    if (*out != NULL && rf_buffer_bytes(*out) >= bytes) return RF_OK;
    rf_buffer **grown = rf_resize(sequence->zeros, count + 1, sizeof *grown);
    if (grown == NULL) return RF_E_MEMORY;
    sequence->zeros = grown;
    RF_TRY(rf_buffer_create_zeroed(&grown[count], sequence->device, bytes));
    *out = grown[sequence->zeros_count++];
    return RF_OK;
}

void rf_sequence_halves(rf_sequence *sequence, bool x, bool y) {
    sequence->half_x = x;
    sequence->half_y = y;
}

rf_status rf_emit(rf_sequence *sequence, const rf_launch_desc *desc) {
    const bool x = sequence->half_x, y = sequence->half_y;
    char options[512];
    launch *l = append(sequence, desc->kernel, desc->flops, desc->bytes * (1 - 0.25 * (x + y)));
    if (l == NULL) return RF_E_MEMORY;
    snprintf(options, sizeof options, "%s%s%s", desc->options != NULL ? desc->options : "",
             x ? " -DHALF_X" : "", y ? " -DHALF_Y" : "");
    rf_status status = rf_kernel_create(&l->kernel, sequence->device, desc->program, desc->kernel, options);
    if (status == RF_OK) status = rf_kernel_set_args(l->kernel, desc->args);
    if (status != RF_OK) {
        rf_sequence_truncate(sequence, sequence->count - 1);
        return rf_fail_prefix(status, "%s", sequence->label[0] != '\0' ? sequence->label : desc->kernel);
    }
    l->is_new = rf_kernel_is_new(l->kernel);
    for (int i = 0; i < 3; i++) {
        l->global[i] = RF_MAX(desc->global[i], 1);
        l->local[i] = RF_MAX(desc->local[i], 1);
    }
    return RF_OK;
}

rf_status rf_emit_gemm(rf_sequence *sequence, const rf_gemm *gemm) {
    const double m = (double)gemm->m, n = (double)gemm->n, k = (double)gemm->k;
    launch *l =
        append(sequence, "gemm", 2 * m * n * k, 4 * (m * k + k * n + m * n * (gemm->beta != 0 ? 2 : 1)));
    if (l == NULL) return RF_E_MEMORY;
    l->gemm = *gemm;
    rf_status status = rf_gemm_compile(sequence->device, &l->is_new);
    if (status != RF_OK) rf_sequence_truncate(sequence, sequence->count - 1);
    return status;
}

rf_status rf_emit_host(rf_sequence *sequence, rf_host_fn *function, const void *context, size_t context_bytes,
                       rf_buffer *const *buffers, size_t buffer_count, double flops, double bytes) {
    if (buffer_count > RF_MAX_HOST_BUFFERS)
        return rf_fail(RF_E_USAGE, "a host call over %zu buffers", buffer_count);
    launch *l = append(sequence, "reference", flops, bytes);
    if (l == NULL) return RF_E_MEMORY;
    l->function = function;
    l->context = rf_alloc(context_bytes, 1);
    l->buffers = rf_alloc(buffer_count, sizeof(rf_buffer *));
    if (l->context == NULL || l->buffers == NULL) {
        rf_sequence_truncate(sequence, sequence->count - 1);
        return RF_E_MEMORY;
    }
    memcpy(l->context, context, context_bytes);
    memcpy(l->buffers, buffers, buffer_count * sizeof(rf_buffer *));
    l->buffer_count = buffer_count;
    return RF_OK;
}

static rf_status run_host(const launch *l) {
    rf_status status = RF_OK;
    void *data[RF_MAX_HOST_BUFFERS] = {NULL};
    size_t mapped = 0;
    for (; mapped < l->buffer_count && status == RF_OK; mapped++) {
        bool again = false; /* the same buffer twice (in place): map once */
        for (size_t j = 0; j < mapped && !again; j++)
            if (l->buffers[j] == l->buffers[mapped]) data[mapped] = data[j], again = true;
        if (l->buffers[mapped] != NULL && !again) status = rf_buffer_map(&data[mapped], l->buffers[mapped]);
    }
    if (status == RF_OK) l->function(l->context, data);
    for (size_t i = 0; i < mapped; i++) {
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) again = l->buffers[j] == l->buffers[i];
        if (data[i] == NULL || again) continue;
        rf_status unmapped = rf_buffer_unmap(l->buffers[i], data[i]);
        if (status == RF_OK) status = unmapped;
    }
    return status;
}

static rf_status enqueue(const rf_sequence *sequence, const launch *l, rf_event **event) {
    return l->kernel != NULL ? rf_kernel_launch(l->kernel, l->global, l->local, event)
                             : rf_gemm_run(sequence->device, &l->gemm, event);
}

rf_status rf_sequence_run(rf_sequence *sequence) {
    for (size_t i = 0; i < sequence->count; i++) {
        launch *l = &sequence->launches[i];
        rf_status status = l->function != NULL ? run_host(l) : enqueue(sequence, l, NULL);
        if (status != RF_OK) return rf_fail_prefix(status, "%s (%s)", l->label, l->kernel_name);
    }
    return RF_OK;
}

static rf_status run_timed(rf_sequence *sequence, launch *l) {
    double start = rf_time_ms();
    rf_event *event = NULL;
    if (l->function == NULL) {
        RF_TRY(enqueue(sequence, l, &event));
        rf_status status = rf_device_sync(sequence->device);
        uint64_t from = 0, to = 0;
        if (status == RF_OK) status = rf_event_times(event, &from, &to);
        rf_event_free(event);
        RF_TRY(status);
        l->profile.start_ms = (double)from * 1e-6;
        l->profile.last_ms = (double)(to - from) * 1e-6;
    } else {
        RF_TRY(run_host(l));
        RF_TRY(rf_device_sync(sequence->device));
        l->profile.start_ms = start;
        l->profile.last_ms = rf_time_ms() - start;
    }
    l->profile.min_ms =
        l->profile.min_ms > 0 ? RF_MIN(l->profile.min_ms, l->profile.last_ms) : l->profile.last_ms;
    return RF_OK;
}

rf_status rf_sequence_run_profiled(rf_sequence *sequence) {
    for (size_t i = 0; i < sequence->count; i++) {
        launch *l = &sequence->launches[i];
        rf_status status = run_timed(sequence, l);
        if (status != RF_OK) return rf_fail_prefix(status, "%s (%s)", l->label, l->kernel_name);
    }
    return RF_OK;
}

size_t rf_sequence_count(const rf_sequence *sequence) {
    return sequence->count;
}

const rf_launch_profile *rf_sequence_profile(const rf_sequence *sequence, size_t index) {
    launch *l = &sequence->launches[index];
    l->profile.label = l->label;
    l->profile.kernel = l->kernel_name;
    return &l->profile;
}

bool rf_sequence_is_new(const rf_sequence *sequence, size_t first) {
    for (size_t i = first; i < sequence->count; i++)
        if (sequence->launches[i].is_new) return true;
    return false;
}

void rf_sequence_distrust(rf_sequence *sequence, size_t first) {
    for (size_t i = first; i < sequence->count; i++) {
        const launch *l = &sequence->launches[i];
        if (l->kernel != NULL)
            rf_kernel_distrust(l->kernel);
        else if (l->function == NULL)
            rf_gemm_distrust(sequence->device);
    }
}
