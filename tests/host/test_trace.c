#include <criterion/criterion.h>
#include <machine/clock.h>

#include "lib/trace.h"

enum { ROOM = 8 };

static struct trace_record records[ROOM];

static void begin(void)
{
    trace = (struct trace){records, ROOM - 1, 0};
}

Test(trace, off_it_records_nothing)
{
    trace = (struct trace){0};
    trace_note(TRACE_WAKE, 1);
    cr_assert_eq(trace.count, 0);
}

Test(trace, has_what_happened_in_order)
{
    begin();
    trace_note(TRACE_WAKE, 7);
    trace_note(TRACE_SWITCH, 8);
    cr_assert_eq(trace.count, 2);
    cr_assert_eq(records[0].kind, TRACE_WAKE);
    cr_assert_eq(records[0].who, 7);
    cr_assert_eq(records[1].kind, TRACE_SWITCH);
    cr_assert_eq(records[1].who, 8);
    cr_assert_geq(records[1].ticks, records[0].ticks);
}

Test(trace, full_it_forgets_the_oldest_and_says_so)
{
    begin();
    for (uintptr_t i = 0; i < ROOM + 3; i++)
        trace_note(TRACE_POLL, i);
    cr_assert_eq(trace.count, ROOM + 3);
    for (uintptr_t i = 3; i < ROOM + 3; i++)
        cr_assert_eq(records[i % ROOM].who, i);
}
