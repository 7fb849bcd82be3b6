/* Drawings as files: SVG, PNG or PDF, by the ending of their name. */
#include "report/drawing.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "report/frame.h"

enum { PNG_SCALE = 2 };

static cairo_status_t write_bytes(void *stream, const unsigned char *data, unsigned length) {
    return fwrite(data, 1, length, stream) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t add_bytes(void *str, const unsigned char *data, unsigned length) {
    rf_str_add_bytes(str, data, length);
    return CAIRO_STATUS_SUCCESS;
}

/* What libpng calls an error is missing memory: where writing fails, the status is WRITE_ERROR. */
static rf_status check_cairo(cairo_status_t status, const char *path) {
    if (status == CAIRO_STATUS_SUCCESS) return RF_OK;
    if (status == CAIRO_STATUS_NO_MEMORY || status == CAIRO_STATUS_PNG_ERROR)
        return rf_fail_errno(ENOMEM, "%s: cannot be written", path);
    return rf_fail(RF_E_IO, "%s: cannot be written: %s", path, cairo_status_to_string(status));
}

static cairo_surface_t *open_svg(FILE *stream, int height) {
    cairo_surface_t *const surface =
        cairo_svg_surface_create_for_stream(write_bytes, stream, RF_FRAME_WIDTH, height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    return surface;
}

static cairo_surface_t *open_png(FILE *stream, int height) {
    (void)stream;
    cairo_surface_t *const surface =
        cairo_image_surface_create(CAIRO_FORMAT_ARGB32, PNG_SCALE * RF_FRAME_WIDTH, PNG_SCALE * height);
    cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
    return surface;
}

/* 10 inches wide. */
static cairo_surface_t *open_pdf(FILE *stream, int height) {
    const double scale = 0.75;
    cairo_surface_t *const surface =
        cairo_pdf_surface_create_for_stream(write_bytes, stream, scale * RF_FRAME_WIDTH, scale * height);
    cairo_surface_set_device_scale(surface, scale, scale);
    return surface;
}

static cairo_status_t finish_png(cairo_surface_t *surface, FILE *stream) {
    return cairo_surface_write_to_png_stream(surface, write_bytes, stream);
}

static const struct format {
    const char *ending;
    cairo_surface_t *(*open)(FILE *stream, int height);
    cairo_status_t (*finish)(cairo_surface_t *surface, FILE *stream); /* NULL: written while drawn */
} formats[] = {{".svg", open_svg, NULL}, {".png", open_png, finish_png}, {".pdf", open_pdf, NULL}};

/* "-" is stdout, as SVG. */
static rf_status find_format(const struct format **out, const char *path) {
    const char *const ending = strcmp(path, "-") == 0 ? formats[0].ending : strrchr(path, '.');
    for (size_t i = 0; ending && i < RF_COUNT(formats); i++)
        if (strcasecmp(ending, formats[i].ending) == 0) {
            *out = &formats[i];
            return RF_OK;
        }
    return rf_fail(RF_E_USAGE,
                   "%s: a plot is written as .svg, .png or .pdf; give the file one of these endings", path);
}

rf_status rf_drawing_check(const char *path) {
    const struct format *format = NULL;
    return find_format(&format, path);
}

rf_status rf_drawing_write(const char *path, int height, rf_draw *draw, const void *what) {
    const struct format *format = NULL;
    rf_outfile *file = NULL;
    RF_TRY(find_format(&format, path));
    RF_TRY(rf_outfile_open(&file, path));
    cairo_surface_t *const surface = format->open(rf_outfile_stream(file), height);
    cairo_t *const cr = cairo_create(surface);
    rf_status status = draw(cr, what);
    if (status == RF_OK) status = check_cairo(cairo_status(cr), path);
    if (status != RF_OK) goto done;
    cairo_status_t written =
        format->finish ? format->finish(surface, rf_outfile_stream(file)) : CAIRO_STATUS_SUCCESS;
    cairo_surface_finish(surface);
    if (written == CAIRO_STATUS_SUCCESS) written = cairo_surface_status(surface);
    status = check_cairo(written, path);
    if (status != RF_OK) goto done;
    status = rf_outfile_commit(file);
    file = NULL;
done:
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    rf_outfile_abort(file);
    return status;
}

rf_status rf_drawing_svg(rf_str *out, int width, int height, rf_draw *draw, const void *what) {
    cairo_surface_t *const surface = cairo_svg_surface_create_for_stream(add_bytes, out, width, height);
    cairo_t *const cr = cairo_create(surface);
    rf_status status = draw(cr, what);
    if (status == RF_OK) status = check_cairo(cairo_status(cr), "the picture");
    cairo_surface_finish(surface);
    if (status == RF_OK) status = check_cairo(cairo_surface_status(surface), "the picture");
    if (status == RF_OK) status = rf_str_status(out);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return status;
}
