/* See fuzz.h; and the seams of tests/host/support.h. */
#include "fuzz.h"

#include <stdarg.h>

#include "lib/clock.h"
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint64_t support_clock_ns;
uint64_t support_clock_step_ns;

static const uint8_t *at, *end;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at = data;
    end = data + size;
    support_clock_ns = 0;
    support_clock_step_ns = 0;
    fuzz_one();
    return 0;
}

bool fuzz_more(void)
{
    return at < end;
}

uint8_t fuzz_byte(void)
{
    return fuzz_more() ? *at++ : 0;
}

uint64_t fuzz_number(void)
{
    uint8_t first = fuzz_byte();
    uint64_t number = 0;

    if (first < 0xe0)
        return first;
    for (unsigned i = 0; i <= (first & 7u); i++)
        number |= (uint64_t)fuzz_byte() << (8 * i);
    return number;
}

uint64_t fuzz_below(uint64_t limit)
{
    return fuzz_number() % limit;
}

const uint8_t *fuzz_rest(size_t *size)
{
    *size = (size_t)(end - at);
    return at;
}

size_t fuzz_bytes(void *to, size_t size)
{
    size_t left = (size_t)(end - at);

    if (size > left)
        size = left;
    if (size)
        memcpy(to, at, size);
    at += size;
    return size;
}

void fuzz_broken(const char *file, int line, const char *claim)
{
    fprintf(stderr, "broken: %s:%d: %s\n", file, line, claim);
    abort();
}

void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "panic: %s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void assertion_failed(const struct assertion *assertion)
{
    panic_at(assertion->file, assertion->line, "assertion failed: %s", assertion->expression);
}

uint64_t clock_now_ns(void)
{
    uint64_t now_ns = support_clock_ns;

    support_clock_ns += support_clock_step_ns;
    return now_ns;
}

uint64_t clock_ticks(void)
{
    return clock_now_ns();
}

uint64_t support_random(uint64_t *state)
{
    (void)state;
    return fuzz_number() * UINT64_C(0x0001000100010001); /* a model may take any of its bits */
}

/* Who is traced here is checked by other means. */
void support_trace(const char *format, ...)
{
    (void)format;
}

const char *support_trace_text(void)
{
    return "";
}

void support_trace_clear(void)
{
}
