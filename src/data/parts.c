/* The parts of a data set (train, val, test), by the names of their folders. */
#include "data/parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"

static rf_part part_of_word(const char *word, size_t length) {
    static const struct {
        const char *word;
        rf_part part;
    } words[] = {{"train", RF_PART_TRAINING}, {"training", RF_PART_TRAINING}, {"trainset", RF_PART_TRAINING},
                 {"val", RF_PART_OTHER},      {"valid", RF_PART_OTHER},       {"validation", RF_PART_OTHER},
                 {"test", RF_PART_OTHER},     {"testing", RF_PART_OTHER},     {"testset", RF_PART_OTHER},
                 {"eval", RF_PART_OTHER},     {"dev", RF_PART_OTHER},         {"holdout", RF_PART_OTHER}};
    for (size_t i = 0; i < RF_COUNT(words); i++)
        if (strlen(words[i].word) == length && strncasecmp(word, words[i].word, length) == 0)
            return words[i].part;
    return RF_PART_NONE;
}

rf_part rf_part_of(const char *name) {
    rf_part part = RF_PART_NONE;
    for (size_t length; part == RF_PART_NONE && *name != '\0'; name += length) {
        while (*name != '\0' && !isalpha((unsigned char)*name)) name++;
        for (length = 0; isalpha((unsigned char)name[length]);) length++;
        part = part_of_word(name, length);
    }
    return part;
}

bool rf_part_is_name(const char *name) {
    return part_of_word(name, strlen(name)) != RF_PART_NONE;
}
