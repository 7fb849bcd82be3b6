/* rangefinder export: a network with its weights, for other programs. */
#include <stdlib.h>

#include "data/listing.h"
#include "model/metadata.h"
#include "model/zoo.h"
#include "outputs.h"
#include "trained.h"

typedef struct export_args {
    rf_common common;
    rf_trained_options trained;
    const char *model, *onnx, *safetensors;
    rf_maps input;
    int classes;
    bool normalize;
} export_args;

#define AT(field) .offset = offsetof(export_args, field)

static const rf_option options[] = {
    RF_RUN_OPTIONS(export_args),
    {"model", "NAME|FILE", "instead of a run: this network, with the weights of --weights FILE or its own",
     .parse = rf_opt_text, AT(model), .choices = rf_model_names, .files = true, .letter = 'm'},
    {"input", "CxHxW", "with --model: the images' channels, height and width" RF_USUAL_INPUT,
     .parse = rf_opt_maps, AT(input), .min = 1, .max = 16384},
    {"classes", "N", "with --model: number of classes" RF_USUAL_CLASSES, .parse = rf_opt_int, AT(classes),
     .min = 2, .max = 1000000},
    {"onnx", "FILE", "write network and weights as ONNX", .parse = rf_opt_text, AT(onnx), .files = true},
    {"safetensors", "FILE", "write the weights by PyTorch's names", .parse = rf_opt_text, AT(safetensors),
     .files = true},
    {"with-normalization", NULL,
     "the ONNX network takes images of 0 to 1, and normalises them as the run did", .parse = rf_opt_flag,
     AT(normalize)},
    RF_OPT_END,
};

static rf_status check_usage(const export_args *a) {
    static const char *const of_models[] = {"input", "classes"};
    if (a->onnx == NULL && a->safetensors == NULL)
        return rf_fail(RF_E_USAGE, "nothing to write: give --onnx FILE, --safetensors FILE, or both");
    if ((a->trained.run == NULL) == (a->model == NULL))
        return rf_fail(RF_E_USAGE, "give either --run, the folder of a run, or --model, a network");
    for (size_t i = 0; i < RF_COUNT(of_models); i++)
        if (a->trained.run != NULL && rf_settings_given(&a->common.settings, of_models[i]))
            return rf_fail(RF_E_USAGE, "--%s goes with --model; a run has its own", of_models[i]);
    if (a->normalize && (a->onnx == NULL || a->model != NULL))
        return rf_fail(RF_E_USAGE, "--with-normalization goes with --run and --onnx");
    if (a->onnx != NULL && a->safetensors != NULL && rf_same_file(a->onnx, a->safetensors))
        return rf_fail(RF_E_USAGE, "--safetensors %s: --onnx writes the same file; give it another name",
                       a->safetensors);
    return RF_OK;
}

static rf_status open_model(rf_trained *t, const export_args *a) {
    const rf_image_shape images = rf_images_named(a->model, a->input, a->classes);
    RF_TRY(rf_model_create(&t->model, a->model, images, 0));
    if (rf_model_note(t->model) != NULL) rf_say("note: %s", rf_model_note(t->model));
    return a->trained.weights != NULL ? rf_model_load_weights(t->model, a->trained.weights) : RF_OK;
}

/* Before anything is written: no output is a file of the run, or one that was read. */
static rf_status check_outputs(const rf_trained *t, const export_args *a) {
    const bool run = a->trained.run != NULL;
    const char *model = run ? t->record.model : a->model, *weights = run ? t->weights : a->trained.weights;
    char *record = run ? rf_path_join(a->trained.run, RF_RECORD_NAME) : NULL;
    const char *const inputs[] = {model, weights != NULL ? weights : "", record != NULL ? record : "", NULL};
    rf_status status = run && record == NULL ? RF_E_MEMORY : RF_OK;
    if (status == RF_OK && a->onnx != NULL) status = rf_output_check("--onnx", a->onnx, inputs);
    if (status == RF_OK && a->safetensors != NULL)
        status = rf_output_check("--safetensors", a->safetensors, inputs);
    free(record);
    return status;
}

static rf_status write_file(const export_args *a, const rf_trained *t, const char *path,
                            rf_status (*save)(const rf_model *, const char *, const rf_export_options *)) {
    const bool run = a->trained.run != NULL;
    const rf_export_options with = {.class_names = (const char *const *)t->record.class_names,
                                    .mean = run ? t->record.mean : NULL,
                                    .std = run ? t->record.std : NULL,
                                    .normalize = a->normalize};
    if (path == NULL) return RF_OK;
    RF_TRY(save(t->model, path, &with));
    if (!a->common.quiet && !rf_is_stdout(path)) rf_print_line("written: %s", path);
    return RF_OK;
}

static rf_status export_main(void *given, char **operands) {
    (void)operands;
    const export_args *a = given;
    rf_trained trained = {.model = NULL};
    rf_status status = check_usage(a);
    if (status == RF_OK)
        status = a->model != NULL ? open_model(&trained, a) : rf_trained_load(&trained, &a->trained);
    if (status == RF_OK) status = check_outputs(&trained, a);
    if (status == RF_OK) status = write_file(a, &trained, a->onnx, rf_model_save_onnx);
    if (status == RF_OK) status = write_file(a, &trained, a->safetensors, rf_metadata_save_weights);
    rf_trained_release(&trained);
    return status;
}

static const rf_example examples[] = {
    {"rangefinder export --run runs/1 --onnx net.onnx --with-normalization",
     "the run's network, with its best weights, for ONNX Runtime"},
    {"rangefinder export --run runs/1 --weights last --safetensors last.safetensors",
     "weights for PyTorch, with the classes' names"},
    {"rangefinder export --model mynet.net --weights w.safetensors --input 3x224x224 --onnx net.onnx",
     "a network without a run"},
    {NULL},
};

const rf_command rf_command_export = {
    .name = "export",
    .examples = examples,
    .summary = "A network with its weights for other programs: ONNX, safetensors",
    .details =
        "ONNX files are of operators 17, for batches of any size: images (N,C,H,W) in, scores (N,classes) "
        "before softmax out. Parameters keep PyTorch's names; the names of the classes, and the mean and "
        "standard deviation of the images, are in the metadata of both kinds of file.",
    .options = options,
    .args_size = sizeof(export_args),
    .run = export_main,
};
