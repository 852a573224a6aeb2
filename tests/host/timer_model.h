/*
 * A timer queue and a sorted list side by side, driven by support_random(). Each operation is one of both, and what the
 * queue does and answers must be what the list says.
 */
#ifndef DUET_TESTS_TIMER_MODEL_H
#define DUET_TESTS_TIMER_MODEL_H

#include <stdint.h>

enum { TIMER_MODEL_ALARMS = 1000 };

/* `count` alarms take part, TIMER_MODEL_ALARMS at most; the clock begins at start_ns. */
void timer_model_begin(unsigned count, uint64_t start_ns, uint64_t seed);
void timer_model_operate(void);

/* The structure is sound and holds as many timers as the list. Long: it looks at everything. */
void timer_model_check(void);

/* All expire, and none is left. */
void timer_model_end(void);

#endif
