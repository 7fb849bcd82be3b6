/* rangefinder sweep: a range test for each combination of settings, each kept in a file, so that a sweep that was stopped
 * goes on.  Ranks take one combination after the other; the first rank reads what the others have written, and tells of all. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"
#include "curves.h"
#include "dist/handout.h"
#include "find.h"
#include "sweep.h"
#include "train/folder.h"

typedef struct sweep_args {
    rf_find_args find; /* what the runs have in common */
    rf_texts vary;
    const char *out;
    bool overwrite;
} sweep_args;

/* ---- options ---- */

#define AT(field) .offset = offsetof(sweep_args, field)
#define OUTPUT(name_, help)                                                                                  \
    { #name_, "FILE", help, .parse = rf_opt_text, AT(find.outputs.paths[RF_OUTPUT_##name_]), .files = true }

static const rf_option options[] = {
    {"vary", "NAME=VALUE,...",
     "values of an option, each of which is run with each of the others'; a ; instead of commas separates "
     "values that have some; repeatable",
     .parse = rf_opt_texts, AT(vary)},
    {"out", "FOLDER",
     "where each run's result is kept; those that are there are not run again (sweeps/1, or the next "
     "number that is free)",
     .parse = rf_opt_text, AT(out), .files = true},
    {"overwrite", NULL, "run again what is in --out", .parse = rf_opt_flag, AT(overwrite)},
    OUTPUT(plot, "draw all curves; the ending says how: .svg, .png or .pdf"),
    OUTPUT(csv, "write a line for each run; - is stdout"),
    OUTPUT(json, "write all results as one JSON document; - is stdout"),
    RF_OPT_END,
};

/* The options of `find` alone, but for its outputs. */
enum { FIND_ROWS_MAX = 32 };
static rf_option find_rows[FIND_ROWS_MAX + 1];

static void copy_find_rows(void) {
    const size_t outputs = offsetof(rf_find_args, outputs);
    size_t count = 0;
    for (const rf_option *row = rf_command_find.options; row->name != NULL && count < FIND_ROWS_MAX; row++)
        if (row->offset < outputs || row->offset >= outputs + sizeof(rf_outputs)) find_rows[count++] = *row;
}

static const rf_option *rows_of_find(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, copy_find_rows);
    return find_rows;
}

/* Offsets within rf_find_args, which the arguments begin with. */
static const rf_shared_options shared[] = {
    RF_TRAINING_SHARED(rf_find_args), {.rows = rows_of_find}, {.rows = NULL}};

/* ---- the sweep ---- */

typedef struct sweep_run {
    const sweep_args *args;
    rf_variations variations;
    rf_sweep sweep;
    rf_folder *folder;
    rf_opened opened;
    bool for_people;
} sweep_run;

static void release_run(sweep_run *run) {
    rf_opened_release(&run->opened);
    rf_sweep_release(&run->sweep);
    rf_variations_release(&run->variations);
    if (run->folder != NULL) rmdir(run->folder->path); /* where nothing has come into it */
    rf_folder_close(run->folder);
}

static rf_status read_variations(sweep_run *run) {
    rf_option_table all[RF_MAX_TABLES], tables[RF_MAX_TABLES] = {{0}};
    size_t count = 0;
    rf_command_tables(all, &rf_command_sweep);
    for (const rf_option_table *table = all; table->rows != NULL; table++)
        if (table->rows != options && !table->everywhere) tables[count++] = *table;
    return rf_variations_read(&run->variations, &run->args->vary, tables, &run->args->find.common.settings);
}

/* The arguments of `find` for a combination.  They borrow its words. */
static rf_status parse(rf_find_args *out, const sweep_run *run, const rf_combination *c) {
    const rf_common *common = &run->args->find.common;
    rf_option_table tables[RF_MAX_TABLES];
    int operands;
    char **words = rf_alloc((size_t)c->word_count + 1, sizeof *words); /* which parsing reorders */
    *out = (rf_find_args){0};
    if (words == NULL) return RF_E_MEMORY;
    memcpy(words, c->words, (size_t)c->word_count * sizeof *words);
    rf_command_tables(tables, &rf_command_find);
    rf_status status =
        rf_options_parse(&operands, out, &out->common.settings, tables, c->word_count - 1, words + 1);
    free(words);
    out->common.quiet = true;
    out->common.no_progress = common->quiet || common->no_progress;
    out->common.verbose = common->verbose;
    if (status == RF_OK && (out->common.command = rf_strdup(c->command)) == NULL) status = RF_E_MEMORY;
    return status;
}

static void release_args(rf_find_args *args) {
    rf_settings_free(&args->common.settings);
    free(args->common.command);
    rf_command_find.release(args);
}

/* Checks a combination; with data, network and device if asked to. */
static rf_status check(sweep_run *run, size_t i, bool open) {
    const rf_combination *c = &run->variations.combinations[i];
    rf_find_args args;
    rf_status status = parse(&args, run, c);
    if (status == RF_OK) status = rf_find_check(&args, open ? &run->opened : NULL);
    if (status != RF_OK) rf_fail_prefix(status, "%s", c->label);
    release_args(&args);
    return status;
}

/* Mistakes come before the first run.  Texts may be names of what cannot be opened: each is tried once. */
static rf_status check_all(sweep_run *run) {
    const rf_variations *v = &run->variations;
    for (size_t i = 0; i < v->combination_count; i++) RF_TRY(check(run, i, false));
    RF_TRY(check(run, 0, true));
    for (size_t k = v->count, stride = 1; k-- > 0; stride *= v->all[k].count)
        for (size_t i = 1; i < v->all[k].count && v->all[k].row->parse == rf_opt_text; i++)
            RF_TRY(check(run, i * stride, true));
    return RF_OK;
}

static rf_dist *ranks_of(const sweep_run *run) {
    return run->args->find.common.dist;
}
static bool is_first(const sweep_run *run) {
    return rf_dist_rank(ranks_of(run)) == 0;
}

static rf_status open_folder(sweep_run *run) {
    char *path = run->args->out != NULL ? rf_strdup(run->args->out) : rf_next_free_folder("sweeps");
    if (path == NULL) return RF_E_MEMORY;
    rf_status status = rf_folder_open(&run->folder, path);
    if (status == RF_OK) status = rf_sweep_create(&run->sweep, &run->variations, path);
    free(path);
    return status;
}

/* Reads what an earlier sweep has left, or removes it. */
static rf_status read_finished(sweep_run *run) {
    for (size_t i = 0; i < run->variations.combination_count; i++) {
        const char *path = run->sweep.results[i].path;
        if (access(path, F_OK) != 0) continue;
        if (run->args->overwrite) {
            if (unlink(path) != 0) return rf_fail_errno(errno, "%s: cannot be removed", path);
            continue;
        }
        RF_TRY(check(run, i, true)); /* which opens its data */
        RF_TRY(rf_sweep_read(&run->sweep, i, run->opened.fingerprint));
    }
    return RF_OK;
}

/* The first rank's folder, and what is done in it, become known to the others. */
static rf_status share_folder(sweep_run *run) {
    char *path;
    if (ranks_of(run) == NULL) return RF_OK;
    rf_status status = rf_dist_join(&path, ranks_of(run), is_first(run) ? run->folder->path : "");
    if (status == RF_OK && !is_first(run)) status = rf_sweep_create(&run->sweep, &run->variations, path);
    for (size_t i = 0; i < run->variations.combination_count && status == RF_OK; i++)
        status = rf_dist_broadcast(ranks_of(run), &run->sweep.results[i].done, sizeof(bool));
    free(path);
    return status;
}

/* A run that fails is a result; what fails here ends the sweep. */
static rf_status run_one(sweep_run *run, size_t i) {
    const rf_combination *c = &run->variations.combinations[i];
    rf_sweep_result *r = &run->sweep.results[i];
    rf_find_args args;
    rf_status status = parse(&args, run, c);
    args.outputs.paths[RF_OUTPUT_json] = r->path;
    rf_ahead_forget();
    if (status == RF_OK) status = rf_ahead_remember(c->word_count, c->words);
    if (status == RF_OK) status = rf_find_run(&args, &run->opened);
    rf_ahead_end();
    release_args(&args);
    if (status == RF_E_INTERRUPTED || rf_interrupted()) return RF_E_INTERRUPTED;
    if (access(r->path, F_OK) == 0) return rf_sweep_read(&run->sweep, i, run->opened.fingerprint);
    if ((r->reason = rf_strdup(rf_error_message())) == NULL) return RF_E_MEMORY;
    rf_device_close(run->opened.device); /* it may not be usable any more */
    run->opened.device = NULL;
    return RF_OK;
}

/* lines: of the runs that failed, "NUMBER REASON". */
static rf_status take_failures(rf_sweep *sweep, char *lines) {
    for (char *line; (line = strsep(&lines, "\n")) != NULL && *line != '\0';) {
        char *reason;
        rf_sweep_result *r = &sweep->results[strtoull(line, &reason, 10)];
        if (r->reason == NULL && (r->reason = rf_strdup(reason + 1)) == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

/* Reads the files that the other ranks have written. */
static rf_status read_others(sweep_run *run) {
    for (size_t i = 0; i < run->variations.combination_count; i++) {
        const rf_sweep_result *r = &run->sweep.results[i];
        if (r->reason != NULL) continue;
        if (access(r->path, F_OK) != 0)
            return rf_fail_errno(
                errno,
                "%s: another rank has written it, and the first one cannot see it; let --out "
                "be a folder that all machines share",
                r->path);
        RF_TRY(check(run, i, true)); /* which opens its data */
        RF_TRY(rf_sweep_read(&run->sweep, i, run->opened.fingerprint));
    }
    return RF_OK;
}

/* The results of all ranks, on the first one. */
static rf_status collect(sweep_run *run) {
    rf_str own = {0};
    char *all = NULL;
    for (size_t i = 0; i < run->variations.combination_count; i++) {
        const rf_sweep_result *r = &run->sweep.results[i];
        if (r->done || r->reason == NULL) continue;
        rf_make_printable(r->reason);
        rf_str_addf(&own, "%zu %s\n", i, r->reason);
    }
    rf_status status = rf_str_status(&own);
    if (status == RF_OK) status = rf_dist_join(&all, ranks_of(run), rf_str_text(&own));
    if (status == RF_OK && is_first(run)) status = take_failures(&run->sweep, all);
    if (status == RF_OK && is_first(run)) status = read_others(run);
    rf_str_free(&own);
    free(all);
    return status;
}

static size_t count_done(const sweep_run *run) {
    size_t done = 0;
    for (size_t i = 0; i < run->variations.combination_count; i++) done += run->sweep.results[i].done;
    return done;
}

static rf_status print_heading(const sweep_run *run) {
    const rf_device_info *device = rf_device_describe(run->opened.device);
    rf_print_line("device   %s (%s)", device->name, device->selector);
    printf("sweep    %zu runs, of which %zu are done\n", run->variations.combination_count, count_done(run));
    if (ranks_of(run) != NULL)
        printf("ranks    %d, each with a run of its own\n", rf_dist_size(ranks_of(run)));
    printf("\n");
    return rf_sweep_print_heading(&run->sweep);
}

static rf_status run_all(sweep_run *run) {
    const size_t count = run->variations.combination_count;
    const bool alone = ranks_of(run) == NULL;
    rf_handout *handout;
    size_t i;
    if (run->for_people) RF_TRY(print_heading(run));
    rf_status status = rf_handout_begin(&handout, ranks_of(run), count);
    while (status == RF_OK && (status = rf_handout_next(&i, handout)) == RF_OK && i < count) {
        if (!run->sweep.results[i].done) status = run_one(run, i);
        if (status == RF_OK && alone && run->for_people) status = rf_sweep_print_row(&run->sweep, i);
    }
    rf_handout_end(handout);
    if (alone || status != RF_OK) return status;
    RF_TRY(collect(run));
    for (i = 0; i < count && run->for_people; i++) RF_TRY(rf_sweep_print_row(&run->sweep, i));
    return RF_OK;
}

/* ---- telling ---- */

static rf_status plot(const sweep_run *run, const char *path) {
    const size_t room = run->variations.combination_count + 1;
    const char **files = rf_alloc(2 * room, sizeof *files);
    size_t count = 0;
    if (files == NULL) return RF_E_MEMORY;
    const char **names = files + room;
    for (size_t i = 0; i < run->variations.combination_count; i++)
        if (run->sweep.results[i].done) {
            files[count] = run->sweep.results[i].path;
            names[count++] = run->variations.combinations[i].label;
        }
    rf_status status = count > 0 ? rf_curves_plot(path, files, names) : RF_OK;
    free(files);
    return status;
}

static rf_status print_end(const sweep_run *run) {
    rf_str rules = {0};
    rf_sweep_add_batch_rules(&rules, &run->sweep);
    rf_status status = rf_str_status(&rules);
    printf("\n");
    for (char *line, *rest = rules.data; status == RF_OK && (line = strsep(&rest, "\n")) != NULL;)
        if (*line != '\0') rf_print_line("%s", line);
    if (count_done(run) > 0) rf_print_line("kept in  %s", run->folder->path);
    rf_str_free(&rules);
    return status == RF_OK ? rf_outputs_list(&run->args->find.outputs) : status;
}

/* Fails where runs have no rate: with the first one's reason. */
static rf_status judge(const sweep_run *run) {
    const size_t runs = run->variations.combination_count;
    size_t without = 0, first = 0;
    for (size_t i = runs; i-- > 0;)
        if (run->sweep.results[i].confidence == NULL) {
            without++;
            first = i;
        }
    if (without == 0) return RF_OK;
    return rf_fail(RF_E_FAILED, "%zu of %zu runs gave no learning rate; %s: %s", without, runs,
                   run->variations.combinations[first].label, run->sweep.results[first].reason);
}

static rf_status finish(const sweep_run *run) {
    const rf_find_args *find = &run->args->find;
    const char *const *paths = find->outputs.paths;
    if (paths[RF_OUTPUT_plot] != NULL) RF_TRY(plot(run, paths[RF_OUTPUT_plot]));
    if (paths[RF_OUTPUT_csv] != NULL) RF_TRY(rf_sweep_write_csv(&run->sweep, paths[RF_OUTPUT_csv]));
    if (paths[RF_OUTPUT_json] != NULL)
        RF_TRY(rf_sweep_write_json(&run->sweep, paths[RF_OUTPUT_json], find->common.command));
    if (run->for_people) RF_TRY(print_end(run));
    return judge(run);
}

static rf_status sweep_main(void *given, char **operands) {
    (void)operands;
    const sweep_args *args = given;
    const rf_training *training = &args->find.training;
    const char *const inputs[] = {training->data, training->model, training->weights, NULL};
    sweep_run run = {.args = args,
                     .opened = {.dist = args->find.common.dist},
                     .for_people = rf_outputs_for_people(&args->find.outputs, &args->find.common)};
    rf_status status = read_variations(&run);
    if (status == RF_OK && is_first(&run)) status = rf_outputs_check(&args->find.outputs, inputs);
    if (status == RF_OK) status = check_all(&run);
    if (status == RF_OK && is_first(&run)) status = open_folder(&run);
    if (status == RF_OK && is_first(&run)) status = read_finished(&run);
    status = rf_dist_agree(ranks_of(&run), status);
    if (status == RF_OK) status = share_folder(&run);
    if (status == RF_OK) status = run_all(&run);
    if (status == RF_OK && is_first(&run)) status = finish(&run);
    if (status == RF_E_INTERRUPTED && run.folder != NULL)
        rf_say("stopped; the same command with --out %s goes on", run.folder->path);
    release_run(&run);
    return status;
}

static void release(void *given) {
    rf_command_find.release(&((sweep_args *)given)->find);
}

static const rf_example examples[] = {
    {"rangefinder sweep --vary batch=32,128,512 --vary optimizer=sgd,adamw --plot sweep.svg",
     "six range tests, their curves in one picture, and how the rate moves with the batch"},
    {"rangefinder sweep -d photos/ --vary model=resnet18,mobilenet_v2 --vary weight-decay=0,1e-4 --out "
     "sweeps/photos",
     "the same command again goes on where it was stopped"},
    {"mpirun -n 4 rangefinder sweep -d photos/ --vary batch=32,64,128 --vary optimizer=sgd,adamw",
     "four runs at a time, each on a device of its own"},
    {NULL},
};

const rf_command rf_command_sweep = {
    .name = "sweep",
    .examples = examples,
    .summary = "A range test for each combination of settings",
    .details = "Runs 'find' with every combination of the values that --vary gives; any option with a value "
               "can be varied. Each run's result is a file in --out, as 'find --json' writes it; those that "
               "are there already are not run again. A run that fails is a row with its reason.",
    .options = options,
    .shared = shared,
    .ranks = true,
    .args_size = sizeof(sweep_args),
    .run = sweep_main,
    .release = release,
};
