/* Recomputation of activations (Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv 1604.06174).
 *
 * The forward pass is cut into segments.  What crosses a cut is kept, and so is the output of an op that costs much for
 * its size; other activations live until their last use in the forward pass, and the backward pass computes them again
 * right before it reads them first, along with those that they follow from.  Such a repeated step is the forward step
 * itself, by the same kernels; only batch norm does not compute its statistics again (problem.repeated).
 *
 * How many segments, and what is cheap enough, is found by trying: a plan's memory and the work that it repeats are
 * known without running it. */
#include "graph/recompute.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The forward pass, by tensor and by step. */
typedef struct pass {
    const rf_steps *steps;
    int *writer,
        *reader; /* of each tensor: the first step that writes it, or -1 where it is not computed; its last use */
    int *next_writer; /* of each step: the next that writes the same tensor (in place), or -1 */
    double *work;     /* of each step */
    double *density;  /* of each tensor: work a byte; HUGE_VAL: to be kept in any case */
    double total;     /* work of all steps */
} pass;

typedef struct policy {
    int segments;
    double density;  /* what costs more work a byte is kept */
    bool keeps_last; /* keeps all of the last segment, which is needed at once */
} policy;

/* What costs little is done even where the memory is there: a tenth of the forward pass is some 3 % of a step. */
static const double CHEAP_SHARE = 0.1, WORTHWHILE_SHARE = 0.25;
enum { LARGE_BYTES = 640 << 20 }; /* less stops nobody */

typedef struct outcome {
    policy policy;
    size_t bytes; /* alive at a time, at most */
    double work;  /* that is repeated */
} outcome;

/* ---- the forward pass ---- */

/* In FLOPs, of which a byte moved counts as eight: about the balance of processors and GPUs. */
static double work_of(const rf_problem *p) {
    double bytes = (double)rf_shape_count(p->y) * sizeof(float);
    for (int i = 0; i < p->inputs; i++) bytes += (double)rf_shape_count(p->x[i]) * sizeof(float);
    return (p->op->flops != NULL ? p->op->flops(p) : 0) + 8 * bytes;
}

static void release(pass *f) {
    free(f->writer);
    free(f->reader);
    free(f->next_writer);
    free(f->work);
    free(f->density);
}

static rf_status survey(pass *f, const rf_steps *s) {
    const size_t tensors = (size_t)s->tensor_count, steps = (size_t)s->backward;
    *f = (pass){.steps = s,
                .writer = rf_alloc(tensors, sizeof(int)),
                .reader = rf_alloc(tensors, sizeof(int)),
                .next_writer = rf_alloc(steps, sizeof(int)),
                .work = rf_alloc(steps, sizeof(double)),
                .density = rf_alloc(tensors, sizeof(double))};
    if (f->writer == NULL || f->reader == NULL || f->next_writer == NULL || f->work == NULL ||
        f->density == NULL)
        return RF_E_MEMORY;
    for (size_t t = 0; t < tensors; t++) f->writer[t] = -1, f->density[t] = HUGE_VAL;
    for (int i = s->backward - 1; i >= 0; i--) {
        const rf_step *step = &s->steps[i];
        f->next_writer[i] = -1;
        if (step->y < 0) continue; /* a deferred batch norm: only saved, which is kept */
        f->next_writer[i] = f->writer[step->y];
        f->writer[step->y] = i;
    }
    for (int i = 0; i < s->backward; i++) {
        const rf_step *step = &s->steps[i];
        f->total += f->work[i] = work_of(&step->problem);
        for (int k = 0; k < step->problem.inputs; k++) f->reader[step->x[k]] = i;
        if (step->y < 0) continue;
        if (f->writer[step->y] == i) /* weights that are computed are kept */
            f->density[step->y] = step->part != NULL && !step->converts ? HUGE_VAL : 0;
        double work = f->work[i];
        if (step->converts) work += f->density[step->x[0]] * (double)s->tensors[step->x[0]].bytes;
        f->density[step->y] += work / (double)s->tensors[step->y].bytes;
        f->reader[step->y] = i;
    }
    f->density[s->scores] = f->density[s->loss] = HUGE_VAL; /* read by others */
    return RF_OK;
}

/* ---- what is kept ---- */

/* Bytes of the tensors up to this density that are written before and read from step i on: crossing[i]. */
static void count_crossing(double *crossing, const pass *f, double density) {
    const rf_steps *s = f->steps;
    memset(crossing, 0, (size_t)(s->backward + 1) * sizeof *crossing);
    for (int t = 0; t < s->tensor_count; t++)
        if (f->density[t] <= density) {
            crossing[f->writer[t] + 1] += (double)s->tensors[t].bytes;
            crossing[f->reader[t] + 1] -= (double)s->tensors[t].bytes;
        }
    for (int i = 1; i <= s->backward; i++) crossing[i] += crossing[i - 1];
}

/* Cuts where the fewest bytes cross, once the activations since the last cut fill between half a segment and a whole one.
 * cut: is there one before step i. */
static int place_cuts(bool *cut, const double *crossing, const pass *f, const policy *p) {
    const rf_steps *s = f->steps;
    double all = 0, filled = 0, at_best = 0;
    int best = -1, last = 0;
    for (int t = 0; t < s->tensor_count; t++)
        if (f->density[t] <= p->density) all += (double)s->tensors[t].bytes;
    memset(cut, 0, (size_t)s->backward * sizeof *cut);
    for (int i = 1; i < s->backward; i++) {
        const int y = s->steps[i - 1].y;
        if (y >= 0 && f->writer[y] == i - 1 && f->density[y] <= p->density)
            filled += (double)s->tensors[y].bytes;
        if (filled * p->segments >= all / 2 && (best < 0 || crossing[i] <= crossing[best]))
            best = i, at_best = filled;
        if (filled * p->segments <= all) continue;
        cut[last = best] = true;
        filled -= at_best;
        best = -1;
    }
    return last;
}

/* dropped: by tensor. */
static rf_status choose_dropped(bool *dropped, const pass *f, const policy *p) {
    const rf_steps *s = f->steps;
    double *crossing = rf_alloc((size_t)s->backward + 1, sizeof *crossing);
    bool *cut = rf_alloc((size_t)s->backward, sizeof *cut);
    int *before = rf_alloc((size_t)s->backward + 1, sizeof *before); /* the number of cuts before step i */
    const bool ok = crossing != NULL && cut != NULL && before != NULL;
    if (ok) {
        count_crossing(crossing, f, p->density);
        const int last = place_cuts(cut, crossing, f, p);
        for (int i = 0; i < s->backward; i++) before[i + 1] = before[i] + cut[i];
        for (int t = 0; t < s->tensor_count; t++)
            dropped[t] = f->density[t] <= p->density && !(p->keeps_last && f->writer[t] >= last) &&
                         before[f->writer[t] + 1] == before[f->reader[t] + 1];
    }
    free(crossing);
    free(cut);
    free(before);
    return ok ? RF_OK : RF_E_MEMORY;
}

/* ---- the steps again ---- */

typedef struct rewriter {
    const pass *pass;
    const bool *dropped;
    rf_steps *steps; /* the new ones */
    int *again;  /* of each dropped tensor: the one that takes its place in the backward pass; -1: none yet */
    int *stack;  /* of tensors to be computed again */
    double work; /* repeated so far */
} rewriter;

static bool is_missing(const rewriter *w, int tensor) {
    return tensor >= 0 && w->dropped[tensor] && w->again[tensor] < 0;
}

static int renamed(const rewriter *w, int tensor) {
    return tensor >= 0 && w->dropped[tensor] ? w->again[tensor] : tensor;
}

/* An input of the steps that write a tensor which has to be computed again first; -1: none. */
static int missing_input(const rewriter *w, int tensor) {
    for (int i = w->pass->writer[tensor]; i >= 0; i = w->pass->next_writer[i]) {
        const rf_step *step = &w->pass->steps->steps[i];
        for (int k = 0; k < step->problem.inputs; k++)
            if (step->x[k] != tensor && is_missing(w, step->x[k])) return step->x[k];
    }
    return -1;
}

/* The copy of a tensor that lives by itself; -1 stays. */
static rf_status copy_scratch(int *tensor, rf_steps *s) {
    if (*tensor >= 0 && (*tensor = rf_steps_tensor(s, s->tensors[*tensor].bytes)) < 0) return RF_E_MEMORY;
    return RF_OK;
}

static rf_status repeat_step(rewriter *w, int index) {
    rf_step step = w->pass->steps->steps[index];
    for (int k = 0; k < step.problem.inputs; k++) step.x[k] = renamed(w, step.x[k]);
    step.y = renamed(w, step.y);
    step.repeats = index;
    step.problem.repeated = true;
    if (step.bn_sums_from >= 0) { /* its statistics are saved */
        step.bn_sums_from = step.sums[RF_BN_SUMS_PARTIAL] = -1;
        step.problem.sums.blocks = 0;
    }
    RF_TRY(copy_scratch(&step.work, w->steps));
    RF_TRY(copy_scratch(&step.sums[RF_BN_SUMS_PARTIAL], w->steps));
    w->work += w->pass->work[index];
    return rf_steps_add(w->steps, &step);
}

/* Appends the steps that compute a dropped tensor again, after those of the dropped ones that they read. */
static rf_status repeat_steps(rewriter *w, int tensor) {
    const pass *f = w->pass;
    int depth = 0;
    w->stack[depth++] = tensor;
    while (depth > 0) {
        const int t = w->stack[depth - 1], input = missing_input(w, t);
        if (input >= 0) {
            w->stack[depth++] = input;
            continue;
        }
        w->again[t] = rf_steps_tensor(w->steps, w->steps->tensors[t].bytes);
        if (w->again[t] < 0) return RF_E_MEMORY;
        for (int i = f->writer[t]; i >= 0; i = f->next_writer[i]) RF_TRY(repeat_step(w, i));
        depth--;
    }
    return RF_OK;
}

static rf_status read_again(rewriter *w, int *tensor) {
    if (is_missing(w, *tensor)) RF_TRY(repeat_steps(w, *tensor));
    *tensor = renamed(w, *tensor);
    return RF_OK;
}

/* The tensors, which live from where the steps added use them first to where they do last, and the forward steps. */
static rf_status copy_forward(rewriter *w) {
    const rf_steps *from = w->pass->steps;
    rf_steps *s = w->steps;
    for (int t = 0; t < from->tensor_count; t++) {
        w->again[t] = -1;
        const int own = rf_steps_tensor(s, from->tensors[t].bytes);
        if (own < 0) return RF_E_MEMORY;
        s->tensors[own].parameter = from->tensors[t].parameter;
        s->tensors[own].of_gradient = from->tensors[t].of_gradient;
    }
    for (int i = 0; i < from->backward; i++) RF_TRY(rf_steps_add(s, &from->steps[i]));
    s->backward = from->backward;
    s->images = from->images;
    s->labels = from->labels;
    s->scores = from->scores;
    s->loss = from->loss;
    s->loss_gradient = from->loss_gradient;
    return RF_OK;
}

/* Extends a tensor's life to that of the original, of which the caller is a part. */
static void outlive(rf_steps *s, int tensor, int first, int last) {
    s->tensors[tensor].first = RF_MIN(s->tensors[tensor].first, first);
    s->tensors[tensor].last = RF_MAX(s->tensors[tensor].last, last);
}

static rf_status rewrite(rewriter *w) {
    const rf_steps *from = w->pass->steps;
    rf_steps *s = w->steps;
    int *place = rf_alloc((size_t)from->count, sizeof *place); /* of each step, in the new list */
    if (place == NULL) return RF_E_MEMORY;
    rf_status status = copy_forward(w);
    for (int i = from->backward; i < from->count && status == RF_OK; i++) {
        rf_step step = from->steps[i];
        for (int k = 0; k < step.problem.inputs && status == RF_OK; k++) status = read_again(w, &step.x[k]);
        for (int k = RF_BN_SUMS_X; k <= RF_BN_SUMS_Y && status == RF_OK; k++)
            status = read_again(w, &step.sums[k]);
        if (status == RF_OK) status = read_again(w, &step.y);
        if (step.bn_sums_from >= from->backward) step.bn_sums_from = place[step.bn_sums_from];
        place[i] = s->count;
        if (status == RF_OK) status = rf_steps_add(s, &step);
    }
    free(place);
    if (status != RF_OK) return status;
    outlive(s, s->images, 0, 0);
    outlive(s, s->labels, 0, 0);
    outlive(s, s->scores, s->backward - 1, s->backward - 1);
    outlive(s, s->loss, 0, s->count);
    outlive(s, s->loss_gradient, 0, s->count);
    return RF_OK;
}

static rf_status apply(rf_steps **out, double *work, const pass *f, const policy *p) {
    const size_t tensors = (size_t)f->steps->tensor_count;
    bool *dropped = rf_alloc(tensors, sizeof *dropped);
    rewriter w = {.pass = f,
                  .dropped = dropped,
                  .steps = rf_alloc(1, sizeof *w.steps),
                  .again = rf_alloc(tensors, sizeof(int)),
                  .stack = rf_alloc(tensors, sizeof(int))};
    rf_status status = RF_E_MEMORY;
    if (dropped != NULL && w.steps != NULL && w.again != NULL && w.stack != NULL)
        status = choose_dropped(dropped, f, p);
    if (status == RF_OK) status = rewrite(&w);
    free(dropped);
    free(w.again);
    free(w.stack);
    *work = w.work;
    *out = status == RF_OK ? w.steps : NULL;
    if (status != RF_OK) rf_steps_free(w.steps);
    return status;
}

/* ---- the choice ---- */

/* Bytes alive at a time, at most: what the arena needs where nothing is lost between tensors. */
static rf_status measure(size_t *bytes, const rf_steps *s) {
    int64_t *change = rf_alloc((size_t)s->count + 2, sizeof *change), alive = 0, most = 0;
    if (change == NULL) return RF_E_MEMORY;
    for (int t = 0; t < s->tensor_count; t++) {
        const rf_tensor *tensor = &s->tensors[t];
        if (tensor->last < tensor->first) continue;
        change[tensor->first] += (int64_t)tensor->bytes;
        change[tensor->last + 1] -= (int64_t)tensor->bytes;
    }
    for (int i = 0; i <= s->count; i++) {
        alive += change[i];
        most = RF_MAX(most, alive);
    }
    free(change);
    *bytes = (size_t)most;
    return RF_OK;
}

static int by_work(const void *a, const void *b) {
    const outcome *x = a, *y = b;
    return x->work != y->work ? (x->work < y->work ? -1 : 1) : x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static rf_status try_policy(outcome *out, const pass *f, const policy *p) {
    rf_steps *steps;
    out->policy = *p;
    RF_TRY(apply(&steps, &out->work, f, p));
    const rf_status status = measure(&out->bytes, steps);
    rf_steps_free(steps);
    return status;
}

static const double densities[] = {40, 100, DBL_MAX};
static const int segments[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
enum { POLICIES = 2 * RF_COUNT(densities) * RF_COUNT(segments) };

static rf_status try_policies(outcome out[POLICIES], const pass *f) {
    for (int i = 0; i < POLICIES; i++) {
        const policy p = {.segments = segments[i / 2 % RF_COUNT(segments)],
                          .density = densities[i / 2 / RF_COUNT(segments)],
                          .keeps_last = i % 2 == 1};
        RF_TRY(try_policy(&out[i], f, &p));
    }
    qsort(out, POLICIES, sizeof *out, by_work);
    return RF_OK;
}

/* The steps of a policy in the place of *steps and *arena, if it fits, or in any case. */
static rf_status take(bool *taken, rf_steps **steps, rf_arena **arena, rf_device *device, const pass *f,
                      const policy *p, size_t limit) {
    rf_steps *own = NULL;
    rf_arena *place = NULL;
    double work;
    *taken = false;
    rf_status status = apply(&own, &work, f, p);
    if (status == RF_OK) status = rf_arena_create(&place, device, own->tensors, (size_t)own->tensor_count);
    if (status == RF_OK && rf_arena_bytes(place) <= limit) {
        rf_arena_free(*arena);
        rf_steps_free(*steps);
        own->repeated = work / f->total;
        *steps = own;
        *arena = place;
        *taken = true;
        return RF_OK;
    }
    rf_arena_free(place);
    rf_steps_free(own);
    return status;
}

/* What needs the least memory of what repeats at most so much work; NULL: nothing repeats so little. */
static const outcome *find_least(const outcome tried[POLICIES], double work) {
    const outcome *least = NULL;
    for (int i = 0; i < POLICIES && tried[i].work <= work; i++)
        if (least == NULL || tried[i].bytes < least->bytes) least = &tried[i];
    return least;
}

/* NULL: what repeats little does not save much. */
static const outcome *find_cheap(const outcome tried[POLICIES], const pass *f, size_t whole) {
    const outcome *least = find_least(tried, CHEAP_SHARE * f->total);
    return least != NULL && (double)least->bytes <= (1 - WORTHWHILE_SHARE) * (double)whole ? least : NULL;
}

/* The least work that fits; where nothing does, the least memory. */
static rf_status take_fitting(rf_steps **steps, rf_arena **arena, rf_device *device, const pass *f,
                              const outcome tried[POLICIES], size_t limit) {
    bool taken = false;
    rf_status status = RF_OK;
    for (int i = 0; i < POLICIES && status == RF_OK && !taken; i++)
        if (tried[i].bytes <= limit) status = take(&taken, steps, arena, device, f, &tried[i].policy, limit);
    if (status != RF_OK || taken) return status;
    const policy *least = &find_least(tried, HUGE_VAL)->policy;
    return take(&taken, steps, arena, device, f, least, rf_arena_bytes(*arena) - 1);
}

rf_status rf_recompute(rf_steps **steps, rf_arena **arena, rf_device *device, size_t limit, bool cheaply) {
    const size_t whole = rf_arena_bytes(*arena);
    if (whole < LARGE_BYTES) cheaply = false;
    if (whole <= limit && !cheaply) return RF_OK;
    pass f;
    outcome tried[POLICIES];
    bool taken = false;
    rf_status status = survey(&f, *steps);
    if (status == RF_OK) status = try_policies(tried, &f);
    const outcome *cheap = status == RF_OK && cheaply ? find_cheap(tried, &f, whole) : NULL;
    if (cheap != NULL) status = take(&taken, steps, arena, device, &f, &cheap->policy, limit);
    if (status == RF_OK && !taken && whole > limit)
        status = take_fitting(steps, arena, device, &f, tried, limit);
    release(&f);
    return status;
}
