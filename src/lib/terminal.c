/* Every cell is one 16-bit store: a half-written cell would flash in the wrong colour. */
#include "lib/terminal.h"

static uint16_t cell(uint8_t attribute, char c)
{
    unsigned char byte = (unsigned char)c;

    return (uint16_t)(attribute << 8 | (byte >= 0x20 && byte <= 0x7e ? byte : TERMINAL_BLOCK));
}

static volatile uint16_t *row_cells(struct terminal *terminal, unsigned row)
{
    return terminal->cells + (size_t)row * terminal->columns;
}

static void blank_row(struct terminal *terminal, unsigned row)
{
    volatile uint16_t *cells = row_cells(terminal, row);

    for (unsigned i = 0; i < terminal->columns; i++)
        cells[i] = cell(terminal->attribute, ' ');
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
}

void terminal_put(struct terminal *terminal, char c)
{
    unsigned stop;

    switch (c) {
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
        if (terminal->column == terminal->columns)
            new_line(terminal);
        row_cells(terminal, terminal->row)[terminal->column++] = cell(terminal->attribute, c);
        break;
    }
}

void terminal_write_at(struct terminal *terminal, unsigned row, unsigned column, const char *text, uint8_t attribute)
{
    if (row >= terminal->rows)
        return;
    for (; *text && column < terminal->columns; column++)
        row_cells(terminal, row)[column] = cell(attribute, *text++);
}
