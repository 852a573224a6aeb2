/* Lines as they are typed: what they hold, and what the terminal they are typed on shows of them. */
#include "lib/line_edit.h"

#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/terminal.h"
#include "support.h"

enum { COLUMNS = 80, ROWS = 3, STEPS = 200000 };

static const char prompt[] = "duet> ";
static uint16_t cells[ROWS * COLUMNS];
static struct terminal terminal;
static struct line_edit line;
static struct line_bytes bytes;
static struct line_keyboard keyboard;

static void show(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        terminal_put(&terminal, text[i]);
}

static void begin(void)
{
    terminal_init(&terminal, cells, COLUMNS, ROWS, 0, 7);
    show(prompt, strlen(prompt));
    line_edit_begin(&line);
}

static void init(void)
{
    memset(&bytes, 0, sizeof(bytes));
    memset(&keyboard, 0, sizeof(keyboard));
    line_edit_init(&line, show);
    begin();
}

TestSuite(line_edit, .init = init);

/* The screen's first row is the prompt and the text, and nothing; the cursor is where the line says. */
static void check_shown(void)
{
    char want[COLUMNS + 1];

    snprintf(want, sizeof(want), "%s%-*s", prompt, (int)(COLUMNS - strlen(prompt)), line.text);
    for (int i = 0; i < COLUMNS; i++)
        cr_assert_eq((char)cells[i], want[i], "column %d of '%s'", i, line.text);
    cr_assert_eq(terminal.row, 0);
    cr_assert_eq(terminal.column, strlen(prompt) + line.cursor);
    cr_assert_eq(strlen(line.text), line.length);
}

static enum line_state key(unsigned which)
{
    enum line_state state = line_edit_key(&line, which);

    if (state == LINE_TYPED)
        check_shown();
    return state;
}

static void type(const char *text)
{
    for (; *text; text++)
        cr_assert_eq(key((unsigned char)*text), LINE_TYPED);
}

static void keys(unsigned which, unsigned times)
{
    while (times--)
        cr_assert_eq(key(which), LINE_TYPED);
}

static void enter(const char *text)
{
    type(text);
    cr_assert_eq(key('\r'), LINE_ENDED);
    begin();
}

static void expect(const char *text, size_t cursor)
{
    cr_assert_str_eq(line.text, text);
    cr_assert_eq(line.cursor, cursor);
}

Test(line_edit, holds_what_is_typed)
{
    type("run spin &");
    expect("run spin &", 10);
    cr_assert_eq(key('\n'), LINE_ENDED);
    cr_assert_str_eq(line.text, "run spin &");
    cr_assert_eq(terminal.row, 1);
    cr_assert_eq(terminal.column, 0);
}

Test(line_edit, inserts_and_erases_amid_a_line)
{
    type("kll 17");
    keys(LINE_KEY_LEFT, 5);
    type("i");
    expect("kill 17", 2);
    keys(LINE_KEY_RIGHT, 99);
    keys(0x7f, 1);
    expect("kill 1", 6);
    keys(LINE_KEY_HOME, 1);
    keys(0x7f, 3);
    keys(LINE_KEY_DELETE, 2);
    expect("ll 1", 0);
    keys(LINE_KEY_END, 1);
    keys(LINE_KEY_DELETE, 2);
    expect("ll 1", 4);
    keys(LINE_KEY_LEFT, 99);
    expect("ll 1", 0);
}

Test(line_edit, control_characters_move_and_erase)
{
    type("one two three");
    keys(LINE_CONTROL('B'), 1);
    keys(LINE_CONTROL('W'), 1);
    expect("one two e", 8);
    keys(LINE_CONTROL('W'), 1);
    expect("one e", 4);
    keys(LINE_CONTROL('A'), 1);
    keys(LINE_CONTROL('D'), 1);
    keys(LINE_CONTROL('F'), 1);
    expect("ne e", 1);
    keys(LINE_CONTROL('K'), 1);
    expect("n", 1);
    type("ew");
    keys(LINE_CONTROL('H'), 1);
    keys(LINE_CONTROL('E'), 1);
    keys(LINE_CONTROL('U'), 1);
    expect("", 0);
    keys(LINE_CONTROL('U'), 1);
    keys(LINE_CONTROL('K'), 1);
    keys(LINE_CONTROL('W'), 1);
    type("abc");
    keys(LINE_KEY_LEFT, 1);
    keys(LINE_CONTROL('U'), 1);
    expect("c", 0);
}

Test(line_edit, control_c_gives_the_line_up_from_anywhere_in_it)
{
    type("run marks");
    keys(LINE_KEY_HOME, 1);
    cr_assert_eq(key(LINE_CONTROL('C')), LINE_GIVEN_UP);
    cr_assert_eq((char)cells[strlen(prompt) + 9], '^');
    cr_assert_eq((char)cells[strlen(prompt) + 10], 'C');
    begin();
    keys(LINE_KEY_UP, 1);
    expect("", 0);
}

Test(line_edit, takes_no_more_than_there_is_room_for)
{
    for (int i = 0; i < 2 * LINE_EDIT_BYTES; i++)
        keys('a' + i % 26, 1);
    cr_assert_eq(line.length, LINE_EDIT_BYTES - 1);
    cr_assert_lt(strlen(prompt) + line.length, COLUMNS);
    keys(LINE_KEY_HOME, 1);
    keys('x', 1);
    cr_assert_eq(line.text[0], 'a');
    keys(LINE_KEY_DELETE, 1);
    keys('x', 1);
    cr_assert_eq(line.text[0], 'x');
}

Test(line_edit, ignores_what_is_no_character)
{
    keys(LINE_KEY_NONE, 1);
    keys(LINE_CONTROL('G'), 1);
    keys(LINE_CONTROL('Z'), 1);
    keys('\t', 1);
    keys(0x80, 1);
    keys(0xff, 1);
    keys(LINE_KEY_DELETE + 1, 1);
    expect("", 0);
}

Test(line_edit, recalls_the_lines_before)
{
    enter("first");
    enter("second");
    type("third");
    keys(LINE_KEY_UP, 1);
    expect("second", 6);
    keys(LINE_KEY_UP, 3);
    expect("first", 5);
    keys(LINE_KEY_DOWN, 1);
    expect("second", 6);
    keys(LINE_CONTROL('N'), 1);
    expect("third", 5);
    keys(LINE_KEY_DOWN, 2);
    expect("third", 5);
    keys(LINE_CONTROL('P'), 2);
    enter(" again");
    keys(LINE_KEY_UP, 1);
    expect("first again", 11);
    keys(LINE_KEY_UP, 2);
    expect("first", 5);
}

Test(line_edit, comes_back_to_a_line_of_full_length_and_touches_nothing_behind_it)
{
    struct {
        struct line_edit line;
        unsigned char behind[16];
    } *last = malloc(sizeof(*last));

    memset(last, 0x5a, sizeof(*last));
    line_edit_init(&last->line, show);
    line_edit_begin(&last->line);
    cr_assert_eq(line_edit_key(&last->line, 'a'), LINE_TYPED);
    cr_assert_eq(line_edit_key(&last->line, '\r'), LINE_ENDED);
    line_edit_begin(&last->line);
    for (unsigned i = 0; i < LINE_EDIT_BYTES - 1; i++)
        cr_assert_eq(line_edit_key(&last->line, 'b'), LINE_TYPED);
    cr_assert_eq(line_edit_key(&last->line, LINE_KEY_UP), LINE_TYPED);
    cr_assert_str_eq(last->line.text, "a");
    cr_assert_eq(line_edit_key(&last->line, LINE_KEY_DOWN), LINE_TYPED);
    cr_assert_eq(strspn(last->line.text, "b"), LINE_EDIT_BYTES - 1);
    for (unsigned i = 0; i < sizeof(last->behind); i++)
        cr_assert_eq(last->behind[i], 0x5a);
    free(last);
}

Test(line_edit, keeps_neither_empty_lines_nor_one_twice)
{
    enter("ps");
    enter("");
    enter("ps");
    keys(LINE_KEY_UP, 2);
    expect("ps", 2);
    cr_assert_eq(line.kept, 1);
    enter("x");
    enter("ps");
    cr_assert_eq(line.kept, 3);
}

Test(line_edit, keeps_the_last_lines_of_many)
{
    char text[24];

    for (int i = 0; i < 3 * LINE_EDIT_HISTORY + 5; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        enter(text);
    }
    for (int i = 0; i < LINE_EDIT_HISTORY; i++) {
        snprintf(text, sizeof(text), "line %d", 3 * LINE_EDIT_HISTORY + 4 - i);
        keys(LINE_KEY_UP, 1);
        expect(text, strlen(text));
    }
    keys(LINE_KEY_UP, 2);
    expect(text, strlen(text));
}

Test(line_edit, is_shown_again_where_it_was)
{
    type("kill 7");
    keys(LINE_KEY_LEFT, 2);
    terminal_init(&terminal, cells, COLUMNS, ROWS, 0, 7);
    show(prompt, strlen(prompt));
    line_edit_show(&line);
    check_shown();
    type("1");
    expect("kill1 7", 5);
    keys(LINE_CONTROL('E'), 1);
    keys(LINE_CONTROL('U'), 1);
    line_edit_show(&line);
    check_shown();
}

/* A line as a text and a cursor, and nothing else. */
static char model[LINE_EDIT_BYTES];
static size_t model_cursor;

static void model_erase(size_t from, size_t to)
{
    memmove(model + from, model + to, strlen(model + to) + 1);
    model_cursor = from;
}

static void model_key(unsigned which)
{
    size_t length = strlen(model);

    if (which == LINE_KEY_LEFT && model_cursor)
        model_cursor--;
    else if (which == LINE_KEY_RIGHT && model_cursor < length)
        model_cursor++;
    else if (which == LINE_KEY_HOME)
        model_cursor = 0;
    else if (which == LINE_KEY_END)
        model_cursor = length;
    else if (which == 0x7f && model_cursor)
        model_erase(model_cursor - 1, model_cursor);
    else if (which == LINE_KEY_DELETE && model_cursor < length)
        model_erase(model_cursor, model_cursor + 1);
    else if (which == LINE_CONTROL('K'))
        model[model_cursor] = 0;
    else if (which == LINE_CONTROL('U'))
        model_erase(0, model_cursor);
    else if (which >= ' ' && which < 0x7f && length < LINE_EDIT_BYTES - 1) {
        memmove(model + model_cursor + 1, model + model_cursor, length - model_cursor + 1);
        model[model_cursor++] = (char)which;
    }
}

Test(line_edit, agrees_with_a_plain_text_after_any_keys)
{
    static const unsigned others[] = {LINE_KEY_LEFT, LINE_KEY_RIGHT,  LINE_KEY_HOME,     LINE_KEY_END,
                                      0x7f,          LINE_KEY_DELETE, LINE_CONTROL('K'), LINE_CONTROL('U')};

    srand(1);
    for (int i = 0; i < STEPS; i++) {
        int choice = rand() % 100;
        unsigned which = choice < 60   ? ' ' + (unsigned)rand() % 95
                         : choice < 95 ? others[rand() % 6]
                                       : others[rand() % 8];

        keys(which, 1);
        model_key(which);
        expect(model, model_cursor);
    }
}

/* ---- where keys come from ---- */

/* All keys of a text, and how many there were. */
static size_t keys_of(const char *text, unsigned found[16])
{
    size_t count = 0;

    for (; *text; text++) {
        unsigned one = line_bytes_key(&bytes, (uint8_t)*text);

        if (one != LINE_KEY_NONE)
            found[count++] = one;
    }
    return count;
}

static void expect_key(const char *text, unsigned want)
{
    unsigned found[16];

    cr_assert_eq(keys_of(text, found), 1, "'%s'", text + 1);
    cr_assert_eq(found[0], want, "'%s'", text + 1);
}

static void expect_none(const char *text)
{
    unsigned found[16];

    cr_assert_eq(keys_of(text, found), 0, "'%s'", text + 1);
}

Test(line_edit, knows_the_sequences_that_terminals_send)
{
    expect_key("\033[A", LINE_KEY_UP);
    expect_key("\033[B", LINE_KEY_DOWN);
    expect_key("\033[C", LINE_KEY_RIGHT);
    expect_key("\033[D", LINE_KEY_LEFT);
    expect_key("\033OA", LINE_KEY_UP);
    expect_key("\033[H", LINE_KEY_HOME);
    expect_key("\033OH", LINE_KEY_HOME);
    expect_key("\033[1~", LINE_KEY_HOME);
    expect_key("\033[7~", LINE_KEY_HOME);
    expect_key("\033[F", LINE_KEY_END);
    expect_key("\033OF", LINE_KEY_END);
    expect_key("\033[4~", LINE_KEY_END);
    expect_key("\033[8~", LINE_KEY_END);
    expect_key("\033[3~", LINE_KEY_DELETE);
    expect_key("\033[1;5D", LINE_KEY_LEFT);
    expect_key("\033[3;5~", LINE_KEY_DELETE);
}

Test(line_edit, passes_over_other_sequences_whole)
{
    expect_none("\033[Z");
    expect_none("\033[10~");
    expect_none("\033[15~");
    expect_none("\033[31~");
    expect_none("\033[99999999999999999999~");
    expect_none("\033[?25l");
    expect_none("\033OP");
    expect_none("\033x");
    expect_none("\xc3\xb6");
    expect_key("\033\033[A", LINE_KEY_UP);
    expect_key("\033[1\033[A", LINE_KEY_UP);
    expect_key("\033[12\003", LINE_CONTROL('C'));
    expect_key("\033\003", LINE_CONTROL('C'));
    expect_key("A", 'A');
}

static unsigned press(uint16_t code, char text)
{
    return line_keyboard_key(&keyboard, code, 1, text);
}

Test(line_edit, knows_a_keyboards_keys)
{
    cr_assert_eq(press(KEY_A, 'a'), 'a');
    cr_assert_eq(line_keyboard_key(&keyboard, KEY_A, 2, 'a'), 'a');
    cr_assert_eq(line_keyboard_key(&keyboard, KEY_A, 0, 0), LINE_KEY_NONE);
    cr_assert_eq(press(KEY_ENTER, '\n'), '\n');
    cr_assert_eq(press(KEY_BACKSPACE, 0), 0x7f);
    cr_assert_eq(press(KEY_UP, 0), LINE_KEY_UP);
    cr_assert_eq(press(KEY_DOWN, 0), LINE_KEY_DOWN);
    cr_assert_eq(press(KEY_LEFT, 0), LINE_KEY_LEFT);
    cr_assert_eq(press(KEY_RIGHT, 0), LINE_KEY_RIGHT);
    cr_assert_eq(press(KEY_HOME, 0), LINE_KEY_HOME);
    cr_assert_eq(press(KEY_END, 0), LINE_KEY_END);
    cr_assert_eq(press(KEY_DELETE, 0), LINE_KEY_DELETE);
    cr_assert_eq(press(KEY_F1, 0), LINE_KEY_NONE);
}

Test(line_edit, control_makes_letters_control_characters)
{
    cr_assert_eq(press(KEY_LEFTCTRL, 0), LINE_KEY_NONE);
    cr_assert_eq(press(KEY_C, 'c'), LINE_CONTROL('C'));
    cr_assert_eq(press(KEY_C, 'C'), LINE_CONTROL('C'));
    cr_assert_eq(press(KEY_1, '1'), LINE_KEY_NONE);
    cr_assert_eq(press(KEY_RIGHTCTRL, 0), LINE_KEY_NONE);
    (void)line_keyboard_key(&keyboard, KEY_LEFTCTRL, 0, 0);
    cr_assert_eq(press(KEY_U, 'u'), LINE_CONTROL('U'));
    (void)line_keyboard_key(&keyboard, KEY_RIGHTCTRL, 0, 0);
    cr_assert_eq(press(KEY_C, 'c'), 'c');
}
