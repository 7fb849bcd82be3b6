/* The tasks: spread over networks, data, optimizers, batch sizes and plans; cheap ones first. */
#include "task.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

const task tasks[] = {
    {"simplecnn", "mnist14", "sgd", 64, "constant", 300},
    {"simplecnn", "mnist", "sgd", 64, "constant", 150},
    {"mlp", "mnist14-rare", "nesterov", 32, "constant", 1500},
    {"bn3", "digits-wrong", "adamw", 32, "onecycle", 300},
    {"bn3", "digits-wrong", "adamw-decay", 16, "cosine", 600},
    {"resnet20", "digits", "adam", 32, "constant", 150},
    {"simplecnn", "digits", "sgd", 64, "constant", 300},
    {"dsres", "digits-rare", "adam", 128, "onecycle", 300},
    {"mobile", "digits-wrong", "adam", 16, "cosine", 600},
    {"bn3", "mnist14", "momentum", 64, "cosine", 600, TUNED},
    {"simplecnn", "cifar16", "sgd", 64, "constant", 300},
    {"mlp", "mnist", "nadam", 16, "constant", 1500},
    {"mlp", "mnist14", "adam", 512, "constant", 300},
    {"plain4", "textures", "rmsprop", 16, "onecycle", 300, TUNED},
    {"simplecnn", "cifar", "sgd", 64, "cosine", 300},
    {"lenet", "digits-rare", "rmsprop", 16, "cosine", 2000},
    {"res", "mnist14-wrong", "sgd-decay", 16, "onecycle", 600},
    {"lenet", "digits", "adamw-decay", 32, "constant", 300, FROZEN},
    {"bn6", "digits-rare", "nesterov", 256, "constant", 150},
    {"simplecnn", "cifar16-rare", "rmsprop", 256, "cosine", 300},
    {"dsres", "cifar16-wrong", "adam", 64, "cosine", 300},
    {"dsres", "cifar16", "sgd-decay", 128, "constant", 150, TUNED},
    {"lenet", "mnist14-wrong", "momentum", 64, "cosine", 300},
    {"bn6", "digits", "adamw-decay", 128, "constant", 300},
    {"bn3", "cifar16-wrong", "momentum-decay", 32, "cosine", 600},
    {"bn6", "cifar16", "nesterov", 32, "cosine", 300, TUNED},
    {"bn6", "digits-rare", "sgd-decay", 32, "onecycle", 600},
    {"mobile", "digits-rare", "momentum", 256, "constant", 150},
    {"mlp", "cifar16", "nesterov", 256, "cosine", 600},
    {"lenet", "mnist14", "momentum", 64, "cosine", 300},
    {"simplecnn", "textures", "sgd-decay", 16, "cosine", 600, TUNED},
    {"plain4", "digits", "adam", 32, "constant", 300, FROZEN},
    {"simplecnn", "mnist14", "momentum-decay", 128, "constant", 300, TUNED},
    {"dsres", "digits", "adam", 128, "cosine", 300, TUNED},
    {"mlp", "mnist", "adam", 16, "cosine", 2000},
    {"bn3", "mnist14", "momentum", 64, "onecycle", 300, TUNED},
    {"res", "cifar16", "nadam", 64, "constant", 150, TUNED},
    {"mobile", "mnist14", "adam", 16, "onecycle", 600, FROZEN},
    {"mobile", "cifar16-wrong", "momentum", 64, "constant", 150},
    {"bn6", "textures", "rmsprop", 32, "onecycle", 600},
    {"dsres", "mnist14-rare", "adamw", 16, "cosine", 2000},
    {"dsres", "mnist14", "adamw-decay", 16, "cosine", 2000},
    {"mobile", "cifar16", "nadam", 32, "onecycle", 300},
    {"simplecnn", "mnist14-rare", "adam", 256, "cosine", 600},
    {"plain4", "mnist14-rare", "momentum", 128, "onecycle", 300},
    {"mlp", "mnist", "momentum", 32, "onecycle", 2000},
    {"plain4", "cifar16-wrong", "sgd-decay", 16, "constant", 1500},
    {"mlp", "mnist14", "adam", 512, "onecycle", 600},
    {"dsres", "cifar16", "sgd-decay", 256, "constant", 150},
    {"dsres", "mnist14-wrong", "momentum-decay", 32, "constant", 1500},
    {"res", "textures", "momentum", 16, "onecycle", 2000},
    {"lenet", "textures", "adamw", 128, "onecycle", 300},
    {"res", "cifar16", "nesterov", 32, "onecycle", 600},
    {"plain4", "cifar16-rare", "nadam", 16, "onecycle", 2000},
    {"bn6", "digits", "momentum-decay", 128, "cosine", 600},
    {"plain4", "textures", "rmsprop", 32, "onecycle", 2000},
    {"res", "mnist14-wrong", "rmsprop", 16, "onecycle", 2000},
    {"lenet", "mnist14-rare", "momentum", 16, "cosine", 2000},
    {"bn3", "cifar16-rare", "momentum", 128, "constant", 300},
    {"bn3", "cifar16-rare", "adam", 128, "cosine", 300},
    {"plain4", "textures", "adam", 512, "constant", 150},
    {"lenet", "cifar16", "sgd", 32, "onecycle", 600, FROZEN},
    {"mlp", "cifar", "adamw-decay", 128, "onecycle", 600},
    {"plain4", "textures", "adamw-decay", 256, "onecycle", 300},
    {"res", "cifar16-rare", "nadam", 16, "constant", 1500},
    {"res", "textures", "adamw", 64, "cosine", 600, TUNED},
    {"dsres", "mnist14-wrong", "nadam", 512, "constant", 150},
    {"resnet20", "digits", "momentum-decay", 64, "onecycle", 300},
    {"resnet20", "digits", "momentum", 64, "cosine", 300},
    {"resnet20", "mnist14", "sgd", 16, "onecycle", 300, FROZEN},
    {"mobile", "cifar16-wrong", "momentum-decay", 32, "onecycle", 600},
    {"lenet", "digits", "nesterov", 64, "onecycle", 2000},
    {"res", "cifar16", "adamw", 128, "constant", 300},
    {"simplecnn", "cifar16", "sgd", 64, "constant", 300, FRESH, "flip+shift"},
    {"lenet", "mnist14", "adam", 64, "onecycle", 300, FRESH, "shift pixels=2"},
    {"plain4", "mnist14", "sgd", 32, "cosine", 300, FRESH, "mixup"},
    {"bn3", "cifar16", "momentum", 64, "cosine", 600, FRESH, "flip+shift+cutout"},
    {"bn6", "digits", "momentum-decay", 64, "onecycle", 300, FRESH, "shift pixels=1"},
    {"dsres", "cifar16", "adamw", 128, "onecycle", 600, FRESH, "flip+shift"},
};
const size_t task_count = RF_COUNT(tasks);

const char *const start_names[STARTS] = {[FRESH] = "fresh", [TUNED] = "tuned", [FROZEN] = "frozen"};
const char *const optimizer_kind_names[OPTIMIZER_KINDS] = {
    [PLAIN] = "SGD", [MOMENTUM] = "SGD with momentum", [ADAPTIVE] = "adaptive"};

static const struct {
    const char *name, *text;
    optimizer_kind kind;
} optimizers[] = {
    {"sgd", "sgd", PLAIN},
    {"sgd-decay", "sgd weight_decay=1e-3", PLAIN},
    {"momentum", "sgd momentum=0.9", MOMENTUM},
    {"momentum-decay", "sgd momentum=0.9 weight_decay=5e-4", MOMENTUM},
    {"nesterov", "sgd momentum=0.9 nesterov", MOMENTUM},
    {"adam", "adam", ADAPTIVE},
    {"adamw", "adamw", ADAPTIVE},
    {"adamw-decay", "adamw weight_decay=0.1", ADAPTIVE},
    {"nadam", "nadam", ADAPTIVE},
    {"rmsprop", "rmsprop", ADAPTIVE},
};

const char *task_optimizer(const task *t, optimizer_kind *kind) {
    size_t i = 0;
    while (i + 1 < RF_COUNT(optimizers) && strcmp(optimizers[i].name, t->optimizer) != 0) i++;
    *kind = optimizers[i].kind;
    return optimizers[i].text;
}

task_name task_name_of(const task *t) {
    task_name name;
    snprintf(name.text, sizeof name.text, "%s/%s/%s/%d/%s/%d%s%s%s%s", t->network, t->data, t->optimizer,
             t->batch, t->schedule, t->steps, t->start ? "/" : "", t->start ? start_names[t->start] : "",
             t->augment ? "/" : "", t->augment ? t->augment : "");
    return name;
}

bool task_is_once(const task *t) {
    const task_name name = task_name_of(t);
    return rf_hash(name.text, strlen(name.text), 0) & 1;
}
