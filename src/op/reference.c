/* Launches of the reference functions, where no kernel serves: plain C over mapped buffers. And their number of
 * threads, whatever OpenMP's variables say: its runtime ends the process if it cannot start that many. */
#include "op/reference.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#ifdef _OPENMP
#include <omp.h>

/* $OMP_STACKSIZE: a number with B, K, M or G behind it, K if none.  0: not set, or no number. */
static double given_stack(void) {
    static const char units[] = "BKMGT";
    const char *text = getenv("OMP_STACKSIZE");
    if (text == NULL) text = getenv("GOMP_STACKSIZE");
    if (text == NULL) return 0;
    char *end;
    double bytes = strtod(text, &end);
    while (*end == ' ') end++;
    const char *unit = *end != '\0' ? strchr(units, *end & ~0x20) : &units[1];
    for (const char *u = units; unit != NULL && u < unit; u++) bytes *= 1024;
    return unit != NULL && bytes > 0 ? bytes : 0;
}

/* Whether a thread's stack can be allocated. */
static bool stack_is_good(void) {
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    double bytes = given_stack();
    if (bytes == 0) getrlimit(RLIMIT_STACK, &limit);
    if (bytes == 0 && limit.rlim_cur == RLIM_INFINITY) return true;
    if (bytes == 0) bytes = (double)limit.rlim_cur;
    return bytes >= 0x1p17 && bytes <= 0x1p28;
}

int rf_reference_threads(void) { /* libomp may say 0 */
    return stack_is_good() ? RF_MAX(1, RF_MIN(omp_get_max_threads(), rf_cpu_count())) : 1;
}
#else
int rf_reference_threads(void) {
    return 1;
}
#endif

/* ---- launches ---- */

enum { TENSOR_COUNT = sizeof(rf_tensors) / sizeof(rf_buffer *) };
_Static_assert(sizeof(rf_tensors) == sizeof(rf_arrays), "tensors and arrays have the same fields");
_Static_assert((int)TENSOR_COUNT <= (int)RF_MAX_HOST_BUFFERS, "a host call can take all tensors");

typedef struct reference_call {
    rf_problem problem;
    rf_reference_fn *function;
} reference_call;

static void call_reference(const void *context, void *const *data) {
    const reference_call *call = context;
    rf_arrays arrays;
    memcpy(&arrays, data, sizeof arrays);
    call->function(&call->problem, &arrays);
}

rf_status rf_emit_reference(rf_sequence *sequence, const rf_problem *problem, rf_direction direction,
                            const rf_tensors *tensors) {
    reference_call call = {.problem = *problem, .function = problem->op->reference[direction]};
    rf_buffer *buffers[TENSOR_COUNT];
    memcpy(buffers, tensors, sizeof buffers);
    double flops = problem->op->flops != NULL ? problem->op->flops(problem) : 0;
    return rf_emit_host(sequence, call_reference, &call, sizeof call, buffers, TENSOR_COUNT, flops, 0);
}
