/* The terminal on a plain array with guard cells round it, and against a model that keeps every line ever written. */
#include "lib/terminal.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

#define COLUMNS 80
#define ROWS    25
#define GUARD   200
#define CANARY  0xdead
#define GREY    TERMINAL_ATTRIBUTE(7, 0)
#define YELLOW  TERMINAL_ATTRIBUTE(14, 1)

static uint16_t area[GUARD + ROWS * COLUMNS + GUARD];
static uint16_t *const cells = area + GUARD;
static struct terminal terminal;

static void start(unsigned columns, unsigned rows, unsigned first_row)
{
    for (size_t i = 0; i < ARRAY_SIZE(area); i++)
        area[i] = CANARY;
    terminal_init(&terminal, cells, columns, rows, first_row, GREY);
}

static void start_vga(void)
{
    start(COLUMNS, ROWS, 0);
}

static void assert_guards(void)
{
    size_t used = (size_t)terminal.rows * terminal.columns;

    for (size_t i = 0; i < ARRAY_SIZE(area); i++)
        if ((i < GUARD || i >= GUARD + used) && area[i] != CANARY)
            cr_assert_fail("cell %zd was written", (ssize_t)i - GUARD);
}

static void put(const char *text)
{
    while (*text)
        terminal_put(&terminal, *text++);
    assert_guards();
}

/* The characters of a row, without the blanks at its end. */
static const char *row_text(unsigned row)
{
    static char text[COLUMNS + 1];
    size_t length = terminal.columns;

    for (size_t i = 0; i < length; i++)
        text[i] = (char)cells[row * terminal.columns + i];
    while (length && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
    return text;
}

static void assert_cursor(unsigned row, unsigned column)
{
    cr_assert_eq(terminal.row, row, "row %u", terminal.row);
    cr_assert_eq(terminal.column, column, "column %u", terminal.column);
}

Test(terminal, starts_blank_with_the_cursor_at_the_first_free_row)
{
    start(COLUMNS, ROWS, 2);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        cr_assert_eq(cells[i], 0x0720);
    assert_cursor(2, 0);
    assert_guards();
}

Test(terminal, makes_a_cell_of_background_foreground_and_character, .init = start_vga)
{
    terminal.attribute = YELLOW;
    put("A");
    cr_assert_eq(cells[0], 0x1e41);
    cr_assert_eq(cells[1], 0x0720);
    terminal.attribute = TERMINAL_ATTRIBUTE(15, 15);
    put("~");
    cr_assert_eq(cells[1], 0xff7e);
}

Test(terminal, shows_unprintable_bytes_as_blocks, .init = start_vga)
{
    put("W\xc3\xb6rld");
    cr_assert_str_eq(row_text(0), "W\xfe\xferld");
    for (int c = 1; c < 256; c++) {
        if (c == '\n' || c == '\r' || c == '\t' || c == '\b')
            continue;
        start_vga();
        terminal_put(&terminal, (char)c);
        cr_assert_eq(cells[0], 0x0700 | (c >= 0x20 && c <= 0x7e ? c : 0xfe), "byte %d", c);
    }
}

Test(terminal, wraps_only_when_the_next_character_comes, .init = start_vga)
{
    for (unsigned i = 0; i < COLUMNS; i++)
        put("x");
    assert_cursor(0, COLUMNS);
    put("\n");
    assert_cursor(1, 0);
    for (unsigned i = 0; i < COLUMNS; i++)
        put("y");
    put("z");
    assert_cursor(2, 1);
    cr_assert_str_eq(row_text(2), "z");
}

Test(terminal, scrolls_up_and_clears_the_last_row, .init = start_vga)
{
    char line[] = "a\n";

    for (unsigned i = 0; i < ROWS; i++) {
        put(line);
        line[0]++;
    }
    cr_assert_str_eq(row_text(0), "b");
    cr_assert_str_eq(row_text(ROWS - 2), "y");
    cr_assert_str_eq(row_text(ROWS - 1), "");
    assert_cursor(ROWS - 1, 0);
}

Test(terminal, keeps_colours_when_it_scrolls_and_clears_with_the_current_one, .init = start_vga)
{
    terminal.row = ROWS - 1;
    put("x");
    terminal.attribute = YELLOW;
    put("\n");
    cr_assert_eq(cells[(ROWS - 2) * COLUMNS], 0x0778);
    cr_assert_eq(cells[(ROWS - 1) * COLUMNS], 0x1e20);
}

Test(terminal, neither_scrolls_nor_clears_reserved_rows)
{
    start(COLUMNS, ROWS, 1);
    terminal_write_at(&terminal, 0, 0, "status", YELLOW);
    for (unsigned i = 0; i < 200; i++)
        put("line\n");
    cr_assert_str_eq(row_text(0), "status");
    cr_assert_str_eq(row_text(1), "line");
    terminal_clear(&terminal);
    cr_assert_str_eq(row_text(0), "status");
    cr_assert_str_eq(row_text(1), "");
    assert_cursor(1, 0);
}

Test(terminal, moves_to_tab_stops_and_no_further_than_the_row, .init = start_vga)
{
    put("\t");
    assert_cursor(0, 8);
    put("1234567\t");
    assert_cursor(0, 16);
    put("\t\t\t\t\t\t\t\t\t\t");
    assert_cursor(0, COLUMNS);
    put("x");
    assert_cursor(1, 1);
}

Test(terminal, moves_back_without_erasing, .init = start_vga)
{
    put("ab\b");
    assert_cursor(0, 1);
    cr_assert_str_eq(row_text(0), "ab");
    put("c\b\b\b\b");
    assert_cursor(0, 0);
    cr_assert_str_eq(row_text(0), "ac");
    put("xyz\rX");
    cr_assert_str_eq(row_text(0), "Xyz");
}

Test(terminal, erases_the_last_column_by_backspace_blank_backspace, .init = start_vga)
{
    for (unsigned i = 0; i < COLUMNS; i++)
        put("x");
    put("\b \b");
    assert_cursor(0, COLUMNS - 1);
    cr_assert_eq(strlen(row_text(0)), COLUMNS - 1);
}

Test(terminal, writes_at_a_place_clipped_and_without_moving_the_cursor, .init = start_vga)
{
    put("ab");
    terminal_write_at(&terminal, 0, COLUMNS - 3, "status", YELLOW);
    terminal_write_at(&terminal, 1, 0, "a\nb", YELLOW);
    terminal_write_at(&terminal, ROWS - 1, COLUMNS - 1, "end", YELLOW);
    terminal_write_at(&terminal, ROWS, 0, "off", YELLOW);
    terminal_write_at(&terminal, 2, COLUMNS, "off", YELLOW);
    terminal_write_at(&terminal, 2, ~0u, "off", YELLOW);
    terminal_write_at(&terminal, ~0u, 0, "off", YELLOW);
    assert_guards();
    assert_cursor(0, 2);
    cr_assert_str_eq(row_text(0) + COLUMNS - 3, "sta");
    cr_assert_str_eq(row_text(1), "a\xfe"
                                  "b");
    cr_assert_str_eq(row_text(2), "");
    cr_assert_eq(cells[ROWS * COLUMNS - 1], 0x1e65);
    cr_assert_eq(cells[COLUMNS - 1], 0x1e61);
}

Test(terminal, scrolls_a_grid_of_one_row_and_one_column)
{
    start(1, 1, 0);
    put("a");
    cr_assert_eq(cells[0], 0x0761);
    put("b");
    cr_assert_eq(cells[0], 0x0762);
    put("\n");
    cr_assert_eq(cells[0], 0x0720);
}

Test(terminal, touches_nothing_beyond_a_grid_of_the_exact_size)
{
    uint16_t *grid = malloc(4 * 10 * sizeof(*grid));

    terminal_init(&terminal, grid, 10, 4, 1, GREY);
    for (unsigned i = 0; i < 200; i++)
        terminal_put(&terminal, "abc\ndef\t\b"[i % 9]);
    terminal_write_at(&terminal, 3, 8, "clipped", GREY);
    cr_assert_eq((char)grid[39], 'l');
    terminal_clear(&terminal);
    cr_assert_eq(grid[39], 0x0720);
    free(grid);
}

Test(terminal, panics_when_nothing_is_left_to_scroll, .exit_code = PANIC_EXIT)
{
    start(COLUMNS, ROWS, ROWS);
}

Test(terminal, panics_without_columns, .exit_code = PANIC_EXIT)
{
    start(0, ROWS, 0);
}

/* The model never scrolls: it writes an endless scroll of lines and looks at the last of them. */
struct model {
    uint16_t (*lines)[COLUMNS];
    size_t line;
    unsigned column;
};

static void model_put(struct model *model, unsigned columns, uint8_t attribute, char c)
{
    bool printable = c >= 0x20 && c <= 0x7e;

    if (c == '\r') {
        model->column = 0;
    } else if (c == '\b') {
        model->column -= model->column > 0;
    } else if (c == '\t') {
        do {
            model->column += model->column < columns;
        } while (model->column % 8 && model->column < columns);
    } else {
        if (c == '\n' || model->column == columns) {
            model->column = 0;
            model->line++;
        }
        if (c != '\n')
            model->lines[model->line][model->column++] = (uint16_t)(attribute << 8 | (printable ? c : 0xfe));
    }
}

static void assert_like_model(const struct model *model)
{
    unsigned visible = terminal.rows - terminal.first_row;
    size_t top = model->line < visible ? 0 : model->line - visible + 1;

    assert_guards();
    assert_cursor(terminal.first_row + (unsigned)(model->line - top), model->column);
    for (unsigned row = 0; row < visible; row++)
        for (unsigned column = 0; column < terminal.columns; column++)
            cr_assert_eq(cells[(terminal.first_row + row) * terminal.columns + column],
                         model->lines[top + row][column]);
}

Test(terminal, agrees_with_an_endless_scroll_of_lines)
{
    uint64_t seed = 31;

    for (unsigned round = 0; round < 60; round++) {
        unsigned columns = 1 + support_random(&seed) % COLUMNS, rows = 2 + support_random(&seed) % (ROWS - 1);
        struct model model = {malloc(2000 * sizeof(*model.lines)), 0, 0};

        start(columns, rows, support_random(&seed) % rows);
        for (size_t i = 0; i < 2000 * COLUMNS; i++)
            model.lines[i / COLUMNS][i % COLUMNS] = 0x0720;
        for (unsigned i = 0; i < 1500; i++) {
            static const char controls[] = "\n\n\r\t\b";
            uint64_t random = support_random(&seed);
            char c = random % 6 ? (char)(random >> 8 | 0x20) : controls[(random >> 8) % (sizeof(controls) - 1)];

            terminal_put(&terminal, c);
            model_put(&model, columns, GREY, c);
            if (i % 16 == 0)
                assert_like_model(&model);
        }
        assert_like_model(&model);
        free(model.lines);
    }
}
