/*
 * What every host suite shares: panics as a checkable exit, a clock that tests set, a seeded generator.
 *
 * panic_at() prints its message and exits 77, not abort(): Criterion runs each test in its own process, and only an
 * orderly exit keeps that process's coverage. A death test says `.exit_code = PANIC_EXIT`.
 */
#ifndef DUET_TESTS_HOST_SUPPORT_H
#define DUET_TESTS_HOST_SUPPORT_H

#include <criterion/criterion.h>
#include <stdint.h>

#define PANIC_EXIT 77

/* What clock_now_ns() and clock_ticks() return; clock_step_ns is added after each reading. */
extern uint64_t support_clock_ns;
extern uint64_t support_clock_step_ns;

/* A seeded xorshift64* generator, so that every model test replays. */
uint64_t support_random(uint64_t *state);

/* Order is tested with a trace string, embassy's way: support_trace("poll:%s", name) appends a word. */
void support_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *support_trace_text(void);
void support_trace_clear(void);

#endif
