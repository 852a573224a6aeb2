/*
 * The shell, typed on the serial line and on the keyboard. What it answers is what comes on COM1 between a line's echo
 * and the next prompt; what a line became by editing is seen in the answer to it, as a command that is not there.
 *
 * On the reference machine: a command takes the same time always.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys.h"
#include "machine.h"
#include "qmp.h"

#define ANSWER_MS 60000
#define PROMPT    "duet> "
#define UP        "\033[A"
#define DOWN      "\033[B"
#define RIGHT     "\033[C"
#define LEFT      "\033[D"
#define HOME      "\033[H"
#define END       "\033[F"
#define DELETE    "\033[3~"

struct shell {
    struct machine *machine;
    size_t read; /* of COM1 */
    char answer[65536];
};

static void must_say(struct shell *shell, const char *text)
{
    if (!machine_com1_next(shell->machine, &shell->read, text, ANSWER_MS))
        machine_fail(shell->machine, "it never says '%s'", text);
}

static struct shell *shell_start(const char *words)
{
    struct shell *shell = calloc(1, sizeof(*shell));
    char cmdline[128];

    snprintf(cmdline, sizeof(cmdline), "mode=shell %s", words);
    shell->machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2,
                                                             .module = PROGRAMS_GCC_O2,
                                                             .cmdline = cmdline,
                                                             .reference = true,
                                                             .vga = true,
                                                             .typed = true});
    must_say(shell, "\n" PROMPT);
    return shell;
}

static void shell_stop(struct shell *shell)
{
    machine_stop(shell->machine);
    free(shell);
}

/* What comes until the next prompt, without its carriage returns. */
static const char *answer(struct shell *shell)
{
    size_t from = shell->read, length = 0;

    must_say(shell, "\n" PROMPT);
    for (size_t i = from; i < shell->read - strlen(PROMPT); i++) {
        char c = shell->machine->text[MACHINE_COM1].bytes[i];

        if (c != '\r' && length < sizeof(shell->answer) - 1)
            shell->answer[length++] = c;
    }
    shell->answer[length] = 0;
    return shell->answer;
}

/* A whole line, and what is said to it. */
static const char *obey(struct shell *shell, const char *line)
{
    machine_com1_send(shell->machine, line);
    machine_com1_send(shell->machine, "\r");
    must_say(shell, line);
    must_say(shell, "\r");
    shell->read--; /* an answer of nothing has the prompt right there */
    return answer(shell);
}

static void must_answer(struct shell *shell, const char *line, const char *text)
{
    const char *said = obey(shell, line);

    if (!strstr(said, text))
        machine_fail(shell->machine, "to '%s' it says '%s', not '%s'", line, said, text);
}

/* Nothing but this. */
static void must_answer_only(struct shell *shell, const char *line, const char *text)
{
    const char *said = obey(shell, line);

    if (said[0] != '\n' || strcmp(said + 1, text) != 0)
        machine_fail(shell->machine, "to '%s' it says '%s', not only '%s'", line, said, text);
}

static void must_show(struct shell *shell, const char *text)
{
    if (!machine_screen_contains(shell->machine, text, ANSWER_MS))
        machine_fail(shell->machine, "the screen never shows '%s'", text);
}

/* Types it, and sees which line that made. */
static void must_make(struct shell *shell, const char *typed, const char *line)
{
    char text[128];

    machine_com1_send(shell->machine, typed);
    machine_com1_send(shell->machine, "\r");
    snprintf(text, sizeof(text), "there is no command '%s'", line);
    if (!strstr(answer(shell), text))
        machine_fail(shell->machine, "it says '%s', not '%s'", shell->answer, text);
}

/* ---- the serial line ---- */

Test(shell, every_command_answers, .timeout = 300)
{
    struct shell *shell = shell_start("");
    static const char *const named[] = {"help",  "ps",  "threads", "tasks", "memory", "interrupts", "log",
                                        "bench", "run", "kill",    "time",  "reboot", "poweroff"};

    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
        must_answer(shell, "help", named[i]);
    must_answer(shell, "ps", "             1        0        1 ");
    must_answer(shell, "ps", "runs    shell\n");
    must_answer(shell, "threads", " running  ");
    must_answer(shell, "threads", "  serial\n");
    must_answer(shell, "threads", "\n  of ");
    must_answer(shell, "tasks", "tasks of executor, ");
    must_answer(shell, "tasks", "async keyboard_poll (src/drivers/keyboard_task.c:");
    must_answer(shell, "memory", "heap slab: ");
    must_answer(shell, "interrupts", "  COM1\n");
    must_answer(shell, "log", "boot: memory: ");
    must_answer_only(shell, "run hello", "hello from process 2\n");
    must_answer(shell, "run hello 3", "[3] hello ended with 3\n");
    must_answer(shell, "run quick 0x10", "[4] quick ended with 16\n");
    must_answer(shell, "time quick 7", "[5] quick ended with 7\ntime: 0.000");
    must_answer(shell, "time marks 20", "[6] marks ended with 0\ntime: 0.02");
    must_answer(shell, "run attack", "[7] attack ended ");
    shell_stop(shell);
}

Test(shell, measures_while_all_else_goes_on, .timeout = 300)
{
    struct shell *shell = shell_start("");

    must_answer(shell, "bench processes", "\nuser.lifecycle ");
    must_answer(shell, "bench tasks", " instructions (");
    must_answer(shell, "bench timers", "\ntimer.insert_1000 ");
    must_answer(shell, "bench memory", " instructions (");
    must_answer(shell, "bench tasks", " instructions (");
    must_answer(shell, "ps", " shell\n");
    shell_stop(shell);
}

Test(shell, says_what_is_wrong_with_a_line, .timeout = 120)
{
    static const struct {
        const char *line, *answer;
    } wrong[] = {
        {"nothing", "shell: there is no command 'nothing'; 'help' lists them\n"},
        {"HELP", "shell: there is no command 'HELP'; 'help' lists them\n"},
        {"hel", "shell: there is no command 'hel'; 'help' lists them\n"},
        {"helpp", "shell: there is no command 'helpp'; 'help' lists them\n"},
        {"", ""},
        {"    ", ""},
        {"&", "shell: & follows a command\n"},
        {"ps &", "ps: only 'run' takes an &\n"},
        {"time hello &", "time: only 'run' takes an &\n"},
        {"ps 1", "usage: ps\n"},
        {"run", "usage: run PROGRAM [NUMBER] [&]\n"},
        {"run hello 1 2", "usage: run PROGRAM [NUMBER] [&]\n"},
        {"1 2 3 4 5 6", "shell: more words than any command takes\n"},
        {"run nothing", "run: there is no program 'nothing'\n"},
        {"run hello x", "run: 'x' is no number\n"},
        {"run hello 0x", "run: '0x' is no number\n"},
        {"run hello 12a", "run: '12a' is no number\n"},
        {"run hello -1", "run: '-1' is no number\n"},
        {"run hello 18446744073709551616", "run: '18446744073709551616' is no number\n"},
        {"time nothing", "time: there is no program 'nothing'\n"},
        {"kill", "usage: kill PID\n"},
        {"kill x", "kill: 'x' is no number\n"},
        {"kill 77", "kill: this shell has started no process 77 that is still there\n"},
        {"kill 0", "kill: this shell has started no process 0 that is still there\n"},
        {"bench", "usage: bench SUITE\n"},
        {"bench all", "bench: there is no 'all'; there are processes, tasks, timers and memory\n"},
        {"poweroff now", "usage: poweroff\n"},
        {"  run   hello  ", "hello from process 2\n"},
    };
    struct shell *shell = shell_start("");

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        must_answer_only(shell, wrong[i].line, wrong[i].answer);
    shell_stop(shell);
}

Test(shell, lines_are_edited_and_recalled, .timeout = 120)
{
    struct shell *shell = shell_start("");

    must_make(shell, "abd" LEFT "c", "abcd");
    must_make(shell, "abcx\x7f", "abc");
    must_make(shell, "axbc" LEFT LEFT "\b", "abc");
    must_make(shell, "xabc" HOME DELETE END "d", "abcd");
    must_make(shell, "bc\001a\005d", "abcd");
    must_make(shell, "nonsense\025abc", "abc");
    must_make(shell, "abcrest" LEFT LEFT LEFT LEFT "\013", "abc");
    must_make(shell, "abc def\027\x7f", "abc");
    must_make(shell, "c" LEFT LEFT "ab" RIGHT RIGHT "d", "abcd");
    machine_com1_send(shell->machine, "given up\003");
    must_say(shell, "given up^C\r\n" PROMPT);
    must_make(shell, "abc", "abc");
    must_make(shell, UP, "abc");
    must_make(shell, "one", "one");
    must_make(shell, "two", "two");
    must_make(shell, UP UP, "one");
    must_make(shell, UP UP UP DOWN "s", "twos");
    must_make(shell, "begun" UP UP DOWN DOWN, "begun");
    must_make(shell, "\033[5~\033[15~\033OPabc\033[Z\t\xff", "abc");
    shell_stop(shell);
}

/* Computing, asleep, yielding and waiting for a child; and one that reads what is typed. */
Test(shell, control_c_ends_the_program_in_the_foreground, .timeout = 120)
{
    static const char *const lines[] = {"run spin", "run spin 1", "run spin 2", "run spin 3", "run echo", "time spin"};
    struct shell *shell = shell_start("");

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        machine_com1_send(shell->machine, lines[i]);
        machine_com1_send(shell->machine, "\r");
        must_say(shell, lines[i]);
        machine_com1_send(shell->machine, "\003");
        must_say(shell, "^C\r\n");
        if (!strstr(answer(shell), " was killed\n"))
            machine_fail(shell->machine, "after ^C it says '%s'", shell->answer);
    }
    must_answer(shell, "ps", " shell\n");
    shell_stop(shell);
}

Test(shell, what_runs_in_the_background_is_said_and_can_be_killed, .timeout = 120)
{
    struct shell *shell = shell_start("");

    must_answer_only(shell, "run spin &", "[2] spin\n");
    must_answer_only(shell, "run spin 1&", "[3] spin\n");
    must_answer(shell, "ps", "  spin\n");
    machine_com1_send(shell->machine, "run marks 50 &\r");
    must_say(shell, "[4] marks\r\n" PROMPT);
    machine_com1_send(shell->machine, "he");
    must_say(shell, "\r\n[4] marks ended with 0\r\n" PROMPT "he");
    must_answer(shell, "lp", "poweroff");
    must_answer(shell, "kill 2", "");
    must_answer(shell, "kill 3", "");
    must_answer(shell, "run attack &", "");
    for (int i = 0; i < 50 && strstr(obey(shell, "ps"), "spin"); i++)
        continue;
    cr_assert_not(strstr(obey(shell, "ps"), "spin"));
    must_answer(shell, "kill 2", "kill: this shell has started no process 2 that is still there");
    cr_assert(machine_com1_contains(shell->machine, "[2] spin was killed", ANSWER_MS));
    cr_assert(machine_com1_contains(shell->machine, "[3] spin was killed", ANSWER_MS));
    shell_stop(shell);
}

/* More than any queue holds: what is lost is lost, and what comes afterwards is not. */
Test(shell, a_flood_does_no_harm, .timeout = 120)
{
    struct shell *shell = shell_start("");
    char flood[8193];

    memset(flood, 'x', sizeof(flood) - 1);
    flood[sizeof(flood) - 1] = 0;
    machine_com1_send(shell->machine, flood);
    machine_com1_send(shell->machine, "\033[A\033[");
    machine_com1_send(shell->machine, flood);
    for (int i = 0; i < 100; i++)
        machine_mouse_move(shell->machine, i - 50, 50 - i);
    machine_pump(shell->machine, 500);
    machine_com1_send(shell->machine, "\025");
    must_make(shell, "abc", "abc");
    must_answer(shell, "run hello", "hello from process ");
    shell_stop(shell);
}

/* What is typed too early, and what a program reads. */
Test(shell, a_program_reads_what_the_shell_passes_on, .timeout = 120)
{
    struct shell *shell = shell_start("");

    machine_com1_send(shell->machine, "run marks 30\rhello\r");
    must_say(shell, "there is no command 'hello'");
    must_say(shell, PROMPT);
    machine_com1_send(shell->machine, "run echo\r");
    must_say(shell, "run echo\r\n");
    while (!machine_com1_next(shell->machine, &shell->read, "key 42 released\r\n", 100))
        machine_tap(shell->machine, "shift"); /* until it reads: to the shell they are nothing */
    machine_com1_send(shell->machine, "\001");
    must_say(shell, "serial byte 0x01\r\n");
    machine_tap(shell->machine, "b");
    must_say(shell, "key 48 pressed: 'b'\r\nkey 48 released\r\n");
    machine_mouse_move(shell->machine, 5, 3);
    must_say(shell, "motion 5, 3, wheel 0\r\n");
    machine_mouse_button(shell->machine, "left", true);
    machine_mouse_button(shell->machine, "left", false);
    must_say(shell, "button 0x110 pressed\r\nbutton 0x110 released\r\n");
    machine_key(shell->machine, "ctrl", true);
    machine_tap(shell->machine, "c");
    machine_key(shell->machine, "ctrl", false);
    must_say(shell, "was killed\r\n" PROMPT);
    shell_stop(shell);
}

/* As many as one process may have, which do nothing, and one more. */
Test(shell, a_child_too_many_is_refused_in_words, .timeout = 120)
{
    struct shell *shell = shell_start("");

    for (unsigned i = 0; i < 64; i++)
        must_answer(shell, "run spin 1 &", "] spin");
    must_answer(shell, "run spin 1 &", "run: spin: a limit of the process, or of all of them, is reached\n");
    machine_com1_send(shell->machine, "kill 9\r");
    must_say(shell, "[9] spin was killed");
    must_say(shell, PROMPT);
    must_answer(shell, "run hello", "hello from process ");
    shell_stop(shell);
}

Test(shell, another_one_follows_one_that_ends, .timeout = 120)
{
    struct shell *shell = shell_start("");

    machine_com1_send(shell->machine, "kill 1\r");
    must_say(shell, "duet: shell: it has been killed; another one is started\r\n");
    must_say(shell, "duet: this is process 2;");
    must_say(shell, PROMPT);
    must_answer(shell, "ps", "             2        0        1 ");
    shell_stop(shell);
}

/* GRUB brings the programs; and what comes over the line comes by the I/O APIC too. */
Test(shell, comes_from_the_image, .timeout = 180)
{
    struct shell *shell = calloc(1, sizeof(*shell));

    shell->machine = machine_start(
        &(struct machine_options){.iso = ISO, .cmdline = "mode=shell irq=apic", .vga = true, .typed = true});
    must_say(shell, "\n" PROMPT);
    must_answer(shell, "run quick 5", "] quick ended with 5\n");
    must_show(shell, "] quick ended with 5");
    must_answer(shell, "interrupts", "  COM1\n");
    shell_stop(shell);
}

static bool ended_with(struct shell *shell, const char *line, const char *reason)
{
    machine_com1_send(shell->machine, line);
    cr_assert_eq(machine_wait_exit(shell->machine, ANSWER_MS), 0);
    return shell->machine->text[MACHINE_QMP].bytes && strstr(shell->machine->text[MACHINE_QMP].bytes, reason);
}

Test(shell, reboots_and_powers_off, .timeout = 120)
{
    struct shell *shell = shell_start("");

    cr_assert(ended_with(shell, "reboot\r", "\"guest-reset\""));
    shell_stop(shell);
    shell = shell_start("");
    cr_assert(ended_with(shell, "poweroff\r", "\"guest-shutdown\""));
    shell_stop(shell);
}

Test(shell, without_programs_there_is_none, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=shell", .reference = true});

    cr_assert_eq(machine_wait_exit(machine, ANSWER_MS), EXIT_FAILED);
    cr_assert(machine_com1_contains(machine, "duet: shell: there are no programs", 0));
    machine_stop(machine);
}

/* ---- the keyboard ---- */

static void press_with(struct machine *machine, const char *held, const char *qcode)
{
    if (held)
        machine_key(machine, held, true);
    machine_tap(machine, qcode);
    if (held)
        machine_key(machine, held, false);
}

/* A key at a time, as the keyboard keeps few: the next one when the line shows it. */
static void type(struct shell *shell, const char *text)
{
    struct machine *machine = shell->machine;

    for (; *text; text++) {
        size_t i = 0;

        while (i < keys_count &&
               (keys[i].kind > KEY_KIND_LETTER || (keys[i].plain != *text && keys[i].shifted != *text)))
            i++;
        cr_assert_lt(i, keys_count, "no key types '%c'", *text);
        press_with(machine, keys[i].plain == *text ? NULL : "shift", keys[i].qcode);
        must_say(shell, (char[]){*text, 0});
    }
}

static void enter(struct shell *shell)
{
    machine_tap(shell->machine, "ret");
    must_say(shell, "\r\n");
}

/* A key that changes what is shown, so that the next one waits for it. */
static void edit(struct shell *shell, const char *held, const char *qcode)
{
    const struct text *com1 = &shell->machine->text[MACHINE_COM1];
    long long deadline_ms = machine_now_ms() + ANSWER_MS;
    size_t before;

    machine_pump(shell->machine, 0);
    before = com1->length;
    press_with(shell->machine, held, qcode);
    while (com1->length == before && machine_now_ms() < deadline_ms)
        machine_pump(shell->machine, 10);
    shell->read = com1->length;
}

struct style {
    char name[8];
};

static struct style styles[] = {{"async"}, {"thread"}, {"user"}};

ParameterizedTestParameters(shell, is_typed_on_the_keyboard_and_seen_on_the_screen)
{
    return cr_make_param_array(struct style, styles, sizeof(styles) / sizeof(styles[0]));
}

ParameterizedTest(struct style *style, shell, is_typed_on_the_keyboard_and_seen_on_the_screen, .timeout = 300)
{
    char words[32];
    struct shell *shell;

    snprintf(words, sizeof(words), "keyboard=%s", style->name);
    shell = shell_start(words);
    type(shell, "hlp");
    edit(shell, NULL, "left");
    edit(shell, NULL, "left");
    type(shell, "e");
    enter(shell);
    must_say(shell, "starts the machine again\r\n");
    must_show(shell, "poweroff                         turns the machine off");
    type(shell, "xfoo_BAR");
    edit(shell, NULL, "backspace");
    edit(shell, NULL, "home");
    edit(shell, NULL, "delete");
    edit(shell, NULL, "end");
    type(shell, "Z");
    enter(shell);
    must_show(shell, "there is no command 'foo_BAZ'");
    edit(shell, NULL, "up");
    edit(shell, NULL, "up");
    edit(shell, NULL, "down");
    edit(shell, "ctrl", "a");
    edit(shell, "ctrl", "k");
    type(shell, "ps");
    enter(shell);
    must_show(shell, "processes: pid   parent  threads");
    type(shell, "no");
    edit(shell, "ctrl", "u");
    type(shell, "run spin &");
    enter(shell);
    must_show(shell, "] spin ");
    type(shell, "run spin");
    enter(shell);
    edit(shell, "ctrl", "c");
    must_show(shell, "^C");
    must_show(shell, "] spin was killed");
    type(shell, "memory");
    enter(shell);
    must_show(shell, "page tables ");
    shell_stop(shell);
}

/* ---- the picture ---- */

enum { CELL_WIDTH = 9, CELL_HEIGHT = 16, WIDTH = SCREEN_COLUMNS * CELL_WIDTH, HEIGHT = SCREEN_ROWS * CELL_HEIGHT };

static unsigned char picture[HEIGHT][WIDTH][3];

static void take_picture(struct machine *machine)
{
    static const char header[] = "P6\n720 400\n255\n";
    char path[32], found[sizeof(header)] = "";

    snprintf(path, sizeof(path), "/dev/fd/%d", machine->screen);
    json_decref(qmp_run(machine, "screendump", json_pack("{s:s}", "filename", path)));
    cr_assert_eq(pread(machine->screen, found, sizeof(header) - 1, 0), sizeof(header) - 1);
    cr_assert_str_eq(found, header);
    cr_assert_eq(pread(machine->screen, picture, sizeof(picture), sizeof(header) - 1), sizeof(picture));
}

static bool cell_is_lit(int row, int column)
{
    for (int y = 0; y < CELL_HEIGHT; y++)
        for (int x = 0; x < CELL_WIDTH; x++)
            if (picture[row * CELL_HEIGHT + y][column * CELL_WIDTH + x][1] > 64)
                return true;
    return false;
}

/* Each cell of the picture is black where there is a blank, and else is not; but for the cursor's. */
Test(shell, its_picture_is_what_it_says, .timeout = 120)
{
    struct shell *shell = shell_start("");
    struct screen screen;
    int row;

    must_answer(shell, "memory", "page tables ");
    must_answer(shell, "help", "poweroff");
    machine_com1_send(shell->machine, "kill 2");
    must_show(shell, PROMPT "kill 2");
    machine_screen(shell->machine, &screen);
    take_picture(shell->machine);
    row = machine_screen_row(shell->machine, 0, PROMPT "kill 2", 0);
    cr_assert_geq(row, 0);
    for (int r = 0; r < SCREEN_ROWS; r++)
        for (int c = 0; c < SCREEN_COLUMNS; c++)
            if (r != row || c != (int)strlen(PROMPT "kill 2"))
                cr_assert_eq(cell_is_lit(r, c), screen.text[r][c] != ' ', "row %d, column %d, '%c'", r, c,
                             screen.text[r][c]);
    shell_stop(shell);
}
