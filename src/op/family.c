/* Sizes of launches by family. */
#include "op/family.h"

#include <math.h>
#include <string.h>

/* A work-item of the tile family moves at least FEW_FLOATS, so that a launch pays, and at most MANY_FLOATS: llvmpipe
 * silently ends the loops of a work-item after 65536 iterations in all. */
enum { GROUP_ITEMS = 256, SHARES_PER_UNIT = 4, FEW_FLOATS = 4096, MANY_FLOATS = 65536 };

int rf_family_vector(rf_family family, const rf_device_info *info) {
    if (family == RF_GROUP) return 1;
    return info->vector_width >= 16 ? 16 : info->vector_width >= 8 ? 8 : 4;
}

void rf_family_accumulators(int *lines, int *width, int outputs, const rf_device_info *info) {
    const int vector = rf_family_vector(RF_TILE, info), vectors = (outputs + vector - 1) / vector;
    *width = vectors % 3 == 0 ? 3 : vectors == 1 ? 1 : 2;
    *lines = RF_MIN(12, (vector == 16 ? 24 : 12) / *width);
}

size_t rf_family_group(rf_family family, const rf_device_info *info) {
    size_t items = 1;
    if (family == RF_GROUP)
        while (items < GROUP_ITEMS && items * 2 <= info->max_work_group) items *= 2;
    return items;
}

bool rf_family_is_processor(const rf_device_info *info) {
    return info->kind == RF_DEVICE_CPU && !strstr(info->name, "llvmpipe") &&
           !strstr(info->name, "Oclgrind") && !strstr(info->platform, "Oclgrind");
}

const char *rf_family_options(char options[RF_OPTIONS], rf_family family, const rf_device_info *info,
                              const char *format, ...) {
    const char *kind = family == RF_GROUP ? " -DGROUP " : rf_family_is_processor(info) ? " -DPREFETCH " : " ";
    int used = snprintf(options, RF_OPTIONS, "-DVEC=%d -DITEMS=%zu%s", rf_family_vector(family, info),
                        rf_family_group(family, info), kind);
    va_list args;
    va_start(args, format);
    vsnprintf(options + used, RF_OPTIONS - (size_t)used, format, args);
    va_end(args);
    return options;
}

const char *rf_norm_option(char option[24], const rf_problem *problem) {
    option[0] = '\0';
    if (problem->normed) snprintf(option, 24, " -DNORM_ACT=%d", (int)problem->norm_act);
    return option;
}

void rf_family_spread(rf_launch_desc *desc, rf_family family, const rf_device_info *info, size_t tasks,
                      size_t cost) {
    size_t units = (size_t)RF_MAX(info->compute_units, 1), local = rf_family_group(family, info), groups;
    if (family == RF_TILE)
        groups =
            RF_MAX(RF_MIN(tasks * cost / FEW_FLOATS, units * SHARES_PER_UNIT), tasks * cost / MANY_FLOATS);
    else
        groups = RF_MIN(rf_ceil_div(tasks, local), units * 32);
    groups = RF_MAX(RF_MIN(groups, tasks), 1);
    desc->global[0] = groups * local;
    desc->local[0] = local;
}

double rf_family_rounds(const rf_device_info *info) {
    return strstr(info->name, "llvmpipe") ? 50000 : HUGE_VAL;
}

bool rf_indexable(const rf_problem *problem, const rf_device_info *info) {
    (void)info;
    for (int i = 0; i < problem->inputs; ++i)
        if (rf_shape_count(problem->x[i]) > INT32_MAX / 2) return false;
    return rf_shape_count(problem->y) <= INT32_MAX / 2;
}
