/* The study's tasks: what is trained, and for how long. */
#ifndef REGRET_TASK_H
#define REGRET_TASK_H

#include <stdbool.h>
#include <stddef.h>

/* Where the training starts. */
typedef enum start_kind {
    FRESH, /* PyTorch's initialisation */
    TUNED, /* a network trained on the first half of the classes learns the second half, with a new last layer */
    FROZEN, /* the same, and only the last layer is trained */
    STARTS
} start_kind;
extern const char *const start_names[STARTS];

typedef struct task {
    const char *network;   /* built in, or a file of networks/ */
    const char *data;      /* of the list in data.c */
    const char *optimizer; /* of the list in task.c */
    int batch;
    const char *schedule; /* as rf_schedule_rates takes it */
    int steps;            /* of the training */
    start_kind start;
    const char *augment; /* of the training images, as rf_trainer_desc takes it; NULL: none */
} task;

extern const task tasks[];
extern const size_t task_count;

/* What a task's optimizer is: its text for rf_trainer_desc, and its kind. */
typedef enum optimizer_kind { PLAIN, MOMENTUM, ADAPTIVE, OPTIMIZER_KINDS } optimizer_kind;
extern const char *const optimizer_kind_names[OPTIMIZER_KINDS];
const char *task_optimizer(const task *t, optimizer_kind *kind);

typedef struct task_name {
    char text[96];
} task_name;
task_name task_name_of(
    const task *t); /* "bn3/mnist14/adam/64/cosine/600", with start and augmentation behind it, if any */
/* The half of the tasks that is looked at once, in the end: those whose name has an odd FNV-1a hash. */
bool task_is_once(const task *t);

#endif
