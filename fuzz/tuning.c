/* The tuning file: whatever it says, what is found in it is a solver of that problem with values of its own table. */
#include "graph/tuning.h"
#include "fuzz.h"
#include "op/sample.h"

static const rf_device_info info = {.platform = "fuzz", .name = "fuzz", .version = "1", .driver = "1"};

static void look_up(const rf_tuning *tuning, const rf_op *op) {
    for (const rf_case *c = op->cases; c->label; c++) {
        rf_problem problem;
        const rf_solver *solver;
        rf_config config;
        if (rf_problem_from_case(&problem, op, c) != RF_OK) continue;
        for (int d = 0; d < RF_DIRECTIONS; d++) {
            if (!rf_tuning_find(&solver, &config, tuning, &problem, (rf_direction)d)) continue;
            RF_FUZZ_HOLDS(solver != NULL && solver->direction == (rf_direction)d);
            for (size_t i = 0; solver->tunables && solver->tunables[i].name; i++) {
                bool known = false;
                for (size_t k = 0; k < RF_COUNT(solver->tunables[i].values); k++)
                    known |= solver->tunables[i].values[k] == config.value[i] && config.value[i] != 0;
                RF_FUZZ_HOLDS(known);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rf_tuning *tuning = NULL;
    rf_fuzz_file("other", NULL, 0); /* makes the folder */
    char *path = rf_device_cache_path(&info, "tuning", "json");
    RF_FUZZ_HOLDS(path != NULL && rf_file_write(path, data, size) == RF_OK);
    RF_FUZZ_HOLDS(rf_tuning_load(&tuning, &info) == RF_OK);
    look_up(tuning, rf_op_find("linear"));
    look_up(tuning, rf_op_find("conv_pool"));
    rf_tuning_free(tuning);
    free(path);
    return 0;
}
