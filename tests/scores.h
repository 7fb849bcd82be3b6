/* What the tests of networks' scores share: a network's scores of all images of a data set. */
#ifndef RF_TESTS_SCORES_H
#define RF_TESTS_SCORES_H

#include <string.h>

#include "graph/model.h"
#include "rangefinder/evaluate.h"

typedef struct kept_scores {
    float *scores;
    size_t classes;
} kept_scores;

static bool keep_scores(void *context, size_t first, size_t count, const float *scores) {
    const kept_scores *kept = context;
    memcpy(kept->scores + first * kept->classes, scores, count * kept->classes * sizeof *scores);
    return true;
}

/* mean and std: of each channel.  batch 0: evaluation's own. */
static rf_status evaluate_scores(float *scores, rf_device *on, const rf_model *model,
                                 const rf_dataset *dataset, int batch, const double *mean,
                                 const double *std) {
    kept_scores kept = {scores, (size_t)model->images.classes};
    rf_evaluation *evaluation = NULL;
    const rf_status status = rf_evaluate(&evaluation, &(rf_evaluate_desc){.device = on,
                                                                          .model = model,
                                                                          .dataset = dataset,
                                                                          .batch = batch,
                                                                          .mean = mean,
                                                                          .std = std,
                                                                          .scores = keep_scores,
                                                                          .context = &kept});
    rf_evaluation_free(evaluation);
    return status;
}

#endif
