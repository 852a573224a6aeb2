#include "figure.h"

#include "lib/stats.h"

json_t *figure_json(uint64_t *samples, size_t count)
{
    struct stats stats;
    json_t *figure;

    stats_of(samples, count, &stats);
    figure = json_pack("{s:I, s:I, s:I}", "n", (json_int_t)stats.n, "min", (json_int_t)stats.min, "p50",
                       (json_int_t)stats.p50);
    if (stats.has_p99)
        json_object_set_new(figure, "p99", json_integer((json_int_t)stats.p99));
    json_object_set_new(figure, "max", json_integer((json_int_t)stats.max));
    return figure;
}
