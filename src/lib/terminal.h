/*
 * A text terminal on a grid of character cells: VGA text memory, or any array of the same shape.
 *
 * A cell is the attribute (background << 4 | foreground) in the high byte and a code page 437 glyph in the low one (IBM
 * VGA Technical Reference, alphanumeric modes). Text is UTF-8: a character that the code page has takes one cell; any
 * other, a control character without a meaning here, and each byte that is in no character show as a block, 0xfe. A
 * console that takes bytes for characters shows two blocks for the "ö" that this one has a glyph for, 0x94; in
 * source and on the serial line the text is the same.
 *
 * The cursor may stand one past the last column: the line wraps when the next character comes, so that a full line and
 * its newline take one row. Rows above first_row do not scroll: only terminal_write_at() reaches them. Locking is the
 * caller's.
 */
#ifndef DUET_LIB_TERMINAL_H
#define DUET_LIB_TERMINAL_H

#include "lib/utf8.h"

#define TERMINAL_TAB                               8u /* columns */
#define TERMINAL_BLOCK                             0xfe
#define TERMINAL_ATTRIBUTE(foreground, background) ((uint8_t)((background) << 4 | (foreground)))

/* A background of 8 or more blinks instead, unless the adapter is told otherwise. */
enum terminal_colour {
    TERMINAL_BLACK,
    TERMINAL_BLUE,
    TERMINAL_GREEN,
    TERMINAL_CYAN,
    TERMINAL_RED,
    TERMINAL_MAGENTA,
    TERMINAL_BROWN,
    TERMINAL_LIGHT_GREY,
    TERMINAL_DARK_GREY,
    TERMINAL_LIGHT_BLUE,
    TERMINAL_LIGHT_GREEN,
    TERMINAL_LIGHT_CYAN,
    TERMINAL_LIGHT_RED,
    TERMINAL_PINK,
    TERMINAL_YELLOW,
    TERMINAL_WHITE,
};

struct terminal {
    volatile uint16_t *cells; /* rows * columns, row by row */
    unsigned columns;
    unsigned rows;
    unsigned first_row; /* rows above it are reserved */
    unsigned column;    /* cursor: 0..columns */
    unsigned row;       /* cursor: first_row..rows - 1 */
    uint8_t attribute;  /* of what is written from now on */
    uint8_t blank;      /* attribute of cleared cells */
    struct utf8 utf8;   /* a character of which not all bytes have come */
};

/* Blanks the whole grid, reserved rows included; cells are written and cleared with `attribute`. `first_row` is below
 * `rows`. Context of all: any. */
void terminal_init(struct terminal *terminal, volatile uint16_t *cells, unsigned columns, unsigned rows,
                   unsigned first_row, uint8_t attribute);

/* Blanks what scrolls, puts the cursor at its start, and forgets an unfinished character. */
void terminal_clear(struct terminal *terminal);

/* Takes a byte of text, and shows at the cursor what it completes or breaks off. '\n' starts a new line and '\r' this
 * one, '\t' goes to the next multiple of 8, '\b' one column back and no further than the line's start, erasing nothing.
 */
void terminal_put(struct terminal *terminal, char c);

/* Shows `text`, whole in itself, without moving the cursor, clipped to the cells of its row; every control character is
 * a block, '\n' too. Nothing if off the grid. */
void terminal_write_at(struct terminal *terminal, unsigned row, unsigned column, const char *text, uint8_t attribute);

#endif
