/* The base layer: untrusted text, JSON, output files. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <math.h>

#include "files.h"

#include "base/json.h"

/* ---- errors ---- */

static void cleaning_up_keeps_the_message_of_the_cause(void **state) {
    void *data;
    size_t length;
    (void)state;
    assert_int_equal(rf_fail(RF_E_INPUT, "the cause"), RF_E_INPUT);
    rf_error_hold();
    rf_error_hold();
    assert_int_equal(rf_file_read(&data, &length, "/no/such/file", 1), RF_E_IO);
    rf_error_release();
    assert_int_equal(rf_fail_prefix(RF_E_IO, "of the clean-up"), RF_E_IO);
    rf_error_release();
    assert_string_equal(rf_error_message(), "the cause");
    assert_int_equal(rf_fail(RF_E_IO, "the next"), RF_E_IO);
    assert_string_equal(rf_error_message(), "the next");
}

static void missing_memory_is_reported_whatever_it_was_for(void **state) {
    (void)state;
    assert_int_equal(rf_fail_errno(ENOMEM, "%s: cannot be opened", "a"), RF_E_MEMORY);
    assert_string_equal(rf_error_message(), "a: cannot be opened: out of memory");
    assert_int_equal(rf_fail_errno(ENOENT, "%s: cannot be opened", "a"), RF_E_IO);
    assert_string_equal(rf_error_message(), "a: cannot be opened: No such file or directory");
    assert_null(rf_alloc(SIZE_MAX / 4, 8));
    assert_non_null(strstr(rf_error_message(), "out of memory"));
}

/* ---- text ---- */

static void text_is_made_printable_and_other_scripts_stay(void **state) {
    static const struct {
        const char *given, *expected;
    } cases[] = {
        {"cat", "cat"},
        {"\xc3\xa9 \xd8\xb9 \xe7\x8c\xab \xf0\x9f\x90\x88",
         "\xc3\xa9 \xd8\xb9 \xe7\x8c\xab \xf0\x9f\x90\x88"},
        {"a\033[2Jb\a\x7f", "a?[2Jb??"},
        {"two\nlines\tand\rmore", "two lines and more"},
        {"C1: \xc2\x9b"
         "31m \xc2\x85.",
         "C1: ?31m ?."},
        {"raw C1: \x9b"
         "31m",
         "raw C1: ?31m"},
        {"cut \xe7\x8c", "cut ??"},
        {"overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "overlong ?? ??? ????"},
        {"surrogate \xed\xa0\x80, too far \xf4\x90\x80\x80", "surrogate ???, too far ????"},
        {"reordered \xe2\x80\xae"
         "gpj.exe",
         "reordered ?gpj.exe"},
        {"no characters \xef\xbf\xbe \xef\xbf\xbf", "no characters ? ?"},
        {"\xff\xfe", "??"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        char *text = rf_printable(cases[i].given);
        assert_string_equal(text, cases[i].expected);
        free(text);
    }
}

/* ---- JSON, read back by jansson ---- */

static json_t *read_json(const char *path) {
    json_error_t error;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) fail_msg("line %d: %s", error.line, error.text);
    return document;
}

static void json_reads_back_as_it_was_written(void **state) {
    static const char odd[] =
        "\"quoted\\ \n\x1f \x7f \xc2\x9b \xe7\x8c\xab \xf0\x9f\x90\x88 \xf3\xbf\xbf\xbe";
    static const double numbers[] = {0, -1.5, 0.1, 1e-300, 1.7976931348623157e308, 123456789, 1 / 3.};
    rf_json json = {0};
    (void)state;
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, odd, odd);
    rf_json_string(&json, "none", NULL);
    rf_json_numbers(&json, "numbers", numbers, RF_COUNT(numbers));
    rf_json_number(&json, "infinite", INFINITY);
    rf_json_open(&json, "rows", '[');
    for (int i = 0; i < 3; i++) {
        rf_json_open(&json, NULL, '{');
        rf_json_bool(&json, "even", i % 2 == 0);
        rf_json_count(&json, "i", (uint64_t)i);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_open(&json, "empty", '[');
    assert_int_equal(rf_json_write(&json, at("a.json")), RF_OK); /* closes what is open */

    json_t *document = read_json(at("a.json"));
    assert_int_equal(json_object_size(document), 6);
    assert_string_equal(json_string_value(json_object_get(document, odd)), odd);
    assert_true(json_is_null(json_object_get(document, "none")) &&
                json_is_null(json_object_get(document, "infinite")));
    for (size_t i = 0; i < RF_COUNT(numbers); i++) {
        const json_t *number = json_array_get(json_object_get(document, "numbers"), i);
        assert_true(json_is_real(number) && json_real_value(number) == numbers[i]);
    }
    assert_int_equal(json_array_size(json_object_get(document, "rows")), 3);
    assert_true(json_is_true(json_object_get(json_array_get(json_object_get(document, "rows"), 2), "even")));
    assert_int_equal(json_array_size(json_object_get(document, "empty")), 0);
    json_decref(document);
}

/* Terminals obey control characters in JSON too; and JSON must be UTF-8. */
static void json_is_printable_utf8_whatever_the_names(void **state) {
    rf_json json = {0};
    uint8_t *text;
    uint32_t code;
    (void)state;
    rf_json_open(&json, NULL, '[');
    rf_json_string(&json, NULL, "\x01\x1b[2J \x7f \xc2\x9b \x9b \xff \xc3\xa9 \xe2\x80\xae \xed\xa0\x80");
    assert_int_equal(rf_json_write(&json, at("a.json")), RF_OK);
    read_file(&text, at("a.json"));
    for (const char *c = (char *)text; *c != '\0';
         c += rf_utf8_next(&code, c), assert_true(code != RF_NOT_UTF8))
        assert_true(*c == '\n' ||
                    ((unsigned char)*c >= 0x20 && *c != 0x7f && strncmp(c, "\xc2\x9b", 2) != 0));
    free(text);
    json_t *document = read_json(at("a.json"));
    assert_string_equal(json_string_value(json_array_get(document, 0)),
                        "\x01\x1b[2J \x7f \xc2\x9b ? ? \xc3\xa9 \xe2\x80\xae ???");
    json_decref(document);
}

static void json_counts_are_whole_up_to_64_bits(void **state) {
    rf_json json = {0};
    uint8_t *text;
    (void)state;
    rf_json_open(&json, NULL, '[');
    rf_json_count(&json, NULL, UINT64_MAX);
    rf_json_count(&json, NULL, (uint64_t)1 << 63);
    rf_json_count(&json, NULL, 0);
    assert_int_equal(rf_json_write(&json, at("a.json")), RF_OK);
    read_file(&text, at("a.json"));
    assert_string_equal((char *)text, "[\n  18446744073709551615,\n  9223372036854775808,\n  0\n]\n");
    free(text);
}

static void malformed_json_is_not_taken_for_missing_memory(void **state) {
    static const char *const malformed[] = {
        "",
        " ",
        "3",
        "\"a\"",
        "{",
        "[1, 2",
        "[1,]",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a: 1}",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[1e]",
        "[nan]",
        "[tru]",
        "[1] 2",
        "{} x",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\n\"]",
        "[\"\\ud800\"]",
        "[\"\xff\"]",
        "[1e999]",
        "{\"a\":1,\"a\":2}",
        "[\"\\u0000\"]",
        "['a']",
        "[99999999999999999999]",
    };
    static const char good[] =
        " { \"a\\u00e9\\n\" : [ -0.5e+3, 0, true, null, {}, [] ], \"\": \"\xc3\xa9\" } \n";
    json_t *document;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(malformed); i++)
        if (rf_json_parse(&document, malformed[i], strlen(malformed[i])) != RF_E_INPUT)
            fail_msg("%s: %s", malformed[i], rf_error_message());
    assert_int_equal(rf_json_parse(&document, good, strlen(good)), RF_OK);
    assert_int_equal(json_object_size(document), 2);
    json_decref(document);
}

/* What is alive after parsing `count` of these in an array; -1: the text is refused. */
static double bytes_alive(const char *one, int count, size_t *length) {
    rf_str text = {0};
    json_t *document;
    rf_str_add(&text, "[");
    for (int i = 0; i < count; i++) rf_str_addf(&text, "%s%s", i > 0 ? "," : "", one);
    rf_str_add(&text, "]");
    *length = text.length;
    const struct mallinfo2 before = mallinfo2();
    const rf_status status = rf_json_parse(&document, text.data, text.length);
    const struct mallinfo2 after = mallinfo2();
    rf_str_free(&text);
    if (status != RF_OK) {
        assert_int_equal(status, RF_E_INPUT);
        assert_non_null(strstr(rf_error_message(), "more values than a file of"));
        return -1;
    }
    json_decref(document);
    return (double)(after.uordblks + after.hblkhd) - (double)(before.uordblks + before.hblkhd);
}

/* jansson's tree takes up to 80 times a text's size. */
static void json_takes_memory_by_its_size(void **state) {
    static const char tensor[] =
        "{\"t\":{\"dtype\":\"F32\",\"shape\":[64,3,7,7],\"data_offsets\":[0,37632]}}";
    static const char *const dense[] = {"{}", "[]", "{\"a\":0}", "[0]", "[[]]", "\"\\\"\",{}"};
    static const char *const plain[] = {
        "0", "0.5", "true", "\"\"", "\"a\\\"[[[[{{{{\"", "[1,2,3,4,5,6,7,8,9]", tensor};
    size_t length;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(dense); i++)
        if (bytes_alive(dense[i], 300000, &length) >= 0) fail_msg("%s is read", dense[i]);
    for (size_t i = 0; i < RF_COUNT(plain); i++) {
        const double bytes = bytes_alive(plain[i], 30000, &length);
        if (bytes < 0) fail_msg("%s: %s", plain[i], rf_error_message());
        if (bytes > 30 * (double)length + (1 << 20))
            fail_msg("%s: %.0f bytes for %zu", plain[i], bytes, length);
    }
    assert_true(bytes_alive("{}", 1000, &length) >= 0); /* small ones may be what they like */
}

static void json_too_deep_is_no_document(void **state) {
    rf_json json = {0};
    (void)state;
    for (int i = 0; i < RF_JSON_DEPTH + 1; i++) rf_json_open(&json, NULL, '[');
    assert_int_equal(rf_json_write(&json, at("a.json")), RF_E_MEMORY);
    assert_int_equal(access(at("a.json"), F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(cleaning_up_keeps_the_message_of_the_cause),
        TEST(missing_memory_is_reported_whatever_it_was_for),
        TEST(text_is_made_printable_and_other_scripts_stay),
        TEST(json_reads_back_as_it_was_written),
        TEST(json_is_printable_utf8_whatever_the_names),
        TEST(json_counts_are_whole_up_to_64_bits),
        TEST(malformed_json_is_not_taken_for_missing_memory),
        TEST(json_takes_memory_by_its_size),
        TEST(json_too_deep_is_no_document),
    };
    return RUN_IN_FOLDER(tests);
}
