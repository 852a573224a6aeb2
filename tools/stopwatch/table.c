#include "table.h"

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
    times(to, json_object_get(results, "cells"));
    counts(to, json_object_get(results, "cells"));
}
