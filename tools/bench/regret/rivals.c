#include "rivals.h"

#include <math.h>

const rival_kind rivals[RIVALS] = {
    {"grid", "eight rates, 37 steps each", .rungs = 1},
    {"halving", "successive halving of eight rates, 300 steps", .rungs = 3},
    {"prodigy", "Prodigy", .optimizer = "prodigy", .lr = 1},
    {"free", "schedule-free AdamW at its 0.0025", .optimizer = "adamw_schedule_free", .lr = 0.0025,
     .schedule = "constant"},
};

double rival_rate(const task *t, int index) {
    static const double lowest[OPTIMIZER_KINDS] = {[PLAIN] = -3, [MOMENTUM] = -4, [ADAPTIVE] = -4.5};
    optimizer_kind kind;
    task_optimizer(t, &kind);
    return pow(10, lowest[kind] + 0.5 * index);
}
