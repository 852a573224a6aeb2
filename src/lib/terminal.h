/*
 * A text terminal on a grid of character cells: VGA text memory, or any array of the same shape.
 *
 * A cell is the attribute (background << 4 | foreground) in the high byte and a code page 437 character in the low one
 * (IBM VGA Technical Reference, alphanumeric modes). Bytes outside 0x20..0x7e show as a block, 0xfe. The cursor may
 * stand one past the last column: the line wraps when the next character comes, so that a full line and its newline
 * take one row. Rows above first_row do not scroll: only terminal_write_at() reaches them. Locking is the caller's.
 */
#ifndef DUET_LIB_TERMINAL_H
#define DUET_LIB_TERMINAL_H

#include "lib/base.h"

#define TERMINAL_TAB                               8u /* columns */
#define TERMINAL_BLOCK                             0xfe
#define TERMINAL_ATTRIBUTE(foreground, background) ((uint8_t)((background) << 4 | (foreground)))

struct terminal {
    volatile uint16_t *cells; /* rows * columns, row by row */
    unsigned columns;
    unsigned rows;
    unsigned first_row; /* rows above it are reserved */
    unsigned column;    /* cursor: 0..columns */
    unsigned row;       /* cursor: first_row..rows - 1 */
    uint8_t attribute;  /* of what is written and cleared from now on */
};

/* Blanks the whole grid, reserved rows included. `first_row` is below `rows`. Context of all: any. */
void terminal_init(struct terminal *terminal, volatile uint16_t *cells, unsigned columns, unsigned rows,
                   unsigned first_row, uint8_t attribute);

/* Blanks what scrolls and puts the cursor at its start. */
void terminal_clear(struct terminal *terminal);

/* Shows `c` at the cursor. '\n' starts a new line and '\r' this one, '\t' goes to the next multiple of 8, '\b' one
 * column back and no further than the line's start, erasing nothing. */
void terminal_put(struct terminal *terminal, char c);

/* Shows `text` without moving the cursor, clipped to its row; every byte is a cell, '\n' too. Nothing if off the grid.
 */
void terminal_write_at(struct terminal *terminal, unsigned row, unsigned column, const char *text, uint8_t attribute);

#endif
