/*
 * What is typed and drawn, and what must come of it: the script of a cell, as commands for QMP and as the lines that
 * an observer of the events makes of them. Independent of any kernel's tables.
 */
#ifndef DUET_STOPWATCH_SCRIPT_H
#define DUET_STOPWATCH_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_device { SCRIPT_KEYBOARD, SCRIPT_MOUSE, SCRIPT_BOTH };

/* One event: a command of its own, which makes one byte of the keyboard's, or one packet of the mouse's. */
struct act {
    bool mouse;
    char *command; /* QMP */
    char line[40]; /* "key CODE VALUE" for keys and buttons, "rel DX DY" for moves: down and right are positive */
    char text;     /* what a US keyboard types with it, 0 for nothing */
};

struct script {
    struct act *acts;
    size_t count;
};

/* Text that is typed, and a spiral drawn with the left button held for parts of it, of about `count` acts; both: turn
 * and turn about, by `seed`. The last act of the keyboard is F12's release, of the mouse the side button's. */
struct script script_make(enum script_device device, size_t count, uint64_t seed);
void script_free(struct script *script);

/* The next number of a seeded row, below `bound`. */
uint32_t script_random(uint64_t *state, uint32_t bound);

#endif
