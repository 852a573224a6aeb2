#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "../bench/util.h"

/* Medians that others measured of the same kernels, 6.1.192, on the same machine; 0: none given. The hogs and readers
 * were others' programs. */
struct anchor {
    const char *name;
    unsigned long stock, rt;
};

static const struct anchor anchors[] = {
    {"thread.yield", 1758, 0},
    {"thread.sem_oneway_wait", 4440, 0},
    {"thread.event_oneway", 5093, 23368},
    {"thread.lifecycle", 39450, 0},
    {"timer.thread", 3671, 0},
    {"key.fifo_lean", 5703, 16325},
    {"key.fifo_shipped", 9992, 20465},
    {"key.fifo_lean_idle", 5947, 16484},
    {"key.fifo_shipped_idle", 10377, 20808},
    {"key.normal_lean", 7852, 0},
    {"key.normal_shipped", 18128, 0},
    {"key.normal_lean_idle", 6174, 0},
    {"key.normal_shipped_idle", 17592, 0},
    {"mouse.fifo_lean", 5695, 0},
    {"mouse.fifo_shipped", 5727, 0},
    {"mouse.normal_lean", 7980, 0},
};

static json_int_t number(const json_t *figure, const char *key)
{
    return json_integer_value(json_object_get(figure, key));
}

static const json_t *figure_of(const json_t *kernel, const char *name)
{
    size_t i;
    json_t *figure;

    json_array_foreach(json_object_get(kernel, "micro"), i, figure)
    {
        if (!strcmp(json_string_value(json_object_get(figure, "name")), name))
            return figure;
    }
    return NULL;
}

/* Median, with the least and the most around it. */
static void cell(FILE *to, const json_t *figure)
{
    if (!figure) {
        fputs(" - |", to);
        return;
    }
    fprintf(to, " **%lld** (%lld", number(figure, "p50"), number(figure, "min"));
    if (json_object_get(figure, "p99"))
        fprintf(to, ", %lld", number(figure, "p99"));
    fprintf(to, ", %lld) |", number(figure, "max"));
}

static void table_figures(FILE *to, const json_t *stock, const json_t *rt)
{
    size_t i;
    json_t *figure;

    fputs("| figure | n | stock: **median** (min, p99, max) | PREEMPT_RT |\n|---|---|---|---|\n", to);
    json_array_foreach(json_object_get(stock, "micro"), i, figure)
    {
        const char *name = json_string_value(json_object_get(figure, "name"));

        fprintf(to, "| `%s` | %lld |", name, number(figure, "n"));
        cell(to, figure);
        cell(to, figure_of(rt, name));
        fputc('\n', to);
    }
}

static void deviation(FILE *to, const json_t *kernel, const struct anchor *anchor, unsigned long before)
{
    const json_t *figure = figure_of(kernel, anchor->name);
    long long now = figure ? number(figure, "p50") : 0;
    long long part;

    if (!before || !now)
        return;
    part = (now - (long long)before) * 1000 / (long long)before;
    fprintf(to, "| `%s` | %s | %lu | %lld | %c%lld.%lld %% |\n", anchor->name,
            json_string_value(json_object_get(kernel, "kernel")), before, now, part < 0 ? '-' : '+', llabs(part) / 10,
            llabs(part) % 10);
}

static void table_deviations(FILE *to, const json_t *stock, const json_t *rt)
{
    fputs("\n| figure | kernel | measured before | here | |\n|---|---|---|---|---|\n", to);
    for (size_t i = 0; i < ARRAY_SIZE(anchors); i++) {
        deviation(to, stock, &anchors[i], anchors[i].stock);
        deviation(to, rt, &anchors[i], anchors[i].rt);
    }
}

static void table_kernels(FILE *to, const json_t *kernels)
{
    size_t i;
    json_t *kernel;

    fputs("\n| kernel | package | version | SHA-256 |\n|---|---|---|---|\n", to);
    json_array_foreach(kernels, i, kernel)
    {
        fprintf(to, "| %s | %s | %s | `%s` |\n", json_string_value(json_object_get(kernel, "kernel")),
                json_string_value(json_object_get(kernel, "package")),
                json_string_value(json_object_get(kernel, "version")),
                json_string_value(json_object_get(kernel, "sha256")));
    }
}

void table_linux(FILE *to, const json_t *results)
{
    const json_t *kernels = json_object_get(results, "kernels");
    const json_t *stock = json_array_get(kernels, 0);
    const json_t *rt = json_array_get(kernels, 1);

    table_figures(to, stock, rt);
    table_deviations(to, stock, rt);
    table_kernels(to, kernels);
}
