/* Imbalanced data: as many images of each class as the smallest has are drawn at random (seed 42), then a range test. */
#include <rangefinder/rangefinder.h>
#include <stdio.h>
#include <stdlib.h>

/* Ninety images of class 0 and ten of class 1, of noise; the second are brighter. */
static rf_status make_images(rf_dataset **out) {
    enum { COUNT = 100, PIXELS = 28 * 28 };
    static uint8_t pixels[COUNT * PIXELS];
    static int32_t labels[COUNT];
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % 10 == 0;
        for (int p = 0; p < PIXELS; p++) pixels[i * PIXELS + p] = (uint8_t)(rand() % 128 + 64 * labels[i]);
    }
    return rf_dataset_from_memory(out, "imbalanced", pixels, labels, COUNT, 1, 28, 28, 2);
}

int main(void) {
    rf_device *device = NULL;
    rf_dataset *images = NULL, *balanced = NULL;
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    rf_curve *curve = NULL;
    rf_verdict verdict;

    rf_status status = rf_device_open(&device, "auto");
    if (!status) status = make_images(&images);
    if (!status) status = rf_dataset_balance(&balanced, images, RF_BALANCE_UNDERSAMPLE, 42);
    if (!status) printf("%d images, %d of them taken\n", images->count, balanced->count);
    if (!status) status = rf_model_create(&model, "simplecnn", (rf_image_shape){1, 28, 28, 2}, 0);
    if (!status)
        status = rf_trainer_create(
            &trainer,
            &(rf_trainer_desc){
                .device = device, .model = model, .dataset = balanced, .batch = 10, .optimizer = "adam"});
    if (!status) status = rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.iterations = 100});
    if (!status) status = rf_curve_judge(&verdict, curve);
    if (!status) printf("%zu steps: %s\n", curve->count, verdict.reason);
    if (status) fprintf(stderr, "%s\n", rf_error_message());

    rf_curve_free(curve);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(balanced);
    rf_dataset_free(images);
    rf_device_close(device);
    return rf_status_exit_code(status);
}
