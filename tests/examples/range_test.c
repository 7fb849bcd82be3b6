/* A range test as a library call: random images, the rate from 1e-7 to 100 in 100 steps, a plot. */
#include <rangefinder/rangefinder.h>
#include <stdio.h>

int main(void) {
    rf_device *device = NULL;
    rf_dataset *images = NULL;
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    rf_curve *curve = NULL;
    rf_verdict verdict;

    rf_status status = rf_device_open(&device, "auto");
    if (!status) status = rf_dataset_open(&images, "synthetic:1x28x28,10,100", NULL);
    if (!status) status = rf_model_create(&model, "simplecnn", (rf_image_shape){1, 28, 28, 10}, 0);
    if (!status)
        status = rf_trainer_create(
            &trainer,
            &(rf_trainer_desc){
                .device = device, .model = model, .dataset = images, .batch = 10, .optimizer = "sgd"});
    if (!status)
        status = rf_range_test_run(&curve, trainer,
                                   &(rf_range_test_desc){.start_lr = 1e-7, .end_lr = 100, .iterations = 100});
    if (!status) status = rf_curve_judge(&verdict, curve);
    if (!status) status = rf_report_plot(&(rf_report){.curve = curve, .verdict = &verdict}, "lr.svg");
    if (!status)
        printf("%zu steps: %s\n", curve->count, verdict.reason);
    else
        fprintf(stderr, "%s\n", rf_error_message());

    rf_curve_free(curve);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(images);
    rf_device_close(device);
    return rf_status_exit_code(status);
}
