/* Hints for users of other programs, who try those programs' options. */
#ifndef RF_TOOLS_PEERS_H
#define RF_TOOLS_PEERS_H

#include <stddef.h>

/* What to type instead of the option `typed` (lower case, no dashes before it), where a known program has an
 * option of that name and `names` (the command's own options) has its counterpart; else NULL. */
const char *rf_peer_hint(const char *typed, const char *const *names, size_t count);

#endif
