/* The terminal against an endless scroll of lines, and single texts against a decoder that sees them whole. */
#include "lib/terminal.h"

#include "fuzz.h"
#include "terminal_model.h"
#include "text_model.h"

enum { COLUMNS = TERMINAL_MODEL_COLUMNS, ROWS = 25, TEXT_MAX = 120 };

/* Shows a text on a reserved row: what its characters are, as far as the row goes. Nothing else changes. */
static void write_at(struct terminal *terminal, const uint16_t *cells)
{
    unsigned row = (unsigned)fuzz_below(ROWS), column = (unsigned)fuzz_below(COLUMNS + 4);
    size_t cells_bytes = (size_t)terminal->rows * terminal->columns * sizeof(uint16_t);
    uint16_t *expected = malloc(cells_bytes);
    uint8_t text[TEXT_MAX + 1];
    uint32_t characters[TEXT_MAX];
    size_t count;

    text[fuzz_bytes(text, fuzz_below(TEXT_MAX))] = '\0';
    count = text_model_decode(text, strlen((char *)text), characters);
    if (row >= terminal->first_row)
        row = terminal->rows + row; /* off the grid */
    memcpy(expected, cells, cells_bytes);
    for (size_t i = 0; row < terminal->rows && i < count && column + i < terminal->columns; i++)
        expected[row * terminal->columns + column + i] =
            (uint16_t)(0x1e00 | (characters[i] == TEXT_MODEL_BROKEN ? 0xfe : text_model_glyph(characters[i])));
    terminal_write_at(terminal, row, column, (char *)text, 0x1e);
    CHECK(memcmp(expected, cells, cells_bytes) == 0);
    free(expected);
}

void fuzz_one(void)
{
    unsigned columns = 1 + (unsigned)fuzz_below(COLUMNS), rows = 1 + (unsigned)fuzz_below(ROWS);
    uint16_t *cells = malloc((size_t)columns * rows * sizeof(uint16_t));
    struct terminal terminal;

    terminal_init(&terminal, cells, columns, rows, (unsigned)fuzz_below(rows), fuzz_byte());
    terminal_model_begin(&terminal, 1);
    for (unsigned i = 0; fuzz_more() && i < TERMINAL_MODEL_SEGMENTS; i++) {
        if (fuzz_below(8) == 7)
            write_at(&terminal, cells);
        else
            terminal_model_segment();
    }
    free(cells);
}
