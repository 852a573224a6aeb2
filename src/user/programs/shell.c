/*
 * The shell: lines from the keyboard and the serial line, which come as one stream of events; commands, which are the
 * kernel's reports and other programs.
 *
 * A program in the foreground gets the events that the shell does not need, if it claims them (duet_claim(3)); else
 * what is typed is kept for the next line. Control-C ends it.
 */
#include <stdarg.h>
#include <stdbool.h>

#include "drivers/input.h"
#include "lib/format.h"
#include "lib/line_edit.h"
#include "user/duet.h"

enum { EVENTS = 2, WORDS_MAX = 5, SAY_BYTES = 256, REPORT_BYTES = 65536, JOBS_MAX = 64, AHEAD_KEYS = 128 };
enum { REPORT_PROCESSES, REPORT_THREADS, REPORT_TASKS, REPORT_MEMORY, REPORT_INTERRUPTS, REPORT_LOG };
enum { POWER_AGAIN, POWER_OFF };
enum { ENDED_BY_EXIT, ENDED_BY_FAULT, ENDED_BY_KILL };

static const char prompt[] = "duet> ";

static struct line_edit line;
static struct line_bytes serial;
static struct line_keyboard keyboard;

/* Keys that came while a program was in the foreground. */
static unsigned ahead[AHEAD_KEYS];
static unsigned ahead_first, ahead_count;

/* What runs in the background. */
static struct job {
    uint64_t pid; /* 0: none */
    char name[LINE_EDIT_BYTES];
} jobs[JOBS_MAX];

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void show(const char *text, size_t size)
{
    (void)duet_write(text, size);
}

printf_like(1, 2) static void say(const char *format, ...)
{
    char text[SAY_BYTES];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    show(text, length < sizeof(text) ? length : sizeof(text) - 1);
}

/* Of a negative result. */
static const char *error_text(int64_t result)
{
#define SYSCALL_ERROR(name, value, text) \
    case (value):                        \
        return text;
#define SYSCALL0(...)
#define SYSCALL1(...)
#define SYSCALL2(...)
#define SYSCALL3(...)
#define SYSCALL4(...)
    switch (-result) {
#include "lib/syscalls.def"
    default:
        return "?";
    }
#undef SYSCALL_ERROR
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
}

/* Decimal, or hexadecimal after 0x. */
static bool parse_number(const char *text, uint64_t *number)
{
    unsigned base = text[0] == '0' && text[1] == 'x' ? 16 : 10;

    *number = 0;
    text += base == 16 ? 2 : 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
                                                        : 16;

        if (digit >= base || *number > (UINT64_MAX - digit) / base)
            return false;
        *number = *number * base + digit;
    }
    return true;
}

static bool number_of(const char *command, const char *text, uint64_t *number)
{
    bool good = parse_number(text, number);

    if (!good)
        say("%s: '%s' is no number\n", command, text);
    return good;
}

static bool equal(const char *left, const char *right)
{
    while (*left && *left == *right) {
        left++;
        right++;
    }
    return *left == *right;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static unsigned key_of(const struct input_event *event)
{
    if (event->type == INPUT_TEXT)
        return line_bytes_key(&serial, (uint8_t)event->text);
    if (event->type == INPUT_KEY)
        return line_keyboard_key(&keyboard, event->code, (uint8_t)event->value, event->text);
    return LINE_KEY_NONE;
}

static void keep_key(unsigned key)
{
    if (key != LINE_KEY_NONE && ahead_count < AHEAD_KEYS)
        ahead[(ahead_first + ahead_count++) % AHEAD_KEYS] = key;
}

static void while_it_runs(uint64_t pid, const struct input_event *event)
{
    unsigned key = key_of(event);

    if (key == LINE_CONTROL('C')) {
        say("^C\n");
        ahead_count = 0;
        (void)duet_kill(pid);
    } else if (event->type != INPUT_ENDED && duet_publish(event, 1) != 0) {
        keep_key(key);
    }
}

/* Until it ends; every child's end is an event too. */
static int64_t in_foreground(uint64_t pid, int64_t *status)
{
    struct input_event event;
    int64_t end;

    while ((end = duet_wait_for(pid, status, 0)) == -DUET_ERROR_BUSY)
        if (duet_event_read(&event, UINT64_MAX) == 1)
            while_it_runs(pid, &event);
    return end;
}

static void say_end(uint64_t pid, const char *name, int64_t end, int64_t status)
{
    say("[%lu] %s ", (unsigned long)pid, name);
    if (end == ENDED_BY_EXIT)
        say("ended with %ld\n", (long)status);
    else if (end == ENDED_BY_FAULT)
        say("ended by exception %ld\n", (long)status);
    else
        say("was killed\n");
}

/* Says which jobs have ended; false if none has. The line that is being typed goes on below. */
static bool jobs_ended(bool typing)
{
    bool any = false;

    for (unsigned i = 0; i < JOBS_MAX; i++) {
        int64_t status = 0;
        int64_t end = jobs[i].pid ? duet_wait_for(jobs[i].pid, &status, 0) : -DUET_ERROR_BUSY;

        if (end == -DUET_ERROR_BUSY)
            continue;
        if (typing && !any)
            say("\n");
        say_end(jobs[i].pid, jobs[i].name, end, status);
        jobs[i].pid = 0;
        any = true;
    }
    return any;
}

static unsigned next_key(void)
{
    struct input_event event;

    if (ahead_count) {
        unsigned key = ahead[ahead_first];

        ahead_first = (ahead_first + 1) % AHEAD_KEYS;
        ahead_count--;
        return key;
    }
    if (duet_event_read(&event, UINT64_MAX) != 1)
        return LINE_KEY_NONE;
    if (event.type == INPUT_ENDED && jobs_ended(true)) {
        say("%s", prompt);
        line_edit_show(&line);
    }
    return key_of(&event);
}

/* False if it was given up. */
static bool read_line(void)
{
    enum line_state state;

    (void)jobs_ended(false);
    say("%s", prompt);
    line_edit_begin(&line);
    do {
        state = line_edit_key(&line, next_key());
    } while (state == LINE_TYPED);
    return state == LINE_ENDED;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

struct call {
    const struct command *command;
    const char *words[WORDS_MAX]; /* behind the command's own */
    unsigned count;
    bool background;
};

struct command {
    const char *name, *words, *text;
    unsigned least, most; /* words */
    void (*run)(const struct call *call);
    uint64_t what;
};

static void say_report(const struct call *call)
{
    static char text[REPORT_BYTES];
    int64_t length = duet_report(call->command->what, text, sizeof(text));

    if (length < 0)
        say("%s: %s\n", call->command->name, error_text(length));
    else
        show(text, length < REPORT_BYTES ? (uint64_t)length : REPORT_BYTES);
}

static void say_bench(const struct call *call)
{
    static const char *const suites[] = {"processes", "tasks", "timers", "memory"};

    for (unsigned i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
        int64_t result;

        if (!equal(call->words[0], suites[i]))
            continue;
        result = duet_bench(i);
        if (result < 0)
            say("bench: %s\n", error_text(result));
        return;
    }
    say("bench: there is no '%s'; there are processes, tasks, timers and memory\n", call->words[0]);
}

/* A negative number: it was not started, and why is said. */
static int64_t start(const struct call *call)
{
    const char *name = call->words[0];
    uint64_t argument = 0, length = 0;
    int64_t pid;

    if (call->count > 1 && !number_of(call->command->name, call->words[1], &argument))
        return -DUET_ERROR_INVALID;
    while (name[length])
        length++;
    pid = duet_spawn(name, length, argument);
    if (pid == -DUET_ERROR_NOT_FOUND)
        say("%s: there is no program '%s'\n", call->command->name, name);
    else if (pid < 0)
        say("%s: %s: %s\n", call->command->name, name, error_text(pid));
    return pid;
}

static void keep_job(uint64_t pid, const char *name)
{
    unsigned free = 0, length = 0;

    while (jobs[free].pid) /* no process has more children than there are jobs */
        free++;
    jobs[free].pid = pid;
    for (; name[length]; length++)
        jobs[free].name[length] = name[length];
    jobs[free].name[length] = '\0';
    say("[%lu] %s\n", (unsigned long)pid, name);
}

static void run(const struct call *call)
{
    int64_t status = 0, end, pid = start(call);

    if (pid < 0)
        return;
    if (call->background) {
        keep_job((uint64_t)pid, call->words[0]);
        return;
    }
    end = in_foreground((uint64_t)pid, &status);
    if (end != ENDED_BY_EXIT || status != 0)
        say_end((uint64_t)pid, call->words[0], end, status);
}

static void say_time(const struct call *call)
{
    int64_t begin_ns = duet_clock();
    int64_t status = 0, end, pid = start(call);
    uint64_t us;

    if (pid < 0)
        return;
    end = in_foreground((uint64_t)pid, &status);
    us = (uint64_t)(duet_clock() - begin_ns) / 1000;
    say_end((uint64_t)pid, call->words[0], end, status);
    say("time: %lu.%06lu s\n", (unsigned long)(us / 1000000), (unsigned long)(us % 1000000));
}

static void kill(const struct call *call)
{
    uint64_t pid;
    int64_t result;

    if (!number_of("kill", call->words[0], &pid))
        return;
    result = duet_kill(pid);
    if (result == -DUET_ERROR_NOT_FOUND)
        say("kill: this shell has started no process %lu that is still there\n", (unsigned long)pid);
    else if (result < 0)
        say("kill: %s\n", error_text(result));
}

static void power(const struct call *call)
{
    say("%s: %s\n", call->command->name, error_text(duet_power(call->command->what)));
}

static void say_help(const struct call *call);

static const struct command commands[] = {
    {"help", "", "this list", 0, 0, say_help, 0},
    {"ps", "", "processes", 0, 0, say_report, REPORT_PROCESSES},
    {"threads", "", "threads: states, priorities, time, stacks", 0, 0, say_report, REPORT_THREADS},
    {"tasks", "", "tasks of each executor, and where they wait", 0, 0, say_report, REPORT_TASKS},
    {"memory", "", "frames, page tables, stacks, the heap", 0, 0, say_report, REPORT_MEMORY},
    {"interrupts", "", "how often each came", 0, 0, say_report, REPORT_INTERRUPTS},
    {"log", "", "its last lines", 0, 0, say_report, REPORT_LOG},
    {"bench", "SUITE", "measures processes, tasks, timers or memory", 1, 1, say_bench, 0},
    {"run", "PROGRAM [NUMBER] [&]", "starts a program; & in the background", 1, 2, run, 0},
    {"kill", "PID", "ends what this shell has started", 1, 1, kill, 0},
    {"time", "PROGRAM [NUMBER]", "runs a program, and says how long it took", 1, 2, say_time, 0},
    {"reboot", "", "starts the machine again", 0, 0, power, POWER_AGAIN},
    {"poweroff", "", "turns the machine off", 0, 0, power, POWER_OFF},
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void say_help(const struct call *call)
{
    (void)call;
    for (unsigned i = 0; i < COMMANDS; i++)
        say("  %-10s %-21s %s\n", commands[i].name, commands[i].words, commands[i].text);
    say("Control-C ends the program in the foreground. A line is edited by the arrows,\n"
        "Home, End, Delete, ^A ^E ^U ^K ^W; the arrows up and down bring lines back.\n");
}

/* Ends its words where there are blanks, and takes an & off its end. False if there are too many. */
static bool split(char *text, const char **words, unsigned *count, bool *background)
{
    size_t length = 0;

    while (text[length])
        length++;
    while (length && text[length - 1] == ' ')
        length--;
    *background = length && text[length - 1] == '&';
    text[*background ? length - 1 : length] = '\0';
    *count = 0;
    for (;;) {
        while (*text == ' ')
            *text++ = '\0';
        if (!*text)
            return true;
        if (*count == WORDS_MAX)
            return false;
        words[(*count)++] = text;
        while (*text && *text != ' ')
            text++;
    }
}

static void call(const struct command *command, const char *const *words, unsigned count, bool background)
{
    struct call call = {.command = command, .count = count, .background = background};

    if (count < command->least || count > command->most) {
        say("usage: %s%s%s\n", command->name, *command->words ? " " : "", command->words);
        return;
    }
    if (background && command->run != run) {
        say("%s: only 'run' takes an &\n", command->name);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        call.words[i] = words[i];
    command->run(&call);
}

static void obey(char *text)
{
    const char *words[WORDS_MAX];
    bool background;
    unsigned count;

    if (!split(text, words, &count, &background)) {
        say("shell: more words than any command takes\n");
        return;
    }
    if (!count) {
        if (background)
            say("shell: & follows a command\n");
        return;
    }
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (!equal(words[0], commands[i].name))
            continue;
        call(&commands[i], words + 1, count - 1, background);
        return;
    }
    say("shell: there is no command '%s'; 'help' lists them\n", words[0]);
}

int main(uint64_t unused)
{
    (void)unused;
    if (duet_claim(EVENTS) != 0) {
        say("shell: somebody else reads the keyboard\n");
        return 1;
    }
    line_edit_init(&line, show);
    say("duet: this is process %lu; 'help' lists the commands\n", (unsigned long)duet_getpid());
    for (;;)
        if (read_line())
            obey(line.text);
}
