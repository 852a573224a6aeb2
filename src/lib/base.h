/*
 * The vocabulary every file shares: containers, assertions, status codes.
 *
 * A broken invariant is ASSERTed and panics; bad input is an `enum status`. There is one assert macro and it
 * stays on in every build, benchmarks included.
 */
#ifndef DUET_LIB_BASE_H
#define DUET_LIB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array)                   (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define must_check               __attribute__((warn_unused_result))
#define runs_once                __attribute__((cold))           /* at boot: made small, and kept apart */
#define seldom                   __attribute__((noinline, cold)) /* the same, of a way that is seldom gone */
#define printf_like(text, first) __attribute__((format(printf, text, first)))
#define likely(condition)        __builtin_expect(!!(condition), 1)
#define unlikely(condition)      __builtin_expect(!!(condition), 0)

/* What a function that can meet bad input returns. On anything but STATUS_OK its outputs are untouched. */
enum status {
    STATUS_OK,
    STATUS_INVALID,   /* the input breaks its own format */
    STATUS_NOT_FOUND, /* what was asked for is not there */
    STATUS_NO_MEMORY, /* an allocator or a fixed table is exhausted */
    STATUS_TIMEOUT,   /* hardware did not answer in time */
    STATUS_IO,        /* hardware answered, and the answer is an error */
    STATUS_EXISTS,    /* what was to be made is there already */
    STATUS_LARGE,     /* a larger unit covers what was asked for, and is not split */
    STATUS_AGAIN,     /* it would have had to wait */
    STATUS_CLOSED,    /* the other side has ended it */
};

/*
 * Stops the machine with a message, the place, the running thread and task, and a backtrace. Never returns.
 * The kernel and the host tests each define it. Context: any.
 */
_Noreturn void panic_at(const char *file, int line, const char *format, ...) printf_like(3, 4);

#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)

/* The same with an assertion's expression for a message. All that it says lies in one record, so that a place that
 * asserts is one comparison and, out of the way, two instructions. */
struct assertion {
    const char *expression, *file;
    int line;
};
_Noreturn void assertion_failed(const struct assertion *assertion);

#define ASSERT(expression) (likely(expression) ? (void)0 : ASSERTION_FAILED(#expression))
#define ASSERTION_FAILED(text)                                                 \
    __extension__({                                                            \
        static const struct assertion assertion_ = {text, __FILE__, __LINE__}; \
        assertion_failed(&assertion_);                                         \
    })

#endif
