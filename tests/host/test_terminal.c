/* The terminal on a plain array with guard cells round it, and against a model that keeps every line ever written. */
#include "lib/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "terminal_model.h"
#include "text_model.h"

#define COLUMNS 80
#define ROWS    25
#define GUARD   200
#define CANARY  0xdead
#define GREY    TERMINAL_ATTRIBUTE(7, 0)
#define YELLOW  TERMINAL_ATTRIBUTE(14, 1)

static uint16_t area[GUARD + ROWS * COLUMNS + GUARD];
static uint16_t *const cells = area + GUARD;
static struct terminal terminal;

/* Every access to a cell is one of 16 bits that no compiler may leave out. */
_Static_assert(_Generic(terminal.cells, volatile uint16_t * : true, default : false), "cells are device memory");

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

Test(terminal, shows_a_character_of_the_code_page_in_one_cell, .init = start_vga)
{
    put("Wörld");
    cr_assert_str_eq(row_text(0), "W\x94rld");
    for (unsigned glyph = 1; glyph < TEXT_MODEL_GLYPHS; glyph++) {
        char text[8] = "";

        text_model_encode(text_model_page()[glyph], 1, (uint8_t *)text);
        start_vga();
        put(text);
        cr_assert_eq(cells[0], 0x0700 | glyph, "glyph 0x%02x is 0x%04x", glyph, cells[0]);
        assert_cursor(0, 1);
    }
}

Test(terminal, shows_any_other_character_as_one_block, .init = start_vga)
{
    put("a\u0100b\u20acc\U0001f600d\u00a8");
    cr_assert_str_eq(row_text(0), "a\xfe"
                                  "b\xfe"
                                  "c\xfe"
                                  "d\xfe");
    for (int c = 0; c < 0x80; c++) {
        if (c == '\n' || c == '\r' || c == '\t' || c == '\b')
            continue;
        start_vga();
        terminal_put(&terminal, (char)c);
        cr_assert_eq(cells[0], 0x0700 | (c >= 0x20 && c <= 0x7e ? c : 0xfe), "byte %d", c);
    }
}

Test(terminal, shows_each_broken_byte_as_a_block_once_it_is_known_to_be, .init = start_vga)
{
    put("\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xff|\x94|\xf0\x9f\x98");
    cr_assert_str_eq(row_text(0), "\xfe\xfe|\xfe\xfe\xfe|\xfe\xfe\xfe\xfe|\xfe|\xfe|");
    put("x");
    cr_assert_str_eq(row_text(0) + 16, "\xfe\xfe\xfex");
}

Test(terminal, takes_a_control_or_a_lead_byte_inside_a_character_for_itself, .init = start_vga)
{
    put("a\xe2\x82\nb\xc3\xc3\xb6\xf0\x9f\b\bc");
    cr_assert_str_eq(row_text(0), "a\xfe\xfe");
    cr_assert_str_eq(row_text(1), "b\xfe\x94"
                                  "c\xfe");
    assert_cursor(1, 4);
}

Test(terminal, shows_a_character_where_its_last_byte_finds_the_cursor, .init = start_vga)
{
    for (unsigned i = 0; i < COLUMNS; i++)
        put("é");
    assert_cursor(0, COLUMNS);
    put("\xc3");
    assert_cursor(0, COLUMNS);
    terminal.attribute = YELLOW;
    put("\xa9");
    assert_cursor(1, 1);
    cr_assert_eq(cells[COLUMNS], 0x1e82);
}

Test(terminal, forgets_half_a_character_when_it_is_cleared, .init = start_vga)
{
    put("\xe2\x94");
    terminal_clear(&terminal);
    put("\x80x");
    cr_assert_str_eq(row_text(0), "\xfex");
    put("\xe2\x94");
    start_vga();
    put("\x80x");
    cr_assert_str_eq(row_text(0), "\xfex");
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

Test(terminal, keeps_colours_when_it_scrolls_and_clears_with_its_own, .init = start_vga)
{
    terminal.row = ROWS - 1;
    terminal.attribute = YELLOW;
    put("x\n");
    cr_assert_eq(cells[(ROWS - 2) * COLUMNS], 0x1e78);
    cr_assert_eq(cells[(ROWS - 2) * COLUMNS + 1], 0x0720);
    cr_assert_eq(cells[(ROWS - 1) * COLUMNS], 0x0720);
    terminal.blank = TERMINAL_ATTRIBUTE(TERMINAL_WHITE, TERMINAL_RED);
    put("\n");
    cr_assert_eq(cells[(ROWS - 1) * COLUMNS], 0x4f20);
}

Test(terminal, has_sixteen_foregrounds_on_sixteen_backgrounds, .init = start_vga)
{
    for (unsigned attribute = 0; attribute < 256; attribute++) {
        terminal.attribute = TERMINAL_ATTRIBUTE(attribute & 15, attribute >> 4);
        put("x");
        cr_assert_eq(cells[attribute], attribute << 8 | 'x');
    }
    cr_assert_eq(TERMINAL_ATTRIBUTE(TERMINAL_YELLOW, TERMINAL_BLUE), YELLOW);
    cr_assert_eq(TERMINAL_WHITE, 15);
}

Test(terminal, shows_the_last_of_200_lines, .init = start_vga)
{
    char line[16], wanted[16];

    for (unsigned i = 0; i < 200; i++) {
        snprintf(line, sizeof(line), "line %u\n", i);
        put(line);
    }
    for (unsigned row = 0; row < ROWS - 1; row++) {
        snprintf(wanted, sizeof(wanted), "line %u", 200 - (ROWS - 1) + row);
        cr_assert_str_eq(row_text(row), wanted);
    }
    cr_assert_str_eq(row_text(ROWS - 1), "");
    assert_cursor(ROWS - 1, 0);
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

Test(terminal, clips_what_it_writes_at_a_place_by_cells, .init = start_vga)
{
    put("\xc3");
    terminal_write_at(&terminal, 1, COLUMNS - 3, "äöüß", YELLOW);
    terminal_write_at(&terminal, 2, 0, "é\xe2\x82", YELLOW);
    terminal_write_at(&terminal, 3, COLUMNS - 2, "\xf0\x9f\x98z", YELLOW);
    terminal_write_at(&terminal, 4, COLUMNS - 1, "─\xe2\x82", YELLOW);
    terminal_write_at(&terminal, 5, COLUMNS - 1, "\xf0\x9f\x98", YELLOW);
    put("\xb6");
    assert_guards();
    cr_assert_str_eq(row_text(0), "\x94");
    cr_assert_str_eq(row_text(1) + COLUMNS - 3, "\x84\x94\x81");
    cr_assert_str_eq(row_text(2), "\x82\xfe\xfe");
    cr_assert_str_eq(row_text(3) + COLUMNS - 2, "\xfe\xfe");
    cr_assert_str_eq(row_text(4) + COLUMNS - 1, "\xc4");
    cr_assert_str_eq(row_text(5) + COLUMNS - 1, "\xfe");
    cr_assert_str_eq(row_text(6), "");
    cr_assert_eq(cells[2 * COLUMNS], 0x1e82);
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

Test(terminal, agrees_with_an_endless_scroll_of_lines)
{
    uint64_t seed = 31;

    for (unsigned round = 0; round < 60; round++) {
        unsigned columns = 1 + support_random(&seed) % COLUMNS, rows = 2 + support_random(&seed) % (ROWS - 1);

        start(columns, rows, support_random(&seed) % rows);
        terminal_model_begin(&terminal, seed);
        for (unsigned i = 0; i < TERMINAL_MODEL_SEGMENTS; i++) {
            terminal_model_segment();
            assert_guards();
        }
    }
}
