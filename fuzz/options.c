/* Command lines, a word a line, the command first: parsed, not carried out. */
#include <string.h>

#include "../tools/command.h"
#include "fuzz.h"

enum { MAX_WORDS = 64 };

static const rf_command *command_of(const char *word) {
    size_t count = 0;
    for (; rf_commands[count] != NULL; count++)
        if (strcmp(rf_commands[count]->name, word) == 0) return rf_commands[count];
    return rf_commands[(unsigned char)word[0] % count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = rf_fuzz_text(data, size), *words[MAX_WORDS + 1] = {NULL};
    int count = 0, operands = -1;
    for (char *at = text; count < MAX_WORDS && at != NULL;) {
        char *end = strchr(at, '\n');
        if (end != NULL) *end++ = '\0';
        words[count++] = at;
        at = end;
    }
    const rf_command *command = command_of(words[0]);
    rf_common *args = calloc(1, command->args_size);
    RF_FUZZ_HOLDS(args != NULL);
    rf_option_table tables[RF_MAX_TABLES];
    rf_command_tables(tables, command);
    const rf_status status = rf_options_parse(&operands, args, &args->settings, tables, count, words);
    RF_FUZZ_HOLDS(status != RF_OK ? *rf_error_message() != '\0' : operands >= 1 && operands <= count);
    if (command->release != NULL) command->release(args);
    rf_settings_free(&args->settings);
    free(args);
    free(text);
    return 0;
}
