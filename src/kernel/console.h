/*
 * Words for people, on COM1 and the VGA text screen; lines for machines, on COM2.
 */
#ifndef DUET_KERNEL_CONSOLE_H
#define DUET_KERNEL_CONSOLE_H

#include <stdarg.h>

#include "lib/base.h"
#include "lib/json.h"

enum { CONSOLE_COLUMNS = 80, CONSOLE_ROWS = 25, CONSOLE_LINE_BYTES = 2048 };

/* Context: boot. */
void console_init(void);

/* Keeps the topmost rows from scrolling, for console_write_at(), and clears the rest. Context: thread. */
void console_reserve_rows(unsigned rows);

/* Prints. One call's text is never mixed with another's. Context: any; interrupts are off while the text is sent. */
void console_print(const char *format, ...) printf_like(1, 2);
void console_print_va(const char *format, va_list arguments) printf_like(1, 0);

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

/* Takes the console from whoever holds it: the machine is about to stop. Context: panic. */
void console_break_lock(void);

#endif
