/* Schedules: PyTorch's rates, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "optim/schedule.h"
#include "rangefinder/schedule.h"

enum { MAX_STEPS = 200, LINE = 32 * MAX_STEPS };

static void rates_are_pytorchs(void **unused) {
    (void)unused;
    char head[LINE], numbers[LINE];
    size_t cases = 0;
    FILE *file = fopen(RF_TEST_DATA "/schedules.txt", "r");
    assert_non_null(file);
    while (fgets(head, sizeof head, file) != NULL) {
        if (head[0] == '#') continue;
        rf_schedule_setup setup;
        char *text;
        assert_non_null(fgets(numbers, sizeof numbers, file));
        head[strcspn(head, "\n")] = '\0';
        const size_t steps = strtoul(head, &text, 10), per_epoch = strtoul(text, &text, 10);
        assert_in_range(steps, 1, MAX_STEPS);
        if (rf_schedule_open(&setup, text, 0.5, steps, per_epoch) != RF_OK)
            fail_msg("%s: %s", head, rf_error_message());
        char *at = numbers, *end;
        for (size_t i = 0; i < steps; i++, at = end) {
            const double expected = strtod(at, &end);
            const double rate = rf_schedule_rate(&setup, i);
            assert_true(end != at);
            if (!(fabs(rate - expected) <= 1e-6 * expected + 1e-9))
                fail_msg("%s: step %zu has rate %.9g, PyTorch's is %.9g", head, i, rate, expected);
            if ((i + 1) % per_epoch == 0) /* the losses of the script */
                rf_schedule_observe(&setup, fmax(0.1, 1 - 0.2 * (double)(i / per_epoch)));
        }
        rf_schedule_close(&setup);
        cases++;
    }
    fclose(file);
    assert_true(cases > 20);
}

/* The article's: Adam at the rate found, times 1 for 50 epochs and times 0.1 after. */
static void a_table_is_written_as_factors_times_epochs(void **unused) {
    (void)unused;
    double rates[400];
    assert_int_equal(rf_schedule_rates(rates, 400, " 1x50,0.1x50 ", 0.02, 4), RF_OK);
    assert_true(rates[0] == 0.02 && rates[199] == 0.02);
    assert_true(fabs(rates[200] - 0.002) < 1e-12 && fabs(rates[399] - 0.002) < 1e-12);
}

static void every_schedule_is_finite_whatever_the_length(void **unused) {
    (void)unused;
    for (const char *const *name = rf_schedule_names(); *name != NULL; name++)
        for (size_t steps = 1; steps <= 7; steps++)
            for (size_t per_epoch = 1; per_epoch <= 9; per_epoch += 4) {
                double rates[7];
                const char *text =
                    strcmp(*name, "table") == 0 ? "1x1,0.5x1" : *name; /* which is nothing by itself */
                assert_int_equal(rf_schedule_rates(rates, steps, text, 1, per_epoch), RF_OK);
                for (size_t i = 0; i < steps; i++)
                    if (!(rates[i] >= 0 && rates[i] <= 1)) fail_msg("%s: rate %g", *name, rates[i]);
            }
}

static void mistakes_are_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"cosin", "did you mean 'cosine'"},
        {"", "no schedule ''"},
        {"cosine size=3", "size has no effect with cosine"},
        {"cosine speed=3", "speed is no option of cosine"},
        {"step size", "size has no value"},
        {"step size=", "which is no number"},
        {"step size=x", "which is no number"},
        {"step size=3,4", "size takes one number"},
        {"step size=0", "size is 0; it must lie in 1..1000000"},
        {"step gamma=nan", "gamma is nan"},
        {"step gamma=-1", "must lie in"},
        {"multistep milestones=1,,3", "which is no number"},
        {"multistep milestones=1,x", "which is no number"},
        {"1x50,0.1", "an 'x' is wanted at character 9"},
        {"table parts=1,50,0.1", "factors times epochs"},
        {"1x50,0.1x1e", "which is no number"},
        {"1x50;0.1x50", "a comma is wanted at character 5"},
        {"1x50,,0.1x50", "a factor is wanted at character 6"},
        {"1x50,0.1*50", "an 'x' is wanted at character 9"},
        {"-1x50", "no schedule"},
        {"1x", "a number of epochs is wanted at character 3"},
        {"cosine warmup=11", "and the run has 10"},
        {"cosine warmup=6 cooldown=5", "take 11 epochs"},
    };
    double rates[20];
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        if (rf_schedule_rates(rates, 20, wrong[i].text, 0.1, 2) != RF_E_USAGE)
            fail_msg("'%s' is accepted", wrong[i].text);
        if (strstr(rf_error_message(), wrong[i].says) == NULL)
            fail_msg("'%s': '%s' does not say '%s'", wrong[i].text, rf_error_message(), wrong[i].says);
    }
    const double lrs[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < RF_COUNT(lrs); i++)
        assert_int_equal(rf_schedule_rates(rates, 20, "cosine", lrs[i], 2), RF_E_USAGE);
    assert_int_equal(rf_schedule_rates(rates, 20, "cosine", 0.1, 0), RF_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_pytorchs),
        cmocka_unit_test(a_table_is_written_as_factors_times_epochs),
        cmocka_unit_test(every_schedule_is_finite_whatever_the_length),
        cmocka_unit_test(mistakes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
