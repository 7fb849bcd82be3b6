/* The tables, in Markdown. */
#include "tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "curve/curve.h"
#include "oracle.h"
#include "rules.h"

enum { FIRST_SEED = 101, SEEDS_MAX = 3, STEPS_USUAL = 300 };
static const int lengths[] = {100, 300, 1000};
static const double good = 0.05, useless = 0.5, usable = 0.2;

typedef struct study {
    const results *all;
    bool once;
    measure measure;
} study;

/* The regrets of a rule. Tasks weigh alike, whatever their curves. */
typedef struct score {
    double *each; /* (count) of a curve */
    size_t count, good, useless, none, low, high;
    double sum, squares; /* of tasks' means */
    size_t tasks;
} score;

typedef bool chooses(const task *t, int argument);

static bool complete(const results *r) {
    for (int i = 0; i < SEEDS_MAX; i++)
        if (!results_curve(r, FIRST_SEED + i, STEPS_USUAL)) return false;
    for (size_t i = 0; i < r->run_count; i++)
        if (r->runs[i].seed == SEEDS && r->runs[i].sixths % 3 != 0) return true; /* the last ones to be run */
    return false;
}

static bool counts(const study *s, size_t t) {
    return task_is_once(&tasks[t]) == s->once && complete(&s->all[t]);
}

static void add_curve(score *out, const oracle *o, double lr) {
    const double regret = oracle_regret(o, lr);
    out->each[out->count++] = regret;
    out->good += regret <= good;
    out->useless += regret >= useless;
    if (!isfinite(lr))
        out->none++;
    else if (regret > good)
        *(6 * log10(lr) < o->point[o->best].sixths ? &out->low : &out->high) += 1;
}

/* The caller frees each. */
static rf_status measure_rule(score *out, const study *s, const rule *by, int steps, chooses *chosen,
                              int argument) {
    *out = (score){.each = rf_alloc(task_count * SEEDS_MAX, sizeof(double))};
    if (!out->each) return RF_E_MEMORY;
    for (size_t t = 0; t < task_count; t++) {
        if (!counts(s, t) || (chosen && !chosen(&tasks[t], argument))) continue;
        const oracle o = oracle_of(&s->all[t], s->measure);
        const size_t before = out->count;
        double sum = 0;
        for (int i = 0; i < SEEDS_MAX; i++) {
            const curve_result *c = results_curve(&s->all[t], FIRST_SEED + i, steps);
            if (!c) continue;
            add_curve(out, &o, by->suggest(c->curve, &tasks[t], by->argument));
            sum += out->each[out->count - 1];
        }
        if (out->count == before) continue;
        const double mean = sum / (double)(out->count - before);
        out->sum += mean;
        out->squares += mean * mean;
        out->tasks++;
    }
    return RF_OK;
}

static double mean_of(const score *s) {
    return s->sum / (double)s->tasks;
}
static double error_of(const score *s) {
    const double n = (double)s->tasks;
    return sqrt(fmax(s->squares / n - mean_of(s) * mean_of(s), 0) / (n - 1));
}
static double percent(size_t part, const score *s) {
    return 100 * (double)part / (double)s->count;
}

static double worst_of(const score *s) {
    double worst = 0;
    for (size_t c = 0; c < s->count; c++) worst = fmax(worst, s->each[c]);
    return worst;
}

static void begin_table(const char *const *columns, size_t count) {
    for (size_t i = 0; i < count; i++) printf("| %s ", columns[i]);
    printf("|\n");
    for (size_t i = 0; i < count; i++) printf("|---");
    printf("|\n");
}

/* By the length of the range test. */
static rf_status print_lengths(const study *s) {
    static const char *const columns[] = {"rule", "100 steps", "300 steps", "1,000 steps"};
    printf("\nMean regret, worst, within 5 %%, by %s:\n\n", measure_names[s->measure]);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < rule_count; i++) {
        printf("| %s |", rules[i].name);
        for (size_t l = 0; l < RF_COUNT(lengths); l++) {
            score k;
            RF_TRY(measure_rule(&k, s, &rules[i], lengths[l], NULL, 0));
            printf(" %.3f, %.2f, %.0f %% |", mean_of(&k), worst_of(&k), percent(k.good, &k));
            free(k.each);
        }
        puts("");
    }
    return RF_OK;
}

static rf_status print_details(const study *s) {
    static const char *const columns[] = {"rule",    "mean regret", "median", "useless (>= 50 %)",
                                          "too low", "too high",    "none"};
    printf("\nRange tests of %d steps in detail; ±: the standard error, from the tasks:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < rule_count; i++) {
        score k;
        RF_TRY(measure_rule(&k, s, &rules[i], STEPS_USUAL, NULL, 0));
        printf("| %s | %.3f ± %.3f | %.3f | %.0f %% | %.0f %% | %.0f %% | %.0f %% |\n", rules[i].name,
               mean_of(&k), error_of(&k), rf_median(k.each, k.count), percent(k.useless, &k),
               percent(k.low, &k), percent(k.high, &k), percent(k.none, &k));
        free(k.each);
    }
    return RF_OK;
}

/* ---- groups of tasks ---- */

static bool has_kind(const task *t, int kind) {
    optimizer_kind own;
    task_optimizer(t, &own);
    return (int)own == kind;
}
static bool starts(const task *t, int start) {
    return (int)t->start == start;
}
static bool decays(const task *t, int wanted) {
    return (strcmp(t->schedule, "constant") != 0) == wanted;
}
static bool is_default(const task *t, int unused) {
    (void)unused;
    return strcmp(t->network, "simplecnn") == 0 && strcmp(t->optimizer, "sgd") == 0 && t->start == FRESH;
}

static const struct {
    const char *name;
    chooses *chosen;
    int argument;
} groups[] = {
    {"SGD", has_kind, PLAIN},      {"momentum", has_kind, MOMENTUM}, {"adaptive", has_kind, ADAPTIVE},
    {"constant rate", decays, 0},  {"decayed", decays, 1},           {"fresh", starts, FRESH},
    {"fine-tuned", starts, TUNED}, {"last layer", starts, FROZEN},   {"our defaults", is_default, 0}};

static rf_status print_groups(const study *s) {
    const char *columns[RF_COUNT(groups) + 1] = {"rule"};
    for (size_t g = 0; g < RF_COUNT(groups); g++) columns[g + 1] = groups[g].name;
    printf("\nMean regret of groups of tasks (how many), range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < rule_count; i++) {
        printf("| %s |", rules[i].name);
        for (size_t g = 0; g < RF_COUNT(groups); g++) {
            score k;
            RF_TRY(measure_rule(&k, s, &rules[i], STEPS_USUAL, groups[g].chosen, groups[g].argument));
            if (k.tasks > 0)
                printf(" %.3f (%zu) |", mean_of(&k), k.tasks);
            else
                printf(" |");
            free(k.each);
        }
        puts("");
    }
    return RF_OK;
}

/* ---- the verdict ---- */

/* How often the confidence was right. */
static void print_confidence(const study *s) {
    static const char *const columns[] = {"confidence", "suggestions", "mean regret", "within 5 %"};
    printf("\nThe verdict's confidence, range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (int level = RF_CONFIDENCE_LOW; level <= RF_CONFIDENCE_HIGH; level++) {
        size_t count = 0, within = 0;
        double sum = 0;
        for (size_t t = 0; t < task_count; t++) {
            if (!counts(s, t)) continue;
            const oracle o = oracle_of(&s->all[t], s->measure);
            for (int i = 0; i < SEEDS_MAX; i++) {
                const rf_verdict v =
                    judge(results_curve(&s->all[t], FIRST_SEED + i, STEPS_USUAL)->curve, &tasks[t]);
                if (v.kind != RF_VERDICT_RANGE || (int)v.confidence != level) continue;
                const double regret = oracle_regret(&o, v.lr);
                count++;
                within += regret <= good;
                sum += regret;
            }
        }
        if (count > 0)
            printf("| %s | %zu | %.3f | %.0f %% |\n", rf_confidence_text((rf_confidence)level), count,
                   sum / (double)count, 100 * (double)within / (double)count);
    }
}

/* The lowest (direction -1) or highest rate (1) around the best that loses less than `usable`. */
static double usable_end(const oracle *o, int direction) {
    double at = o->point[o->best].sixths;
    while (at > o->point[0].sixths && at < o->point[o->count - 1].sixths &&
           oracle_regret(o, rate_of(at + 0.05 * direction)) < usable)
        at += 0.05 * direction;
    return rate_of(at);
}

static void print_range(const study *s) {
    size_t count = 0, low = 0, high = 0;
    for (size_t t = 0; t < task_count; t++) {
        if (!counts(s, t)) continue;
        const oracle o = oracle_of(&s->all[t], s->measure);
        for (int i = 0; i < SEEDS_MAX; i++) {
            const rf_verdict v =
                judge(results_curve(&s->all[t], FIRST_SEED + i, STEPS_USUAL)->curve, &tasks[t]);
            if (v.kind != RF_VERDICT_RANGE) continue;
            count++;
            low += fabs(log(v.lr_min / usable_end(&o, -1))) <= log(2);
            high += fabs(log(v.lr_max / usable_end(&o, 1))) <= log(2);
        }
    }
    printf("\nOf %zu ranges the lower end lies within a factor of two of the lowest rate with regret under "
           "%g in %.0f %%, the "
           "upper end of the highest in %.0f %%.\n",
           count, usable, 100 * (double)low / (double)count, 100 * (double)high / (double)count);
}

static void print_tasks(const study *s) {
    static const char *const columns[] = {
        "task", "best rate", "held-out loss there", "accuracy", "noise", "suggested", "regret"};
    printf("\nThe tasks; suggested from three seeds' range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (size_t t = 0; t < task_count; t++) {
        if (!counts(s, t)) continue;
        const results *r = &s->all[t];
        const oracle o = oracle_of(r, s->measure);
        const oracle error = oracle_of(r, SETTLED_ERROR);
        printf("| %s | %s | %.3f | %.1f %% | %.3f |", task_name_of(&tasks[t]).text,
               rf_rate(rate_of(o.point[o.best].sixths)).text, o.point[o.best].mean,
               100 * (1 - error.point[o.best].mean), oracle_noise(&o));
        for (int column = 0; column < 2; column++) {
            for (int i = 0; i < SEEDS_MAX; i++) {
                const rf_verdict v = judge(results_curve(r, FIRST_SEED + i, STEPS_USUAL)->curve, &tasks[t]);
                if (column == 0)
                    printf(" %s", isfinite(v.lr) ? rf_rate(v.lr).text : v.cause);
                else
                    printf(" %.3f", oracle_regret(&o, v.lr));
            }
            printf(" |");
        }
        puts("");
    }
}

static void print_heading(const study *s) {
    double noise = 0;
    size_t count = 0;
    for (size_t t = 0; t < task_count; t++) {
        if (!counts(s, t)) continue;
        const oracle o = oracle_of(&s->all[t], s->measure);
        noise += oracle_noise(&o);
        count++;
    }
    printf("%zu tasks, of the half to %s.  The oracle's own noise, as regret: %.3f in the mean.\n", count,
           s->once ? "be looked at once" : "choose rules by", noise / (double)count);
}

rf_status tables_print(const char *results_path, bool once) {
    results *all = NULL;
    rf_status status = results_read(&all, results_path);
    study s = {.all = all, .once = once, .measure = SETTLED_LOSS};
    if (status != RF_OK) goto done;
    print_heading(&s);
    for (; s.measure < MEASURES && status == RF_OK; s.measure++) status = print_lengths(&s);
    s.measure = SETTLED_LOSS;
    if (status == RF_OK) status = print_details(&s);
    if (status == RF_OK) status = print_groups(&s);
    print_confidence(&s);
    print_range(&s);
    print_tasks(&s);
done:
    results_free(all);
    return status;
}
