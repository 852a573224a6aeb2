/* What tests/host/bodies.h promises. */
#include "bodies.h"

static struct thread *last_noted;

void bodies_init(void)
{
    support_clock_ns = 0;
    last_noted = NULL;
    support_trace_clear();
    machine_start(10 * MS);
}

void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

void compute(uint64_t duration_ms)
{
    while (duration_ms--) {
        if (last_noted != thread_current())
            support_trace("%s@%u", thread_current()->name, (unsigned)(support_clock_ns / MS));
        last_noted = thread_current();
        machine_run(MS);
    }
}

void *compute_and_end(void *duration_ms)
{
    compute((uintptr_t)duration_ms);
    return NULL;
}

void *park_and_compute(void *duration_ms)
{
    thread_park();
    return compute_and_end(duration_ms);
}

void *say(void *argument)
{
    support_trace("%s", thread_current()->name);
    return argument;
}

void *park_and_say(void *argument)
{
    thread_park();
    return say(argument);
}
