/* A parameter's first values: PyTorch's defaults, or what the model's text says (init).  Each parameter has a random
 * stream of its own, by its name, so that changes of other layers do not change its values. */
#include <math.h>
#include <string.h>

#include "graph/model.h"

enum { CHUNK = 1 << 16 }; /* numbers that a thread draws at a time */

typedef struct filling {
    rf_parameter *parameter;
    size_t count;
    rf_distribution distribution;
    double scale;
    uint64_t seed;
    uint32_t stream;
} filling;

/* kaiming_uniform with a = sqrt(5), as nn.Conv2d and nn.Linear have it, is U(-1/sqrt(fan_in), 1/sqrt(fan_in)). */
static void take_default(filling *f, const rf_param_spec *spec) {
    f->distribution = spec->init == RF_INIT_FAN_IN ? RF_DISTRIBUTION_UNIFORM : RF_DISTRIBUTION_CONSTANT;
    f->scale = spec->init == RF_INIT_FAN_IN ? 1 / sqrt(spec->fan_in) : spec->init == RF_INIT_ONE;
}

static void fill_chunk(void *context, size_t chunk) {
    const filling *f = context;
    const size_t first = chunk * CHUNK, count = RF_MIN(f->count - first, (size_t)CHUNK);
    const float scale = (float)f->scale;
    float *values = f->parameter->values + first;
    rf_random random;
    rf_random_init(&random, f->seed, f->stream);
    random.counter[0] = (uint32_t)(first / 4); /* a block of four random numbers for four values */
    if (f->distribution == RF_DISTRIBUTION_NORMAL) rf_random_normals(&random, values, count);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * (f->distribution == RF_DISTRIBUTION_NORMAL    ? values[i]
                             : f->distribution == RF_DISTRIBUTION_UNIFORM ? 2 * rf_random_uniform(&random) - 1
                                                                          : 1);
}

void rf_parameter_init(rf_parameter *parameter, uint64_t seed) {
    const uint64_t own = rf_hash(parameter->name, strlen(parameter->name), 0);
    filling f = {.parameter = parameter,
                 .count = rf_param_count(&parameter->spec),
                 .distribution = parameter->distribution,
                 .scale = parameter->scale,
                 .seed = seed ^ (own & UINT64_C(0xffffffff00000000)),
                 .stream = (uint32_t)own};
    if (f.distribution == RF_DISTRIBUTION_DEFAULT) take_default(&f, &parameter->spec);
    rf_parallel_for((f.count + CHUNK - 1) / CHUNK, 0, fill_chunk, &f);
}
