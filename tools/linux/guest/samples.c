/* Samples, scheduling and shared memory: what all figures use. */
#include "guest.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "lib/stats.h"

void *share(size_t size_bytes)
{
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED)
        fail_errno("mmap");
    return memory;
}

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void schedule_fifo(int priority)
{
    struct sched_param parameters = {.sched_priority = priority};

    if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0)
        fail_errno("sched_setscheduler");
}

void schedule_other(int nice)
{
    struct sched_param parameters = {0};

    if (sched_setscheduler(0, SCHED_OTHER, &parameters) != 0 || setpriority(PRIO_PROCESS, 0, nice) != 0)
        fail_errno("sched_setscheduler");
}

void samples_begin(struct samples *samples, unsigned wanted)
{
    samples->wanted = wanted + WARM_UP < SAMPLES_MAX ? wanted + WARM_UP : SAMPLES_MAX;
    samples->count = 0;
}

void sample(struct samples *samples, uint64_t value)
{
    if (!samples_full(samples))
        samples->value[samples->count++] = value;
}

bool samples_full(const struct samples *samples)
{
    return samples->count == samples->wanted;
}

void samples_tell(struct samples *samples, const char *name, const char *unit)
{
    struct stats stats;

    if (samples->count <= WARM_UP)
        fail("%s: no sample", name);
    stats_of(samples->value + WARM_UP, samples->count - WARM_UP, &stats);
    tell("{\"event\":\"micro\",\"name\":\"%s\",\"unit\":\"%s\",\"n\":%zu,\"min\":%lu,\"p50\":%lu,", name, unit, stats.n,
         stats.min, stats.p50);
    if (stats.has_p99)
        tell("\"p99\":%lu,", stats.p99);
    tell("\"max\":%lu}\n", stats.max);
}
