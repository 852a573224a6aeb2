/* The host's side of the link-time seams that every suite needs: panic and the clock. */
#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base.h"
#include "lib/clock.h"

uint64_t support_clock_ns;
uint64_t support_clock_step_ns;

static char trace[4096];
static size_t trace_length;

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "panic: %s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(PANIC_EXIT);
}

_Noreturn void assertion_failed(const struct assertion *assertion)
{
    panic_at(assertion->file, assertion->line, "assertion failed: %s", assertion->expression);
}

uint64_t clock_now_ns(void)
{
    return __atomic_fetch_add(&support_clock_ns, support_clock_step_ns, __ATOMIC_SEQ_CST); /* it may be interrupted */
}

uint64_t clock_ticks(void)
{
    return clock_now_ns();
}

uint64_t support_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

void support_trace(const char *format, ...)
{
    va_list arguments;

    if (trace_length)
        trace[trace_length++] = ' ';
    va_start(arguments, format);
    trace_length += (size_t)vsnprintf(trace + trace_length, sizeof(trace) - trace_length - 1, format, arguments);
    va_end(arguments);
    cr_assert_lt(trace_length, sizeof(trace) - 1, "trace too long");
}

const char *support_trace_text(void)
{
    return trace;
}

void support_trace_clear(void)
{
    trace_length = 0;
    trace[0] = '\0';
}
