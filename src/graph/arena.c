/* Placement, largest first (both ways from Pisarchyk and Lee 2020, arXiv 2001.03288, "greedy by size"): each tensor takes
 * the lowest gap among those placed whose lifetimes meet its own; on a GPU a place that another had, the whole of it, so
 * that no two regions overlap: NVIDIA's driver (580) takes 45 us instead of 5 to launch a kernel that has a region which
 * overlaps others.  A device's largest allocation may be smaller than the whole: then there are several chunks, and no
 * tensor lies across a border. */
#include "graph/arena.h"

#include <stdlib.h>
#include <string.h>

#include "graph/choose.h"

struct rf_arena {
    rf_tensor *tensors; /* borrowed */
    size_t count, chunk_bytes, chunks, bytes;
    rf_buffer **memory; /* one buffer a chunk */
};

static int larger_first(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    if (s->bytes != t->bytes) return s->bytes < t->bytes ? 1 : -1;
    return s < t ? -1 : 1;
}

static int by_offset(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    return s->offset < t->offset ? -1 : s->offset > t->offset;
}

static bool meet(const rf_tensor *a, const rf_tensor *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest place at or above `offset` where `bytes` do not lie across a border of chunks. */
static size_t within_chunk(size_t offset, size_t bytes, size_t chunk) {
    return offset / chunk == (offset + bytes - 1) / chunk ? offset : rf_round_up(offset, chunk);
}

/* others: the `count` placed tensors alive at the same time, by offset. */
static size_t lowest_gap(rf_tensor *const *others, size_t count, size_t bytes, size_t chunk) {
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        offset = within_chunk(offset, bytes, chunk);
        if (offset + bytes <= others[i]->offset) return offset;
        offset = RF_MAX(offset, others[i]->offset + others[i]->bytes);
    }
    return within_chunk(offset, bytes, chunk);
}

/* The lowest gap for each, among those placed before that are alive at the same time. */
static rf_status place_in_gaps(rf_arena *arena, rf_tensor **order) {
    rf_tensor **meeting = rf_alloc(arena->count, sizeof *meeting);
    if (meeting == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < arena->count; i++) {
        size_t n = 0;
        for (size_t j = 0; j < i; j++)
            if (meet(order[j], order[i])) meeting[n++] = order[j];
        qsort(meeting, n, sizeof *meeting, by_offset);
        order[i]->offset = lowest_gap(meeting, n, order[i]->bytes, arena->chunk_bytes);
        arena->bytes = RF_MAX(arena->bytes, order[i]->offset + order[i]->bytes);
    }
    free(meeting);
    return RF_OK;
}

/* A place that several tensors have, one after another. */
typedef struct shared {
    size_t offset, bytes;
    rf_tensor *last; /* for which it was found taken */
} shared;

/* The smallest place that is free for each, the whole of it, and else a new one behind all others.  The larger come
 * first, so that every place is large enough, and the last one is the smallest. */
static rf_status place_in_whole(rf_arena *arena, rf_tensor **order) {
    shared *places = rf_alloc(arena->count, sizeof *places), **of = rf_alloc(arena->count, sizeof *of);
    size_t count = 0;
    for (size_t i = 0; places != NULL && of != NULL && i < arena->count; i++) {
        for (size_t j = 0; j < i; j++)
            if (meet(order[j], order[i])) of[j]->last = order[i];
        size_t p = count;
        while (p > 0 && places[p - 1].last == order[i]) p--;
        if (p == 0) {
            p = ++count;
            places[p - 1] =
                (shared){.offset = within_chunk(arena->bytes, order[i]->bytes, arena->chunk_bytes),
                         .bytes = order[i]->bytes};
            arena->bytes = places[p - 1].offset + order[i]->bytes;
        }
        of[i] = &places[p - 1];
        order[i]->offset = of[i]->offset;
        order[i]->bytes = of[i]->bytes;
    }
    bool ok = places != NULL && of != NULL;
    free(places);
    free(of);
    return ok ? RF_OK : RF_E_MEMORY;
}

static rf_status place(rf_arena *arena, size_t alignment, bool whole) {
    rf_tensor **order = rf_alloc(arena->count, sizeof *order);
    if (order == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < arena->count; i++) {
        order[i] = &arena->tensors[i];
        order[i]->bytes = rf_round_up(RF_MAX(order[i]->bytes, 4), alignment);
    }
    qsort(order, arena->count, sizeof *order, larger_first);
    rf_status status = (whole ? place_in_whole : place_in_gaps)(arena, order);
    free(order);
    return status;
}

/* The first tensor that has the place of tensor i: whose region all of them use. */
static size_t first_there(const rf_arena *arena, size_t i) {
    const rf_tensor *t = arena->tensors;
    for (size_t j = 0; j < i; j++)
        if (t[j].offset == t[i].offset && t[j].bytes == t[i].bytes) return j;
    return i;
}

static rf_status allocate(rf_arena *arena, rf_device *device) {
    arena->chunks = rf_ceil_div(arena->bytes, arena->chunk_bytes);
    arena->memory = rf_alloc(arena->chunks, sizeof *arena->memory);
    if (arena->memory == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < arena->chunks; i++) {
        size_t bytes = RF_MIN(arena->chunk_bytes, arena->bytes - i * arena->chunk_bytes);
        RF_TRY(rf_buffer_create(&arena->memory[i], device, bytes));
    }
    for (size_t i = 0; i < arena->count; i++) {
        rf_tensor *t = &arena->tensors[i];
        const size_t first = first_there(arena, i);
        if (first < i)
            t->buffer = arena->tensors[first].buffer;
        else
            RF_TRY(rf_buffer_region(&t->buffer, arena->memory[t->offset / arena->chunk_bytes],
                                    t->offset % arena->chunk_bytes, t->bytes));
    }
    return RF_OK;
}

rf_status rf_arena_create(rf_arena **out, rf_device *device, rf_tensor *tensors, size_t count) {
    const rf_device_info *info = rf_device_describe(device);
    size_t alignment = RF_MAX(info->alignment_bytes, 64),
           limit = info->max_alloc_bytes / alignment * alignment;
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (limit > 0 && tensors[i].bytes > limit)
            return rf_fail(
                RF_E_MEMORY,
                "one layer needs %zu MB at once and the device allows %zu MB; use a smaller --batch",
                tensors[i].bytes >> 20, limit >> 20);
    rf_arena *arena = rf_alloc(1, sizeof *arena);
    if (arena == NULL) return RF_E_MEMORY;
    arena->tensors = tensors;
    arena->count = count;
    arena->chunk_bytes = limit > 0 ? limit : SIZE_MAX / 2;
    rf_status status = place(arena, alignment, info->kind == RF_DEVICE_GPU || rf_is_forced("arena_group"));
    if (status == RF_OK) status = allocate(arena, device);
    if (status == RF_OK)
        *out = arena;
    else
        rf_arena_free(arena);
    return status;
}

/* The last region first: NVIDIA's driver (580) crashes in clReleaseMemObject where regions that overlap are released in the
 * order in which they were made. */
void rf_arena_free(rf_arena *arena) {
    if (arena == NULL) return;
    for (size_t i = arena->count; i > 0; i--)
        if (first_there(arena, i - 1) == i - 1) rf_buffer_free(arena->tensors[i - 1].buffer);
    for (size_t i = 0; arena->memory != NULL && i < arena->chunks; i++) rf_buffer_free(arena->memory[i]);
    free(arena->memory);
    free(arena);
}

size_t rf_arena_bytes(const rf_arena *arena) {
    return arena->bytes;
}
