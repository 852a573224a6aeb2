/* See probe.h. */
#include "lib/probe.h"

void probe_record(struct probe *probe)
{
    uint64_t now = clock_ticks();

    if (probe->count < probe->capacity)
        probe->stamps[probe->count] = now;
    probe->count++;
    if (unlikely(probe->handicap))
        for (uint64_t begin = clock_ticks(); clock_ticks() - begin < probe->handicap;)
            ;
}
