/*
 * A terminal and an endless scroll of lines that shows its last ones, driven by support_random().
 */
#ifndef DUET_TESTS_TERMINAL_MODEL_H
#define DUET_TESTS_TERMINAL_MODEL_H

#include "lib/terminal.h"

enum { TERMINAL_MODEL_COLUMNS = 80, TERMINAL_MODEL_SEGMENTS = 100 };

/* `terminal` is blank, and no wider. */
void terminal_model_begin(struct terminal *terminal, uint64_t seed);

/* Puts a few characters, whole and broken ones, of which the screen is then compared; TERMINAL_MODEL_SEGMENTS times at
 * most. */
void terminal_model_segment(void);

#endif
