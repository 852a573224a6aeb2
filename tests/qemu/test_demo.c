/*
 * The demo, driven by its keys and read back from the screen. The top rows are fixed: a title, a row for each device
 * with its style and counts, one for the workers, one for the rogues, one for the last message; typed text and the
 * mouse's cursor are below.
 *
 * On the reference machine: there virtual time follows the guest, so a busy host cannot turn "slow" into "starved".
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "qmp.h"

#define BOOT_MS   90000
#define SCREEN_MS 30000
/* How long something that must not happen has to happen. */
#define NEVER_MS 1500

enum { ROW_KEYBOARD = 1, ROW_MOUSE, ROW_WORKERS, ROW_ROGUES, ROW_MESSAGE, ROW_FREE };

#define ATTRIBUTE_NORMAL   0x07
#define ATTRIBUTE_INVERTED 0x70

static struct machine *demo_start(const char *cmdline)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .reference = true, .vga = true});

    if (machine_screen_row(machine, ROW_KEYBOARD, "events ", BOOT_MS) != ROW_KEYBOARD)
        machine_fail(machine, "no status line");
    return machine;
}

/* Whether the row comes to hold the text. */
static bool row_shows(struct machine *machine, int row, const char *text, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;
    struct screen screen;

    do {
        machine_screen(machine, &screen);
        if (strstr(screen.text[row], text))
            return true;
        machine_pump(machine, 20);
    } while (machine_now_ms() < deadline_ms);
    return false;
}

static void must_show(struct machine *machine, int row, const char *text)
{
    struct screen screen;

    if (row_shows(machine, row, text, SCREEN_MS))
        return;
    machine_screen(machine, &screen);
    machine_fail(machine, "row %d never shows '%s'; it is '%s'", row, text, screen.text[row]);
}

/* What follows the label in the row, up to the next field. */
static void row_field(struct machine *machine, int row, const char *label, char field[16])
{
    struct screen screen;
    const char *at;

    machine_screen(machine, &screen);
    at = strstr(screen.text[row], label);
    if (!at)
        machine_fail(machine, "row %d has no '%s'; it is '%s'", row, label, screen.text[row]);
    snprintf(field, 16, "%s", at + strlen(label));
    field[strcspn(field, " ")] = 0;
}

/* A counter or clock; how fast it goes depends on how idle the guest is, as its time does not wait for the host's. */
static void must_go_on(struct machine *machine, const char *label)
{
    long long deadline_ms = machine_now_ms() + SCREEN_MS;
    char first[16], now[16];

    must_show(machine, ROW_WORKERS, label);
    row_field(machine, ROW_WORKERS, label, first);
    do {
        if (machine_now_ms() >= deadline_ms)
            machine_fail(machine, "'%s' stands still at %s", label, first);
        row_field(machine, ROW_WORKERS, label, now);
    } while (strcmp(first, now) == 0);
}

static void type(struct machine *machine, const char *text)
{
    for (; *text; text++)
        machine_tap(machine, (char[]){*text, 0});
}

/* What is typed appears in the free part of the screen. The words are not among those already there. */
static void must_type(struct machine *machine, const char *text)
{
    type(machine, text);
    if (machine_screen_row(machine, ROW_FREE, text, SCREEN_MS) < 0)
        machine_fail(machine, "'%s' was typed and is not on the screen", text);
}

/* The mouse's cursor: the one inverted cell below the fixed rows. False while it is lifted. */
static bool cursor_find(struct machine *machine, int *row, int *column)
{
    struct screen screen;
    int found = 0;

    machine_screen(machine, &screen);
    for (int r = ROW_FREE; r < SCREEN_ROWS; r++) {
        for (int c = 0; c < SCREEN_COLUMNS; c++) {
            if (screen.attribute[r][c] == ATTRIBUTE_NORMAL)
                continue;
            cr_assert_eq(screen.attribute[r][c], ATTRIBUTE_INVERTED, "cell %d,%d has attribute %#x", r, c,
                         screen.attribute[r][c]);
            *row = r;
            *column = c;
            found++;
        }
    }
    cr_assert_leq(found, 1, "more than one inverted cell");
    return found == 1;
}

static void cursor_wait(struct machine *machine, int *row, int *column)
{
    long long deadline_ms = machine_now_ms() + SCREEN_MS;

    while (!cursor_find(machine, row, column))
        if (machine_now_ms() >= deadline_ms)
            machine_fail(machine, "no mouse cursor");
}

/* Moves the mouse and returns whether the cursor follows, in the right direction on both axes. */
static bool cursor_follows(struct machine *machine, int dx, int dy, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;
    int row, column, new_row, new_column;

    cursor_wait(machine, &row, &column);
    machine_mouse_move(machine, dx, dy);
    do {
        cursor_wait(machine, &new_row, &new_column);
        if ((new_column - column) * dx > 0 && (new_row - row) * dy > 0)
            return true;
        machine_pump(machine, 20);
    } while (machine_now_ms() < deadline_ms);
    return false;
}

static void must_follow(struct machine *machine, int dx, int dy)
{
    if (!cursor_follows(machine, dx, dy, SCREEN_MS))
        machine_fail(machine, "the cursor does not follow the mouse");
}

Test(demo, grub_boots_it_by_default_and_it_works, .timeout = 300)
{
    struct machine *machine = machine_start(&(struct machine_options){.iso = ISO, .vga = true});

    if (machine_screen_row(machine, ROW_KEYBOARD, "keyboard  async", BOOT_MS) != ROW_KEYBOARD)
        machine_fail(machine, "no status line");
    must_show(machine, ROW_MOUSE, "mouse");
    must_type(machine, "duet");
    must_follow(machine, 60, 40);
    must_go_on(machine, "thread a: ");
    machine_stop(machine);
}

Test(demo, counts_events_and_works_beside_them, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo");

    must_go_on(machine, "thread a: ");
    must_go_on(machine, "thread b: ");
    must_go_on(machine, "clock task: ");
    must_type(machine, "hello");
    must_show(machine, ROW_KEYBOARD, "events 10 ");
    must_show(machine, ROW_KEYBOARD, "dropped 0");
    must_follow(machine, 60, 40);
    must_follow(machine, -60, -40);
    must_show(machine, ROW_MOUSE, "events 2 ");
    cr_assert(machine_com1_contains(machine, "hello", SCREEN_MS), "COM1 does not show what is typed");
    machine_stop(machine);
}

Test(demo, backspace_takes_the_last_character_back, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo");

    must_type(machine, "plumxy");
    machine_tap(machine, "backspace");
    machine_tap(machine, "backspace");
    type(machine, "b");
    if (machine_screen_row(machine, ROW_FREE, "plumb ", SCREEN_MS) < 0)
        machine_fail(machine, "the x or the y is still there");
    machine_stop(machine);
}

Test(demo, f1_switches_the_keyboards_style_and_it_types_on, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo");

    must_show(machine, ROW_KEYBOARD, " async ");
    must_type(machine, "foo");
    machine_tap(machine, "f1");
    must_show(machine, ROW_KEYBOARD, " thread ");
    must_show(machine, ROW_MOUSE, " async ");
    must_type(machine, "bar");
    machine_tap(machine, "f1");
    must_show(machine, ROW_KEYBOARD, " async ");
    must_type(machine, "baz");
    machine_stop(machine);
}

Test(demo, f2_switches_the_mouses_style_and_it_moves_on, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo mouse=thread");

    must_show(machine, ROW_MOUSE, " thread ");
    must_follow(machine, 60, 40);
    machine_tap(machine, "f2");
    must_show(machine, ROW_MOUSE, " async ");
    must_show(machine, ROW_KEYBOARD, " async ");
    must_follow(machine, 60, 40);
    machine_tap(machine, "f2");
    must_show(machine, ROW_MOUSE, " thread ");
    must_follow(machine, -60, -40);
    machine_stop(machine);
}

Test(demo, a_rogue_thread_stops_neither_style, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo keyboard=async mouse=thread");

    machine_tap(machine, "f3");
    must_show(machine, ROW_ROGUES, "rogue thread: on");
    must_type(machine, "xyzzy");
    must_follow(machine, 60, 40);
    machine_tap(machine, "f1");
    must_show(machine, ROW_KEYBOARD, " thread ");
    must_type(machine, "plugh");
    must_go_on(machine, "thread a: ");
    machine_tap(machine, "f3");
    must_show(machine, ROW_MESSAGE, "rogue thread: runs already, nothing can end it");
    machine_stop(machine);
}

Test(demo, a_rogue_future_stops_the_async_driver_and_only_it, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo keyboard=thread mouse=async");

    must_follow(machine, 60, 40);
    machine_tap(machine, "f4");
    must_show(machine, ROW_ROGUES, "rogue future: on");
    must_type(machine, "plugh");
    must_go_on(machine, "thread a: ");
    cr_assert_not(cursor_follows(machine, 60, 40, NEVER_MS), "the mouse's future ran beside a rogue");
    machine_tap(machine, "f2");
    must_show(machine, ROW_MESSAGE, "stuck");
    must_show(machine, ROW_MOUSE, " async ");
    must_type(machine, "quux");
    machine_tap(machine, "f4");
    must_show(machine, ROW_MESSAGE, "rogue future: runs already, nothing can end it");
    machine_stop(machine);
}

Test(demo, a_rogue_future_stops_an_async_keyboard_while_a_mouse_thread_goes_on, .timeout = 180)
{
    struct machine *machine = demo_start("mode=demo keyboard=async mouse=thread");

    must_type(machine, "early");
    machine_tap(machine, "f4");
    must_show(machine, ROW_ROGUES, "rogue future: on");
    type(machine, "later");
    must_follow(machine, 60, 40);
    cr_assert_lt(machine_screen_row(machine, ROW_FREE, "later", NEVER_MS), 0,
                 "the keyboard's future ran beside a rogue");
    must_follow(machine, -60, -40);
    machine_stop(machine);
}
