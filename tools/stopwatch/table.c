#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "../bench/util.h"
#include "reading.h"

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void stage(FILE *to, const json_t *stages, const char *name)
{
    const json_t *figure = json_object_get(stages, name);

    if (!figure) {
        fputs(" - |", to);
        return;
    }
    fprintf(to, " **%lld** (%lld", number(figure, "p50"), number(figure, "min"));
    if (json_object_get(figure, "p99"))
        fprintf(to, ", %lld", number(figure, "p99"));
    fprintf(to, ", %lld) |", number(figure, "max"));
}

/* The cell of that name in a time base of instructions, or NULL. */
static const json_t *stages_of(const json_t *cells, const char *system, const char *device, const char *pace)
{
    char *name = text_format("%s-%s-%s", system, device, pace);
    const json_t *found = NULL;
    size_t i;
    json_t *cell;

    json_array_foreach(cells, i, cell)
    {
        if (!strcmp(json_string_value(json_object_get(cell, "name")), name))
            found = json_object_get(cell, "stages");
    }
    free(name);
    return found;
}

/* A row: one measure of every kernel and style. */
static void compare(FILE *to, const json_t *cells, const char *device, const char *pace, const char *name)
{
    static const char *const systems[] = {"duet-thread",          "duet-async",         "duet-user",
                                          "stock-fifo-lean",      "stock-fifo-shipped", "stock-normal-lean",
                                          "stock-normal-shipped", "rt-fifo-lean",       "rt-fifo-shipped",
                                          "rt-normal-lean",       "rt-normal-shipped"};

    fprintf(to, "| %s, CPU %s | %s |", strcmp(device, "mouse") != 0 ? "a key" : "a motion", pace,
            strcmp(name, "read") != 0 ? "delivered" : "port read");
    for (size_t i = 0; i < ARRAY_SIZE(systems); i++) {
        const json_t *figure = json_object_get(stages_of(cells, systems[i], device, pace), name);

        if (figure)
            fprintf(to, " **%lld** / %lld |", number(figure, "p50"), number(figure, "max"));
        else
            fputs(" - |", to);
    }
    fputc('\n', to);
}

/* All kernels beside each other: median and worst. */
static void together(FILE *to, const json_t *cells)
{
    static const char *const devices[] = {"keyboard", "mouse"};
    static const char *const paces[] = {"idle", "busy"};

    fputs("| of | until | Duet, thread | Duet, future | Duet, process | Linux, FIFO | FIFO, shipped | normal | normal, "
          "shipped "
          "| PREEMPT_RT, FIFO | FIFO, shipped | normal | normal, shipped "
          "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
          to);
    for (size_t device = 0; device < ARRAY_SIZE(devices); device++) {
        for (size_t pace = 0; pace < ARRAY_SIZE(paces); pace++) {
            compare(to, cells, devices[device], paces[pace], stage_names[STAGE_READ]);
            compare(to, cells, devices[device], paces[pace], stage_names[STAGE_CONSUMER]);
        }
    }
    fputc('\n', to);
}

static void times(FILE *to, const json_t *cells)
{
    size_t i;
    json_t *cell;

    fputs("| cell | n | handler: **median** (min, p99, max) | read of port 0x60 | event published | delivered |\n"
          "|---|---|---|---|---|---|\n",
          to);
    json_array_foreach(cells, i, cell)
    {
        const json_t *stages = json_object_get(cell, "stages");

        if (!stages)
            continue;
        fprintf(to, "| `%s` | %lld |", json_string_value(json_object_get(cell, "name")),
                number(json_object_get(stages, "consumer"), "n"));
        for (enum stage s = 0; s < STAGES; s++)
            stage(to, stages, stage_names[s]);
        fputc('\n', to);
    }
}

static void counts(FILE *to, const json_t *cells)
{
    size_t i;
    json_t *cell;

    fputs("\n| cell | injected | delivered | lost | not sent there | instructions they fell into |\n"
          "|---|---|---|---|---|---|\n",
          to);
    json_array_foreach(cells, i, cell)
    {
        fprintf(to, "| `%s` | %lld | %lld | %lld | %lld |", json_string_value(json_object_get(cell, "name")),
                number(cell, "injected"), number(cell, "delivered"), number(cell, "lost"), number(cell, "unsent"));
        if (json_object_get(cell, "places"))
            fprintf(to, " %lld |\n", number(cell, "places"));
        else
            fputs(" - |\n", to);
    }
}

void table_external(FILE *to, const json_t *results)
{
    together(to, json_object_get(results, "cells"));
    times(to, json_object_get(results, "cells"));
    counts(to, json_object_get(results, "cells"));
}
