/*
 * Words for people, on COM1 and the VGA text screen; lines for machines, on COM2.
 *
 * Text is UTF-8. COM1 gets its bytes as they are, the screen what it has glyphs for (lib/terminal.h). Colours are the
 * screen's alone; 16 foregrounds on 16 backgrounds, as nothing blinks. A character lies within one call's text: what
 * another flow prints between two halves breaks it, as any byte would.
 */
#ifndef DUET_KERNEL_CONSOLE_H
#define DUET_KERNEL_CONSOLE_H

#include <stdarg.h>

#include "lib/base.h"
#include "lib/json.h"
#include "lib/terminal.h"

enum { CONSOLE_COLUMNS = 80, CONSOLE_ROWS = 25, CONSOLE_LINE_BYTES = 2048 };

enum {
    CONSOLE_NORMAL = TERMINAL_ATTRIBUTE(TERMINAL_LIGHT_GREY, TERMINAL_BLACK),
    CONSOLE_ALARM = TERMINAL_ATTRIBUTE(TERMINAL_WHITE, TERMINAL_RED), /* a panic's */
};

/* Context: boot. */
void console_init(void);

/* Keeps the topmost rows from scrolling, for console_write_at(), and clears all, in normal colours. Context: thread. */
void console_reserve_rows(unsigned rows);

/* Prints. One call's text is never mixed with another's. Context: any; interrupts are off while the text is sent. */
void console_print(const char *format, ...) printf_like(1, 2);
void console_print_va(const char *format, va_list arguments) printf_like(1, 0);

/* The same in colours of its own, a TERMINAL_ATTRIBUTE(); whoever prints next is not coloured by it. Context: any. */
void console_print_in(uint8_t attribute, const char *format, ...) printf_like(2, 3);

/* The colours of what is printed from now on by everyone; cleared rows stay normal. Context: any. */
void console_set_attribute(uint8_t attribute);

/* Prints on COM1 alone. Context: any; interrupts are off while the text is sent. */
void console_print_serial(const char *format, ...) printf_like(1, 2);

/* Shows text at a place on the screen alone, clipped. Context: any. */
void console_write_at(unsigned row, unsigned column, const char *text, uint8_t attribute);

/* Erases the last character typed on the screen. Context: any. */
void console_backspace(void);

/* Shows one cell of the screen with its colours inverted, whatever is printed under it, and the one before as it is.
 * Context: any. */
void console_point(unsigned row, unsigned column);

/* Sends one JSON object and a newline on COM2, then the same for the next caller. Context: any. */
void console_send_json(struct json *json);

/* Takes the console from whoever holds it, before console_init() too, and the pointer off the screen: the machine is
 * about to stop. Context: panic. */
void console_break_lock(void);

#endif
