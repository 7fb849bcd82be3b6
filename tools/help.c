/* --help, the manual page and bash's completion, all made from the tables of commands and options. */
#include <ctype.h>
#include <string.h>

#include "command.h"

enum { TEXT_WIDTH = 96, HELP_COLUMN = 30 };

/* Prints words so that no line passes TEXT_WIDTH; `column` is where the first stands, `indent` where new
 * lines begin. */
static void print_wrapped(FILE *stream, const char *text, int column, int indent) {
    bool first = true;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (!first && column + 1 + length > TEXT_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        column += fprintf(stream, "%s%.*s", first ? "" : " ", length, text);
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

/* "-b, --batch N"; options without a letter stand below the names of those with one. */
static int print_names(FILE *stream, const rf_option *row) {
    int column = row->letter != 0 ? fprintf(stream, "  -%c, ", row->letter) : fprintf(stream, "      ");
    return column + fprintf(stream, "--%s%s%s", row->name, row->metavar != NULL ? " " : "",
                            row->metavar != NULL ? row->metavar : "");
}

/* What is said of an option: behind a colon follow its choices, and at the end, in brackets, the default. */
static void add_option_text(rf_str *out, const rf_option *row) {
    const bool listed = row->choices != NULL && row->help[strlen(row->help) - 1] == ':';
    const char *const *choices = listed ? row->choices() : (const char *const[]){NULL};
    rf_str_add(out, row->help);
    for (size_t i = 0; choices[i] != NULL; i++)
        rf_str_addf(out, "%s%s", i == 0 ? " " : choices[i + 1] != NULL ? ", " : " or ", choices[i]);
    if (row->def != NULL) rf_str_addf(out, " (%s)", row->def);
}

static void print_option(FILE *stream, const rf_option *row) {
    rf_str text = {0};
    int column = print_names(stream, row);
    if (column + 2 > HELP_COLUMN)
        fprintf(stream, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(stream, "%*s", HELP_COLUMN - column, "");
    add_option_text(&text, row);
    print_wrapped(stream, rf_str_text(&text), HELP_COLUMN, HELP_COLUMN);
    rf_str_free(&text);
}

static void print_options(FILE *stream, const rf_option *rows) {
    for (; rows->name != NULL; rows++) print_option(stream, rows);
}

void rf_help_program(FILE *stream) {
    fputs("Rangefinder finds the learning rate of a convolutional network on any OpenCL device.\n\n"
          "usage: rangefinder COMMAND [OPTIONS]\n\ncommands:\n",
          stream);
    for (const rf_command *const *c = rf_commands; *c != NULL; c++)
        fprintf(stream, "  %-10s %s\n", (*c)->name, (*c)->summary);
    fputs(
        "\n'rangefinder COMMAND --help' tells a command's options; 'rangefinder --version' the version;\n"
        "'rangefinder --man' and 'rangefinder --completion' print the manual page and bash's completion.\n\n"
        "Start with:  rangefinder find\n",
        stream);
}

void rf_help_command(FILE *stream, const rf_command *command) {
    fprintf(stream, "usage: rangefinder %s%s%s [OPTIONS]\n\n", command->name,
            command->operands != NULL ? " " : "", command->operands != NULL ? command->operands : "");
    print_wrapped(stream, command->summary, 0, 0);
    if (command->details != NULL) {
        fputc('\n', stream);
        print_wrapped(stream, command->details, 0, 0);
    }
    rf_option_table tables[RF_MAX_TABLES];
    rf_command_tables(tables, command);
    fputs("\noptions:\n", stream);
    for (const rf_option_table *table = tables; table->rows != NULL; table++) {
        if (table->everywhere) fputs("\neverywhere:\n", stream);
        print_options(stream, table->rows);
    }
    if (command->examples == NULL) return;
    fputs("\nexamples:\n", stream);
    for (const rf_example *e = command->examples; e->line != NULL; e++)
        fprintf(stream, "  %s\n      %s\n", e->line, e->text);
}

/* ---- the manual page ---- */

/* roff takes a dash for a hyphen and a dot at a line's start for a request. */
static void roff_text(FILE *stream, const char *text) {
    if (*text == '.' || *text == '\'') fputs("\\&", stream);
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", stream);
        else if (*text == '\\')
            fputs("\\e", stream);
        else
            fputc(*text, stream);
    }
}

static void roff_options(FILE *stream, const rf_option *rows) {
    for (; rows->name != NULL; rows++) {
        rf_str text = {0};
        fputs(".TP\n\\fB", stream);
        if (rows->letter != 0) fprintf(stream, "\\-%c\\fR, \\fB", rows->letter);
        fputs("\\-\\-", stream);
        roff_text(stream, rows->name);
        fputs("\\fR", stream);
        if (rows->metavar != NULL) {
            fputs(" \\fI", stream);
            roff_text(stream, rows->metavar);
            fputs("\\fR", stream);
        }
        fputc('\n', stream);
        add_option_text(&text, rows);
        roff_text(stream, rf_str_text(&text));
        rf_str_free(&text);
        fputc('\n', stream);
    }
}

static void roff_command(FILE *stream, const rf_command *command) {
    fprintf(stream, ".SS rangefinder %s", command->name);
    if (command->operands != NULL) fprintf(stream, " %s", command->operands);
    fputc('\n', stream);
    roff_text(stream, command->summary);
    fputs(".\n", stream);
    if (command->details != NULL) {
        fputs(".PP\n", stream);
        roff_text(stream, command->details);
        fputc('\n', stream);
    }
    rf_option_table tables[RF_MAX_TABLES];
    rf_command_tables(tables, command);
    for (const rf_option_table *table = tables; !table->everywhere; table++)
        roff_options(stream, table->rows);
}

static void roff_example(FILE *stream, const rf_example *example) {
    fputs(".TP\n\\fB", stream);
    roff_text(stream, example->line);
    fputs("\\fR\n", stream);
    roff_text(stream, example->text);
    fputc('\n', stream);
}

#define EXIT_ROW(name, code, text, exit_code) {text, exit_code},
static const struct {
    const char *text;
    int code;
} exits[] = {RF_STATUS_MAP(EXIT_ROW)};
#undef EXIT_ROW

static const struct {
    const char *name, *text;
} environment[] = {
    {"RANGEFINDER_DEVICE", "the device where --device is not given"},
    {"RANGEFINDER_KERNELS", "a folder whose .cl files replace those built in"},
    {"RANGEFINDER_QUARANTINE", "ops, separated by commas, that run on the reference"},
    {"RANGEFINDER_BUILD_TIMEOUT", "seconds that a kernel's compiler may take (60)"},
    {"XDG_CACHE_HOME", "where compiled kernels are kept (~/.cache)"},
    {"NO_COLOR", "no colours"},
};

void rf_help_manual(FILE *stream) {
    fprintf(stream,
            ".TH RANGEFINDER 1 \"\" \"Rangefinder %s\" \"User Commands\"\n.SH NAME\nrangefinder \\- find the "
            "learning rate of a convolutional network on any OpenCL device\n"
            ".SH SYNOPSIS\n.B rangefinder\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH COMMANDS\n",
            rf_version());
    for (const rf_command *const *c = rf_commands; *c != NULL; c++) roff_command(stream, *c);
    fputs(".SH OPTIONS OF EVERY COMMAND\n", stream);
    roff_options(stream, rf_common_options);
    fputs(".SH EXIT STATUS\n", stream);
    for (size_t i = 0; i < RF_COUNT(exits); i++)
        fprintf(stream, ".TP\n.B %d\n%s\n", exits[i].code, exits[i].text);
    fputs(".SH ENVIRONMENT\n", stream);
    for (size_t i = 0; i < RF_COUNT(environment); i++)
        fprintf(stream, ".TP\n.B %s\n%s\n", environment[i].name, environment[i].text);
    fputs(".SH EXAMPLES\n", stream);
    for (const rf_command *const *c = rf_commands; *c != NULL; c++)
        for (const rf_example *e = (*c)->examples; e != NULL && e->line != NULL; e++) roff_example(stream, e);
    fputs(".SH SEE ALSO\n.BR rangefinder\\-model (5)\n", stream);
}

/* ---- bash ---- */

/* What every command's arm uses.  Bash breaks words at '=', so that --model=re is three of them. */
static const char completion_helpers[] =
    "# bash completion of rangefinder; made by `rangefinder --completion`\n"
    "_rangefinder_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\"); }\n"
    "_rangefinder_files() {\n"
    "    local found\n"
    "    mapfile -t found < <(compgen -f -- \"$word\")\n"
    "    [ \"${#found[@]}\" -eq 0 ] || compopt -o filenames 2>/dev/null\n"
    "    COMPREPLY+=(\"${found[@]}\")\n"
    "}\n"
    "_rangefinder() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    COMPREPLY=()\n"
    "    if [ \"$word\" = = ]; then\n"
    "        word=\n"
    "    elif [ \"$before\" = = ]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n";

static void completion_list(FILE *stream, const char *const *words) {
    for (; words != NULL && *words != NULL; words++) fprintf(stream, "%s ", *words);
}

static void completion_commands(FILE *stream) {
    for (const rf_command *const *c = rf_commands; *c != NULL; c++) fprintf(stream, "%s ", (*c)->name);
}

/* The shell's words that offer a list of words, or files, or both. */
static void completion_offer(FILE *stream, const char *const *words, bool files) {
    fputs("_rangefinder_words '", stream);
    completion_list(stream, words);
    fprintf(stream, "'%s", files ? "; _rangefinder_files" : "");
}

/* One arm of the shell's `case`: what completes a value of this option. */
static void completion_values(FILE *stream, const rf_option *row) {
    if (row->metavar == NULL) return;
    fputs("        ", stream);
    if (row->letter != 0) fprintf(stream, "-%c|", row->letter);
    fprintf(stream, "--%s) ", row->name);
    completion_offer(stream, row->choices != NULL ? row->choices() : NULL, row->files);
    fputs("; return ;;\n", stream);
}

static void completion_names(FILE *stream, const rf_option *rows) {
    for (; rows->name != NULL; rows++) fprintf(stream, " --%s", rows->name);
}

static void completion_command(FILE *stream, const rf_command *command) {
    fprintf(stream, "    %s)\n        case $before in\n", command->name);
    rf_option_table tables[RF_MAX_TABLES];
    rf_command_tables(tables, command);
    for (const rf_option_table *table = tables; !table->everywhere; table++)
        for (const rf_option *row = table->rows; row->name != NULL; row++) completion_values(stream, row);
    fputs("        esac\n        if [[ $word == -* ]]; then\n            _rangefinder_words '", stream);
    for (const rf_option_table *table = tables; table->rows != NULL; table++)
        completion_names(stream, table->rows);
    fputs("'\n        else\n            ", stream);
    completion_offer(stream, command->operand_choices != NULL ? command->operand_choices() : NULL,
                     command->operands != NULL);
    fputs("\n        fi ;;\n", stream);
}

void rf_help_completion(FILE *stream) {
    fputs(completion_helpers, stream);
    fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        _rangefinder_words '", stream);
    completion_commands(stream);
    fputs("help --help --version'\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n    help)\n        "
          "_rangefinder_words '",
          stream);
    completion_commands(stream);
    fputs("' ;;\n", stream);
    for (const rf_command *const *c = rf_commands; *c != NULL; c++) completion_command(stream, *c);
    fputs("    esac\n}\ncomplete -F _rangefinder rangefinder\n", stream);
}
