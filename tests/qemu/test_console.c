/*
 * The screen and COM1, from outside the machine: what the in-kernel tests of the console printed is read from VGA
 * memory and from the serial line, and both must tell the same story. The machine halts at the end of its test, so that
 * there still is a screen.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "qmp.h"

#define SCREEN_ATTEMPTS  50
#define LOOK_US          20000 /* from one look at the screen to the next */
#define TEST_MS          120000
#define TAB              8
#define ATTRIBUTE_NORMAL 0x07
#define ATTRIBUTE_ALARM  0x4f

static struct machine *console_start(const char *kernel, const char *test, bool reference)
{
    char cmdline[64];

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s", test);
    return machine_start(&(struct machine_options){
        .kernel = kernel, .cmdline = cmdline, .reference = reference, .vga = true, .stays = true});
}

static const char *com1(const struct machine *machine)
{
    return machine->text[MACHINE_COM1].bytes ? machine->text[MACHINE_COM1].bytes : "";
}

/* A machine whose test has passed and that halts. */
static struct machine *console_run(const char *kernel, const char *test, bool reference)
{
    struct machine *machine = console_start(kernel, test, reference);
    json_t *done = machine_com2_event(machine, "done", TEST_MS);

    if (!json_is_true(json_object_get(done, "passed")) || !machine_com1_contains(machine, " skipped\r\n", TEST_MS) ||
        !machine_com1_contains(machine, "passed, 0 failed", 0))
        machine_fail(machine, "%s failed", test);
    if (machine_com1_contains(machine, "skipped: this machine", 0))
        machine_fail(machine, "%s found no screen", test);
    json_decref(done);
    return machine;
}

/* ---- what the screen should show ---- */

/* An endless roll of paper. */
struct paper {
    char (*rows)[SCREEN_COLUMNS];
    size_t row;
    size_t column;
};

static void paper_feed(struct paper *paper)
{
    paper->row++;
    paper->column = 0;
    paper->rows = realloc(paper->rows, (paper->row + 1) * sizeof(*paper->rows));
    cr_assert_not_null(paper->rows);
    memset(paper->rows[paper->row], ' ', SCREEN_COLUMNS);
}

static void paper_print(struct paper *paper, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            paper_feed(paper);
        } else if (*text == '\r') {
            paper->column = 0;
        } else if (*text == '\t') {
            paper->column += TAB - paper->column % TAB;
        } else {
            if (paper->column == SCREEN_COLUMNS)
                paper_feed(paper);
            paper->rows[paper->row][paper->column++] = *text;
        }
    }
}

/* The row of the screen that is not as on paper, -1 if none. */
static int other_row(const struct screen *screen, const struct paper *paper)
{
    for (int row = 0; row < SCREEN_ROWS; row++) {
        if (memcmp(screen->text[row], paper->rows[paper->row + 1 - SCREEN_ROWS + (size_t)row], SCREEN_COLUMNS) != 0)
            return row;
    }
    return -1;
}

/* Of plain ASCII, the screen shows the end of all that was said on COM1, where each character comes a moment earlier.
 */
static void must_show_com1(struct machine *machine)
{
    struct screen screen;
    struct paper paper = {0};
    int row = 0;

    for (unsigned attempt = 0; attempt < SCREEN_ATTEMPTS && row >= 0; attempt++) {
        free(paper.rows);
        paper = (struct paper){.row = (size_t)-1};
        paper_feed(&paper);
        paper_print(&paper, com1(machine));
        cr_assert_geq(paper.row, SCREEN_ROWS - 1, "the screen has not scrolled");
        machine_screen(machine, &screen);
        row = other_row(&screen, &paper);
        if (row >= 0) { /* which on a busy host may take its time */
            usleep(LOOK_US);
            machine_pump(machine, 0);
        }
    }
    if (row >= 0)
        machine_fail(machine, "row %d is '%s', not '%.*s'", row, screen.text[row], SCREEN_COLUMNS,
                     paper.rows[paper.row + 1 - SCREEN_ROWS + (size_t)row]);
    free(paper.rows);
}

/* ---- lines, glyphs, colours ---- */

Test(console, scrolls_200_lines, .timeout = 180)
{
    struct machine *machine = console_run(KERNEL_GCC_O2, "console.println_many", true);
    const char *at = com1(machine);
    char line[64];

    for (unsigned i = 0; i < 200; i++) {
        snprintf(line, sizeof(line), "\nprintln_many output %u\r\n", i);
        at = strstr(at, line);
        if (!at)
            machine_fail(machine, "no line %u after the one before", i);
        at += strlen(line) - 1;
    }
    must_show_com1(machine);
    machine_stop(machine);
}

static int row_of(struct machine *machine, const struct screen *screen, const char *text)
{
    for (int row = 0; row < SCREEN_ROWS; row++)
        if (strstr(screen->text[row], text))
            return row;
    machine_fail(machine, "no row shows '%s'", text);
}

Test(console, shows_every_glyph_of_the_code_page, .timeout = 180)
{
    struct machine *machine = console_run(KERNEL_GCC_O2, "console.code_page", true);
    struct screen screen;
    int first;

    machine_screen(machine, &screen);
    first = row_of(machine, &screen, " !\"#$%&'()*+,-./0123456789:;<=>?") - 1;
    for (int glyph = 0; glyph < 256; glyph++) {
        int row = first + glyph / 32, column = glyph % 32;

        cr_assert_eq((unsigned char)screen.text[row][column], glyph ? glyph : ' ', "glyph 0x%02x is 0x%02x", glyph,
                     (unsigned char)screen.text[row][column]);
        cr_assert_eq(screen.attribute[row][column], ATTRIBUTE_NORMAL);
    }
    cr_assert(strstr(com1(machine), "\n ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼\r\n"), "COM1 has other bytes");
    machine_stop(machine);
}

Test(console, shows_256_colours_of_a_cell, .timeout = 180)
{
    struct machine *machine = console_run(KERNEL_GCC_O2, "console.colours", true);
    struct screen screen;
    int first;

    machine_screen(machine, &screen);
    first = row_of(machine, &screen, "xxxxxxxxxxxxxxxx ");
    for (int attribute = 0; attribute < 256; attribute++)
        cr_assert_eq(screen.attribute[first + attribute / 16][attribute % 16], attribute);
    cr_assert_eq(screen.attribute[first + 16][0], ATTRIBUTE_NORMAL);
    must_show_com1(machine);
    machine_stop(machine);
}

/* ---- many who print ---- */

/* In the order in which the last line counts them. */
enum { THREAD, BREAKPOINT, URGENT, IRQ0, IRQ1, PRINTERS };

static const char *const printers[PRINTERS] = {"thread", "breakpoint", "urgent", "irq0", "irq1"};

/* The length of that printer's line number `n`, if the text begins with the whole of it; 0 if not. */
static size_t storm_line(const char *text, int printer, unsigned n)
{
    static const char address[] = "breakpoint at 0x";
    char line[128];

    if (printer == BREAKPOINT && strncmp(text, address, sizeof(address) - 1) == 0)
        snprintf(line, sizeof(line), "%s%.16s\r\n", address, text + sizeof(address) - 1);
    else
        snprintf(line, sizeof(line), "storm %s %u of a line that is long enough to be torn|\r\n", printers[printer], n);
    return strncmp(text, line, strlen(line)) == 0 ? strlen(line) : 0;
}

/* Counts the lines of each printer, up to one that is not whole or not in order, which is returned. */
static const char *storm_count(const char *at, unsigned *lines)
{
    for (int printer = 0; printer < PRINTERS; printer++) {
        size_t length = storm_line(at, printer, lines[printer]);

        if (length) {
            lines[printer]++;
            at += length;
            printer = -1;
        }
    }
    return at;
}

struct storm_machine {
    char kernel[48];
    bool reference;
};

static struct storm_machine storm_machines[] = {{KERNEL_GCC_O2, true}, {KERNEL_GCC_O2, false}, {KERNEL_CLANG_O0, true}};

ParameterizedTestParameters(console, a_storm_of_printers_loses_and_mixes_nothing)
{
    return cr_make_param_array(struct storm_machine, storm_machines, sizeof(storm_machines) / sizeof(*storm_machines));
}

ParameterizedTest(struct storm_machine *on, console, a_storm_of_printers_loses_and_mixes_nothing, .timeout = 180)
{
    struct machine *machine = console_run(on->kernel, "console.storm", on->reference);
    unsigned lines[PRINTERS] = {0};
    const char *at = strstr(com1(machine), "\nstorm ");
    char summary[128];

    cr_assert_not_null(at);
    at = storm_count(at + 1, lines);
    snprintf(summary, sizeof(summary), "storm ends: thread %u, breakpoint %u, urgent %u, irq0 %u, irq1 %u\r\n",
             lines[THREAD], lines[BREAKPOINT], lines[URGENT], lines[IRQ0], lines[IRQ1]);
    if (strncmp(at, summary, strlen(summary)) != 0)
        machine_fail(machine, "not '%s', but '%.90s'", summary, at);
    must_show_com1(machine);
    machine_stop(machine);
}

static unsigned count(const char *from, const char *to, char c)
{
    unsigned found = 0;

    for (; from < to; from++)
        found += *from == c;
    return found;
}

Test(console, threads_and_an_interrupt_that_print_do_not_deadlock, .timeout = 180)
{
    struct machine *machine = console_run(KERNEL_GCC_O2, "console.no_deadlock", true);
    const char *from = strstr(com1(machine), "console.no_deadlock...");
    const char *to = strstr(com1(machine), "no deadlock: ");
    char summary[96];

    cr_assert(from && to);
    from += strlen("console.no_deadlock...");
    snprintf(summary, sizeof(summary), "no deadlock: %u dashes, %u equals, %u dots\r\n", count(from, to, '-'),
             count(from, to, '='), count(from, to, '.'));
    if (strncmp(to, summary, strlen(summary)) != 0)
        machine_fail(machine, "COM1 has %s", summary);
    must_show_com1(machine);
    machine_stop(machine);
}

Test(console, a_switch_prints_nothing, .timeout = 180)
{
    struct machine *machine = console_run(KERNEL_GCC_O2, "console.silent_switches", true);

    if (!strstr(com1(machine), "silence begins\r\nsilence ends\r\n"))
        machine_fail(machine, "something was printed");
    machine_stop(machine);
}

/* ---- panics ---- */

struct panic {
    char test[32];
    char says[64];
};

static struct panic panics[] = {
    {"panic.console_free", "PANIC: the console is free"},
    {"panic.console_held", "PANIC: page fault: read of unmapped page at 0x1234"},
};

ParameterizedTestParameters(console, a_panic_is_on_the_screen_white_on_red)
{
    return cr_make_param_array(struct panic, panics, sizeof(panics) / sizeof(*panics));
}

/* What the screen shows once nothing changes on it: a look amid a line that scrolls up sees half of it. */
static void look_at_rest(struct machine *machine, struct screen *screen)
{
    struct screen before;

    machine_screen(machine, screen);
    for (int looks = 0; looks < 50; looks++) {
        before = *screen;
        usleep(LOOK_US);
        machine_screen(machine, screen);
        if (memcmp(&before, screen, sizeof(before)) == 0)
            return;
    }
}

ParameterizedTest(struct panic *panic, console, a_panic_is_on_the_screen_white_on_red, .timeout = 180)
{
    struct machine *machine = console_start(KERNEL_GCC_O2, panic->test, true);
    size_t length = strlen(panic->says);
    struct screen screen;
    int first;

    if (!machine_com1_contains(machine, "passed: the test expects", TEST_MS) ||
        !machine_screen_contains(machine, "passed: the test expects", TEST_MS))
        machine_fail(machine, "no panic");
    look_at_rest(machine, &screen);
    first = row_of(machine, &screen, panic->says);
    cr_assert_eq(strncmp(screen.text[first], panic->says, length), 0, "not a line of its own");
    for (int row = 0; row < SCREEN_ROWS; row++)
        for (int column = 0; column < SCREEN_COLUMNS; column++) {
            unsigned char attribute = screen.attribute[row][column];
            bool text = screen.text[row][column] != ' ';

            cr_assert(row < first ? attribute == ATTRIBUTE_NORMAL
                                  : attribute == ATTRIBUTE_ALARM || (!text && attribute == ATTRIBUTE_NORMAL),
                      "cell %d,%d has attribute 0x%02x", row, column, attribute);
        }
    must_show_com1(machine);
    machine_stop(machine);
}
