/* The stopwatch beside the machine puts input where it says, to the instruction, and what is not delivered is found. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM    "PATH=%s:$PATH build/bench/duet-external --quick --plugin build/bench/stopwatch.so"
#define FOLDER     "build/bench/test-stopwatch-%s"
#define QEMU       "/usr/bin/qemu-system-x86_64"
#define EVENTS_MIN 200

struct outcome {
    int status;
    char text[8192]; /* what it said */
};

/* With the QEMU that is in the folder `path`, if one is. */
static struct outcome stopwatch_run_by(const char *path, const char *test, const char *cell, const char *more)
{
    struct outcome outcome = {0};
    char command[512];
    FILE *pipe;

    snprintf(command, sizeof(command), PROGRAM " --out " FOLDER " --only %s %s 2>&1", path, test, cell, more);
    pipe = popen(command, "r");
    cr_assert(pipe);
    outcome.text[fread(outcome.text, 1, sizeof(outcome.text) - 1, pipe)] = '\0';
    outcome.status = WEXITSTATUS(pclose(pipe));
    return outcome;
}

static struct outcome stopwatch_run(const char *test, const char *cell, const char *more)
{
    return stopwatch_run_by(".", test, cell, more);
}

static FILE *file_of(const char *test, const char *name)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), FOLDER "/%s", test, name);
    file = fopen(path, "r");
    cr_assert(file, "%s is not there", path);
    return file;
}

/* The next line of the log that is the stopwatch's, and no other's. */
static bool next_line(FILE *log, char line[512])
{
    while (fgets(line, 512, log))
        if (!strncmp(line, "stopwatch ", 10))
            return true;
    line[0] = '\0';
    return false;
}

static void must_equal(const char *one, const char *other, const char *log)
{
    FILE *files[2] = {file_of(one, log), file_of(other, log)};
    char lines[2][512];
    size_t injections = 0;
    bool more;

    do {
        more = next_line(files[0], lines[0]);
        next_line(files[1], lines[1]);
        cr_assert_str_eq(lines[0], lines[1]);
        injections += !strncmp(lines[0], "stopwatch inject", 16);
    } while (more);
    cr_assert_geq(injections, EVENTS_MIN);
    fclose(files[0]);
    fclose(files[1]);
}

Test(stopwatch, feeds_and_times_a_kernel_the_same_to_the_instruction_every_time, .timeout = 600)
{
    struct outcome first = stopwatch_run("one", "duet-thread-both-close", "");
    struct outcome second = stopwatch_run("other", "duet-thread-both-close", "");

    cr_assert_eq(first.status, 0, "%s", first.text);
    cr_assert_eq(second.status, 0, "%s", second.text);
    must_equal("one", "other", "duet-thread-both-close.qemu");
}

/* In the busy cell each event is due so many instructions after the one before, and the CPU never halts. */
Test(stopwatch, sends_each_event_at_the_very_instruction_planned, .timeout = 600)
{
    struct outcome outcome = stopwatch_run("exact", "duet-async-keyboard-busy", "");
    FILE *plan;
    FILE *log;
    char line[512];
    unsigned long long last = 0;
    size_t injections = 0;

    cr_assert_eq(outcome.status, 0, "%s", outcome.text);
    plan = file_of("exact", "duet-async-keyboard-busy.plan");
    log = file_of("exact", "duet-async-keyboard-busy.qemu");
    while (next_line(log, line)) {
        unsigned long long count;
        unsigned long planned;
        char step[512];

        if (sscanf(line, "stopwatch inject %*u %llu", &count) != 1)
            continue;
        cr_assert(fgets(step, sizeof(step), plan));
        cr_assert_eq(sscanf(step, "at %lu", &planned), 1);
        cr_assert(!injections || count - last == planned, "%llu instructions, not %lu", count - last, planned);
        last = count;
        injections++;
    }
    cr_assert_geq(injections, EVENTS_MIN);
    fclose(plan);
    fclose(log);
}

static void must_find_dropped(const char *test, const char *cell, const char *finding)
{
    struct outcome outcome = stopwatch_run(test, cell, "--drop 41");

    cr_assert_eq(outcome.status, 1, "%s", outcome.text);
    cr_assert(strstr(outcome.text, finding), "%s", outcome.text);
}

/* That of the keyboard is a release: the next press of that key is then a repeat, which was not sent either. */
Test(stopwatch, finds_the_one_event_that_did_not_come, .timeout = 600)
{
    must_find_dropped("drop-key", "duet-thread-keyboard-idle", ": 2 lost, 1 not sent there; lost: key 57 0");
    must_find_dropped("drop-mouse", "duet-async-mouse-close", ": 1 lost, 0 not sent there; lost: rel");
}

Test(stopwatch, loses_nothing_at_the_pace_of_the_host, .timeout = 600)
{
    struct outcome outcome = stopwatch_run("free", "both-free", "");

    cr_assert_eq(outcome.status, 0, "%s", outcome.text);
}

static void shell(const char *format, ...)
{
    char command[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* A QEMU of which the first two boots are the real one's, and the next is killed, or ends without its log. */
static void must_resume(const char *test, const char *dies, const char *says)
{
    char folder[256];
    struct outcome outcome;

    snprintf(folder, sizeof(folder), FOLDER, test);
    shell("rm -rf %s && mkdir -p %s/bin", folder, folder);
    shell("printf '#!/bin/sh\\n[ \"$1\" = --version ] && exec " QEMU " \"$@\"\\necho x >>%s/boots\\n"
          "[ $(wc -l <%s/boots) -gt 2 ] && { %s; }\\nexec " QEMU " \"$@\"\\n' >%s/bin/qemu-system-x86_64",
          folder, folder, dies, folder);
    shell("chmod +x %s/bin/qemu-system-x86_64", folder);
    strcat(folder, "/bin");
    outcome = stopwatch_run_by(folder, test, "duet-thread-keyboard", "");
    cr_assert_eq(outcome.status, 1, "%s", outcome.text);
    cr_assert(strstr(outcome.text, says), "%s", outcome.text);
    cr_assert(strstr(outcome.text, "2 of 3 cells are done"), "%s", outcome.text);
    outcome = stopwatch_run(test, "duet-thread-keyboard", "");
    cr_assert_eq(outcome.status, 0, "%s", outcome.text);
    cr_assert(strstr(outcome.text, "2 of 3 cells are kept from before\n  1/1 "), "%s", outcome.text);
    cr_assert(strstr(outcome.text, "\n3 cells, 0 not as sent"), "%s", outcome.text);
}

Test(stopwatch, keeps_what_is_finished_when_qemu_is_killed_and_goes_on, .timeout = 600)
{
    must_resume("killed", "kill -9 $$", "QEMU was killed by signal 9");
}

#define LAST "build/bench/test-stopwatch-full/duet-thread-keyboard-close"

Test(stopwatch, notices_a_log_that_was_not_written, .timeout = 600)
{
    must_resume("full", ": >" LAST ".com2; : >" LAST ".qemu; exit 0", "is the disk full?");
}
