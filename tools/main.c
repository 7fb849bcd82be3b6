/* The program: finds the sub-command, parses its options, runs it, and turns failures into a line and an exit
 * code. */
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"
#include "data/image.h"
#include "device/device.h"
#include "dist/dist.h"
#include "ending.h"
#include "model/zoo.h"

#define COMMAND_ROW(name) &rf_command_##name,
const rf_command *const rf_commands[] = {RF_COMMAND_LIST(COMMAND_ROW) NULL};
#undef COMMAND_ROW

const rf_option rf_common_options[] = {
    {"help", NULL, "print this help", .parse = rf_opt_flag, .offset = offsetof(rf_common, help),
     .letter = 'h'},
    {"version", NULL, "print the version", .parse = rf_opt_flag, .offset = offsetof(rf_common, version),
     .letter = 'V'},
    {"quiet", NULL, "print only what was asked for by an option, and errors", .parse = rf_opt_flag,
     .offset = offsetof(rf_common, quiet), .letter = 'q'},
    {"no-progress", NULL, "no progress line", .parse = rf_opt_flag,
     .offset = offsetof(rf_common, no_progress)},
    {"no-color", NULL, "no colours; NO_COLOR in the environment does the same", .parse = rf_opt_flag,
     .offset = offsetof(rf_common, no_color)},
    {"verbose", NULL, "say on stderr what is being done", .parse = rf_opt_flag,
     .offset = offsetof(rf_common, verbose), .letter = 'v'},
    RF_OPT_END,
};

static int add_shared(rf_option_table *tables, const rf_command *command, bool first) {
    int count = 0;
    for (const rf_shared_options *s = command->shared; s != NULL && s->rows != NULL; s++)
        if (s->first == first) tables[count++] = (rf_option_table){.rows = s->rows(), .offset = s->offset};
    return count;
}

void rf_command_tables(rf_option_table tables[RF_MAX_TABLES], const rf_command *command) {
    int count = add_shared(tables, command, true);
    tables[count++] = (rf_option_table){.rows = command->options};
    count += add_shared(tables + count, command, false);
    tables[count++] = (rf_option_table){.rows = rf_common_options, .everywhere = true};
    tables[count] = (rf_option_table){0};
}

static void say_notice(void *context, const char *text) {
    (void)context;
    rf_say("%s", text);
}

static void listen_to(rf_device *device) {
    const char *warning = rf_device_warning(device);
    const rf_quarantine *list = NULL;
    const size_t count = rf_device_quarantined(device, &list);
    char text[RF_QUARANTINE_TEXT];
    rf_device_on_notice(device, say_notice, NULL);
    if (warning[0] != '\0') rf_say("%s", warning);
    for (size_t i = 0; i < count; i++) rf_say("%s", rf_quarantine_text(text, &list[i]));
}

rf_status rf_open_device(rf_device **out, const char *selector) {
    RF_TRY(rf_device_open(out, selector));
    listen_to(*out);
    return RF_OK;
}

rf_status rf_open_device_for(rf_device **out, int *count, const char *selector, const rf_dist *dist) {
    *count = 1;
    if (dist == NULL) return rf_open_device(out, selector);
    RF_TRY(rf_device_open_for(out, count, selector, rf_dist_local_rank(dist)));
    listen_to(*out);
    return RF_OK;
}

rf_image_shape rf_images_named(const char *model, rf_maps input, int classes) {
    const rf_image_shape usual = rf_model_usual_images(model);
    rf_image_shape images = {input.channels, input.height, input.width,
                             classes > 0 ? classes : usual.classes};
    if (input.channels > 0) return images;
    images.channels = usual.channels;
    images.height = usual.height;
    images.width = usual.width;
    return images;
}

const char *rf_library_text(void) {
    static char text[64] = "without CLBlast";
    if (rf_gemm_library() != NULL) snprintf(text, sizeof text, "with %s", rf_gemm_library());
    return text;
}

const char *const *rf_device_choices(void) {
    static const char *const names[] = {"auto", "cpu", "gpu", "reference", NULL};
    return names;
}

const char *const *rf_data_choices(void) {
    static const char *const names[] = {"digits", NULL};
    return names;
}

/* ---- commands ---- */

static rf_status find_command(const rf_command **out, const char *word) {
    const char *names[RF_COUNT(rf_commands)];
    size_t count = 0;
    for (*out = NULL; rf_commands[count] != NULL; count++) {
        names[count] = rf_commands[count]->name;
        if (strcmp(names[count], word) == 0) {
            *out = rf_commands[count];
            return RF_OK;
        }
    }
    const char *near = rf_nearest(word, names, count);
    if (near != NULL) return rf_fail(RF_E_USAGE, "%s: no such command; did you mean '%s'?", word, near);
    return rf_fail(RF_E_USAGE, "%s: no such command; 'rangefinder --help' lists them", word);
}

static rf_status check_operands(const rf_command *command, int given, char **operands) {
    if (given > command->operand_count && !command->more_operands)
        return rf_fail(RF_E_USAGE, "%s: one word too many; '%s' takes %s", operands[command->operand_count],
                       command->name, command->operands != NULL ? command->operands : "options only");
    if (given < command->operand_count)
        return rf_fail(RF_E_USAGE, "%s: %s is missing; 'rangefinder %s --help' tells more", command->name,
                       command->operands, command->name);
    return RF_OK;
}

static const char files_text[] =
#ifdef RF_ONNX
    "ONNX by protobuf-c " RF_ONNX
#else
    "no ONNX"
#endif
#ifdef RF_CAIRO
    ", plots by cairo " RF_CAIRO;
#else
    ", no plots";
#endif

static void print_version(FILE *stream) {
    char mpis[64];
    rf_dist_list_plugins(mpis, sizeof mpis);
    fprintf(stream, "rangefinder %s\n", rf_version());
    if (rf_commit[0] != '\0') fprintf(stream, "commit %s\n", rf_commit);
    fprintf(stream, "%s\n%s\n%s\n", rf_library_text(), rf_image_libraries, files_text);
    fprintf(stream, "MPI: %s\n", mpis[0] != '\0' ? mpis : "none");
}

void rf_add_word(rf_str *line, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    const bool quote = word[0] == '\0' || word[strspn(word, plain)] != '\0';
    rf_str_add(line, quote ? " '" : " ");
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            rf_str_add(line, "'\\''");
        else
            rf_str_add_bytes(line, word, 1);
    }
    if (quote) rf_str_add(line, "'");
}

/* The line that was typed; NULL: out of memory. */
static char *quote_words(int count, char **words) {
    rf_str line = {0};
    rf_str_add(&line, "rangefinder");
    for (int i = 0; i < count; i++) rf_add_word(&line, words[i]);
    if (!line.failed) return line.data;
    rf_str_free(&line);
    return NULL;
}

/* All ranks run the same line, and the first one alone speaks of it. */
static rf_status check_ranks(rf_common *common, const rf_command *command) {
    rf_dist *dist = common->dist;
    RF_TRY(rf_dist_same(dist, common->command));
    if (dist != NULL && !command->ranks)
        return rf_fail(RF_E_USAGE, "%s: runs in one process, and mpirun has started %d", command->name,
                       rf_dist_size(dist));
    if (rf_dist_rank(dist) > 0) common->quiet = true;
    return RF_OK;
}

static rf_status run_command(const rf_command *command, rf_dist *dist, int argc, char **argv) {
    int operands = 0;
    void *args = rf_alloc(1, command->args_size);
    if (args == NULL) return RF_E_MEMORY;
    rf_common *common = args;
    rf_option_table tables[RF_MAX_TABLES];
    rf_command_tables(tables, command);
    common->dist = dist;
    rf_status status = (common->command = quote_words(argc, argv)) != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) status = rf_options_parse(&operands, args, &common->settings, tables, argc, argv);
    if (status == RF_OK && common->help)
        rf_help_command(stdout, command);
    else if (status == RF_OK && common->version)
        print_version(stdout);
    else {
        if (status == RF_OK) status = check_ranks(common, command);
        if (status == RF_OK) status = check_operands(command, argc - operands, argv + operands);
        if (status == RF_OK) status = command->run(args, argv + operands);
    }
    if (command->release != NULL) command->release(args);
    rf_settings_free(&common->settings);
    free(common->command);
    free(args);
    return status;
}

/* Options that stand in the place of a command. */
static const struct {
    const char *name;
    void (*print)(FILE *stream);
} texts[] = {{"--help", rf_help_program},         {"help", rf_help_program}, {"-h", rf_help_program},
             {"--version", print_version},        {"-V", print_version},     {"--man", rf_help_manual},
             {"--completion", rf_help_completion}};

/* Does the word after this option belong to it, in any command?  `word` starts with a dash. */
static bool takes_next_word(const char *word, bool command_follows) {
    if (strchr(word, '=') != NULL) return false;
    for (const rf_command *const *c = rf_commands; *c != NULL; c++) {
        rf_option_table tables[RF_MAX_TABLES];
        rf_command_tables(tables, *c);
        for (const rf_option_table *table = tables; table->rows != NULL; table++)
            for (const rf_option *row = table->rows; row->name != NULL; row++) {
                bool same = word[1] == '-' ? strcmp(word + 2, row->name) == 0
                                           : row->letter != 0 && word[1] == row->letter && word[2] == '\0';
                if (same && row->metavar != NULL) return row->missing == NULL || !command_follows;
            }
    }
    return false;
}

/* `rangefinder --model lenet find`: options may stand before the command, which moves to the front. */
static rf_status bring_command_forward(int argc, char **argv) {
    const rf_command *command = NULL;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        bool command_follows = at + 1 < argc && find_command(&command, argv[at + 1]) == RF_OK;
        if (takes_next_word(argv[at], command_follows)) at++;
    }
    if (at >= argc)
        return rf_fail(RF_E_USAGE, "%s: a command is missing, like 'rangefinder find %s'; --help lists them",
                       argv[1], argv[1]);
    char *word = argv[at];
    for (; at > 1; at--) argv[at] = argv[at - 1];
    argv[1] = word;
    return RF_OK;
}

static rf_status run_program(rf_dist *dist, int argc, char **argv) {
    const rf_command *command = NULL;
    if (argc < 2)
        return rf_fail(RF_E_USAGE, "a command is missing; start with 'rangefinder find', or see --help");
    for (size_t i = 0; i < RF_COUNT(texts); i++)
        if (strcmp(argv[1], texts[i].name) == 0 && (argc == 2 || argv[1][0] == '-')) {
            texts[i].print(stdout);
            return RF_OK;
        }
    if (strcmp(argv[1], "help") == 0) {
        RF_TRY(find_command(&command, argv[2]));
        rf_help_command(stdout, command);
        return RF_OK;
    }
    RF_TRY(bring_command_forward(argc, argv));
    RF_TRY(find_command(&command, argv[1]));
    return run_command(command, dist, argc - 1, argv + 1);
}

static void say_failure(rf_status status, int rank) {
    const char *message = rf_error_message();
    if (message[0] == '\0') message = rf_status_text(status);
    rf_say_always();
    if (rank > 0)
        rf_say("rank %d: %s", rank, message);
    else
        rf_say("%s", message);
}

/* Nobody reads what is printed any more, as behind `| head`. */
static bool reader_is_gone(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, ""); /* for what the terminal can show; numbers stay as C has them */
    rf_dist *dist = NULL;
    bool alone, unread = false;
    rf_status status = rf_ending_begin();
    if (status == RF_OK) status = rf_ahead_remember(argc, argv);
    if (status == RF_OK && rf_ahead_data() == NULL) status = rf_dist_open(&dist);
    rf_ending_ranks(dist);
    if (rf_dist_rank(dist) > 0) rf_say_nothing();
    if (status == RF_OK) status = run_program(dist, argc, argv);
    if ((status == RF_OK || status == RF_E_IO) && (fflush(stdout) != 0 || ferror(stdout))) {
        unread = reader_is_gone();
        if (status == RF_OK)
            status = rf_fail(RF_E_IO, "standard output cannot be written: is the disk full?");
    }
    const int rank = rf_dist_rank(dist);
    const bool tells = rf_dist_end(dist, &status, &alone);
    const bool failed = status != RF_OK && status != RF_E_INTERRUPTED;
    if (!alone) rf_ending_ranks(NULL);
    if (!failed && !alone) rf_dist_close(dist);
    rf_ending_in_order();
    rf_ahead_forget();
    rf_progress_restore();
    rf_outfile_abort_all();
    if (failed && tells && !unread) say_failure(status, rank);
    if (alone) rf_dist_abort(dist, rf_status_exit_code(status));
    if (failed) rf_dist_close(dist); /* not before it is told: mpirun ends the others when one has ended */
    return unread ? 128 + SIGPIPE : rf_status_exit_code(status); /* as if the signal had ended it */
}
