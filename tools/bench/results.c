#include "results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define SCHEMA 1

static json_t *describe_build(const json_t *boot)
{
    static const char *const members[] = {"compiler", "opt", "optimized"};
    json_t *build = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        json_t *value = json_object_get(boot, members[i]);

        if (value)
            json_object_set(build, members[i], value);
    }
    return build;
}

json_t *results_make(const struct results_context *context, const struct boot *boots, const struct guest *guests)
{
    json_t *results = json_object();
    json_t *cells = json_array();
    json_t *micro = json_array();
    json_t *grub = json_object();

    for (size_t i = 0; i < PLAN_CELLS; i++)
        json_array_append(cells, guests[i].cell);
    json_array_extend(micro, guests[PLAN_THREADS].micro);
    json_array_extend(micro, guests[PLAN_IRQOFF].micro);
    json_array_extend(micro, guests[PLAN_MICRO].micro);
    json_object_set_new(grub, "cell", json_string(boots[plan_grub_twin()].name));
    json_object_set_new(grub, "identical",
                        json_boolean(json_equal(guests[plan_grub_twin()].cell, guests[PLAN_GRUB].cell)));

    json_object_set_new(results, "schema", json_integer(SCHEMA));
    json_object_set_new(results, "unit", json_string("instructions"));
    json_object_set_new(results, "timebase", json_string("icount"));
    json_object_set_new(results, "machine", json_string(context->machine));
    json_object_set_new(results, "qemu", json_string(context->qemu));
    json_object_set_new(results, "build", describe_build(guests[0].boot));
    json_object_set_new(results, "events", json_integer(context->events));
    json_object_set_new(results, "quick", json_boolean(context->quick));
    json_object_set_new(results, "cells", cells);
    json_object_set_new(results, "micro", micro);
    json_object_set(results, "thread_metric", guests[PLAN_THREAD_METRIC].thread_metric);
    json_object_set_new(results, "grub", grub);
    return results;
}

void results_write(const json_t *results, const char *path)
{
    char *partial = text_format("%s.partial", path);
    FILE *file = fopen(partial, "w");

    if (!file)
        die("cannot write %s: %s", partial, strerror(errno));
    if (json_dumpf(results, file, JSON_INDENT(1)) || fputc('\n', file) == EOF || fclose(file) || rename(partial, path))
        die("cannot write %s: %s", path, strerror(errno));
    free(partial);
}

static void add_difference(char **list, const char *path, const json_t *one, const json_t *other)
{
    char *left = one ? json_dumps(one, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *right = other ? json_dumps(other, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *longer = text_format("%s%s: %s, %s\n", *list ? *list : "", path, left ? left : "nothing",
                               right ? right : "nothing");

    free(left);
    free(right);
    free(*list);
    *list = longer;
}

/* Appends to *list what differs below the member `path`. */
static void compare(char **list, const char *path, json_t *one, json_t *other)
{
    const char *dot = path[0] ? "." : "";
    const char *name;
    json_t *value;

    if (!json_is_object(one) || !json_is_object(other)) {
        if (!one || !other || !json_equal(one, other))
            add_difference(list, path, one, other);
        return;
    }
    json_object_foreach(one, name, value)
    {
        char *inner = text_format("%s%s%s", path, dot, name);

        compare(list, inner, value, json_object_get(other, name));
        free(inner);
    }
    json_object_foreach(other, name, value)
    {
        char *inner = text_format("%s%s%s", path, dot, name);

        if (!json_object_get(one, name))
            add_difference(list, inner, NULL, value);
        free(inner);
    }
}

char *results_differences(json_t *one, json_t *other)
{
    char *list = NULL;

    compare(&list, "", one, other);
    return list;
}
