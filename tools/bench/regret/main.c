/* regret: what is lost by training at the rate that a rule reads off a range test.  docs/finding.md describes the study.
 *
 *   regret run RESULTS DATA [SHARE/OF]   runs what RESULTS lacks; DATA is a folder with mnist-10k and cifar10-small; several
 *                                        processes may each take a share of the tasks, and mpirun's ranks take
 *                                        them as they get free
 *   regret race RESULTS DATA [SHARE/OF]  the same for the trainings of races, of tasks whose other results are complete
 *   regret rivals RESULTS DATA [SHARE/OF]  the same for the rivals that train
 *   regret tables RESULTS [HALF]         prints the tables of a half: choose (default) or once
 *
 * It may be killed at any time: `run` goes on where it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "dist/dist.h"
#include "study.h"
#include "tables.h"

static int usage(void) {
    fputs(
        "usage: regret run|race|rivals RESULTS DATA [SHARE/OF]\n       regret tables RESULTS [choose|once]\n",
        stderr);
    return 2;
}

int main(int argc, char **argv) {
    rf_status status;
    rf_dist *dist = NULL;
    bool alone;
    int share = 1, of = 1;
    if (argc < 3) return usage();
    study_part part = 0;
    while (part < STUDY_PARTS && strcmp(argv[1], study_part_names[part]) != 0) part++;
    if (part < STUDY_PARTS && argc >= 4) {
        if (argc > 4 && (sscanf(argv[4], "%d/%d", &share, &of) != 2 || share < 1 || share > of))
            return usage();
        status = rf_dist_open(&dist);
        if (status == RF_OK) status = study_run(argv[2], argv[3], share, of, dist, part);
    } else if (strcmp(argv[1], "tables") == 0) {
        status = tables_print(argv[2], argc > 3 && strcmp(argv[3], "once") == 0);
    } else {
        return usage();
    }
    const bool tells = rf_dist_end(dist, &status, &alone);
    if (status != RF_OK && tells) fprintf(stderr, "regret: %s\n", rf_error_message());
    if (alone) rf_dist_abort(dist, 1);
    rf_dist_close(dist);
    return status != RF_OK;
}
