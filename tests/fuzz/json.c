/* The JSON writer, read back by jansson: what it says is what was written, value by value; and the same into a buffer
 * that may be too small, which it must notice. */
#include "lib/json.h"

#include "fuzz.h"
#include "json_reading.h"

enum { VALUES = 200, WHOLE_BYTES = 128 * 1024, TEXT_BYTES = 48 };

/* The same record twice: whole, and into what may be too small. */
static struct json writers[2];
#define WRITE(function, ...)                \
    do {                                    \
        function(&writers[0], __VA_ARGS__); \
        function(&writers[1], __VA_ARGS__); \
    } while (0)

static struct {
    struct reading values[VALUES];
    char keys[VALUES][TEXT_BYTES * 2 + 8], texts[VALUES][TEXT_BYTES * 2];
    size_t count, read;
} expected;

/* Bytes as the writer takes them: each a character of its own. */
static void as_utf8(char *to, const char *from)
{
    for (; *from; from++) {
        uint8_t byte = (uint8_t)*from;

        if (byte >= 0x80)
            *to++ = (char)(0xc0 | byte >> 6);
        *to++ = (char)(byte >= 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    *to = '\0';
}

static void take_text(char text[TEXT_BYTES])
{
    text[fuzz_bytes(text, fuzz_below(TEXT_BYTES))] = '\0';
}

/* A key that no other has: jansson wants that. NULL in an array. */
static const char *take_key(bool array, char key[TEXT_BYTES + 8])
{
    char text[TEXT_BYTES];

    take_text(text);
    sprintf(key, "%s:%zu", text, expected.count);
    return array ? NULL : key;
}

static struct reading *expect(enum reading_kind kind, const char *key)
{
    struct reading *reading = &expected.values[expected.count];

    *reading = (struct reading){.kind = kind};
    if (key) {
        as_utf8(expected.keys[expected.count], key);
        reading->key = expected.keys[expected.count];
    }
    expected.count++;
    return reading;
}

static void write_scalar(const char *key)
{
    uint64_t number;
    char text[TEXT_BYTES];

    switch (fuzz_below(5)) {
    case 0:
        take_text(text);
        as_utf8(expected.texts[expected.count], text);
        expect(READ_TEXT, key)->text = expected.texts[expected.count];
        WRITE(json_string, key, text);
        break;
    case 1:
        expect(READ_NULL, key);
        WRITE(json_string, key, NULL);
        break;
    case 2:
        number = fuzz_number();
        *expect(number > INT64_MAX ? READ_LARGE : READ_NUMBER, key) = (struct reading){
            .kind = number > INT64_MAX ? READ_LARGE : READ_NUMBER,
            .key = expected.values[expected.count - 1].key,
            .number = (int64_t)number,
            .large = (double)number,
        };
        WRITE(json_unsigned, key, number);
        break;
    case 3:
        number = fuzz_below(2) ? -fuzz_number() : fuzz_number();
        expect(READ_NUMBER, key)->number = (int64_t)number;
        WRITE(json_signed, key, (int64_t)number);
        break;
    default:
        number = fuzz_below(2);
        expect(READ_BOOL, key)->truth = number;
        WRITE(json_bool, key, number);
        break;
    }
}

/* jansson reads what is beyond 64 bits only if it reads all numbers as floating point. */
static bool same_number(const struct reading *a, const struct reading *b)
{
    double value = a->kind == READ_LARGE ? a->large : (double)a->number;

    return b->kind == READ_NUMBER ? a->kind == READ_NUMBER && a->number == b->number
                                  : b->kind == READ_LARGE && value == b->large;
}

static void compare(const struct reading *reading)
{
    const struct reading *wanted = &expected.values[expected.read];

    CHECK(expected.read < expected.count);
    expected.read++;
    if (reading->kind != READ_END)
        CHECK(!wanted->key == !reading->key && (!wanted->key || strcmp(wanted->key, reading->key) == 0));
    if (wanted->kind == READ_NUMBER || wanted->kind == READ_LARGE) {
        CHECK(same_number(wanted, reading));
        return;
    }
    CHECK(wanted->kind == reading->kind);
    if (wanted->kind == READ_TEXT)
        CHECK(strcmp(wanted->text, reading->text) == 0);
    if (wanted->kind == READ_BOOL)
        CHECK(wanted->truth == reading->truth);
}

static void end_level(bool array)
{
    expect(READ_END, NULL);
    for (unsigned i = 0; i < 2; i++)
        (array ? json_array_end : json_object_end)(&writers[i]);
}

static void write_all(void)
{
    bool arrays[JSON_MAX_DEPTH] = {false};
    unsigned depth = 1;

    expect(READ_OBJECT, NULL);
    while (fuzz_more() && expected.count + JSON_MAX_DEPTH + 2 < VALUES) {
        uint64_t what = fuzz_below(8);
        char memory[TEXT_BYTES + 8];

        if (what == 7 && depth > 1) {
            end_level(arrays[--depth]);
        } else if (what >= 5 && what < 7 && depth < JSON_MAX_DEPTH) {
            const char *key = take_key(arrays[depth - 1], memory);

            expect(what == 5 ? READ_OBJECT : READ_ARRAY, key);
            for (unsigned i = 0; i < 2; i++)
                (what == 5 ? json_object_begin : json_array_begin)(&writers[i], key);
            arrays[depth++] = what == 6;
        } else {
            write_scalar(take_key(arrays[depth - 1], memory));
        }
    }
    while (depth > 1)
        end_level(arrays[--depth]);
    expect(READ_END, NULL);
}

void fuzz_one(void)
{
    static char whole[WHOLE_BYTES];
    size_t size = JSON_MIN_SIZE + fuzz_below(1000);
    char *buffer = malloc(size);
    bool fits;

    expected.count = expected.read = 0;
    json_begin(&writers[0], whole, sizeof(whole));
    json_begin(&writers[1], buffer, size);
    write_all();
    CHECK(json_finish(&writers[0]) && writers[0].length == strlen(whole));
    for (const char *at = whole; *at; at++)
        CHECK(*at >= ' ' && *at <= '~');
    CHECK(json_reading(whole, compare) && expected.read == expected.count);
    fits = json_finish(&writers[1]);
    CHECK(fits == (writers[0].length < size) && strcmp(buffer, fits ? whole : JSON_TRUNCATED) == 0);
    CHECK(writers[1].length == strlen(buffer));
    free(buffer);
}
