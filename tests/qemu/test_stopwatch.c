/* The stopwatch beside the machine puts input where it says, to the instruction, and what is not delivered is found. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM    "build/bench/duet-external --quick --plugin build/bench/stopwatch.so"
#define FOLDER     "build/bench/test-stopwatch-%s"
#define EVENTS_MIN 200

struct outcome {
    int status;
    char text[8192]; /* what it said */
};

static struct outcome stopwatch_run(const char *test, const char *cell, const char *more)
{
    struct outcome outcome = {0};
    char command[512];
    FILE *pipe;

    snprintf(command, sizeof(command), PROGRAM " --out " FOLDER " --only %s %s 2>&1", test, cell, more);
    pipe = popen(command, "r");
    cr_assert(pipe);
    outcome.text[fread(outcome.text, 1, sizeof(outcome.text) - 1, pipe)] = '\0';
    outcome.status = WEXITSTATUS(pclose(pipe));
    return outcome;
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
