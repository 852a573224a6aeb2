/*
 * The one program of a Linux that is measured: process 1, static, alone on the machine. What its files share.
 *
 * Times are ticks of the time-stamp counter, which on the reference machine are guest instructions. A stamp is one
 * rdtsc, and what lies between two is the second one's too, as in Duet's own figures.
 */
#ifndef DUET_LINUX_GUEST_H
#define DUET_LINUX_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

enum {
    SAMPLES_MAX = 4096,
    WARM_UP = 16,        /* first rounds, not counted: pages are touched, and queues allocated, only once */
    PRIORITY_WAITS = 80, /* of whoever is measured; above the threads of PREEMPT_RT's interrupts, which have 50 */
    PRIORITY_EQUAL = 40,
};

/* What one figure noted. Shared between processes where it is in shared memory. */
struct samples {
    uint32_t wanted; /* with the warm-up */
    volatile uint32_t count;
    uint64_t value[SAMPLES_MAX];
};

struct device {
    const char *name; /* in figures: "key" or "mouse" */
    char path[64];    /* of its evdev node */
    char driver[128]; /* what the kernel calls it */
};

static inline uint64_t rdtsc(void)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void port_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t port_in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* What the stopwatch sees: an `out` to a fixed port, which no kernel uses: it may begin, and a read() returned. */
static inline void mark_start(void)
{
    __asm__ volatile("outb %%al, $0xe8" : : "a"(0) : "memory");
}

static inline void mark(void)
{
    __asm__ volatile("outb %%al, $0xe9" : : "a"(0) : "memory");
}

/* Ends the machine, saying why; and the same with errno's text. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_errno(const char *what);

/* A line of JSON for the host. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory that stays shared across fork(). */
void *share(size_t size_bytes);

/* A number of the kernel's command line, which reaches process 1 as an environment variable. */
unsigned word_number(const char *name, unsigned otherwise);

/* Marsaglia's xorshift64. */
uint64_t next_random(uint64_t *state);

/* How this thread is scheduled: SCHED_FIFO at a priority, or SCHED_OTHER at a nice value. */
void schedule_fifo(int priority);
void schedule_other(int nice);

/* Counts a sample unless enough are there. */
void sample(struct samples *samples, uint64_t value);
bool samples_full(const struct samples *samples);
void samples_begin(struct samples *samples, unsigned wanted);

/* Reports min, median, p99 if there are a thousand, and max, the warm-up left out. Sorts. */
void samples_tell(struct samples *samples, const char *name, const char *unit);

/* The figures: of the input devices, and of threads. */
void measure_input(const struct device *device, unsigned count);
void measure_threads(unsigned count);

/* Reads what comes from outside, for the stopwatch there, and tells it; devices[0] is the keyboard, [1] the mouse. */
void watch_input(const struct device *devices);

#endif
