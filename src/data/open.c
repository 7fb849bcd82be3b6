/* Opening a data set: locate it, choose the format, read it, apply the options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/kind.h"
#include "data/explain.h"
#include "data/formats.h"
#include "data/locate.h"
#include "data/transform.h"

static rf_status check_options(const rf_dataset_options *options) {
    if (options->limit < 0)
        return rf_fail(RF_E_USAGE, "limit is %d, but must be 0 (all) or more", options->limit);
    if (options->image_height < 0 || options->image_height > RF_MAX_SIDE || options->image_width < 0 ||
        options->image_width > RF_MAX_SIDE)
        return rf_fail(RF_E_USAGE, "image size %dx%d: each side must be 1 to %d", options->image_height,
                       options->image_width, RF_MAX_SIDE);
    if (options->channels != 0 && options->channels != 1 && options->channels != 3)
        return rf_fail(RF_E_USAGE, "channels is %d, but must be 1 (grey), 3 (colour) or 0 (as they are)",
                       options->channels);
    if ((unsigned)options->fit > RF_FIT_PAD)
        return rf_fail(RF_E_USAGE, "fit is %d, but must be one of rf_fit's", (int)options->fit);
    return RF_OK;
}

static rf_status not_a_dataset(const char *spec) {
    struct stat info;
    rf_str list = {0};
    const rf_data_format *format;
    const char *problem =
        stat(spec, &info) != 0 ? strerror(errno) : "is a file that is no data set by itself";
    for (size_t i = 0; (format = rf_data_format_at(i)) != NULL; i++)
        rf_str_addf(&list, "%s%s", i > 0 ? "; " : "", format->spec);
    rf_status status = rf_fail(RF_E_INPUT, "'%s': %s. A data set is: %s", spec, problem, rf_str_text(&list));
    rf_str_free(&list);
    return rf_explain_file(status, spec, RF_READER_DATA);
}

/* The format that reads the path; NULL: none.  Generated data go by the spec, unless a file or folder has that name. */
static rf_status find_format(const rf_data_format **out, const char *path, bool exists) {
    const rf_data_format *format;
    *out = NULL;
    for (size_t i = 0; *out == NULL && (format = rf_data_format_at(i)) != NULL; i++) {
        bool mine;
        RF_TRY(rf_data_format_claims(&mine, format, path));
        if (mine && (format->name == NULL || !exists)) *out = format;
    }
    return RF_OK;
}

static rf_status note_location(rf_dataset *dataset, const rf_location *location, const char *spec,
                               bool exists) {
    const rf_data_format *format;
    for (size_t i = 0; i < location->note_count; i++)
        RF_TRY(rf_dataset_note(dataset, "%s", location->notes[i]));
    for (size_t i = 0; exists && (format = rf_data_format_at(i)) != NULL; i++) {
        bool mine = false;
        if (format->name != NULL) RF_TRY(rf_data_format_claims(&mine, format, spec));
        if (mine)
            RF_TRY(rf_dataset_note(dataset, "'%s' is read from the file system; %s names what is built in",
                                   spec, format->name));
    }
    return RF_OK;
}

/* What is for image files changes nothing of others. */
static rf_status note_idle_options(rf_dataset *dataset, const rf_dataset_options *options) {
    const struct {
        bool given;
        const char *name;
    } idle[] = {
        {options->cache_bytes > 0, "--cache-images"},
        {options->no_exif, "--no-exif"},
        {options->skip_bad, "--skip-bad"},
    };
    for (size_t i = 0; i < RF_COUNT(idle); i++)
        if (idle[i].given)
            RF_TRY(rf_dataset_note(dataset, "%s has no effect: it is for image files, which these are not",
                                   idle[i].name));
    return RF_OK;
}

static rf_status open_as(rf_dataset **out, const rf_data_format *format, const char *path,
                         const rf_dataset_options *options) {
    if (options->coarse_labels && !format->coarse_labels)
        return rf_fail(RF_E_USAGE, "%s: only CIFAR-100 has coarse labels", path);
    rf_status status = format->open(out, path, options);
    if (status == RF_OK) status = rf_dataset_transform(*out, options);
    if (status == RF_OK && !format->decodes) status = note_idle_options(*out, options);
    return rf_explain_data(status, path, format->in_folder == NULL);
}

rf_status rf_dataset_open_sized(rf_dataset **out, const char *spec, const rf_dataset_options *given,
                                size_t size) {
    rf_dataset_options options;
    struct stat info;
    rf_location location = {0};
    const rf_data_format *format;
    *out = NULL;
    if (spec == NULL) spec = "digits:";
    RF_TRY(rf_desc_copy(&options, sizeof options, given, size));
    RF_TRY(check_options(&options));
    bool exists = stat(spec, &info) == 0;
    rf_status status = rf_location_find(&location, spec);
    if (status != RF_OK) goto done;
    if ((status = find_format(&format, location.path, exists)) != RF_OK) goto done;
    status = format != NULL ? open_as(out, format, location.path, &options) : not_a_dataset(spec);
    if (status == RF_OK) status = note_location(*out, &location, spec, exists);
done:
    rf_location_free(&location);
    if (status != RF_OK) {
        rf_dataset_free(*out);
        *out = NULL;
    }
    return status;
}
