/* Adam at the rate that a range test finds, for 50 epochs, and at a tenth of it for 50 more. */
#include <rangefinder/rangefinder.h>
#include <stdio.h>

static bool print_epoch(void *context, const rf_epoch *e) {
    (void)context;
    printf("epoch %3d  rate %.2g  loss %.4f  accuracy %.1f %%\n", e->epoch, e->lr, e->loss,
           100 * e->accuracy);
    return true; /* go on */
}

int main(void) {
    rf_device *device = NULL;
    rf_dataset *images = NULL;
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    rf_curve *curve = NULL;
    rf_verdict verdict = {0};
    rf_train_result result;

    rf_status status = rf_device_open(&device, "auto");
    if (!status) status = rf_dataset_open(&images, "digits", NULL);
    if (!status) status = rf_model_create(&model, "simplecnn", (rf_image_shape){1, 8, 8, 10}, 0);
    if (!status)
        status = rf_trainer_create(
            &trainer,
            &(rf_trainer_desc){
                .device = device, .model = model, .dataset = images, .optimizer = "adam", .validation = 300});
    if (!status) status = rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.end_lr = 1});
    if (!status) status = rf_curve_judge(&verdict, curve);
    if (!status) printf("%s\n", verdict.reason);
    if (!status && verdict.kind == RF_VERDICT_RANGE)
        status =
            rf_train(&result, trainer,
                     &(rf_train_desc){
                         .lr = verdict.lr, .schedule = "1x50,0.1x50", .epochs = 100, .epoch = print_epoch});
    if (!status) status = rf_trainer_export(trainer, model);
    if (!status) status = rf_model_save_weights(model, "digits.safetensors");
    if (status) fprintf(stderr, "%s\n", rf_error_message());

    rf_curve_free(curve);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(images);
    rf_device_close(device);
    return rf_status_exit_code(status);
}
