/* The command line against the kernel's kind of option table: each value, each error word for word, and noise. */
#include "lib/cmdline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static bool is_load(const char *value)
{
    return !strcmp(value, "idle") || !strncmp(value, "threads:", 8);
}

static const char *const modes[] = {"demo", "echo", "bench", "test", NULL};
static const char *const styles[] = {"async", "thread", NULL};

enum { MODE, KEYBOARD, EVENTS, BIG, PERIOD, QUANTUM, LOAD, NAME, OPTION_COUNT };

static const struct option options[OPTION_COUNT] = {
    [MODE] = {.key = "mode", .kind = OPTION_CHOICE, .choices = modes},
    [KEYBOARD] = {.key = "keyboard", .kind = OPTION_CHOICE, .choices = styles},
    [EVENTS] = {.key = "events",
                .kind = OPTION_NUMBER,
                .minimum = 1,
                .maximum = 1000000,
                .valid = "a number from 1 to 1000000"},
    [BIG] = {.key = "big", .kind = OPTION_NUMBER, .maximum = UINT64_MAX, .valid = "a 64-bit number"},
    [PERIOD] = {.key = "period", .kind = OPTION_DURATION, .maximum = UINT64_MAX, .valid = "a duration"},
    [QUANTUM] = {.key = "quantum",
                 .kind = OPTION_DURATION,
                 .minimum = 100000,
                 .maximum = 1000000000,
                 .valid = "a duration from 100us to 1s"},
    [LOAD] = {.key = "load", .kind = OPTION_TEXT, .valid = "idle or threads:N", .check = is_load},
    [NAME] = {.key = "name", .kind = OPTION_TEXT},
};

static struct option_value values[OPTION_COUNT];
static char error[256];

/* Parses from fresh values, and checks that an error leaves them as they were and says one line. */
static enum status parse(const char *line)
{
    struct option_value before[OPTION_COUNT];
    enum status status;

    memset(values, 0x5a, sizeof(values));
    for (size_t i = 0; i < OPTION_COUNT; i++)
        values[i].set = false;
    memcpy(before, values, sizeof(before));
    memset(error, '#', sizeof(error));
    status = cmdline_parse(line, options, OPTION_COUNT, values, error, sizeof(error));
    if (status) {
        cr_assert_eq(status, STATUS_INVALID);
        cr_assert_arr_eq(values, before, sizeof(values));
        cr_assert_not_null(memchr(error, '\0', sizeof(error)));
        for (const char *c = error; *c; c++)
            cr_assert(*c >= 0x20 && *c <= 0x7e);
        cr_assert_gt(strlen(error), 0);
    }
    return status;
}

static void assert_error(const char *line, const char *expected)
{
    cr_assert_eq(parse(line), STATUS_INVALID, "%s", line);
    cr_assert_str_eq(error, expected);
}

static size_t set_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++)
        count += values[i].set;
    return count;
}

/* ---- what it reads ---- */

Test(cmdline, leaves_the_defaults_when_the_line_says_nothing)
{
    static const char *const empty[] = {NULL, "", " ", " \t\r\n "};

    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        cr_assert_eq(parse(empty[i]), STATUS_OK);
        cr_assert_eq(set_count(), 0);
        cr_assert_eq(values[EVENTS].number, 0x5a5a5a5a5a5a5a5a);
    }
}

Test(cmdline, reads_every_kind_of_value)
{
    cr_assert_eq(parse("mode=bench keyboard=thread\tevents=1000  period=10ms load=threads:4 name=x=y"), STATUS_OK);
    cr_assert_eq(values[MODE].choice, 2);
    cr_assert_eq(values[KEYBOARD].choice, 1);
    cr_assert_eq(values[EVENTS].number, 1000);
    cr_assert_eq(values[PERIOD].number, 10000000);
    cr_assert_str_eq(values[LOAD].text, "threads:4");
    cr_assert_str_eq(values[NAME].text, "x=y");
    cr_assert_eq(set_count(), 6);
    cr_assert_not(values[BIG].set);
}

Test(cmdline, lets_a_later_word_override_an_earlier_one)
{
    cr_assert_eq(parse("mode=echo name=long-before mode=demo name=b"), STATUS_OK);
    cr_assert_eq(values[MODE].choice, 0);
    cr_assert_str_eq(values[NAME].text, "b");
}

Test(cmdline, skips_a_path_only_as_the_first_word)
{
    cr_assert_eq(parse("/boot/duet.elf mode=echo"), STATUS_OK);
    cr_assert_eq(values[MODE].choice, 1);
    cr_assert_eq(parse("  build/duet.elf"), STATUS_OK);
    assert_error("duet.elf mode=echo", "\"duet.elf\" has no '=' (valid: key=value)");
    assert_error("mode=echo /boot/duet.elf", "\"/boot/duet.elf\" has no '=' (valid: key=value)");
    assert_error("/boot/duet.elf /boot/duet.elf", "\"/boot/duet.elf\" has no '=' (valid: key=value)");
}

Test(cmdline, reads_numbers_up_to_their_bounds)
{
    cr_assert_eq(parse("events=1 big=18446744073709551615"), STATUS_OK);
    cr_assert_eq(values[EVENTS].number, 1);
    cr_assert_eq(values[BIG].number, UINT64_MAX);
    cr_assert_eq(parse("events=0001000000 big=0"), STATUS_OK);
    cr_assert_eq(values[EVENTS].number, 1000000);
    cr_assert_eq(values[BIG].number, 0);
}

Test(cmdline, reads_durations_in_nanoseconds)
{
    static const struct {
        const char *line;
        uint64_t ns;
    } cases[] = {
        {"period=500ns", 500},
        {"period=100us", 100000},
        {"period=1ms", 1000000},
        {"period=2s", 2000000000},
        {"period=0", 0},
        {"period=0ms", 0},
        {"period=18446744073s", UINT64_C(18446744073000000000)},
        {"period=18446744073709551615ns", UINT64_MAX},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cr_assert_eq(parse(cases[i].line), STATUS_OK, "%s", cases[i].line);
        cr_assert_eq(values[PERIOD].number, cases[i].ns, "%s", cases[i].line);
    }
    cr_assert_eq(parse("quantum=100us"), STATUS_OK);
    cr_assert_eq(parse("quantum=1s"), STATUS_OK);
}

Test(cmdline, keeps_the_longest_text_that_fits)
{
    cr_assert_eq(parse("name=1234567890123456789012345678901"), STATUS_OK);
    cr_assert_str_eq(values[NAME].text, "1234567890123456789012345678901");
    cr_assert_eq(parse("name="), STATUS_OK);
    cr_assert_str_eq(values[NAME].text, "");
    cr_assert(values[NAME].set);
}

/* ---- what it refuses, and how it says so ---- */

#define KEYS "mode, keyboard, events, big, period, quantum, load, name"

Test(cmdline, names_an_unknown_key_and_the_valid_ones)
{
    assert_error("mode=demo modee=echo", "unknown key \"modee\" (valid: " KEYS ")");
    assert_error("mod=echo", "unknown key \"mod\" (valid: " KEYS ")");
    assert_error("Mode=echo", "unknown key \"Mode\" (valid: " KEYS ")");
    assert_error("=echo", "unknown key \"\" (valid: " KEYS ")");
    assert_error("/boot/duet=elf", "unknown key \"/boot/duet\" (valid: " KEYS ")");
}

Test(cmdline, names_an_unknown_choice_and_the_valid_ones)
{
    assert_error("mode=ecko", "mode: unknown value \"ecko\" (valid: demo, echo, bench, test)");
    assert_error("mode=", "mode: unknown value \"\" (valid: demo, echo, bench, test)");
    assert_error("mode=ech", "mode: unknown value \"ech\" (valid: demo, echo, bench, test)");
    assert_error("keyboard=asynchronous", "keyboard: unknown value \"asynchronous\" (valid: async, thread)");
}

Test(cmdline, names_a_bad_number)
{
    static const char *const bad[] = {"12x", "", "-1", "+1", "0x10", "0", "1000001", "1ms", "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char line[64], expected[128];

        snprintf(line, sizeof(line), "events=%s", bad[i]);
        snprintf(expected, sizeof(expected), "events: \"%s\" is not a number from 1 to 1000000", bad[i]);
        assert_error(line, expected);
    }
    assert_error("big=", "big: \"\" is not a 64-bit number");
    assert_error("big=18446744073709551616", "big: \"18446744073709551616\" is not a 64-bit number");
}

Test(cmdline, names_a_bad_duration)
{
    static const char *const bad[] = {
        "100",  "ms",    "",     "1m",     "1 ms", "1MS",          "1sx",
        "-1ms", "1.5ms", "99us", "1001ms", "0",    "18446744074s", "18446744073709551616ns"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char line[64], expected[128];

        snprintf(line, sizeof(line), "quantum=%s", bad[i]);
        snprintf(expected, sizeof(expected), "quantum: \"%.*s\" is not a duration from 100us to 1s",
                 (int)strcspn(bad[i], " "), bad[i]);
        assert_error(line, expected);
    }
    assert_error("period=", "period: \"\" is not a duration");
    assert_error("period=ms", "period: \"ms\" is not a duration");
    assert_error("period=18446744074s", "period: \"18446744074s\" is not a duration");
}

Test(cmdline, names_a_bad_text)
{
    assert_error("load=busy", "load: \"busy\" is not idle or threads:N");
    assert_error("load=", "load: \"\" is not idle or threads:N");
    assert_error("name=12345678901234567890123456789012",
                 "name: \"12345678901234567890123456789012\" is longer than 31 bytes");
}

Test(cmdline, refuses_quotes_and_backslashes)
{
    static const char says[] = ": quotes and backslashes are not supported (valid: key=value)";
    static const char *const words[] = {"mode=\"echo\"", "'mode=echo'", "name=a\\", "\"/boot/x\"=1"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char expected[128];

        snprintf(expected, sizeof(expected), "\"%s\"%s", words[i], says);
        assert_error(words[i], expected);
    }
}

Test(cmdline, repeats_a_hostile_word_bounded_and_on_one_line)
{
    char line[600];

    assert_error("mode=!~\x1b[2J\x7f\xff", "mode: unknown value \"!~?[2J??\" (valid: demo, echo, bench, test)");
    memset(line, 'k', sizeof(line));
    strcpy(line + 500, "=1");
    assert_error(line, "unknown key \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\" (valid: " KEYS ")");
}

Test(cmdline, reports_the_first_error_of_several)
{
    assert_error("mode=demo events=x mode=ecko", "events: \"x\" is not a number from 1 to 1000000");
}

Test(cmdline, cuts_the_error_to_its_buffer)
{
    static const char whole[] = "mode: unknown value \"ecko\" (valid: demo, echo, bench, test)";

    for (size_t size = 1; size < sizeof(whole) + 2; size++) {
        char *text = malloc(size);

        cr_assert_eq(cmdline_parse("mode=ecko", options, OPTION_COUNT, values, text, size), STATUS_INVALID);
        cr_assert_eq(strlen(text), size < sizeof(whole) ? size - 1 : sizeof(whole) - 1);
        cr_assert_eq(strncmp(text, whole, strlen(text)), 0);
        free(text);
    }
    cr_assert_eq(cmdline_parse("mode=ecko", options, OPTION_COUNT, values, NULL, 0), STATUS_INVALID);
}

Test(cmdline, panics_on_a_kind_that_does_not_exist, .exit_code = PANIC_EXIT)
{
    const struct option broken = {.key = "key", .kind = (enum option_kind)99};

    (void)!cmdline_parse("key=1", &broken, 1, values, error, sizeof(error));
}

/* ---- noise ---- */

Test(cmdline, survives_lines_made_of_its_own_pieces)
{
    static const char *const pieces[] = {"mode",    "keyboard", "events", "period", "load",
                                         "name",    "=",        "=",      "=",      " ",
                                         " ",       "echo",     "demo",   "idle",   "12",
                                         "0",       "ms",       "us",     "\"",     "\\",
                                         "\x80",    "\n",       "/",      "async",  "99999999999999999999",
                                         "threads:"};
    uint64_t seed = 71;
    size_t good = 0, bad = 0;

    for (unsigned i = 0; i < 100000; i++) {
        char text[512] = "", *line;

        for (uint64_t left = support_random(&seed) % 12; left; left--)
            strcat(text, pieces[support_random(&seed) % ARRAY_SIZE(pieces)]);
        line = strdup(text);
        if (parse(line)) {
            bad++;
        } else {
            good++;
            cr_assert(!values[MODE].set || values[MODE].choice < ARRAY_SIZE(modes) - 1);
            cr_assert(!values[EVENTS].set || (values[EVENTS].number >= 1 && values[EVENTS].number <= 1000000));
            cr_assert(!values[LOAD].set || is_load(values[LOAD].text));
        }
        free(line);
    }
    cr_assert_gt(good, 5000);
    cr_assert_gt(bad, 5000);
}

Test(cmdline, agrees_with_the_words_that_made_the_line)
{
    uint64_t seed = 72;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned mode = support_random(&seed) % 4, style = support_random(&seed) % 2;
        unsigned events = 1 + support_random(&seed) % 1000000, period = support_random(&seed) % 100000;
        static const char *const blanks[] = {" ", "  ", "\t", " \n"};
        const char *blank = blanks[support_random(&seed) % ARRAY_SIZE(blanks)];
        char line[256];

        snprintf(line, sizeof(line), "%speriod=%uus%smode=%s%skeyboard=%s%sevents=%u", blank, period, blank,
                 modes[mode], blank, styles[style], blank, events);
        cr_assert_eq(parse(line), STATUS_OK, "%s", line);
        cr_assert_eq(values[MODE].choice, mode);
        cr_assert_eq(values[KEYBOARD].choice, style);
        cr_assert_eq(values[EVENTS].number, events);
        cr_assert_eq(values[PERIOD].number, period * UINT64_C(1000));
        cr_assert_eq(set_count(), 4);
    }
}
