/*
 * A place in the code that a benchmark wants stamped. Off, it costs one predicted branch; on, it appends the time to an
 * array that the benchmark reads after the run, so that recording never prints, allocates or waits.
 *
 * A handicap is what a benchmark plants to see that it is found: whoever hits the probe loses so many ticks there.
 */
#ifndef DUET_LIB_PROBE_H
#define DUET_LIB_PROBE_H

#include "lib/base.h"
#include "lib/clock.h"

struct probe {
    uint64_t *stamps; /* NULL: off */
    uint32_t count;
    uint32_t capacity; /* hits beyond it are counted in `count` and not stored */
    uint32_t handicap; /* in ticks, lost after the stamp; 0: none */
};

/* What probe_hit() does when it is on. */
void probe_record(struct probe *probe);

/* Context: any, but one context a probe at a time. */
static inline void probe_hit(struct probe *probe)
{
    if (unlikely(probe->stamps))
        probe_record(probe);
}

#endif
