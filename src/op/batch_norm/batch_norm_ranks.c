/* Batch norm by the images of all ranks: what each of them has summed is joined between the launches, on the host.  Where that
 * fails, so does the exchange at the step's end. */
#include "dist/dist.h"
#include "op/batch_norm/batch_norm.h"

enum { CHANNELS = 512 }; /* of a message */

/* The sums of x and of its squares are added in double, where nothing cancels. */
void rf_batch_norm_join_statistics(const rf_problem *problem, float *saved) {
    const int C = problem->x[0].c;
    const double own = (double)rf_shape_pixels(problem->x[0]), all = own * rf_dist_size(problem->dist);
    double sum[CHANNELS][2];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        float *means = saved + first, *squares = saved + C + first;
        for (int c = 0; c < count; c++) {
            sum[c][0] = own * means[c];
            sum[c][1] = squares[c] + own * means[c] * means[c];
        }
        rf_dist_sum_doubles(problem->dist, sum[0], 2 * (size_t)count);
        for (int c = 0; c < count; c++) {
            const double mean = sum[c][0] / all;
            means[c] = (float)mean;
            squares[c] = (float)RF_MAX(sum[c][1] - sum[c][0] * mean, 0);
        }
    }
    saved[2 * C] = (float)all;
}

/* backward_data divides by the rows of one rank. */
void rf_batch_norm_join_gradient_sums(const rf_problem *problem, float *saved) {
    const size_t C = (size_t)problem->x[0].c;
    float *sums = saved + 2 * C;
    rf_dist_sum(problem->dist, sums, 2 * C);
    for (size_t i = 0; i < 2 * C; i++) sums[i] /= (float)rf_dist_size(problem->dist);
}

static void join_statistics(const void *problem, void *const *data) {
    rf_batch_norm_join_statistics(problem, data[0]);
}
static void join_gradient_sums(const void *problem, void *const *data) {
    rf_batch_norm_join_gradient_sums(problem, data[0]);
}

rf_status rf_batch_norm_emit_join(rf_sequence *sequence, const rf_problem *problem, rf_direction direction,
                                  rf_buffer *saved) {
    return rf_emit_host(sequence, direction == RF_FORWARD ? join_statistics : join_gradient_sums, problem,
                        sizeof *problem, &saved, 1, 0, 0);
}
