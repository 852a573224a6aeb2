/* Serial ports and screen behind one lock. */
#include "kernel/console.h"

#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/serial.h"
#include "kernel/x86_64/vga.h"
#include "lib/format.h"
#include "thread/lock.h"

static struct lock console_lock;
static struct terminal screen;
static volatile uint16_t *pointer; /* the cell that shows inverted; NULL: none */

runs_once void console_init(void)
{
    serial_init(SERIAL_COM1);
    serial_init(SERIAL_COM2);
    vga_blink_off();
    terminal_init(&screen, mmu_direct((struct physical){VGA_TEXT}), CONSOLE_COLUMNS, CONSOLE_ROWS, 0, CONSOLE_NORMAL);
}

static void pointer_invert(void)
{
    uint16_t attribute;

    if (!pointer)
        return;
    attribute = *pointer >> 8;
    *pointer = (uint16_t)((attribute << 4 | attribute >> 4) << 8 | (*pointer & 0xff));
}

/* What is on the screen changes and moves only while the pointer is lifted off it. */
static uint64_t screen_begin(void)
{
    uint64_t flags = lock_acquire(&console_lock);

    pointer_invert();
    return flags;
}

static void screen_end(uint64_t flags)
{
    pointer_invert();
    lock_release(&console_lock, flags);
}

/* The hardware's cursor follows the terminal's; at the end of a full line it waits on the last column. */
static void cursor_follow(void)
{
    unsigned column = screen.column < screen.columns ? screen.column : screen.columns - 1;

    vga_cursor_set(screen.row * screen.columns + column);
}

void console_reserve_rows(unsigned rows)
{
    uint64_t flags = screen_begin();

    terminal_init(&screen, screen.cells, CONSOLE_COLUMNS, CONSOLE_ROWS, rows, CONSOLE_NORMAL);
    cursor_follow();
    screen_end(flags);
}

static void put_serial(void *context, char c)
{
    (void)context;
    if (c == '\n')
        serial_put(SERIAL_COM1, '\r');
    serial_put(SERIAL_COM1, c);
}

static void put(void *context, char c)
{
    put_serial(context, c);
    terminal_put(&screen, c);
}

void console_print_va(const char *format, va_list arguments)
{
    uint64_t flags = screen_begin();

    format_sink_va(put, NULL, format, arguments);
    cursor_follow();
    screen_end(flags);
}

void console_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_print_va(format, arguments);
    va_end(arguments);
}

void console_print_in(uint8_t attribute, const char *format, ...)
{
    uint64_t flags = screen_begin();
    uint8_t before = screen.attribute;
    va_list arguments;

    screen.attribute = attribute;
    va_start(arguments, format);
    format_sink_va(put, NULL, format, arguments);
    va_end(arguments);
    screen.attribute = before;
    cursor_follow();
    screen_end(flags);
}

void console_set_attribute(uint8_t attribute)
{
    uint64_t flags = lock_acquire(&console_lock);

    screen.attribute = attribute;
    lock_release(&console_lock, flags);
}

void console_print_serial(const char *format, ...)
{
    uint64_t flags = lock_acquire(&console_lock);
    va_list arguments;

    va_start(arguments, format);
    format_sink_va(put_serial, NULL, format, arguments);
    va_end(arguments);
    lock_release(&console_lock, flags);
}

void console_write_at(unsigned row, unsigned column, const char *text, uint8_t attribute)
{
    uint64_t flags = screen_begin();

    terminal_write_at(&screen, row, column, text, attribute);
    screen_end(flags);
}

void console_backspace(void)
{
    console_print("\b \b");
}

void console_point(unsigned row, unsigned column)
{
    uint64_t flags = screen_begin();

    ASSERT(row < CONSOLE_ROWS && column < CONSOLE_COLUMNS);
    pointer = &screen.cells[row * CONSOLE_COLUMNS + column];
    screen_end(flags);
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

/* Whoever held the lock may have lifted the pointer; it is not put down again. */
void console_break_lock(void)
{
    if (!screen.cells)
        console_init();
    if (!console_lock.held)
        pointer_invert();
    pointer = NULL;
    console_lock.held = false;
}
