/*
 * JSON as jansson reads it. A file of its own: jansson and lib/json.h have names in common.
 */
#ifndef DUET_TESTS_FUZZ_JSON_READING_H
#define DUET_TESTS_FUZZ_JSON_READING_H

#include <stdbool.h>
#include <stdint.h>

/* What is read, value by value, in order: of an object or array that it began and, later, that it ended. */
enum reading_kind { READ_OBJECT, READ_ARRAY, READ_END, READ_TEXT, READ_NULL, READ_NUMBER, READ_LARGE, READ_BOOL };

struct reading {
    enum reading_kind kind;
    const char *key;  /* NULL: none */
    const char *text; /* UTF-8 */
    int64_t number;
    double large; /* a number beyond 64 bits with a sign, near enough */
    bool truth;
};

/* Whether `text` is one JSON object and nothing else; calls visit() for all there is in it. */
bool json_reading(const char *text, void (*visit)(const struct reading *reading));

#endif
