/*
 * A line of text while it is typed, and the lines before it.
 *
 * The terminal it is shown on need not know more than printable characters, '\b', which moves one column back and
 * erases nothing, and '\n': so a serial line and a bare screen show the same. For that a line and what stands before it
 * must fit one row: LINE_EDIT_BYTES - 1 characters and a prompt, in 80 columns.
 *
 *      printable      inserted at the cursor        Home, ^A   to the beginning    ^U   erases all before the cursor
 *      Left, ^B       one character back            End, ^E    to the end          ^K   erases all behind it
 *      Right, ^F      one character on              Up, ^P     the line before     ^W   erases a word before it
 *      Backspace, ^H  erases the one before         Down, ^N   the line after it   ^C   gives the line up
 *      Delete, ^D     erases the one at the cursor  Enter, ^J  ends the line
 *
 * Everything else is ignored, and so is what finds no room. A line that ended is kept, unless it is empty or the same
 * as the last one; one that was recalled and changed is a line of its own.
 */
#ifndef DUET_LIB_LINE_EDIT_H
#define DUET_LIB_LINE_EDIT_H

#include "lib/base.h"

enum { LINE_EDIT_BYTES = 72, LINE_EDIT_HISTORY = 16 };

/* A key: an ASCII character, or one of these. */
enum line_key {
    LINE_KEY_NONE = 0,
    LINE_KEY_UP = 0x100,
    LINE_KEY_DOWN,
    LINE_KEY_LEFT,
    LINE_KEY_RIGHT,
    LINE_KEY_HOME,
    LINE_KEY_END,
    LINE_KEY_DELETE,
};

#define LINE_CONTROL(letter) ((letter)&0x1f)

enum line_state {
    LINE_TYPED,    /* it goes on */
    LINE_ENDED,    /* line->text is what was typed, until line_edit_begin() */
    LINE_GIVEN_UP, /* by ^C */
};

struct line_edit {
    void (*show)(const char *text, size_t size);
    char text[LINE_EDIT_BYTES]; /* always ends in a NUL */
    size_t length, cursor;

    char history[LINE_EDIT_HISTORY][LINE_EDIT_BYTES]; /* line n of all that were kept in slot n % LINE_EDIT_HISTORY */
    size_t kept;
    size_t back;                 /* lines up from the one being typed; 0: that one */
    char typed[LINE_EDIT_BYTES]; /* that one, while another is shown */
};

/* An editor that has no lines yet: `show` prints each key's change, whole. Context of all: any, one caller at a time.
 */
void line_edit_init(struct line_edit *line, void (*show)(const char *text, size_t size));

/* Begins an empty line at the cursor's place. */
void line_edit_begin(struct line_edit *line);

/* Shows a line again, at the cursor's place, when something else was printed. */
void line_edit_show(const struct line_edit *line);

/* Takes a key, and shows what it changes. */
enum line_state line_edit_key(struct line_edit *line, unsigned key) must_check;

/*
 * Keys from the bytes of a terminal that sends escape sequences (ECMA-48, 5.4; xterm's control sequences, "PC-style
 * function keys"). Zero-initialised. LINE_KEY_NONE: no key yet, or none known; a sequence is passed over whole.
 */
struct line_bytes {
    enum { LINE_BYTES_TEXT, LINE_BYTES_ESCAPE, LINE_BYTES_SEQUENCE, LINE_BYTES_SINGLE } state;
    unsigned number; /* the sequence's first parameter */
    bool further;    /* there is another one */
};
unsigned line_bytes_key(struct line_bytes *bytes, uint8_t byte);

/* Keys from those of a keyboard: codes and values as lib/keymap.h gives them. Zero-initialised. */
struct line_keyboard {
    bool control[2];
};
unsigned line_keyboard_key(struct line_keyboard *keyboard, uint16_t code, uint8_t value, char text);

#endif
