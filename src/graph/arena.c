/* Memory planning, "greedy by size" (Pisarchyk and Lee 2020, arXiv 2001.03288): largest first, each tensor takes the
 * lowest gap among those placed whose lifetimes overlap its own. On a GPU it reuses another's whole slot, so that no
 * two regions partly overlap: with such a region NVIDIA's driver (580) takes 45 us instead of 5 to launch a kernel.
 * With too many tensors for a search over pairs, slots are reused whole, in order of time. Where a device's largest
 * allocation is smaller than the arena, there are several chunks, and no tensor crosses a border. */
#include "graph/arena.h"

#include <stdlib.h>
#include <string.h>

#include "op/op.h"

struct rf_arena {
    rf_device *device;  /* borrowed */
    rf_tensor *tensors; /* borrowed */
    size_t count, largest, chunk_bytes, chunks, bytes;
    rf_buffer **memory; /* one buffer a chunk */
    size_t *first;      /* by tensor: the first one in its slot, whose region all of them use */
};

/* Above this many a search through all pairs would take longer than the rest of a plan. */
enum { MANY_TENSORS = 8192 };

static int larger_first(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    if (s->bytes != t->bytes) return s->bytes < t->bytes ? 1 : -1;
    return s < t ? -1 : 1;
}

static int by_place(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    if (s->offset != t->offset) return s->offset < t->offset ? -1 : 1;
    if (s->bytes != t->bytes) return s->bytes < t->bytes ? -1 : 1;
    return s < t ? -1 : s > t;
}

static int by_birth(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    return s->first != t->first ? (s->first < t->first ? -1 : 1) : larger_first(a, b);
}

static int by_death(const void *a, const void *b) {
    const rf_tensor *s = *(rf_tensor *const *)a, *t = *(rf_tensor *const *)b;
    return s->last != t->last ? (s->last < t->last ? -1 : 1) : larger_first(a, b);
}

static bool meet(const rf_tensor *a, const rf_tensor *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at or above `offset` where `bytes` do not cross a border of chunks. */
static size_t within_chunk(size_t offset, size_t bytes, size_t chunk) {
    return offset / chunk == (offset + bytes - 1) / chunk ? offset : rf_round_up(offset, chunk);
}

/* The lowest gap for each, among those placed before that are alive at the same time. */
static rf_status place_in_gaps(rf_arena *arena, rf_tensor **order) {
    rf_tensor **placed = rf_alloc(arena->count, sizeof *placed); /* by offset */
    if (placed == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < arena->count; i++) {
        rf_tensor *t = order[i];
        size_t at = i;
        t->offset = 0;
        for (size_t j = 0; j < i; j++) {
            if (!meet(placed[j], t)) continue;
            t->offset = within_chunk(t->offset, t->bytes, arena->chunk_bytes);
            if (t->offset + t->bytes <= placed[j]->offset) break;
            t->offset = RF_MAX(t->offset, placed[j]->offset + placed[j]->bytes);
        }
        t->offset = within_chunk(t->offset, t->bytes, arena->chunk_bytes);
        for (; at > 0 && placed[at - 1]->offset > t->offset; at--) placed[at] = placed[at - 1];
        placed[at] = t;
        arena->bytes = RF_MAX(arena->bytes, t->offset + t->bytes);
    }
    free(placed);
    return RF_OK;
}

/* A slot that several tensors use, one after another. */
typedef struct shared {
    size_t offset, bytes;
    rf_tensor *last; /* for which it was found to be in use */
} shared;

/* Each takes the smallest free slot, or a new one at the end. Larger tensors come first, so that every slot is large
 * enough, and the last is the smallest. */
static rf_status place_in_slots(rf_arena *arena, rf_tensor **order) {
    shared *slots = rf_alloc(arena->count, sizeof *slots), **of = rf_alloc(arena->count, sizeof *of);
    size_t count = 0;
    for (size_t i = 0; slots != NULL && of != NULL && i < arena->count; i++) {
        for (size_t j = 0; j < i; j++)
            if (meet(order[j], order[i])) of[j]->last = order[i];
        size_t p = count;
        while (p > 0 && slots[p - 1].last == order[i]) p--;
        if (p == 0) {
            p = ++count;
            slots[p - 1] = (shared){.offset = within_chunk(arena->bytes, order[i]->bytes, arena->chunk_bytes),
                                    .bytes = order[i]->bytes};
            arena->bytes = slots[p - 1].offset + order[i]->bytes;
        }
        of[i] = &slots[p - 1];
        order[i]->offset = of[i]->offset;
        order[i]->bytes = of[i]->bytes;
    }
    bool ok = slots != NULL && of != NULL;
    free(slots);
    free(of);
    return ok ? RF_OK : RF_E_MEMORY;
}

/* place_by_time's state for each tensor. */
typedef struct reuse {
    size_t group;      /* the first tensor of its size, which holds the group's list */
    rf_tensor *unused; /* of a group: the first of its dead tensors whose slots are free */
    rf_tensor *next;   /* in that list */
} reuse;

/* born: first used first; died: last used first; on entry both hold all tensors by size. */
static void reuse_slots(rf_arena *arena, reuse *state, rf_tensor **born, rf_tensor **died) {
    const rf_tensor *const tensors = arena->tensors;
    for (size_t i = 0; i < arena->count; i++)
        state[born[i] - tensors].group = i > 0 && born[i - 1]->bytes == born[i]->bytes
                                             ? state[born[i - 1] - tensors].group
                                             : (size_t)(born[i] - tensors);
    qsort(born, arena->count, sizeof *born, by_birth);
    qsort(died, arena->count, sizeof *died, by_death);
    for (size_t i = 0, dead = 0; i < arena->count; i++) {
        rf_tensor *t = born[i];
        for (; dead < arena->count && died[dead]->last < t->first; dead++) {
            if (died[dead]->last < died[dead]->first) continue; /* never used, and not placed yet */
            reuse *of = &state[died[dead] - tensors], *group = &state[of->group];
            of->next = group->unused;
            group->unused = died[dead];
        }
        reuse *group = &state[state[t - tensors].group];
        if (group->unused != NULL) {
            t->offset = group->unused->offset;
            group->unused = state[group->unused - tensors].next;
        } else {
            t->offset = within_chunk(arena->bytes, t->bytes, arena->chunk_bytes);
            arena->bytes = t->offset + t->bytes;
        }
    }
}

/* Many tensors, in order of time: each takes a free slot of its own size, or a new one. More memory where few have the
 * same size, but no slower than sorting. */
static rf_status place_by_time(rf_arena *arena, rf_tensor **order) {
    rf_tensor **born = rf_alloc(arena->count, sizeof *born);
    reuse *state = rf_alloc(arena->count, sizeof *state);
    const bool ok = born != NULL && state != NULL;
    if (ok) {
        memcpy(born, order, arena->count * sizeof *born);
        reuse_slots(arena, state, born, order);
    }
    free(born);
    free(state);
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
    rf_status status = arena->count > MANY_TENSORS ? place_by_time(arena, order)
                       : whole                     ? place_in_slots(arena, order)
                                                   : place_in_gaps(arena, order);
    free(order);
    return status;
}

/* Tensors in the same slot share the first one's region.  */
static rf_status make_regions(rf_arena *arena) {
    rf_tensor **sorted = rf_alloc(arena->count, sizeof *sorted);
    arena->first = rf_alloc(arena->count, sizeof *arena->first);
    if (sorted == NULL || arena->first == NULL) {
        free(sorted);
        return RF_E_MEMORY;
    }
    for (size_t i = 0; i < arena->count; i++) sorted[i] = &arena->tensors[i];
    qsort(sorted, arena->count, sizeof *sorted, by_place);
    for (size_t i = 0; i < arena->count; i++) {
        const rf_tensor *t = sorted[i], *before = i > 0 ? sorted[i - 1] : NULL;
        const bool same = before != NULL && before->offset == t->offset && before->bytes == t->bytes;
        arena->first[t - arena->tensors] =
            same ? arena->first[before - arena->tensors] : (size_t)(t - arena->tensors);
    }
    free(sorted);
    for (size_t i = 0; i < arena->count; i++) {
        rf_tensor *t = &arena->tensors[i];
        if (arena->first[i] < i)
            t->buffer = arena->tensors[arena->first[i]].buffer;
        else
            RF_TRY(rf_buffer_region(&t->buffer, arena->memory[t->offset / arena->chunk_bytes],
                                    t->offset % arena->chunk_bytes, t->bytes));
    }
    return RF_OK;
}

rf_status rf_arena_allocate(rf_arena *arena) {
    arena->chunks = rf_ceil_div(arena->bytes, arena->chunk_bytes);
    arena->memory = rf_alloc(arena->chunks, sizeof *arena->memory);
    if (arena->memory == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < arena->chunks; i++) {
        size_t bytes = RF_MIN(arena->chunk_bytes, arena->bytes - i * arena->chunk_bytes);
        RF_TRY(rf_buffer_create(&arena->memory[i], arena->device, bytes));
    }
    return make_regions(arena);
}

rf_status rf_arena_create(rf_arena **out, rf_device *device, rf_tensor *tensors, size_t count) {
    const rf_device_info *info = rf_device_describe(device);
    size_t alignment = RF_MAX(info->alignment_bytes, 64),
           limit = info->max_alloc_bytes / alignment * alignment;
    *out = NULL;
    rf_arena *arena = rf_alloc(1, sizeof *arena);
    if (arena == NULL) return RF_E_MEMORY;
    arena->device = device;
    arena->tensors = tensors;
    arena->count = count;
    for (size_t i = 0; i < count; i++) arena->largest = RF_MAX(arena->largest, tensors[i].bytes);
    arena->largest = rf_round_up(arena->largest, alignment);
    arena->chunk_bytes = limit > 0 ? RF_MAX(limit, arena->largest) : SIZE_MAX / 2;
    rf_status status = place(arena, alignment, info->kind == RF_DEVICE_GPU || rf_is_forced("arena_group"));
    if (status == RF_OK)
        *out = arena;
    else
        rf_arena_free(arena);
    return status;
}

/* The last region first: NVIDIA's driver (580) crashes in clReleaseMemObject where regions that overlap are released in
 * the order in which they were made. */
void rf_arena_free(rf_arena *arena) {
    if (arena == NULL) return;
    for (size_t i = arena->count; i > 0; i--)
        if (arena->first != NULL && arena->first[i - 1] == i - 1)
            rf_buffer_free(arena->tensors[i - 1].buffer);
    for (size_t i = 0; arena->memory != NULL && i < arena->chunks; i++) rf_buffer_free(arena->memory[i]);
    free(arena->memory);
    free(arena->first);
    free(arena);
}

size_t rf_arena_bytes(const rf_arena *arena) {
    return arena->bytes;
}

size_t rf_arena_largest(const rf_arena *arena) {
    return arena->largest;
}
