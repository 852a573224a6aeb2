/* Every cell is one 16-bit store: a half-written cell would flash in the wrong colour. */
#include "lib/terminal.h"

#include "lib/cp437.h"

static uint16_t cell(uint8_t attribute, uint8_t glyph)
{
    return (uint16_t)(attribute << 8 | glyph);
}

static volatile uint16_t *row_cells(struct terminal *terminal, unsigned row)
{
    return terminal->cells + (size_t)row * terminal->columns;
}

static void blank_row(struct terminal *terminal, unsigned row)
{
    volatile uint16_t *cells = row_cells(terminal, row);

    for (unsigned i = 0; i < terminal->columns; i++)
        cells[i] = cell(terminal->blank, ' ');
}

static void scroll(struct terminal *terminal)
{
    for (unsigned row = terminal->first_row; row + 1 < terminal->rows; row++) {
        volatile uint16_t *to = row_cells(terminal, row);
        volatile uint16_t *from = row_cells(terminal, row + 1);

        for (unsigned i = 0; i < terminal->columns; i++)
            to[i] = from[i];
    }
    blank_row(terminal, terminal->rows - 1);
}

static void new_line(struct terminal *terminal)
{
    terminal->column = 0;
    if (terminal->row + 1 < terminal->rows)
        terminal->row++;
    else
        scroll(terminal);
}

void terminal_init(struct terminal *terminal, volatile uint16_t *cells, unsigned columns, unsigned rows,
                   unsigned first_row, uint8_t attribute)
{
    ASSERT(columns > 0 && first_row < rows);
    *terminal = (struct terminal){
        .cells = cells,
        .columns = columns,
        .rows = rows,
        .first_row = first_row,
        .attribute = attribute,
        .blank = attribute,
    };
    for (unsigned row = 0; row < first_row; row++)
        blank_row(terminal, row);
    terminal_clear(terminal);
}

void terminal_clear(struct terminal *terminal)
{
    for (unsigned row = terminal->first_row; row < terminal->rows; row++)
        blank_row(terminal, row);
    terminal->row = terminal->first_row;
    terminal->column = 0;
    terminal->utf8 = (struct utf8){0};
}

static void show(struct terminal *terminal, uint8_t glyph)
{
    if (terminal->column == terminal->columns)
        new_line(terminal);
    row_cells(terminal, terminal->row)[terminal->column++] = cell(terminal->attribute, glyph);
}

static void show_character(struct terminal *terminal, uint32_t character)
{
    unsigned stop;

    switch (character) {
    case '\n':
        new_line(terminal);
        break;
    case '\r':
        terminal->column = 0;
        break;
    case '\b':
        if (terminal->column)
            terminal->column--;
        break;
    case '\t':
        stop = (terminal->column / TERMINAL_TAB + 1) * TERMINAL_TAB;
        terminal->column = stop < terminal->columns ? stop : terminal->columns;
        break;
    default:
        show(terminal, cp437_glyph(character, TERMINAL_BLOCK));
        break;
    }
}

void terminal_put(struct terminal *terminal, char c)
{
    unsigned broken;
    bool whole = utf8_push(&terminal->utf8, (uint8_t)c, &broken);

    for (; broken; broken--)
        show(terminal, TERMINAL_BLOCK);
    if (whole)
        show_character(terminal, terminal->utf8.character);
}

/* Cells of one row that are still to be written. */
struct span {
    volatile uint16_t *at;
    volatile uint16_t *end;
    uint8_t attribute;
};

static void span_put(struct span *span, uint8_t glyph, unsigned times)
{
    for (; times && span->at < span->end; times--)
        *span->at++ = cell(span->attribute, glyph);
}

void terminal_write_at(struct terminal *terminal, unsigned row, unsigned column, const char *text, uint8_t attribute)
{
    struct utf8 utf8 = {0};
    struct span span = {.attribute = attribute};

    if (row >= terminal->rows || column >= terminal->columns)
        return;
    span.at = row_cells(terminal, row) + column;
    span.end = row_cells(terminal, row) + terminal->columns;
    for (; *text && span.at < span.end; text++) {
        unsigned broken;
        bool whole = utf8_push(&utf8, (uint8_t)*text, &broken);

        span_put(&span, TERMINAL_BLOCK, broken);
        if (whole)
            span_put(&span, cp437_glyph(utf8.character, TERMINAL_BLOCK), 1);
    }
    span_put(&span, TERMINAL_BLOCK, utf8_end(&utf8));
}
