/* The tables, in Markdown. */
#include "tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "curve/curve.h"
#include "finder/race.h"
#include "oracle.h"
#include "rivals.h"
#include "rules.h"

enum { STEPS_USUAL = RF_RANGE_STEPS, LENGTH_USUAL = 1 }; /* range_tests[1] */
static const double good = 0.05, useless = 0.5, usable = 0.2;

/* A task whose results are complete. */
typedef struct entry {
    const task *task;
    const results *results;
    oracle oracle;
    rf_verdict verdict[TEST_SEEDS]; /* on its range tests of the usual length */
    double regret[TEST_SEEDS];
    double lr[RULES][TEST_LENGTHS]
             [TEST_SEEDS]; /* what each rule says; where there is no curve it is not read */
} entry;

typedef struct half {
    entry *entries; /* owned */
    size_t count;
} half;

static void add_entry(half *h, const task *t, const results *r) {
    entry *const e = &h->entries[h->count++];
    *e = (entry){.task = t, .results = r, .oracle = oracle_of(r, SETTLED_LOSS)};
    for (int i = 0; i < TEST_SEEDS; i++) {
        e->verdict[i] = judge(test_of_find(r, TEST_SEED + i, t), t);
        e->regret[i] = oracle_regret(&e->oracle, e->verdict[i].lr);
    }
    for (int i = 0; i < TEST_LENGTHS * TEST_SEEDS; i++) {
        const int length = i / TEST_SEEDS, seed = i % TEST_SEEDS;
        const rf_curve *const curve = results_curve(r, TEST_SEED + seed, range_tests[length].steps);
        for (size_t k = 0; curve && k < RULES; k++)
            e->lr[k][length][seed] = rules[k].suggest(curve, t, rules[k].argument);
    }
    for (int i = 0; i < TEST_SEEDS; i++) e->lr[0][LENGTH_USUAL][i] = e->verdict[i].lr;
}

/* ---- rules ---- */

/* The regrets of a rule. Tasks weigh alike, whatever their curves. */
typedef struct score {
    double *each; /* (count) of a curve */
    size_t count, good, useless, none, low, high;
    double sum, squares; /* of tasks' means */
    size_t tasks;
} score;

typedef bool chooses(const task *t, int argument);

static void add_regret(score *out, double regret) {
    out->each[out->count++] = regret;
    out->good += regret <= good;
    out->useless += regret >= useless;
}

static void add_curve(score *out, const oracle *o, double lr) {
    const double regret = oracle_regret(o, lr);
    add_regret(out, regret);
    if (!isfinite(lr))
        out->none++;
    else if (regret > good)
        *(6 * log10(lr) < o->point[o->best].sixths ? &out->low : &out->high) += 1;
}

static void add_task(score *out, const entry *e, measure m, size_t by, int length) {
    const oracle o = oracle_of(e->results, m);
    const size_t before = out->count;
    double sum = 0;
    for (int i = 0; i < range_tests[length].seeds; i++) {
        if (!results_curve(e->results, TEST_SEED + i, range_tests[length].steps)) continue;
        add_curve(out, &o, e->lr[by][length][i]);
        sum += out->each[out->count - 1];
    }
    if (out->count == before) return;
    const double mean = sum / (double)(out->count - before);
    out->sum += mean;
    out->squares += mean * mean;
    out->tasks++;
}

/* The caller frees each. */
static rf_status measure_rule(score *out, const half *h, measure m, size_t by, int length) {
    *out = (score){.each = rf_alloc(h->count * TEST_SEEDS, sizeof(double))};
    if (!out->each) return RF_E_MEMORY;
    for (size_t e = 0; e < h->count; e++) add_task(out, &h->entries[e], m, by, length);
    return RF_OK;
}

static double mean_of(const score *s) {
    return s->sum / (double)s->tasks;
}
static double standard_error(double sum, double squares, size_t count) {
    const double n = (double)count;
    return sqrt(fmax(squares / n - sum / n * sum / n, 0) / (n - 1));
}
static double error_of(const score *s) {
    return standard_error(s->sum, s->squares, s->tasks);
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
static rf_status print_lengths(const half *h, measure m) {
    static const char *const columns[] = {"rule", "100 steps", "300 steps", "1,000 steps"};
    printf("\nMean regret, worst, within 5 %%, by %s:\n\n", measure_names[m]);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < RULES; i++) {
        printf("| %s |", rules[i].name);
        for (int l = 0; l < TEST_LENGTHS; l++) {
            score k;
            RF_TRY(measure_rule(&k, h, m, i, l));
            printf(" %.3f, %.2f, %.0f %% |", mean_of(&k), worst_of(&k), percent(k.good, &k));
            free(k.each);
        }
        puts("");
    }
    return RF_OK;
}

static rf_status print_details(const half *h) {
    static const char *const columns[] = {"rule",    "mean regret", "median", "useless (>= 50 %)",
                                          "too low", "too high",    "none"};
    printf("\nRange tests of %d steps in detail; ±: the standard error, from the tasks:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < RULES; i++) {
        score k;
        RF_TRY(measure_rule(&k, h, SETTLED_LOSS, i, LENGTH_USUAL));
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

static void print_groups(const half *h) {
    const char *columns[RF_COUNT(groups) + 1] = {"rule"};
    double each[TEST_SEEDS];
    for (size_t g = 0; g < RF_COUNT(groups); g++) columns[g + 1] = groups[g].name;
    printf("\nMean regret of groups of tasks (how many), range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (size_t i = 0; i < RULES; i++) {
        printf("| %s |", rules[i].name);
        for (size_t g = 0; g < RF_COUNT(groups); g++) {
            score k = {.each = each};
            for (size_t e = 0; e < h->count; e++, k.count = 0)
                if (groups[g].chosen(h->entries[e].task, groups[g].argument))
                    add_task(&k, &h->entries[e], SETTLED_LOSS, i, LENGTH_USUAL);
            if (k.tasks > 0) printf(" %.3f (%zu)", mean_of(&k), k.tasks);
            printf(" |");
        }
        puts("");
    }
}

/* ---- rivals that train ---- */

/* With the difference to `find`, and its standard error from the tasks. */
static rf_status print_rival(const half *h, int which, measure m) {
    score k = {.each = rf_alloc(h->count * SEEDS, sizeof(double))};
    double sum = 0, squares = 0;
    if (!k.each) return RF_E_MEMORY;
    for (size_t i = 0; i < h->count; i++) {
        const entry *const e = &h->entries[i];
        const oracle o = oracle_of(e->results, m);
        const size_t before = k.count;
        double own = 0, mean = 0;
        for (int s = 0; s < SEEDS; s++) {
            const bool searches = rivals[which].rungs > 0;
            const rival_result *const r = results_rival(e->results, (searches ? TEST_SEED : 1) + s, which);
            if (!r) continue;
            const double reached = m == SETTLED_ERROR ? 1 - r->accuracy : r->loss;
            const double regret = searches ? oracle_regret(&o, r->lr) : oracle_regret_of(&o, reached);
            add_regret(&k, regret);
            mean += regret / SEEDS;
            own += oracle_regret(&o, e->verdict[s].lr) / SEEDS;
        }
        if (k.count == before) continue;
        k.sum += mean;
        k.tasks++;
        sum += mean - own;
        squares += (mean - own) * (mean - own);
    }
    printf("| %s | %.3f | %+.3f ± %.3f | %.3f | %.2f | %.0f %% | %.0f %% |\n", rivals[which].name,
           mean_of(&k), sum / (double)k.tasks, standard_error(sum, squares, k.tasks),
           rf_median(k.each, k.count), worst_of(&k), percent(k.good, &k), percent(k.useless, &k));
    free(k.each);
    return RF_OK;
}

static rf_status print_rivals(const half *h) {
    static const char *const columns[] = {
        "rival",      "mean regret",      "against the range test alone", "median", "worst",
        "within 5 %", "useless (>= 50 %)"};
    static const measure measures[] = {SETTLED_LOSS, SETTLED_ERROR};
    for (size_t m = 0; m < RF_COUNT(measures); m++) {
        printf("\nRivals that train, by %s:\n\n", measure_names[measures[m]]);
        begin_table(columns, RF_COUNT(columns));
        for (int i = 0; i < RIVALS; i++) RF_TRY(print_rival(h, i, measures[m]));
    }
    return RF_OK;
}

/* ---- the verdict ---- */

/* How often the confidence was right. */
static void print_confidence(const half *h) {
    static const char *const columns[] = {"confidence", "suggestions", "mean regret", "within 5 %"};
    printf("\nThe verdict's confidence, range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (int level = RF_CONFIDENCE_LOW; level <= RF_CONFIDENCE_HIGH; level++) {
        double count = 0, within = 0, sum = 0;
        for (size_t i = 0; i < h->count * TEST_SEEDS; i++) {
            const entry *const e = &h->entries[i / TEST_SEEDS];
            const rf_verdict *const v = &e->verdict[i % TEST_SEEDS];
            if (v->kind != RF_VERDICT_RANGE || (int)v->confidence != level) continue;
            count++;
            within += e->regret[i % TEST_SEEDS] <= good;
            sum += e->regret[i % TEST_SEEDS];
        }
        if (count > 0)
            printf("| %s | %.0f | %.3f | %.0f %% |\n", rf_confidence_text((rf_confidence)level), count,
                   sum / count, 100 * within / count);
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

/* One range test, and the median of three, which differ in their initial weights, too. */
static rf_status print_medians(const half *h) {
    static const char *const columns[] = {"range tests", "mean regret",     "median",    "worst",
                                          "within 5 %",  "high confidence", "within 5 %"};
    puts("\nThe median of several range tests:\n");
    begin_table(columns, RF_COUNT(columns));
    for (int i = 0; i < 4; i++) {
        const int steps = range_tests[i / 2].steps;
        const bool median = i % 2;
        double sure = 0, right = 0;
        score k = {.each = rf_alloc(h->count * TEST_SEEDS, sizeof(double))};
        if (!k.each) return RF_E_MEMORY;
        for (size_t e = 0; e < h->count * (median ? 1 : TEST_SEEDS); e++) {
            const entry *const at = &h->entries[median ? e : e / TEST_SEEDS];
            rf_curve *made = NULL;
            if (median) RF_TRY(results_median(&made, at->results, steps));
            const rf_verdict v =
                judge(median ? made : results_curve(at->results, TEST_SEED + (int)(e % TEST_SEEDS), steps),
                      at->task);
            rf_curve_free(made);
            add_curve(&k, &at->oracle, v.lr);
            k.sum += k.each[e];
            if (v.kind != RF_VERDICT_RANGE || v.confidence != RF_CONFIDENCE_HIGH) continue;
            sure++;
            right += k.each[e] <= good;
        }
        printf("| %s of %d steps | %.3f | %.3f | %.2f | %.0f %% | %.0f %% | %.0f %% |\n",
               median ? "three" : "one", steps, k.sum / (double)k.count, rf_median(k.each, k.count),
               worst_of(&k), percent(k.good, &k), 100 * sure / (double)k.count, 100 * right / sure);
        free(k.each);
    }
    return RF_OK;
}

/* ---- races ---- */

/* A race of trainings of so many steps, of the program's rates among those that were run.  False: they have not been. */
static bool find_race(rf_race *race, rf_trial trials[RF_RACE_RATES], const entry *e, int test, size_t steps) {
    const int seed = TEST_SEED + test;
    const double lr = e->verdict[test].lr;
    *race = (rf_race){.trials = trials,
                      .suggested = 1,
                      .chance = log(e->results->classes),
                      .only_lower = e->verdict[test].by_heart};
    for (; race->count < RF_RACE_RATES; race->count++) {
        const rf_trial *const t = results_trial(e->results, seed, steps, lr * rf_race_factors[race->count]);
        if (!t) return false;
        trials[race->count] = *t;
    }
    rf_race_decide(race);
    return true;
}

typedef enum answer { SUGGESTED, BEST, DECIDED, ANSWERS } answer;
static const char *const answer_names[ANSWERS] = {
    [SUGGESTED] = "the range test alone", [BEST] = "the best of the race", [DECIDED] = "`--confirm`"};

/* Adds a task's regrets by an answer to the races of a part of the plan.  Where there is no suggestion there is no race. */
static void add_races(score *out, const entry *e, int part, answer wanted) {
    const size_t before = out->count;
    double sum = 0;
    for (int i = 0; i < RACE_SEEDS; i++) {
        rf_trial trials[RF_RACE_RATES];
        rf_race race;
        double lr = e->verdict[i].lr;
        if (isfinite(lr)) {
            if (!find_race(&race, trials, e, i, (size_t)(e->task->steps / part))) continue;
            if (wanted != SUGGESTED) lr = wanted == BEST ? trials[race.best].lr : race.lr;
        }
        add_curve(out, &e->oracle, lr);
        sum += out->each[out->count - 1];
    }
    if (out->count == before) return;
    const double mean = sum / (double)(out->count - before);
    out->sum += mean;
    out->squares += mean * mean;
    out->tasks++;
}

/* With the difference to the range test alone, and its standard error from the tasks. */
static rf_status print_race(const half *h, int part, answer wanted) {
    score k = {.each = rf_alloc(2 * h->count * RACE_SEEDS, sizeof(double))},
          alone = {.each = k.each + h->count * RACE_SEEDS};
    double sum = 0, squares = 0;
    if (!k.each) return RF_E_MEMORY;
    for (size_t e = 0; e < h->count; e++) {
        const double before = k.sum - alone.sum;
        add_races(&k, &h->entries[e], part, wanted);
        add_races(&alone, &h->entries[e], part, SUGGESTED);
        const double more = k.sum - alone.sum - before;
        sum += more;
        squares += more * more;
    }
    printf("| %s | %.2f | %.3f | %+.3f ± %.3f | %.3f | %.2f | %.0f %% |\n", answer_names[wanted],
           wanted == SUGGESTED ? 0 : (double)RF_RACE_RATES / part, mean_of(&k), sum / (double)k.tasks,
           standard_error(sum, squares, k.tasks), rf_median(k.each, k.count), worst_of(&k),
           percent(k.good, &k));
    free(k.each);
    return RF_OK;
}

static rf_status print_races(const half *h) {
    static const char *const columns[] = {"answer", "cost, in plans", "mean regret", "against the test alone",
                                          "median", "worst",          "within 5 %"};
    printf("\nRaces after range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    RF_TRY(print_race(h, race_parts[0], SUGGESTED));
    for (int p = 0; p < RACE_LENGTHS; p++)
        for (answer a = BEST; a < ANSWERS; a++) RF_TRY(print_race(h, race_parts[p], a));
    return RF_OK;
}

static void print_range(const half *h) {
    double count = 0, low = 0, high = 0;
    for (size_t i = 0; i < h->count * TEST_SEEDS; i++) {
        const entry *const e = &h->entries[i / TEST_SEEDS];
        const rf_verdict *const v = &e->verdict[i % TEST_SEEDS];
        if (v->kind != RF_VERDICT_RANGE) continue;
        count++;
        low += fabs(log(v->lr_min / usable_end(&e->oracle, -1))) <= log(2);
        high += fabs(log(v->lr_max / usable_end(&e->oracle, 1))) <= log(2);
    }
    printf("\nOf %.0f ranges %.0f %% begin within a factor of two of the lowest rate with regret under %g, "
           "and %.0f %% end "
           "within one of the highest.\n",
           count, 100 * low / count, usable, 100 * high / count);
}

static void print_tasks(const half *h) {
    static const char *const columns[] = {
        "task", "best rate", "held-out loss there", "accuracy", "noise", "suggested", "regret"};
    printf("\nThe tasks; suggested from three seeds' range tests of %d steps:\n\n", STEPS_USUAL);
    begin_table(columns, RF_COUNT(columns));
    for (const entry *e = h->entries; e < h->entries + h->count; e++) {
        const oracle error = oracle_of(e->results, SETTLED_ERROR);
        const oracle_point *const best = &e->oracle.point[e->oracle.best];
        printf("| %s | %s | %.3f | %.1f %% | %.3f |", task_name_of(e->task).text,
               rf_rate(rate_of(best->sixths)).text, best->mean, 100 * (1 - error.point[e->oracle.best].mean),
               oracle_noise(&e->oracle));
        for (int i = 0; i < TEST_SEEDS; i++)
            printf(" %s", isfinite(e->verdict[i].lr) ? rf_rate(e->verdict[i].lr).text : e->verdict[i].cause);
        printf(" |");
        for (int i = 0; i < TEST_SEEDS; i++) printf(" %.3f", e->regret[i]);
        puts(" |");
    }
}

static void print_heading(const half *h, bool once) {
    double noise = 0;
    for (size_t e = 0; e < h->count; e++) noise += oracle_noise(&h->entries[e].oracle);
    printf("%zu tasks, of the half to %s.  The oracle's own noise, as regret: %.3f in the mean.\n", h->count,
           once ? "be looked at once" : "choose rules by", noise / (double)h->count);
}

rf_status tables_print(const char *results_path, bool once) {
    results *all = NULL;
    half h = {.entries = rf_alloc(task_count, sizeof(entry))};
    rf_status status = h.entries ? results_read(&all, results_path) : RF_E_MEMORY;
    if (status != RF_OK) goto done;
    for (size_t t = 0; t < task_count; t++)
        if (task_is_once(&tasks[t]) == once && results_complete(&all[t])) add_entry(&h, &tasks[t], &all[t]);
    print_heading(&h, once);
    for (measure m = 0; m < MEASURES && status == RF_OK; m++) status = print_lengths(&h, m);
    if (status == RF_OK) status = print_details(&h);
    print_groups(&h);
    if (status == RF_OK) status = print_rivals(&h);
    print_confidence(&h);
    if (status == RF_OK) status = print_medians(&h);
    if (status == RF_OK) status = print_races(&h);
    print_range(&h);
    print_tasks(&h);
done:
    free(h.entries);
    results_free(all);
    return status;
}
