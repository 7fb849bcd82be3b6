/* The curve as text: a canvas of characters, on which braille patterns (2 x 4 dots each) draw raw points and
 * the smoothed line; or plain ASCII. It only fills columns and rows; terminals are tools/terminal.c's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "curve/curve.h"
#include "report/axis.h"
#include "report/line.h"

enum {
    COLUMNS_MIN = 24,
    COLUMNS_MAX = 400,
    ROWS_MIN = 8,
    ROWS_MAX = 200,
    ROWS_BELOW = 2,
    ROWS_ABOVE = 2,
    DOTS_X = 2,
    DOTS_Y = 4
};

typedef enum text_style { PLAIN, DIM, CURVE, SUGGEST, SHADE } text_style;
static const char *const style_codes[] = {"", "\033[2m", "\033[1;36m", "\033[1;35m", "\033[2;36m"};

/* Each glyph in Unicode and in ASCII. */
#define GLYPHS(X)                                                                                            \
    X(SIDE, 0x2502, '|')                                                                                     \
    X(SIDE_TICK, 0x2524, '+')                                                                                \
    X(CORNER, 0x2514, '+')                                                                                   \
    X(FLOOR, 0x2500, '-')                                                                                    \
    X(FLOOR_TICK, 0x252C, '+')                                                                               \
    X(FLOOR_RANGE, 0x2501, '=')                                                                              \
    X(FLOOR_SUGGEST, 0x253F, '#')                                                                            \
    X(EDGE, 0x250A, ':')                                                                                     \
    X(FILL, 0x2591, ' ')                                                                                     \
    X(MARK, 0x25BC, 'v')                                                                                     \
    X(LINE, 0x2502, '|')                                                                                     \
    X(CROSS, 0x00D7, 'x')
#define GLYPH_ENUM(name, unicode, ascii) name,
typedef enum glyph_id { GLYPHS(GLYPH_ENUM) } glyph_id;
#undef GLYPH_ENUM
static const struct {
    uint32_t unicode, ascii;
} glyphs[] = {
#define GLYPH_ROW(name, unicode, ascii) {unicode, ascii},
    GLYPHS(GLYPH_ROW)
#undef GLYPH_ROW
};

typedef struct cell {
    uint32_t code; /* Unicode; 0: blank */
    text_style style;
} cell;

typedef struct text_canvas {
    cell *cells; /* rows x columns */
    int columns, rows;
    bool unicode, colour;
    int left, top, width, height; /* of the plot proper, in cells */
    uint8_t *raw, *line;          /* height x width: dots of each cell */
    rf_axis rates, losses;
} text_canvas;

/* ---- the canvas ---- */

static void put_code(text_canvas *canvas, int row, int column, uint32_t code, text_style style) {
    if (row < 0 || row >= canvas->rows || column < 0 || column >= canvas->columns) return;
    canvas->cells[row * canvas->columns + column] = (cell){code, style};
}

static void put(text_canvas *canvas, int row, int column, glyph_id glyph, text_style style) {
    put_code(canvas, row, column, canvas->unicode ? glyphs[glyph].unicode : glyphs[glyph].ascii, style);
}

static void put_text(text_canvas *canvas, int row, int column, const char *text, text_style style) {
    for (; *text; text++) put_code(canvas, row, column++, (unsigned char)*text, style);
}

static void add_utf8(rf_str *out, uint32_t code) {
    char bytes[4];
    size_t length = 1;
    if (code < 0x80) {
        bytes[0] = (char)code;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xC0 | code >> 6);
        bytes[length++] = (char)(0x80 | (code & 0x3F));
    } else {
        bytes[0] = (char)(0xE0 | code >> 12);
        bytes[length++] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[length++] = (char)(0x80 | (code & 0x3F));
    }
    rf_str_add_bytes(out, bytes, length);
}

static void write_row(rf_str *out, const text_canvas *canvas, const cell *cells) {
    int length = canvas->columns;
    text_style current = PLAIN;
    while (length > 0 && cells[length - 1].code == 0) length--;
    for (int i = 0; i < length; i++) {
        if (canvas->colour && cells[i].style != current) {
            if (current != PLAIN) rf_str_add(out, "\033[0m");
            rf_str_add(out, style_codes[cells[i].style]);
        }
        current = cells[i].style;
        add_utf8(out, cells[i].code ? cells[i].code : ' ');
    }
    if (canvas->colour && current != PLAIN) rf_str_add(out, "\033[0m");
    rf_str_add(out, "\n");
}

/* ---- dots ---- */

static double dot_x(const text_canvas *canvas, double lr) {
    return rf_axis_position(&canvas->rates, lr) * (canvas->width * DOTS_X - 1);
}

static double dot_y(const text_canvas *canvas, double loss) {
    const double share = fmin(fmax(rf_axis_position(&canvas->losses, loss), -2), 3);
    return (1 - share) * (canvas->height * DOTS_Y - 1);
}

static int column_of(const text_canvas *canvas, double lr) {
    const int column = (int)lround(dot_x(canvas, lr)) / DOTS_X;
    return canvas->left + RF_MIN(RF_MAX(column, 0), canvas->width - 1);
}

static void set_dot(const text_canvas *canvas, uint8_t *dots, double x, double y) {
    static const uint8_t bits[DOTS_Y][DOTS_X] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    const int column = (int)lround(x), row = (int)lround(y);
    if (column < 0 || column >= canvas->width * DOTS_X || row < 0 || row >= canvas->height * DOTS_Y) return;
    dots[row / DOTS_Y * canvas->width + column / DOTS_X] |= bits[row % DOTS_Y][column % DOTS_X];
}

/* The losses, or of several range tests the lowest and the highest line. */
static void set_dots(text_canvas *canvas, const rf_curve *curve, const double *line,
                     const rf_line_span *band) {
    const size_t n = rf_curve_finite(curve);
    for (size_t i = 0; i < n; i++) {
        const double x = dot_x(canvas, curve->lr[i]), y = dot_y(canvas, line[i]);
        if (band != NULL) set_dot(canvas, canvas->raw, x, dot_y(canvas, band[i].low));
        set_dot(canvas, canvas->raw, x, dot_y(canvas, band != NULL ? band[i].high : curve->loss[i]));
        set_dot(canvas, canvas->line, x, y);
        if (i + 1 == n) break;
        const double dx = dot_x(canvas, curve->lr[i + 1]) - x, dy = dot_y(canvas, line[i + 1]) - y;
        const int steps = (int)ceil(fmax(fabs(dx), fabs(dy)));
        for (int k = 1; k < steps; k++) set_dot(canvas, canvas->line, x + dx * k / steps, y + dy * k / steps);
    }
}

static void draw_dots(text_canvas *canvas) {
    for (int row = 0; row < canvas->height; row++) {
        for (int column = 0; column < canvas->width; column++) {
            const uint8_t raw = canvas->raw[row * canvas->width + column];
            const uint8_t line = canvas->line[row * canvas->width + column];
            if (!(raw | line)) continue;
            const uint32_t code = canvas->unicode ? 0x2800u + (raw | line) : line ? '*' : '.';
            put_code(canvas, canvas->top + row, canvas->left + column, code, line ? CURVE : DIM);
        }
    }
}

/* ---- axes and range ---- */

static void draw_axes(text_canvas *canvas) {
    const int floor_row = canvas->top + canvas->height, side = canvas->left - 1;
    rf_tick ticks[RF_TICKS_MAX];
    for (int row = canvas->top; row < floor_row; row++) put(canvas, row, side, SIDE, DIM);
    int count = rf_axis_ticks(ticks, &canvas->losses, RF_MAX(canvas->height / 4, 2));
    for (int i = 0; i < count; i++) {
        const int row = canvas->top + (int)lround(dot_y(canvas, ticks[i].at)) / DOTS_Y;
        put_text(canvas, row, side - 1 - (int)strlen(ticks[i].text), ticks[i].text, DIM);
        put(canvas, row, side, SIDE_TICK, DIM);
    }
    put(canvas, floor_row, side, CORNER, DIM);
    for (int i = 0; i < canvas->width; i++) put(canvas, floor_row, canvas->left + i, FLOOR, DIM);
    count = rf_axis_ticks(ticks, &canvas->rates, RF_MAX(canvas->width / 8, 2));
    for (int i = 0, taken = -1; i < count; i++) {
        if (!ticks[i].labelled) continue;
        const int column = column_of(canvas, ticks[i].at), length = (int)strlen(ticks[i].text);
        const int start = RF_MIN(column - length / 2, canvas->columns - length);
        if (start <= taken) continue;
        put(canvas, floor_row, column, FLOOR_TICK, DIM);
        put_text(canvas, floor_row + 1, start, ticks[i].text, DIM);
        taken = start + length;
    }
}

/* The three rates above the plot; an end's label gives way to the suggestion's. */
static void draw_rates(text_canvas *canvas, const rf_verdict *verdict) {
    const int at = column_of(canvas, verdict->lr);
    const rf_number_text rate = rf_rate(verdict->lr), low = rf_rate(verdict->lr_min),
                         high = rf_rate(verdict->lr_max);
    const int length = (int)strlen(rate.text), low_length = (int)strlen(low.text),
              high_length = (int)strlen(high.text);
    const int start = RF_MIN(RF_MAX(at - length / 2, 0), canvas->columns - length);
    const int low_start = RF_MIN(column_of(canvas, verdict->lr_min) - low_length / 2, start - 2 - low_length);
    const int high_start = RF_MAX(column_of(canvas, verdict->lr_max) - high_length / 2, start + length + 2);
    put_text(canvas, canvas->top - 2, start, rate.text, SUGGEST);
    if (low_start >= 0 && strcmp(low.text, rate.text) != 0)
        put_text(canvas, canvas->top - 2, low_start, low.text, PLAIN);
    if (high_start + high_length <= canvas->columns && strcmp(high.text, rate.text) != 0)
        put_text(canvas, canvas->top - 2, high_start, high.text, PLAIN);
}

static void draw_range(text_canvas *canvas, const rf_verdict *verdict) {
    const int from = column_of(canvas, verdict->lr_min), to = column_of(canvas, verdict->lr_max);
    const int at = column_of(canvas, verdict->lr), floor_row = canvas->top + canvas->height;
    for (int column = from; column <= to; column++) {
        put(canvas, canvas->top - 1, column, FLOOR_RANGE, SHADE);
        put(canvas, floor_row, column, FLOOR_RANGE, SHADE);
    }
    for (int row = canvas->top; row < floor_row; row++) {
        for (int column = from; canvas->colour && canvas->unicode && column <= to; column++)
            put(canvas, row, column, FILL, SHADE);
        put(canvas, row, from, EDGE, SHADE);
        put(canvas, row, to, EDGE, SHADE);
        put(canvas, row, at, LINE, SUGGEST);
    }
    put(canvas, canvas->top - 1, at, MARK, SUGGEST);
    put(canvas, floor_row, at, FLOOR_SUGGEST, SUGGEST);
    draw_rates(canvas, verdict);
}

static int label_width(const rf_axis *losses, int height) {
    rf_tick ticks[RF_TICKS_MAX];
    const int count = rf_axis_ticks(ticks, losses, RF_MAX(height / 4, 2));
    size_t width = 1;
    for (int i = 0; i < count; i++) width = RF_MAX(width, strlen(ticks[i].text));
    return (int)width;
}

static rf_status open_canvas(text_canvas *canvas, const rf_curve *curve, const double *line, bool range,
                             const rf_terminal_options *options) {
    const int columns = options->columns ? options->columns : 80, rows = options->rows ? options->rows : 20;
    canvas->columns = RF_MIN(RF_MAX(columns, COLUMNS_MIN), COLUMNS_MAX);
    canvas->rows = RF_MIN(RF_MAX(rows, ROWS_MIN), ROWS_MAX);
    canvas->unicode = options->unicode;
    canvas->colour = options->colour;
    canvas->rates = rf_axis_of_rates(curve);
    canvas->losses = rf_axis_of_losses(curve, line);
    canvas->top = range ? ROWS_ABOVE : 0;
    canvas->height = canvas->rows - canvas->top - ROWS_BELOW;
    canvas->left = label_width(&canvas->losses, canvas->height) + 3;
    canvas->width = canvas->columns - canvas->left - 1;
    canvas->cells = rf_alloc((size_t)canvas->rows * canvas->columns, sizeof *canvas->cells);
    canvas->raw = rf_alloc((size_t)canvas->width * canvas->height, 1);
    canvas->line = rf_alloc((size_t)canvas->width * canvas->height, 1);
    return canvas->cells && canvas->raw && canvas->line ? RF_OK : RF_E_MEMORY;
}

rf_status rf_report_terminal(char **out, const rf_report *report, const rf_terminal_options *options) {
    const rf_curve *const curve = report->curve;
    const rf_verdict *const verdict = report->verdict;
    text_canvas canvas = {0};
    rf_str text = {0};
    double *line = NULL;
    rf_line_span *band = NULL;
    *out = NULL;
    const bool range = verdict && verdict->kind == RF_VERDICT_RANGE;
    rf_status status = rf_line_create(&line, curve);
    if (status == RF_OK) status = rf_line_band(&band, curve);
    if (status == RF_OK) status = open_canvas(&canvas, curve, line, range, options);
    if (status != RF_OK) goto done;
    draw_axes(&canvas);
    if (range) draw_range(&canvas, verdict);
    set_dots(&canvas, curve, line, band);
    draw_dots(&canvas);
    if (!isfinite(curve->loss[curve->count - 1]))
        put(&canvas, canvas.top, column_of(&canvas, curve->lr[curve->count - 1]), CROSS, SUGGEST);
    for (int row = 0; row < canvas.rows; row++)
        write_row(&text, &canvas, canvas.cells + row * canvas.columns);
    status = text.failed ? RF_E_MEMORY : RF_OK;
    if (status == RF_OK) {
        *out = text.data;
        text = (rf_str){0};
    }
done:
    rf_str_free(&text);
    free(canvas.cells);
    free(canvas.raw);
    free(canvas.line);
    free(band);
    free(line);
    return status;
}
