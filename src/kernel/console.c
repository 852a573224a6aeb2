/* Serial ports and screen behind one lock. */
#include "kernel/console.h"

#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/serial.h"
#include "lib/format.h"
#include "lib/terminal.h"
#include "thread/lock.h"

enum {
    VGA_TEXT = 0xb8000, /* IBM VGA Technical Reference: alphanumeric modes' memory */
    ATTRIBUTE_NORMAL = 0x07,
};

static struct lock console_lock;
static struct terminal screen;

void console_init(void)
{
    serial_init(SERIAL_COM1);
    serial_init(SERIAL_COM2);
    terminal_init(&screen, mmu_direct((struct physical){VGA_TEXT}), CONSOLE_COLUMNS, CONSOLE_ROWS, 0, ATTRIBUTE_NORMAL);
}

void console_reserve_rows(unsigned rows)
{
    uint64_t flags = lock_acquire(&console_lock);

    terminal_init(&screen, screen.cells, CONSOLE_COLUMNS, CONSOLE_ROWS, rows, ATTRIBUTE_NORMAL);
    lock_release(&console_lock, flags);
}

static void put(void *context, char c)
{
    (void)context;
    if (c == '\n')
        serial_put(SERIAL_COM1, '\r');
    serial_put(SERIAL_COM1, c);
    terminal_put(&screen, c);
}

void console_print_va(const char *format, va_list arguments)
{
    uint64_t flags = lock_acquire(&console_lock);

    format_sink_va(put, NULL, format, arguments);
    lock_release(&console_lock, flags);
}

void console_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_print_va(format, arguments);
    va_end(arguments);
}

void console_write_at(unsigned row, unsigned column, const char *text, uint8_t attribute)
{
    uint64_t flags = lock_acquire(&console_lock);

    terminal_write_at(&screen, row, column, text, attribute);
    lock_release(&console_lock, flags);
}

void console_backspace(void)
{
    console_print("\b \b");
}

void console_invert(unsigned row, unsigned column)
{
    uint64_t flags = lock_acquire(&console_lock);
    volatile uint16_t *cell = &screen.cells[row * CONSOLE_COLUMNS + column];
    uint16_t attribute = *cell >> 8;

    *cell = (uint16_t)((attribute << 4 | attribute >> 4) << 8 | (*cell & 0xff));
    lock_release(&console_lock, flags);
}

void console_send_json(struct json *json)
{
    uint64_t flags;

    (void)json_finish(json);
    flags = lock_acquire(&console_lock);
    for (const char *c = json->buffer; *c; c++)
        serial_put(SERIAL_COM2, *c);
    serial_put(SERIAL_COM2, '\n');
    lock_release(&console_lock, flags);
}

void console_break_lock(void)
{
    console_lock.held = false;
}
