/* The names that programs give to columns of learning rates and losses. */
#include <string.h>
#include <strings.h>

#include "curve/curve.h"

enum { NAME_BYTES = 64 };

rf_curve_role rf_curve_role_of(const char *name) {
    static const struct {
        const char *name;
        rf_curve_role role;
    } names[] = {{"lr", RF_ROLE_RATE},
                 {"lrs", RF_ROLE_RATE},
                 {"rate", RF_ROLE_RATE},
                 {"learning rate", RF_ROLE_RATE},
                 {"learning rates", RF_ROLE_RATE},
                 {"loss", RF_ROLE_LOSS},
                 {"losses", RF_ROLE_LOSS},
                 {"loss step", RF_ROLE_LOSS},
                 {"train loss", RF_ROLE_LOSS},
                 {"training loss", RF_ROLE_LOSS},
                 {"train loss step", RF_ROLE_LOSS}};
    char plain[NAME_BYTES];
    snprintf(plain, sizeof plain, "%s", name);
    for (char *at = plain; *at; at++)
        if (strchr("_-/.", *at)) *at = ' ';
    for (size_t i = 0; i < RF_COUNT(names); i++)
        if (strcasecmp(plain, names[i].name) == 0) return names[i].role;
    return strncasecmp(plain, "lr ", 3) == 0 ? RF_ROLE_RATE : RF_ROLE_NONE; /* Lightning's lr-Adam */
}
