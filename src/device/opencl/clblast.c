/* Matrix products by CLBlast, which is given our queue and memory.
 *
 * At its first call it compiles all its kernels for products, which can take long (PoCL: 12 s of one core).  So that
 * call is made here, in a job under the compiler's time limit.  CLBlast keeps what it compiled until its process ends;
 * for later processes the driver may (PoCL does).
 *
 * CLBlast has no good parameters for CPUs: 2 to 6 GFLOP/s on two cores of a Xeon under PoCL.  With those below it makes
 * 10 to 34: work-groups of one item, a tile of 16x8 in vectors of 8 (32x4 is no faster), and never the "direct" kernels
 * for small products, which use barriers.  Those have small tiles, which compile in a third of the time.  The
 * parameters apply to all uses of CLBlast on the device in this process. */
#include <clblast_c.h>
#include <pthread.h>
#include <stdlib.h>

#include "device/opencl/job.h"

#define TEXT_(number) #number
#define TEXT(number)  TEXT_(number)
#define NAME                                                                                                 \
    "CLBlast " TEXT(CLBLAST_VERSION_MAJOR) "." TEXT(CLBLAST_VERSION_MINOR) "." TEXT(CLBLAST_VERSION_PATCH)

static const struct {
    const char *kernel;
    size_t count;
    const char *names[16];
    size_t values[16];
} for_processors[] = {
    {"Xgemm",
     16,
     {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB", "STRM",
      "STRN", "VWM", "VWN"},
     {0, 1, 16, 1, 1, 1, 16, 1, 1, 8, 0, 0, 0, 0, 8, 8}},
    {"XgemmDirect",
     10,
     {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD", "PADA", "PADB", "VWMD", "VWND", "WGD"},
     {1, 8, 8, 8, 8, 0, 0, 1, 1, 8}},
    {"GemmRoutine", 1, {"XGEMM_MIN_INDIRECT_SIZE"}, {0}},
};

static CLBlastTranspose transpose(const rf_matrix *matrix) {
    return matrix->transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
}

static size_t memory_of(cl_command_queue queue, const rf_gemm *g) {
    size_t bytes = 0;
    CLBlastSGemmTempBufferSize(CLBlastLayoutColMajor, transpose(&g->a), transpose(&g->b), g->m, g->n, g->k,
                               g->a.at, g->a.transposed ? g->k : g->m, g->b.at, g->b.transposed ? g->n : g->k,
                               g->c.at, g->m, &queue, &bytes);
    return bytes;
}

/* Before the first query: the parameters decide how much temporary memory a product takes.  CLBlast may be called from
 * several threads at once, but for its first call, which fills a table that all then read: a device's first is made under
 * a lock. */
static rf_opencl *tuned(const rf_device *device) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    rf_opencl *cl = rf_opencl_of(device);
    if (cl->gemm_is_tuned) return cl;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < RF_COUNT(for_processors) && device->info.kind == RF_DEVICE_CPU; i++)
        CLBlastOverrideParameters(cl->id, for_processors[i].kernel, CLBlastPrecisionSingle,
                                  for_processors[i].count, (const char **)for_processors[i].names,
                                  for_processors[i].values);
    memory_of(cl->queue, &(rf_gemm){.m = 1, .n = 1, .k = 1});
    pthread_mutex_unlock(&lock);
    cl->gemm_is_tuned = true;
    return cl;
}

static size_t work(const rf_device *device, const rf_gemm *g) {
    return memory_of(tuned(device)->queue, g);
}

/* work: CLBlast's temporary memory; NULL: it allocates its own. */
static CLBlastStatusCode enqueue(cl_command_queue queue, const rf_gemm *g, cl_mem work, cl_event *event) {
    return CLBlastSgemmWithTempBuffer(CLBlastLayoutColMajor, transpose(&g->a), transpose(&g->b), g->m, g->n,
                                      g->k, 1, g->a.buffer->handle, g->a.at, g->a.transposed ? g->k : g->m,
                                      g->b.buffer->handle, g->b.at, g->b.transposed ? g->n : g->k, g->beta,
                                      g->c.buffer->handle, g->c.at, g->m, &queue, event, work);
}

static rf_status fail(int error, const char *what) {
    enum { OWN = -1000 }; /* CLBlast's codes from here down; OpenCL's above */
    if (error > OWN) return rf_opencl_fail(error, NAME ": %s", what);
    return rf_fail(RF_E_DEVICE, NAME ": %s: its error %d", what, error);
}

static rf_status run(rf_device *device, const rf_gemm *g, rf_event *event) {
    cl_command_queue queue = rf_opencl_of(device)->queue;
    cl_event before = NULL, last = NULL;
    char what[80];
    snprintf(what, sizeof what, "a product of %zux%zu by %zux%zu", g->m, g->k, g->k, g->n);
    if (event != NULL) { /* CLBlast's is that of the last of its kernels */
        cl_int error = clEnqueueMarkerWithWaitList(queue, 0, NULL, &before);
        if (error != CL_SUCCESS) return rf_opencl_fail(error, "%s", what);
    }
    CLBlastStatusCode error =
        enqueue(queue, g, g->work != NULL ? g->work->handle : NULL, event != NULL ? &last : NULL);
    if (error != CLBlastSuccess) {
        if (before != NULL) clReleaseEvent(before);
        return fail(error, what);
    }
    if (event != NULL) event->handle = last, event->before = before;
    return RF_OK;
}

/* ---- compiling ---- */

typedef struct warm_up {
    rf_job job;
    cl_command_queue queue; /* owned */
    rf_buffer memory;       /* its handle is owned */
    CLBlastStatusCode error;
} warm_up;

enum { EXTENT = 5 };

/* A product of each kind: some drivers compile a kernel when it is first enqueued. */
static void run_products(rf_job *job) {
    warm_up *w = (warm_up *)job;
    for (int kind = 0; kind < 3 && w->error == CLBlastSuccess; kind++) {
        const rf_gemm product = {.m = EXTENT,
                                 .n = EXTENT,
                                 .k = EXTENT,
                                 .a = {&w->memory, .transposed = kind == 1},
                                 .b = {&w->memory, EXTENT * EXTENT, .transposed = kind == 2},
                                 .c = {&w->memory, 2 * EXTENT * EXTENT}};
        w->error = enqueue(w->queue, &product, NULL, NULL);
    }
    cl_int finished = clFinish(w->queue);
    if (w->error == CLBlastSuccess) w->error = (CLBlastStatusCode)finished;
}

static void release(rf_job *job) {
    warm_up *w = (warm_up *)job;
    if (w->memory.handle != NULL) clReleaseMemObject(w->memory.handle);
    if (w->queue != NULL) clReleaseCommandQueue(w->queue);
    free(w);
}

static rf_status compile_now(rf_device *device) {
    const rf_opencl *cl = tuned(device);
    const double begin = rf_time_ms();
    bool abandoned = false;
    cl_int error;
    char slow[256];
    snprintf(slow, sizeof slow,
             NAME " compiles its kernels for %s, which may take a minute; the driver may keep them",
             device->info.name);
    warm_up *w = rf_alloc(1, sizeof *w);
    if (w == NULL) return RF_E_MEMORY;
    w->job = (rf_job){.run = run_products, .abandon = release};
    w->queue = clCreateCommandQueue(cl->context, cl->id, 0, &error);
    if (w->queue != NULL)
        w->memory.handle =
            clCreateBuffer(cl->context, CL_MEM_READ_WRITE, 3 * EXTENT * EXTENT * sizeof(float), NULL, &error);
    rf_status status = w->memory.handle != NULL ? rf_job_run(&w->job, &abandoned, device, "CLBlast", slow)
                                                : rf_opencl_fail(error, NAME);
    if (abandoned) return status;
    if (status == RF_OK && w->error != CLBlastSuccess) status = fail(w->error, "compiling its kernels");
    release(&w->job);
    const double seconds = (rf_time_ms() - begin) * 1e-3;
    if (status == RF_OK && seconds > 1 && device->on_notice != NULL) {
        snprintf(slow, sizeof slow, "CLBlast's kernels were compiled in %.0f s", seconds);
        device->on_notice(device->on_notice_context, slow);
    }
    return status;
}

/* An empty file in the cache marks that it was done before. */
static rf_cache_key key_of(const rf_device *device) {
    return rf_program_key(&device->info, NAME, "");
}

static rf_status compile(rf_device *device, bool *is_new) {
    rf_opencl *cl = rf_opencl_of(device);
    if (!cl->gemm_is_compiled) {
        const rf_cache_key key = key_of(device);
        void *nothing = NULL;
        size_t length = 0;
        if (cl->compiler_stuck)
            return rf_fail(RF_E_DEVICE,
                           "CLBlast's kernels were not built: the device's compiler is still busy");
        if (device->ahead)
            return rf_fail(RF_E_DEVICE, "CLBlast's kernels are compiled by the first process alone");
        RF_TRY(compile_now(device));
        cl->gemm_is_compiled = true;
        cl->gemm_is_new = !rf_program_cache_load(&nothing, &length, &key);
        if (cl->gemm_is_new) rf_program_cache_store(&key, "", 0);
        free(nothing);
    }
    *is_new = cl->gemm_is_new;
    return RF_OK;
}

static void distrust(rf_device *device) {
    const rf_cache_key key = key_of(device);
    rf_program_cache_remove(&key);
}

const rf_backend_gemm rf_opencl_gemm = {
    .library = NAME, .work = work, .compile = compile, .run = run, .distrust = distrust};
