/* The names that PyTorch's scripts, pytorch-lr-finder, fastai, Lightning, timm and Keras give to our options. */
#include "peers.h"

#include <string.h>

static const struct {
    const char *typed; /* names separated by blanks */
    const char *ours;  /* the option that the hint speaks of */
    const char *hint;
} peers[] = {
    {"batch-size bs train-batch-size batchsize", "batch", "here it is '--batch'"},
    {"wd decay l2", "weight-decay", "here it is '--weight-decay'"},
    {"num-iter num-it num-training num-iters num-steps steps iters max-steps n-iter", "iterations",
     "here it is '--iterations'"},
    {"epoch n-epochs num-epochs max-epochs", "epochs", "here it is '--epochs'"},
    {"scheduler lr-scheduler sched lr-schedule", "schedule", "here it is '--schedule'"},
    {"output output-dir save-dir project logdir default-root-dir", "out", "here it is '--out'"},
    {"early-stopping early-stop", "patience", "here it is '--patience'"},
    {"validation-split val-size val-fraction valid-pct", "val-split", "here it is '--val-split'"},
    {"val-dir val-loader validation-data", "val-data", "here it is '--val-data'"},
    {"auto-resume resume-from ckpt-path", "resume", "here it is '--resume FOLDER'"},
    {"lr learning-rate base-lr", "start-lr",
     "the learning rate is what is searched; '--start-lr' and '--end-lr' are the range"},
    {"lr-min min-lr lr-start init-lr", "start-lr", "here it is '--start-lr'"},
    {"lr-max max-lr lr-end final-lr", "end-lr", "here it is '--end-lr'"},
    {"step-mode schedule", "mode", "here it is '--mode'"},
    {"diverge-th early-stop-threshold stop-div", "diverge", "here it is '--diverge'"},
    {"accumulation-steps accumulate-grad-batches grad-accum grad-accum-steps gradient-accumulation-steps",
     "accumulate", "here it is '--accumulate'"},
    {"gradient-checkpointing grad-checkpointing activation-checkpointing use-checkpoint", "recompute",
     "here it is '--recompute on'"},
    {"amp fp16 float16 half-precision mixed-precision precision use-amp to-fp16 bf16", "half",
     "here it is '--half'"},
    {"arch network net backbone model-name", "model", "here it is '--model'"},
    {"dataset data-dir data-path root train-dir images imagefolder", "data", "here it is '--data'"},
    {"opt optim optimiser", "optimizer", "here it is '--optimizer'"},
    {"img-size imgsz input-size img image-sz crop-size", "image-size", "here it is '--image-size'"},
    {"pretrained checkpoint ckpt ckpt-path initial-checkpoint", "weights",
     "'--weights FILE' reads safetensors"},
    {"random-seed manual-seed", "seed", "here it is '--seed'"},
    {"smoothing", "label-smoothing", "here it is '--label-smoothing'"},
    {"beta1 beta2 opt-betas", "betas", "here it is '--betas A,B'"},
    {"opt-eps epsilon", "eps", "here it is '--eps'"},
    {"criterion loss-fn", "loss", "here it is '--loss'"},
    {"gpu cuda gpus", "device", "here it is '--device gpu'"},
    {"cpu no-cuda", "device", "here it is '--device cpu'"},
    {"platform accelerator", "device", "here it is '--device'"},
    {"out output save save-plot figure", "plot",
     "'--plot FILE' draws the curve; --help lists what else can be written"},
    {"val-loader val val-size validation-split", "validation", "'--validation N' holds out N images"},
    {"num-samples max-samples subset", "limit", "here it is '--limit'"},
    {"classes-weights weight class-weight", "class-weights", "here it is '--class-weights'"},
    {"param-groups lr-mult", "group", "here it is '--group PATTERN=MULTIPLIER'"},
    {"no-shuffle-data sequential", "no-shuffle", "here it is '--no-shuffle'"},
    {"silent", "quiet", "here it is '--quiet'"},
    {"debug log-level", "verbose", "here it is '--verbose'"},
};

static int has_word(const char *words, const char *word) {
    size_t length = strlen(word);
    if (length == 0) return 0;
    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return 1;
    return 0;
}

const char *rf_peer_hint(const char *typed, const char *const *names, size_t count) {
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        if (!has_word(peers[i].typed, typed)) continue;
        for (size_t n = 0; n < count; n++)
            if (strcmp(names[n], peers[i].ours) == 0) return peers[i].hint;
    }
    return NULL;
}
