/* A change is shown as the way to its first column, what stands there now, blanks over what was longer, and the way to
 * the cursor. */
#include "lib/line_edit.h"

#include <linux/input-event-codes.h>

#include "lib/keymap.h"
#include "lib/mem.h"

#define ESCAPE    0x1b
#define BACKSPACE 0x7f

/* What one key prints at most: back over a line, a line, blanks over a line, and back. */
struct output {
    char text[4 * LINE_EDIT_BYTES];
    size_t length;
};

static void put(struct output *output, const char *text, size_t count)
{
    memcpy(output->text + output->length, text, count);
    output->length += count;
}

static void put_times(struct output *output, char c, size_t count)
{
    memset(output->text + output->length, c, count);
    output->length += count;
}

/* From one column to another, over what is shown there. */
static void put_way(struct output *output, const struct line_edit *line, size_t from, size_t to)
{
    if (to < from)
        put_times(output, '\b', from - to);
    else
        put(output, line->text + from, to - from);
}

static void move(struct line_edit *line, size_t to)
{
    struct output output = {.length = 0};

    put_way(&output, line, line->cursor, to);
    line->cursor = to;
    if (output.length)
        line->show(output.text, output.length);
}

/* Puts `count` characters where `erased` ones were, from `at` on; the cursor comes behind them. They fit. */
static void replace(struct line_edit *line, size_t at, size_t erased, const char *text, size_t count)
{
    struct output output = {.length = 0};
    size_t before = line->length;
    size_t shown;

    put_way(&output, line, line->cursor, at);
    memmove(line->text + at + count, line->text + at + erased, before - at - erased + 1);
    memcpy(line->text + at, text, count);
    line->length = before - erased + count;
    line->cursor = at + count;
    put(&output, line->text + at, line->length - at);
    shown = line->length;
    if (before > shown) {
        put_times(&output, ' ', before - shown);
        shown = before;
    }
    put_times(&output, '\b', shown - line->cursor);
    if (output.length)
        line->show(output.text, output.length);
}

static void erase(struct line_edit *line, size_t from, size_t to)
{
    if (from < to)
        replace(line, from, to - from, "", 0);
}

static size_t word_start(const struct line_edit *line)
{
    size_t at = line->cursor;

    while (at && line->text[at - 1] == ' ')
        at--;
    while (at && line->text[at - 1] != ' ')
        at--;
    return at;
}

/* ---- the lines before ---- */

/* `back` lines up, of those that are kept. */
static char *kept_line(struct line_edit *line, size_t back)
{
    return line->history[(line->kept - back) % LINE_EDIT_HISTORY];
}

static void recall(struct line_edit *line, size_t back)
{
    size_t most = line->kept < LINE_EDIT_HISTORY ? line->kept : LINE_EDIT_HISTORY;
    const char *text;

    if (back > most)
        return;
    if (line->back == 0)
        memcpy(line->typed, line->text, line->length + 1);
    line->back = back;
    text = back ? kept_line(line, back) : line->typed;
    replace(line, 0, line->length, text, string_length(text));
}

static void keep(struct line_edit *line)
{
    if (!line->length || (line->kept && string_equal(kept_line(line, 1), line->text)))
        return;
    memcpy(line->history[line->kept % LINE_EDIT_HISTORY], line->text, line->length + 1);
    line->kept++;
}

/* ---- keys ---- */

void line_edit_init(struct line_edit *line, void (*show)(const char *text, size_t size))
{
    *line = (struct line_edit){.show = show};
}

void line_edit_begin(struct line_edit *line)
{
    line->text[0] = '\0';
    line->length = line->cursor = line->back = 0;
}

void line_edit_show(const struct line_edit *line)
{
    struct output output = {.length = 0};

    put(&output, line->text, line->length);
    put_times(&output, '\b', line->length - line->cursor);
    if (output.length)
        line->show(output.text, output.length);
}

static enum line_state end(struct line_edit *line, const char *shown, size_t size, enum line_state state)
{
    move(line, line->length);
    line->show(shown, size);
    return state;
}

static void insert(struct line_edit *line, unsigned key)
{
    char c = (char)key;

    if (key >= ' ' && key < BACKSPACE && line->length < LINE_EDIT_BYTES - 1)
        replace(line, line->cursor, 0, &c, 1);
}

enum line_state line_edit_key(struct line_edit *line, unsigned key)
{
    size_t cursor = line->cursor;

    switch (key) {
    case '\r':
    case '\n':
        keep(line);
        return end(line, "\n", 1, LINE_ENDED);
    case LINE_CONTROL('C'):
        return end(line, "^C\n", 3, LINE_GIVEN_UP);
    case LINE_KEY_LEFT:
    case LINE_CONTROL('B'):
        move(line, cursor ? cursor - 1 : 0);
        break;
    case LINE_KEY_RIGHT:
    case LINE_CONTROL('F'):
        move(line, cursor < line->length ? cursor + 1 : cursor);
        break;
    case LINE_KEY_HOME:
    case LINE_CONTROL('A'):
        move(line, 0);
        break;
    case LINE_KEY_END:
    case LINE_CONTROL('E'):
        move(line, line->length);
        break;
    case BACKSPACE:
    case LINE_CONTROL('H'):
        erase(line, cursor ? cursor - 1 : 0, cursor);
        break;
    case LINE_KEY_DELETE:
    case LINE_CONTROL('D'):
        erase(line, cursor, cursor < line->length ? cursor + 1 : cursor);
        break;
    case LINE_CONTROL('U'):
        erase(line, 0, cursor);
        break;
    case LINE_CONTROL('K'):
        erase(line, cursor, line->length);
        break;
    case LINE_CONTROL('W'):
        erase(line, word_start(line), cursor);
        break;
    case LINE_KEY_UP:
    case LINE_CONTROL('P'):
        recall(line, line->back + 1);
        break;
    case LINE_KEY_DOWN:
    case LINE_CONTROL('N'):
        if (line->back)
            recall(line, line->back - 1);
        break;
    default:
        insert(line, key);
        break;
    }
    return LINE_TYPED;
}

/* ---- where keys come from ---- */

/* By the last byte of a sequence. */
static unsigned key_of_letter(uint8_t letter)
{
    switch (letter) {
    case 'A':
        return LINE_KEY_UP;
    case 'B':
        return LINE_KEY_DOWN;
    case 'C':
        return LINE_KEY_RIGHT;
    case 'D':
        return LINE_KEY_LEFT;
    case 'H':
        return LINE_KEY_HOME;
    case 'F':
        return LINE_KEY_END;
    default:
        return LINE_KEY_NONE;
    }
}

/* By the number of one that ends in '~'. */
static unsigned key_of_number(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return LINE_KEY_HOME;
    case 4:
    case 8:
        return LINE_KEY_END;
    case 3:
        return LINE_KEY_DELETE;
    default:
        return LINE_KEY_NONE;
    }
}

static unsigned sequence_key(struct line_bytes *bytes, uint8_t byte)
{
    enum { NUMBER_MAX = 1000 };

    if (byte >= '0' && byte <= '9' && !bytes->further && bytes->number < NUMBER_MAX)
        bytes->number = bytes->number * 10 + byte - '0';
    if (byte == ';')
        bytes->further = true;
    if (byte < '@' || byte > '~')
        return LINE_KEY_NONE;
    bytes->state = LINE_BYTES_TEXT;
    return byte == '~' ? key_of_number(bytes->number) : key_of_letter(byte);
}

unsigned line_bytes_key(struct line_bytes *bytes, uint8_t byte)
{
    if (byte == ESCAPE) {
        *bytes = (struct line_bytes){.state = LINE_BYTES_ESCAPE};
        return LINE_KEY_NONE;
    }
    if (byte < ' ')
        bytes->state = LINE_BYTES_TEXT; /* a control character breaks off what it comes in */
    switch (bytes->state) {
    case LINE_BYTES_ESCAPE:
        bytes->state = byte == '[' ? LINE_BYTES_SEQUENCE : byte == 'O' ? LINE_BYTES_SINGLE : LINE_BYTES_TEXT;
        return LINE_KEY_NONE;
    case LINE_BYTES_SEQUENCE:
        return sequence_key(bytes, byte);
    case LINE_BYTES_SINGLE:
        bytes->state = LINE_BYTES_TEXT;
        return key_of_letter(byte);
    case LINE_BYTES_TEXT:
        break;
    }
    return byte < 0x80 ? byte : LINE_KEY_NONE;
}

static unsigned key_of_code(uint16_t code)
{
    switch (code) {
    case KEY_UP:
        return LINE_KEY_UP;
    case KEY_DOWN:
        return LINE_KEY_DOWN;
    case KEY_LEFT:
        return LINE_KEY_LEFT;
    case KEY_RIGHT:
        return LINE_KEY_RIGHT;
    case KEY_HOME:
        return LINE_KEY_HOME;
    case KEY_END:
        return LINE_KEY_END;
    case KEY_DELETE:
        return LINE_KEY_DELETE;
    case KEY_BACKSPACE:
        return BACKSPACE;
    default:
        return LINE_KEY_NONE;
    }
}

unsigned line_keyboard_key(struct line_keyboard *keyboard, uint16_t code, uint8_t value, char text)
{
    if (code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL)
        keyboard->control[code == KEY_RIGHTCTRL] = value != KEY_RELEASED;
    if (value == KEY_RELEASED)
        return LINE_KEY_NONE;
    if (!text)
        return key_of_code(code);
    if (!keyboard->control[0] && !keyboard->control[1])
        return (uint8_t)text;
    return (text | 0x20) >= 'a' && (text | 0x20) <= 'z' ? LINE_CONTROL((unsigned)text) : LINE_KEY_NONE;
}
