/* The two families of kernels: how each maps a list of equal tasks to work-items.
 *   tile   for CPUs: a work-group is one work-item that takes a long contiguous run, in explicit vectors
 *   group  for GPUs: work-groups of up to 256, neighbours on neighbouring elements, scalars */
#ifndef RF_OP_FAMILY_H
#define RF_OP_FAMILY_H

#include "op/op.h"

typedef enum rf_family { RF_TILE, RF_GROUP } rf_family;

/* Floats in an explicit vector: the device's width for the tile family (4 to 16), 1 for the group family. */
int rf_family_vector(rf_family family, const rf_device_info *info);
/* The tile family's register tile of a matrix product: `lines` by `width` vectors of `outputs` as accumulators, 12 of 16
 * registers, 24 of AVX-512's 32. */
void rf_family_accumulators(int *lines, int *width, int outputs, const rf_device_info *info);
/* Work-items in a work-group: 1, or a power of two up to 256. */
size_t rf_family_group(rf_family family, const rf_device_info *info);
enum { RF_OPTIONS = 256 }; /* characters that a kernel's options may take */
/* Writes "-DVEC=8 -DITEMS=1 ..." and whatever `format` adds; returns options. */
const char *rf_family_options(char options[RF_OPTIONS], rf_family family, const rf_device_info *info,
                              const char *format, ...) RF_PRINTF(4, 5);
/* Of kernels that include normed.clh: " -DNORM_ACT=1", or "" where x is read as it is; returns option. */
const char *rf_norm_option(char option[24], const rf_problem *problem);
/* Sets the launch's sizes for `tasks` tasks, each of which moves about `cost` floats: enough work-items to keep the
 * device busy, no more than tasks, and few where the work is small. */
void rf_family_spread(rf_launch_desc *desc, rf_family family, const rf_device_info *info, size_t tasks,
                      size_t cost);

/* The most iterations of all loops of a tile-family work-item together: llvmpipe silently ends them after 65536;
 * HUGE_VAL elsewhere. */
double rf_family_rounds(const rf_device_info *info);

/* False for GPUs, llvmpipe and Oclgrind: their compilers lack Clang's prefetch (-DPREFETCH), and in Oclgrind 21.10 a
 * vector comparison converted to int is 255. */
bool rf_family_is_processor(const rf_device_info *info);

/* True where every tensor of the problem can be indexed by 32 bits: which all kernels need.
 */
bool rf_indexable(const rf_problem *problem, const rf_device_info *info);

typedef rf_status rf_family_prepare(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *tensors, rf_family family);

/* Defines the solvers `stem`_tile and `stem`_group of one direction, named "<op>_tile" and "<op>_group",
 * which differ only in the family that is passed to `build`, an rf_family_prepare. */
#define RF_SOLVER_PAIR(stem, op, direction_, half_, applicable_, workspace_, build)                          \
    RF_SOLVER_PAIR_NORM(stem, op, direction_, half_, false, applicable_, workspace_, build)
/* With takes_norm. */
#define RF_SOLVER_PAIR_NORM(stem, op, direction_, half_, norm_, applicable_, workspace_, build)              \
    RF_SOLVER_ONE(stem##_tile, op "_tile", direction_, half_, norm_, applicable_, workspace_, build,         \
                  RF_TILE, RF_DEVICE_CPU)                                                                    \
    RF_SOLVER_ONE(stem##_group, op "_group", direction_, half_, norm_, applicable_, workspace_, build,       \
                  RF_GROUP, RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR)
#define RF_SOLVER_ONE(symbol, name_, direction_, half_, norm_, applicable_, workspace_, build, family,       \
                      devices_)                                                                              \
    static rf_status symbol##_prepare(rf_sequence *sequence, const rf_problem *problem,                      \
                                      const rf_device_info *info, const rf_tensors *tensors,                 \
                                      const rf_config *config) {                                             \
        (void)config;                                                                                        \
        return build(sequence, problem, info, tensors, family);                                              \
    }                                                                                                        \
    static const rf_solver symbol = {.name = name_,                                                          \
                                     .direction = direction_,                                                \
                                     .devices = devices_,                                                    \
                                     .rank = 10,                                                             \
                                     .half = half_,                                                          \
                                     .takes_norm = norm_,                                                    \
                                     .applicable = applicable_,                                              \
                                     .native_vectors = true,                                                 \
                                     .workspace = workspace_,                                                \
                                     .prepare = symbol##_prepare};

#endif
