/* See json_reading.h. */
#include "json_reading.h"

#include <jansson.h>

static void walk(const char *key, json_t *value, void (*visit)(const struct reading *reading))
{
    struct reading reading = {.key = key};
    const char *name;
    json_t *child;
    size_t i;

    if (json_is_object(value) || json_is_array(value)) {
        reading.kind = json_is_object(value) ? READ_OBJECT : READ_ARRAY;
        visit(&reading);
        json_object_foreach(value, name, child) walk(name, child, visit);
        json_array_foreach(value, i, child) walk(NULL, child, visit);
        reading.kind = READ_END;
    } else if (json_is_string(value)) {
        reading.kind = READ_TEXT;
        reading.text = json_string_value(value);
    } else if (json_is_integer(value)) {
        reading.kind = READ_NUMBER;
        reading.number = json_integer_value(value);
    } else if (json_is_real(value)) {
        reading.kind = READ_LARGE;
        reading.large = json_real_value(value);
    } else {
        reading.kind = json_is_null(value) ? READ_NULL : READ_BOOL;
        reading.truth = json_is_true(value);
    }
    visit(&reading);
}

bool json_reading(const char *text, void (*visit)(const struct reading *reading))
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (!root)
        root = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    if (!root)
        return false;
    walk(NULL, root, visit);
    json_decref(root);
    return true;
}
