/*
 * What is printed is on the screen, whole and in order, whoever prints. The screen is read back from its own memory,
 * not from what the console believes. Without a VGA there may be RAM in its place, which does as well, or nothing: then
 * the tests that need it say that they are skipped.
 */
#include "kernel/console.h"

#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/vga.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    LAST_LINE = CONSOLE_ROWS - 2, /* where a line ends up whose newline scrolled the screen */
    LINE_PIT = 0,

    /* IBM VGA Technical Reference, Attribute Controller */
    ATTRIBUTE_WRITE = 0x3c0,
    ATTRIBUTE_READ = 0x3c1,
    ATTRIBUTE_MODE = 0x10,
    ATTRIBUTE_PALETTE_IN_USE = 0x20,
    INPUT_STATUS = 0x3da,
    NO_DEVICE = 0xff, /* what a port without a device reads as */
    MODE_GRAPHICS = 1 << 0,
    MODE_LINE_GRAPHICS = 1 << 2,
    MODE_BLINK = 1 << 3,

    /* National Semiconductor PC16550D, 8 */
    COM1 = 0x3f8,
    COM2 = 0x2f8,
    UART_INTERRUPTS = 1,
    UART_IDENTIFICATION = 2,
    UART_LINE_CONTROL = 3,
    LINE_CONTROL_8N1 = 0x03,
    LINE_CONTROL_DIVISOR = 0x80,
    DIVISOR_115200 = 1, /* of 1.8432 MHz / 16 */
    IDENTIFICATION_FIFO = 0xc0,
};

#define SKIPPED "    skipped: this machine has no screen\n"

static volatile uint16_t *screen_cells(void)
{
    return mmu_direct((struct physical){VGA_TEXT});
}

static uint16_t screen_cell(unsigned row, unsigned column)
{
    return screen_cells()[row * CONSOLE_COLUMNS + column];
}

/* Memory that keeps what is written is a screen's. Begins a new line on the last row, so that lines have known places.
 */
static bool screen_ready(void)
{
    uint64_t flags = irq_save();
    uint16_t kept = screen_cell(0, 0);
    bool present;

    screen_cells()[0] = 0x1234;
    present = screen_cell(0, 0) == 0x1234;
    screen_cells()[0] = kept;
    irq_restore(flags);
    for (unsigned row = 0; row < CONSOLE_ROWS; row++)
        console_print("\n");
    if (!present)
        console_print(SKIPPED);
    return present;
}

/* The glyphs of a row, without the blanks at its end. */
static const char *screen_row(unsigned row)
{
    static char text[CONSOLE_COLUMNS + 1];
    size_t length = CONSOLE_COLUMNS;

    for (unsigned i = 0; i < CONSOLE_COLUMNS; i++)
        text[i] = (char)screen_cell(row, i);
    while (length && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
    return text;
}

static void check_row(unsigned row, const char *wanted)
{
    const char *shown = screen_row(row);

    if (!string_equal(shown, wanted))
        suite_fail(__FILE__, __LINE__, "row %u is \"%s\", not \"%s\"", row, shown, wanted);
}

/* ---- what is printed ---- */

TEST(println_simple, "console.println_simple")
{
    if (!screen_ready())
        return;
    console_print("println_simple output\n");
    check_row(LAST_LINE, "println_simple output");
    check_row(LAST_LINE + 1, "");
}

TEST(println_many, "console.println_many")
{
    enum { LINES = 200 };
    char wanted[CONSOLE_COLUMNS];

    if (!screen_ready())
        return;
    for (unsigned i = 0; i < LINES; i++)
        console_print("println_many output %u\n", i);
    for (unsigned row = 0; row <= LAST_LINE; row++) {
        format_text(wanted, sizeof(wanted), "println_many output %u", LINES - 1 - LAST_LINE + row);
        check_row(row, wanted);
    }
    check_row(LAST_LINE + 1, "");
}

/* Prints a line from the timer's interrupt, again and again. */
struct interrupter {
    struct waker waker;
    struct timer timer;
    uint64_t period_ns;
    const char *text;
    atomic_uint printed;
    atomic_bool stop;
    atomic_bool stopped;
};

static void interrupter_wake(struct waker *waker)
{
    struct interrupter *self = container_of(waker, struct interrupter, waker);

    if (atomic_load(&self->stop)) {
        atomic_store(&self->stopped, true);
        return;
    }
    console_print("%s", self->text);
    atomic_fetch_add(&self->printed, 1);
    sched_timer_start(&self->timer, clock_now_ns() + self->period_ns, waker);
}

static void interrupter_start(struct interrupter *self, const char *text, uint64_t period_ns)
{
    *self = (struct interrupter){.waker = {interrupter_wake}, .text = text, .period_ns = period_ns};
    sched_timer_start(&self->timer, clock_now_ns() + period_ns, &self->waker);
}

static void interrupter_stop(struct interrupter *self)
{
    atomic_store(&self->stop, true);
    while (!atomic_load(&self->stopped))
        sleep_for(self->period_ns);
}

/*
 * What was printed is read back while a timer's interrupt prints, too. That is only sound with interrupts off from the
 * one to the other: the line has moved up by the next interrupt.
 */
TEST(println_output, "console.println_output")
{
    enum { REPETITIONS = 1000 };
    static struct interrupter interrupter;
    unsigned wrong = 0;

    if (!screen_ready())
        return;
    interrupter_start(&interrupter, "an interrupt's line\n", 50 * US);
    for (unsigned i = 0; i < REPETITIONS; i++) {
        char wanted[CONSOLE_COLUMNS];
        uint64_t flags;

        format_text(wanted, sizeof(wanted), "Some test string that fits on a single line, %u", i);
        flags = irq_save();
        console_print("%s\n", wanted);
        wrong += !string_equal(screen_row(LAST_LINE), wanted);
        irq_restore(flags);
    }
    interrupter_stop(&interrupter);
    CHECK_EQUAL(wrong, 0);
    CHECK(atomic_load(&interrupter.printed) > REPETITIONS / 100);
}

/* ---- glyphs and colours ---- */

/* The code page, in rows of 32. Only its first glyph is no character's: the blank that U+0020 has, too. */
static const char *const page[] = {
    " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼", " !\"#$%&'()*+,-./0123456789:;<=>?",     "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
    "`abcdefghijklmnopqrstuvwxyz{|}~⌂", "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",      "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0",
};

TEST(code_page, "console.code_page")
{
    enum { GLYPHS = 256, ROW_GLYPHS = GLYPHS / ARRAY_SIZE(page), FIRST_ROW = LAST_LINE + 1 - ARRAY_SIZE(page) };
    unsigned wrong = 0;

    if (!screen_ready())
        return;
    for (unsigned row = 0; row < ARRAY_SIZE(page); row++)
        console_print("%s\n", page[row]);
    for (unsigned glyph = 1; glyph < GLYPHS; glyph++)
        wrong += screen_cell(FIRST_ROW + glyph / ROW_GLYPHS, glyph % ROW_GLYPHS) != (CONSOLE_NORMAL << 8 | glyph);
    CHECK_EQUAL(wrong, 0);
}

TEST(not_in_code_page, "console.not_in_code_page")
{
    if (!screen_ready())
        return;
    console_print("Wörld %s%c%c %s\n", "\xe2\x82", 0x01, 0x7f, "€");
    check_row(LAST_LINE, "W\x94rld \xfe\xfe\xfe\xfe \xfe");
}

TEST(colours, "console.colours")
{
    enum { COLOURS = 16, FIRST_ROW = LAST_LINE - COLOURS };
    unsigned wrong = 0;

    if (!screen_ready())
        return;
    for (unsigned attribute = 0; attribute < COLOURS * COLOURS; attribute++)
        console_print_in((uint8_t)attribute, "x%s", attribute % COLOURS == COLOURS - 1 ? "\n" : "");
    console_print("y\n");
    for (unsigned attribute = 0; attribute < COLOURS * COLOURS; attribute++)
        wrong += screen_cell(FIRST_ROW + attribute / COLOURS, attribute % COLOURS) != (attribute << 8 | 'x');
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(screen_cell(LAST_LINE, 0), CONSOLE_NORMAL << 8 | 'y');
    CHECK_EQUAL(screen_cell(LAST_LINE + 1, 0), CONSOLE_NORMAL << 8 | ' ');
}

/* Else the upper eight backgrounds are the lower eight, blinking. The rest is as the firmware left it: alphanumeric,
 * with line graphics whose ninth column is the eighth's, and with a palette, without which nothing shows. */
TEST(nothing_blinks, "console.nothing_blinks")
{
    uint64_t flags;
    uint8_t index, mode;

    flags = irq_save();
    (void)inb(INPUT_STATUS);
    index = inb(ATTRIBUTE_WRITE);
    outb(ATTRIBUTE_WRITE, ATTRIBUTE_MODE | ATTRIBUTE_PALETTE_IN_USE);
    mode = inb(ATTRIBUTE_READ);
    (void)inb(INPUT_STATUS);
    irq_restore(flags);
    if (index == NO_DEVICE && mode == NO_DEVICE) {
        console_print(SKIPPED);
        return;
    }
    CHECK_EQUAL(index & ATTRIBUTE_PALETTE_IN_USE, ATTRIBUTE_PALETTE_IN_USE);
    CHECK_EQUAL(mode & (MODE_GRAPHICS | MODE_LINE_GRAPHICS | MODE_BLINK), MODE_LINE_GRAPHICS);
}

/* ---- many who print ---- */

/*
 * Everyone prints at once: a thread, which takes breakpoints that print, too; a thread more urgent than it; and the
 * interrupts of the PIT and of the keyboard, whose bytes a timer's interrupt injects. Each numbers its lines, so that
 * who reads COM1 can tell one lost, doubled, or mixed with another; here the screen's rows are looked at.
 */
enum { STORM_LINES = 100 };

static struct {
    struct waker injector, keyboard;
    struct timer timer;
    interrupt_handler *irq0_before;
    unsigned thread, breakpoints, injected;
    atomic_uint urgent, irq0, irq1;
} storm;

static void storm_print(const char *who, unsigned n)
{
    console_print("storm %s %u of a line that is long enough to be torn|\n", who, n);
}

/* One that was on its way when the line was masked may still come. */
static void storm_irq0(unsigned vector)
{
    (void)vector;
    if (atomic_load(&storm.irq0) == STORM_LINES)
        return;
    storm_print("irq0", atomic_fetch_add(&storm.irq0, 1));
    if (atomic_load(&storm.irq0) == STORM_LINES)
        irq_line_mask(LINE_PIT);
}

static void storm_irq1(struct waker *waker)
{
    waker_slot_register(&input.ports[DEVICE_KEYBOARD].reader, waker);
    storm_print("irq1", atomic_fetch_add(&storm.irq1, 1));
}

static void storm_inject(struct waker *waker)
{
    if (storm.injected == STORM_LINES)
        return;
    if (storm.injected == atomic_load(&storm.irq1))
        inject(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, storm.injected++));
    sched_timer_start(&storm.timer, clock_now_ns() + 70 * US, waker);
}

static void *storm_urgent(void *unused)
{
    (void)unused;
    while (atomic_load(&storm.urgent) < STORM_LINES) {
        storm_print("urgent", atomic_fetch_add(&storm.urgent, 1));
        sleep_for(90 * US);
    }
    return NULL;
}

static bool storm_blows(void)
{
    return atomic_load(&storm.urgent) < STORM_LINES || atomic_load(&storm.irq0) < STORM_LINES ||
           atomic_load(&storm.irq1) < STORM_LINES;
}

static void storm_begin(struct thread *urgent)
{
    uint64_t flags;

    storm.injector.wake = storm_inject;
    storm.keyboard.wake = storm_irq1;
    input_forget();
    waker_slot_register(&input.ports[DEVICE_KEYBOARD].reader, &storm.keyboard);
    start(urgent, "urgent", THREAD_PRIORITY_HIGH, storm_urgent, NULL);
    sched_timer_start(&storm.timer, clock_now_ns() + 70 * US, &storm.injector);
    flags = irq_save();
    storm.irq0_before = interrupt_set(PIC_VECTOR + LINE_PIT, storm_irq0);
    pit_start(20000);
    irq_line_unmask(LINE_PIT);
    irq_restore(flags);
}

static void storm_end(struct thread *urgent)
{
    (void)thread_join(urgent);
    irq_line_mask(LINE_PIT);
    pit_start(0);
    (void)interrupt_set(PIC_VECTOR + LINE_PIT, storm.irq0_before);
    waker_slot_clear(&input.ports[DEVICE_KEYBOARD].reader);
    input_forget();
}

/* A row of the storm is whole if it begins as a line does and ends as that kind does. */
static bool row_is_whole(const char *row)
{
    size_t length = 0;

    while (row[length])
        length++;
    if (string_starts(row, "breakpoint at 0x"))
        return length == sizeof("breakpoint at 0xffffffff80000000") - 1;
    return string_starts(row, "storm ") && row[length - 1] == '|';
}

TEST(storm_of_printers, "console.storm")
{
    static struct thread urgent;
    uint64_t end = clock_now_ns() + UINT64_C(20000) * MS;
    bool screen = screen_ready();

    storm_begin(&urgent);
    while (storm_blows() && clock_now_ns() < end) {
        storm_print("thread", storm.thread++);
        breakpoint();
        storm.breakpoints++;
    }
    storm_end(&urgent);
    for (unsigned row = 0; screen && row <= LAST_LINE; row++)
        CHECK(row_is_whole(screen_row(row)));
    console_print("storm ends: thread %u, breakpoint %u, urgent %u, irq0 %u, irq1 %u\n", storm.thread,
                  storm.breakpoints, atomic_load(&storm.urgent), atomic_load(&storm.irq0), atomic_load(&storm.irq1));
    CHECK_EQUAL(atomic_load(&storm.urgent), STORM_LINES);
    CHECK_EQUAL(atomic_load(&storm.irq0), STORM_LINES);
    CHECK_EQUAL(atomic_load(&storm.irq1), STORM_LINES);
}

/*
 * A thread prints '-' without end, another of its priority '=', and the timer's interrupt '.'. Whoever could be
 * interrupted or preempted while it holds the console would never get it back from who then waits for it.
 */
enum { DEMO_EACH = 300 };

static struct {
    unsigned dashes;
    atomic_uint equals;
    atomic_bool stop;
} deadlock;

static void *print_equals(void *unused)
{
    (void)unused;
    while (!atomic_load(&deadlock.stop)) {
        console_print("=");
        atomic_fetch_add(&deadlock.equals, 1);
    }
    return NULL;
}

TEST(no_deadlock, "console.no_deadlock")
{
    static struct interrupter interrupter;
    static struct thread thread;
    uint64_t quantum = quantum_set(200 * US);
    uint64_t end = clock_now_ns() + UINT64_C(20000) * MS;

    (void)screen_ready();
    start(&thread, "equals", THREAD_PRIORITY_NORMAL, print_equals, NULL);
    interrupter_start(&interrupter, ".", 20 * US);
    thread_yield(); /* into a turn of the new length */
    while ((deadlock.dashes < DEMO_EACH || atomic_load(&deadlock.equals) < DEMO_EACH ||
            atomic_load(&interrupter.printed) < DEMO_EACH) &&
           clock_now_ns() < end) {
        console_print("-");
        deadlock.dashes++;
    }
    atomic_store(&deadlock.stop, true);
    (void)thread_join(&thread);
    interrupter_stop(&interrupter);
    quantum_set(quantum);
    console_print("\nno deadlock: %u dashes, %u equals, %u dots\n", deadlock.dashes, atomic_load(&deadlock.equals),
                  atomic_load(&interrupter.printed));
    CHECK(deadlock.dashes >= DEMO_EACH);
    CHECK(atomic_load(&deadlock.equals) >= DEMO_EACH);
    CHECK(atomic_load(&interrupter.printed) >= DEMO_EACH);
}

static void *yield_many(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 1000; i++)
        thread_yield();
    return NULL;
}

/* A line for each switch would cost more than the switch, and print what it was to measure. */
TEST(silent_switches, "console.silent_switches")
{
    static uint16_t before[CONSOLE_ROWS * CONSOLE_COLUMNS];
    static struct thread thread;
    unsigned changed = 0;

    (void)screen_ready();
    console_print("silence begins\n");
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        before[i] = screen_cells()[i];
    start(&thread, "yields", THREAD_PRIORITY_NORMAL, yield_many, NULL);
    (void)yield_many(NULL);
    (void)thread_join(&thread);
    for (unsigned i = 0; i < 20; i++)
        sleep_for(MS);
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        changed += screen_cells()[i] != before[i];
    console_print("silence ends\n");
    CHECK_EQUAL(changed, 0);
}

/* ---- panics ---- */

/* Under the mouse pointer, whose cell must not stay inverted. */
static void point_at_next_line(void)
{
    for (unsigned row = 0; row < CONSOLE_ROWS; row++)
        console_print("\n");
    console_point(LAST_LINE, 3);
}

TEST_PANICS(panic_on_screen, "panic.console_free", "the console is free")
{
    point_at_next_line();
    panic("the console is free");
}

TEST_PANICS(panic_while_printing, "panic.console_held", "unmapped page at 0x1234")
{
    const char *volatile nowhere = (const char *)0x1234; /* NOLINT(performance-no-int-to-ptr) */

    point_at_next_line();
    console_print("half a line, and then %s\n", nowhere);
}

/* ---- the serial lines ---- */

static void check_uart(uint16_t base)
{
    uint64_t flags = irq_save();
    uint8_t control = inb(base + UART_LINE_CONTROL);
    uint16_t divisor;

    outb(base + UART_LINE_CONTROL, control | LINE_CONTROL_DIVISOR);
    divisor = inb(base);
    divisor = (uint16_t)(divisor | inb(base + UART_INTERRUPTS) << 8);
    outb(base + UART_LINE_CONTROL, control);
    irq_restore(flags);
    CHECK_EQUAL(control, LINE_CONTROL_8N1);
    CHECK_EQUAL(divisor, DIVISOR_115200);
    CHECK_EQUAL(inb(base + UART_INTERRUPTS), 0);
    CHECK_EQUAL(inb(base + UART_IDENTIFICATION) & IDENTIFICATION_FIFO, IDENTIFICATION_FIFO);
}

TEST(serial_settings, "console.serial_115200_8n1")
{
    check_uart(COM1);
    check_uart(COM2);
}
