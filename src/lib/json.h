/*
 * Writes one JSON object, on one line, into a buffer that the caller owns.
 *
 * Each value is named by a key, or by NULL inside an array; using the wrong one, or ending what is not open, is a bug
 * and panics. Text is taken as bytes: quotes, backslashes, control characters and every byte from 0x7f on are escaped,
 * so the output is printable ASCII. Only a serial reader sees the line, so a record that does not fit is
 * replaced, never cut: json_finish() says so. The newline is the caller's.
 */
#ifndef DUET_LIB_JSON_H
#define DUET_LIB_JSON_H

#include "lib/base.h"

#define JSON_TRUNCATED "{\"event\":\"truncated\"}"
#define JSON_MIN_SIZE  sizeof(JSON_TRUNCATED) /* the smallest buffer: it holds the replacement */
#define JSON_MAX_DEPTH 32                     /* objects and arrays open at once, the outermost included */

struct json {
    char *buffer;
    size_t size;
    size_t length; /* written so far, without the NUL; never reaches size */
    bool truncated;
    uint32_t depth;
    uint32_t arrays; /* bit d - 1: what is open at depth d is an array */
    uint32_t filled; /* bit d - 1: it has an element, so the next needs a comma */
};

/* Opens the object. `size` is at least JSON_MIN_SIZE. Context of all: any. */
void json_begin(struct json *json, char *buffer, size_t size);

/* A NULL text is written as null. */
void json_string(struct json *json, const char *key, const char *text);
void json_unsigned(struct json *json, const char *key, uint64_t value);
void json_signed(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);

void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);

/* Closes the object and terminates the text. False if it did not fit: the buffer then holds JSON_TRUNCATED. */
bool json_finish(struct json *json);

#endif
