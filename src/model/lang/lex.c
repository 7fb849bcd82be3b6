/* The model language's tokens. */
#include <string.h>

#include "model/lang/net.h"

enum { MAX_LINE = 4096 };

static const struct {
    const char *text;
    rf_token_kind kind;
} symbols[] =
    {
#define ROW(name, text) {text, RF_TOKEN_##name},
        RF_SYMBOL_MAP(ROW)},
  keywords[] = {RF_KEYWORD_MAP(ROW)};
#undef ROW

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool rf_slice_is(rf_slice slice, const char *word) {
    return !strncmp(slice.at, word, (size_t)slice.length) && !word[slice.length];
}

rf_status rf_net_fail(const char *origin, rf_place place, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return rf_fail(RF_E_INPUT, "%s:%d:%d: %s", origin, place.line, place.column, message);
}

void rf_lexer_init(rf_lexer *lexer, const char *text, const char *origin) {
    if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3; /* the byte order mark of some editors */
    *lexer = (rf_lexer){.origin = origin, .at = text, .line_start = text, .line = 1, .names = true};
}

static rf_place place_of(const rf_lexer *lexer) {
    return (rf_place){.line = lexer->line, .column = (int)(lexer->at - lexer->line_start) + 1};
}

/* Digits with at most 15 of significance and a small power of ten: exact whatever the locale. */
static rf_status lex_decimal(double *out, rf_lexer *lexer) {
    const char *start = lexer->at;
    double mantissa = 0, power = 1;
    int digits = 0, exponent = 0;
    for (bool point = false; is_digit(*lexer->at) || (*lexer->at == '.' && !point); lexer->at++) {
        if (*lexer->at == '.') {
            point = true;
            continue;
        }
        mantissa = mantissa * 10 + (*lexer->at - '0');
        digits += digits > 0 || *lexer->at != '0';
        exponent -= point;
    }
    if (*lexer->at == 'e' || *lexer->at == 'E') {
        lexer->at++;
        const int sign = *lexer->at == '-' ? -1 : 1;
        if (*lexer->at == '-' || *lexer->at == '+') lexer->at++;
        int e = 0;
        for (; is_digit(*lexer->at); lexer->at++) e = RF_MIN(e * 10 + (*lexer->at - '0'), 1000);
        exponent += sign * e;
    }
    if (digits > 15 || exponent > 22 || exponent < -22) {
        rf_place place = place_of(lexer);
        place.column -= (int)(lexer->at - start);
        return rf_net_fail(lexer->origin, place, "expected a number of at most 15 digits, found '%.*s'",
                           (int)RF_MIN(lexer->at - start, 40), start);
    }
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--) power *= 10;
    *out = exponent < 0 ? mantissa / power : mantissa * power;
    return RF_OK;
}

/* 3, 0.5, 1e-5; 3x5 */
static rf_status lex_number(rf_token *token, rf_lexer *lexer) {
    const char *start = lexer->at;
    token->kind = RF_TOKEN_NUMBER;
    RF_TRY(lex_decimal(&token->number, lexer));
    if (*lexer->at == 'x' && is_digit(lexer->at[1])) {
        lexer->at++;
        token->kind = RF_TOKEN_PAIR;
        RF_TRY(lex_decimal(&token->second, lexer));
    }
    if (is_letter(*lexer->at) || is_digit(*lexer->at) || *lexer->at == '.') {
        const char *end = lexer->at;
        while (is_letter(*end) || is_digit(*end) || *end == '.') end++;
        return rf_net_fail(lexer->origin, token->place, "expected a number, found '%.*s'",
                           (int)RF_MIN(end - start, 40), start);
    }
    return RF_OK;
}

static rf_status expected_variable(const rf_lexer *lexer) {
    return rf_net_fail(lexer->origin, place_of(lexer),
                       "expected a variable in braces, as in layer1.{i} or {i+1}");
}

/* A word with its dots and {variables}; the name of a layer may hold - as well. */
static rf_status lex_word(rf_token *token, rf_lexer *lexer, bool name) {
    const char *start = lexer->at;
    for (;;) {
        if (is_letter(*lexer->at) || is_digit(*lexer->at)) {
            lexer->at++;
        } else if ((*lexer->at == '.' || (*lexer->at == '-' && name)) &&
                   (is_letter(lexer->at[1]) || is_digit(lexer->at[1]) || lexer->at[1] == '{')) {
            lexer->at++;
        } else if (*lexer->at == '{') {
            const char *open = lexer->at++;
            if (!is_letter(lexer->at[0])) return expected_variable(lexer);
            while (is_letter(*lexer->at) || is_digit(*lexer->at)) lexer->at++;
            if (*lexer->at == '+' || *lexer->at == '-')
                while (is_digit(*++lexer->at)) continue;
            if (*lexer->at++ != '}' || lexer->at - open > 40)
                return lexer->at = open, expected_variable(lexer);
        } else {
            break;
        }
    }
    token->kind = RF_TOKEN_WORD;
    token->text = (rf_slice){start, (int)(lexer->at - start)};
    for (size_t i = 0; i < RF_COUNT(keywords); i++)
        if (rf_slice_is(token->text, keywords[i].text)) token->kind = keywords[i].kind;
    return RF_OK;
}

static rf_status lex_symbol(rf_token *token, rf_lexer *lexer) {
    for (size_t i = 0; i < RF_COUNT(symbols); i++) {
        const size_t length = strlen(symbols[i].text);
        if (strncmp(lexer->at, symbols[i].text, length)) continue;
        token->kind = symbols[i].kind;
        lexer->at += length;
        return RF_OK;
    }
    const unsigned char c = (unsigned char)*lexer->at;
    return rf_net_fail(lexer->origin, token->place,
                       c > 32 && c < 127 ? "the character '%c' has no meaning here"
                                         : "the byte 0x%02x has no meaning here",
                       c);
}

rf_status rf_lexer_next(rf_token *out, rf_lexer *lexer) {
    while (*lexer->at == ' ' || *lexer->at == '\t' || *lexer->at == '\r') lexer->at++;
    if (*lexer->at == '#') lexer->at += strcspn(lexer->at, "\n");
    *out = (rf_token){.kind = RF_TOKEN_END, .place = place_of(lexer), .text = {lexer->at, 0}};
    const char *start = lexer->at;
    const bool names = lexer->names;
    lexer->names = false;
    if (*start == 0) return RF_OK;
    if (*start == '\n') {
        out->kind = RF_TOKEN_NEWLINE;
        lexer->names = true;
        lexer->line_start = ++lexer->at;
        lexer->line++;
        return RF_OK;
    }
    if (start - lexer->line_start > MAX_LINE)
        return rf_net_fail(lexer->origin, out->place, "a line may have at most %d characters", MAX_LINE);
    if (is_letter(*start) || (names && (is_digit(*start) || *start == '{')))
        RF_TRY(lex_word(out, lexer, names));
    else if (is_digit(*start) || (*start == '.' && is_digit(start[1])))
        RF_TRY(lex_number(out, lexer));
    else
        RF_TRY(lex_symbol(out, lexer));
    out->text = (rf_slice){start, (int)(lexer->at - start)};
    return RF_OK;
}
