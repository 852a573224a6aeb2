/* Writes as far as the buffer goes; what comes after is counted as truncated and replaced by json_finish(). */
#include "lib/json.h"

#include "lib/format.h"
#include "lib/mem.h"

static void put(struct json *json, char c)
{
    if (json->length + 1 < json->size)
        json->buffer[json->length++] = c;
    else
        json->truncated = true;
}

static void put_text(struct json *json, const char *text)
{
    while (*text)
        put(json, *text++);
}

static void put_escaped(struct json *json, const char *text)
{
    char escape[sizeof("\\u0000")];

    put(json, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            put(json, '\\');
            put(json, *text);
        } else if (c == '\n') {
            put_text(json, "\\n");
        } else if (c >= 0x20 && c < 0x7f) {
            put(json, *text);
        } else {
            format_text(escape, sizeof(escape), "\\u%04x", (unsigned)c);
            put_text(json, escape);
        }
    }
    put(json, '"');
}

/* Whatever comes before a value: the comma after its elder sibling, and its key. */
static void start_value(struct json *json, const char *key)
{
    uint32_t bit;

    ASSERT(json->depth > 0);
    bit = UINT32_C(1) << (json->depth - 1);
    ASSERT(!key == !!(json->arrays & bit)); /* array elements have no key, members have one */
    if (json->filled & bit)
        put(json, ',');
    json->filled |= bit;
    if (key) {
        put_escaped(json, key);
        put(json, ':');
    }
}

static void open_level(struct json *json, bool array)
{
    uint32_t bit;

    ASSERT(json->depth < JSON_MAX_DEPTH);
    bit = UINT32_C(1) << json->depth++;
    json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
    json->filled &= ~bit;
    put(json, array ? '[' : '{');
}

static void close_level(struct json *json, bool array)
{
    ASSERT(json->depth > 0);
    json->depth--;
    ASSERT((json->arrays >> json->depth & 1) == array);
    put(json, array ? ']' : '}');
}

void json_begin(struct json *json, char *buffer, size_t size)
{
    ASSERT(size >= JSON_MIN_SIZE);
    *json = (struct json){.buffer = buffer, .size = size};
    open_level(json, false);
}

void json_string(struct json *json, const char *key, const char *text)
{
    start_value(json, key);
    if (text)
        put_escaped(json, text);
    else
        put_text(json, "null");
}

void json_unsigned(struct json *json, const char *key, uint64_t value)
{
    char digits[21];

    start_value(json, key);
    format_text(digits, sizeof(digits), "%llu", (unsigned long long)value);
    put_text(json, digits);
}

void json_signed(struct json *json, const char *key, int64_t value)
{
    char digits[21];

    start_value(json, key);
    format_text(digits, sizeof(digits), "%lld", (long long)value);
    put_text(json, digits);
}

void json_bool(struct json *json, const char *key, bool value)
{
    start_value(json, key);
    put_text(json, value ? "true" : "false");
}

void json_object_begin(struct json *json, const char *key)
{
    start_value(json, key);
    open_level(json, false);
}

void json_object_end(struct json *json)
{
    ASSERT(json->depth > 1); /* the outermost is json_finish()'s */
    close_level(json, false);
}

void json_array_begin(struct json *json, const char *key)
{
    start_value(json, key);
    open_level(json, true);
}

void json_array_end(struct json *json)
{
    close_level(json, true);
}

bool json_finish(struct json *json)
{
    ASSERT(json->depth == 1);
    close_level(json, false);
    if (json->truncated) {
        memcpy(json->buffer, JSON_TRUNCATED, sizeof(JSON_TRUNCATED));
        json->length = sizeof(JSON_TRUNCATED) - 1;
        return false;
    }
    json->buffer[json->length] = '\0';
    return true;
}
