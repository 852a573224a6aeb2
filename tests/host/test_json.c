/* The JSON writer, read back by a strict checker that knows the grammar of RFC 8259 and nothing of the writer. */
#include "lib/json.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* ---- a checker: each function takes one production off the text, or returns NULL ---- */

static const char *take_value(const char *text, unsigned depth);

static const char *take_literal(const char *text, const char *literal)
{
    return text && !strncmp(text, literal, strlen(literal)) ? text + strlen(literal) : NULL;
}

/* Decodes into `decoded` unless that is NULL. */
static const char *take_string(const char *text, char *decoded)
{
    if (!text || *text++ != '"')
        return NULL;
    for (; *text != '"'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c > 0x7e)
            return NULL;
        if (c == '\\') {
            char hex[5] = "", *end;

            c = (unsigned char)*++text;
            if (c == 'n') {
                c = '\n';
            } else if (c == 'u') {
                strncpy(hex, text + 1, 4);
                c = (unsigned char)strtoul(hex, &end, 16);
                if (end != hex + 4)
                    return NULL;
                text += 4;
            } else if (c != '"' && c != '\\') {
                return NULL;
            }
        }
        if (decoded)
            *decoded++ = (char)c;
    }
    if (decoded)
        *decoded = '\0';
    return text + 1;
}

static const char *take_number(const char *text)
{
    text += *text == '-';
    if (*text == '0')
        return text + 1;
    if (*text < '1' || *text > '9')
        return NULL;
    return text + strspn(text, "0123456789");
}

static const char *take_list(const char *text, char close, unsigned depth)
{
    if (*text == close)
        return text + 1;
    for (;;) {
        if (close == '}')
            text = take_literal(take_string(text, NULL), ":");
        text = text ? take_value(text, depth) : NULL;
        if (!text)
            return NULL;
        if (*text == close)
            return text + 1;
        if (*text++ != ',')
            return NULL;
    }
}

static const char *take_value(const char *text, unsigned depth)
{
    if (depth > JSON_MAX_DEPTH)
        return NULL;
    switch (*text) {
    case '{':
        return take_list(text + 1, '}', depth + 1);
    case '[':
        return take_list(text + 1, ']', depth + 1);
    case '"':
        return take_string(text, NULL);
    case 't':
        return take_literal(text, "true");
    case 'f':
        return take_literal(text, "false");
    case 'n':
        return take_literal(text, "null");
    default:
        return take_number(text);
    }
}

static bool is_json_object(const char *text)
{
    const char *end = *text == '{' ? take_value(text, 0) : NULL;

    return end && !*end;
}

Test(json_checker, tells_json_from_what_is_nearly_json)
{
    static const char *const good[] = {"{}", "{\"a\":[]}", "{\"a\":[1,-2,{\"b\":null}],\"c\":\"\\u0001\"}",
                                       "{\"a\":0}"};
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{}x",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":01}",
                                      "{\"a\":-}",
                                      "{\"a\":[1 2]}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":[}",
                                      "{\"a\":\"\\x\"}",
                                      "{a:1}",
                                      "{\"a\":+1}",
                                      "{\"a\":\"\\u00g0\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        cr_assert(is_json_object(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_not(is_json_object(bad[i]), "%s", bad[i]);
}

/* ---- the writer ---- */

Test(json, writes_an_empty_object)
{
    char buffer[64];
    struct json json;

    json_begin(&json, buffer, sizeof(buffer));
    cr_assert(json_finish(&json));
    cr_assert_str_eq(buffer, "{}");
}

Test(json, writes_every_kind_of_value_and_nests)
{
    char buffer[512];
    struct json json;

    json_begin(&json, buffer, sizeof(buffer));
    json_string(&json, "event", "result");
    json_unsigned(&json, "max", UINT64_MAX);
    json_signed(&json, "min", INT64_MIN);
    json_bool(&json, "yes", true);
    json_bool(&json, "no", false);
    json_string(&json, "none", NULL);
    json_array_begin(&json, "list");
    json_unsigned(&json, NULL, 1);
    json_array_begin(&json, NULL);
    json_array_end(&json);
    json_object_begin(&json, NULL);
    json_object_end(&json);
    json_string(&json, NULL, "x");
    json_array_end(&json);
    json_object_begin(&json, "inner");
    json_signed(&json, "a", -1);
    json_bool(&json, "b", true);
    json_object_end(&json);
    json_unsigned(&json, "last", 0);
    cr_assert(json_finish(&json));
    cr_assert_str_eq(buffer,
                     "{\"event\":\"result\",\"max\":18446744073709551615,\"min\":-9223372036854775808,\"yes\":true,"
                     "\"no\":false,\"none\":null,\"list\":[1,[],{},\"x\"],\"inner\":{\"a\":-1,\"b\":true},\"last\":0}");
    cr_assert(is_json_object(buffer));
    cr_assert_eq(json.length, strlen(buffer));
}

Test(json, leaves_printable_text_as_it_is)
{
    char buffer[128];
    struct json json;

    json_begin(&json, buffer, sizeof(buffer));
    json_string(&json, "a b", " !#[]~\"\\\x7f\n\t");
    cr_assert(json_finish(&json));
    cr_assert_str_eq(buffer, "{\"a b\":\" !#[]~\\\"\\\\\\u007f\\n\\u0009\"}");
}

Test(json, escapes_every_byte_so_that_it_reads_back)
{
    char all[256], buffer[4096], decoded[512];
    struct json json;
    const char *rest;

    for (unsigned i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = '\0';
    json_begin(&json, buffer, sizeof(buffer));
    json_string(&json, all, all);
    cr_assert(json_finish(&json));
    cr_assert(is_json_object(buffer));
    rest = take_string(buffer + 1, decoded);
    cr_assert_str_eq(decoded, all);
    cr_assert_not_null(take_string(take_literal(rest, ":"), decoded));
    cr_assert_str_eq(decoded, all);
}

Test(json, replaces_what_does_not_fit_at_every_size)
{
    static const char whole[] = "{\"key\":\"value\",\"list\":[1,{\"n\":-5}]}";

    for (size_t size = JSON_MIN_SIZE; size < sizeof(whole) + 4; size++) {
        char *buffer = malloc(size);
        struct json json;

        json_begin(&json, buffer, size);
        json_string(&json, "key", "value");
        json_array_begin(&json, "list");
        json_unsigned(&json, NULL, 1);
        json_object_begin(&json, NULL);
        json_signed(&json, "n", -5);
        json_object_end(&json);
        json_array_end(&json);
        cr_assert_eq(json_finish(&json), size >= sizeof(whole), "size %zu", size);
        cr_assert_str_eq(buffer, size >= sizeof(whole) ? whole : JSON_TRUNCATED);
        cr_assert_eq(json.length, strlen(buffer));
        free(buffer);
    }
}

/* A random object, the same for the same seed whatever the buffer. */
static bool write_random(char *buffer, size_t size, uint64_t seed)
{
    bool array[JSON_MAX_DEPTH] = {false};
    unsigned depth = 0;
    struct json json;

    json_begin(&json, buffer, size);
    for (unsigned left = support_random(&seed) % 40; left || depth; left -= left > 0) {
        const char *key = array[depth] ? NULL : "k\"\\\t";
        unsigned choice = left ? support_random(&seed) % 8 : 7;

        if (choice < 2 && depth < JSON_MAX_DEPTH - 1) {
            (choice ? json_array_begin : json_object_begin)(&json, key);
            array[++depth] = choice;
        } else if (choice == 2) {
            json_string(&json, key, "te\nxt");
        } else if (choice == 3) {
            json_unsigned(&json, key, support_random(&seed));
        } else if (choice == 4) {
            json_signed(&json, key, (int64_t)support_random(&seed));
        } else if (choice == 5) {
            json_bool(&json, key, support_random(&seed) % 2);
        } else if (depth) {
            (array[depth--] ? json_array_end : json_object_end)(&json);
        }
    }
    return json_finish(&json);
}

Test(json, is_always_valid_and_whole_or_replaced)
{
    uint64_t seed = 21;
    size_t truncated = 0;

    for (unsigned i = 0; i < 5000; i++) {
        uint64_t object = support_random(&seed);
        size_t size = JSON_MIN_SIZE + support_random(&seed) % 500;
        char reference[4096], *buffer = malloc(size);
        bool whole;

        cr_assert(write_random(reference, sizeof(reference), object));
        cr_assert(is_json_object(reference), "%s", reference);
        whole = write_random(buffer, size, object);
        cr_assert_eq(whole, strlen(reference) < size);
        cr_assert_str_eq(buffer, whole ? reference : JSON_TRUNCATED);
        truncated += !whole;
        free(buffer);
    }
    cr_assert_gt(truncated, 500);
    cr_assert_lt(truncated, 4500);
}

Test(json, nests_to_its_documented_depth)
{
    char buffer[256];
    struct json json;

    json_begin(&json, buffer, sizeof(buffer));
    json_array_begin(&json, "a");
    for (unsigned i = 2; i < JSON_MAX_DEPTH; i++)
        json_array_begin(&json, NULL);
    for (unsigned i = 1; i < JSON_MAX_DEPTH; i++)
        json_array_end(&json);
    cr_assert(json_finish(&json));
    cr_assert(is_json_object(buffer));
}

/* ---- misuse ---- */

static char misused[512];
static struct json broken;

static void begin(void)
{
    json_begin(&broken, misused, sizeof(misused));
}

Test(json, panics_on_a_buffer_too_small_for_the_replacement, .exit_code = PANIC_EXIT)
{
    json_begin(&broken, misused, JSON_MIN_SIZE - 1);
}

Test(json, panics_on_a_member_without_a_key, .init = begin, .exit_code = PANIC_EXIT)
{
    json_bool(&broken, NULL, true);
}

Test(json, panics_on_an_element_with_a_key, .init = begin, .exit_code = PANIC_EXIT)
{
    json_array_begin(&broken, "list");
    json_bool(&broken, "key", true);
}

Test(json, panics_on_an_object_ended_as_an_array, .init = begin, .exit_code = PANIC_EXIT)
{
    json_object_begin(&broken, "inner");
    json_array_end(&broken);
}

Test(json, panics_on_an_array_ended_as_an_object, .init = begin, .exit_code = PANIC_EXIT)
{
    json_array_begin(&broken, "list");
    json_object_end(&broken);
}

Test(json, panics_on_ending_the_outermost_object_early, .init = begin, .exit_code = PANIC_EXIT)
{
    json_object_end(&broken);
}

Test(json, panics_on_finishing_with_an_array_open, .init = begin, .exit_code = PANIC_EXIT)
{
    json_array_begin(&broken, "list");
    json_finish(&broken);
}

Test(json, panics_on_writing_after_the_end, .init = begin, .exit_code = PANIC_EXIT)
{
    json_finish(&broken);
    json_bool(&broken, "late", true);
}

Test(json, panics_on_ending_an_array_after_the_end, .init = begin, .exit_code = PANIC_EXIT)
{
    json_finish(&broken);
    json_array_end(&broken);
}

Test(json, panics_one_level_deeper_than_documented, .init = begin, .exit_code = PANIC_EXIT)
{
    json_array_begin(&broken, "a");
    for (unsigned i = 1; i < JSON_MAX_DEPTH; i++)
        json_array_begin(&broken, NULL);
}
