/*
 * Boots the kernel once for every cell of the benchmark, collects what it says, and sets both driver styles side by
 * side.
 *
 * Exit status: 0 all is measured; 1 a cell failed, or GRUB's boot differs; 2 wrong usage; 128 + n interrupted by signal
 * n.
 */
#include <ctype.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "plan.h"
#include "pool.h"
#include "report.h"
#include "results.h"
#include "util.h"

enum {
    EVENTS_FULL = 1000,
    EVENTS_QUICK = 200,
    LIMIT_S = 900,
    LAST_LINES = 15, /* of a failed cell's logs */
    BAR = 32,
};

struct options {
    const char *kernel, *programs, *iso, *machine, *out;
    unsigned long jobs;
    bool quick;
    bool list;
};

struct bench {
    struct boot boots[PLAN_BOOTS];
    struct job jobs[PLAN_BOOTS]; /* jobs[i] runs the boot order[i] */
    size_t order[PLAN_BOOTS];
    struct guest guests[PLAN_BOOTS];
    char *complaints[PLAN_BOOTS]; /* why a boot failed, or NULL */
    unsigned events;
    unsigned ended;
    bool progress;
    bool failed;
};

static _Noreturn void usage(void)
{
    fputs("usage: duet-bench --kernel ELF --programs TAR --iso ISO --machine FILE --out FOLDER [--quick] [--jobs N] "
          "[--list]\n"
          "  --quick   fewer events, within a minute\n"
          "  --jobs N  boots at a time (default: one a processor)\n"
          "  --list    print each cell's command line and stop\n",
          stderr);
    exit(2);
}

static unsigned long default_jobs(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned long)CPU_COUNT(&set) : 1;
}

static struct options parse(int count, char **arguments)
{
    static const struct option known[] = {
        {"kernel", required_argument, NULL, 'k'},
        {"programs", required_argument, NULL, 'p'},
        {"iso", required_argument, NULL, 'i'},
        {"machine", required_argument, NULL, 'm'},
        {"out", required_argument, NULL, 'o'},
        {"jobs", required_argument, NULL, 'j'},
        {"quick", no_argument, NULL, 'q'},
        {"list", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.jobs = default_jobs()};
    int option;

    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (option) {
        case 'k':
            options.kernel = optarg;
            break;
        case 'i':
            options.iso = optarg;
            break;
        case 'p':
            options.programs = optarg;
            break;
        case 'm':
            options.machine = optarg;
            break;
        case 'o':
            options.out = optarg;
            break;
        case 'j':
            options.jobs = strtoul(optarg, NULL, 10);
            break;
        case 'q':
            options.quick = true;
            break;
        case 'l':
            options.list = true;
            break;
        default:
            usage();
        }
    }
    if (optind != count || !options.kernel || !options.programs || !options.iso || !options.machine || !options.out ||
        options.jobs == 0)
        usage();
    return options;
}

/* NULL if the boot's output is complete and right. */
static char *judge(struct bench *bench, size_t index, const struct job *job)
{
    char *output;
    char *complaint;

    if (job->timed_out)
        return text_format("hung: killed after %u s", job->limit_s);
    if (WIFSIGNALED(job->status))
        return text_format("QEMU was ended by signal %d (%s)", WTERMSIG(job->status), strsignal(WTERMSIG(job->status)));
    if (WEXITSTATUS(job->status) == QEMU_FAILED)
        return text_format("the guest failed (exit status %d)", QEMU_FAILED);
    if (WEXITSTATUS(job->status) != QEMU_PASSED)
        return text_format("exit status %d, not %d", WEXITSTATUS(job->status), QEMU_PASSED);
    output = file_read(bench->boots[index].com2);
    if (!output)
        return text_format("no output on COM2");
    complaint = guest_read(&bench->guests[index], output, &bench->boots[index], bench->events);
    free(output);
    return complaint;
}

static void show_progress(const struct bench *bench, const char *last)
{
    static const char full[] = "################################";
    static const char empty[] = "................................";
    int done = (int)bench->ended * BAR / PLAN_BOOTS;

    _Static_assert(sizeof(full) == BAR + 1 && sizeof(empty) == BAR + 1, "the bar's characters");
    if (bench->progress)
        fprintf(stderr, "\r\033[K[%.*s%.*s] %u/%d %s", done, full, BAR - done, empty, bench->ended, PLAN_BOOTS, last);
}

static void clear_progress(const struct bench *bench)
{
    if (bench->progress)
        fputs("\r\033[K", stderr);
}

/* After a failure nothing new starts: the next cell would most likely fail the same way. */
static bool boot_ended(void *context, size_t job)
{
    struct bench *bench = context;
    size_t index = bench->order[job];

    bench->ended++;
    bench->complaints[index] = judge(bench, index, &bench->jobs[job]);
    bench->failed |= bench->complaints[index] != NULL;
    show_progress(bench, bench->boots[index].name);
    return !bench->failed;
}

/* The last lines of a log, made harmless for a terminal. */
static void print_tail(const char *title, const char *path)
{
    char *text = file_read(path);
    char *start;
    int lines = 0;

    if (!text || !text[0]) {
        fprintf(stderr, "  %s: nothing\n", title);
        free(text);
        return;
    }
    for (start = text + strlen(text) - 1; start > text; start--) {
        if (start[-1] == '\n' && ++lines == LAST_LINES)
            break;
    }
    fprintf(stderr, "  %s (%s), last lines:\n    ", title, path);
    for (; *start; start++) {
        if (*start == '\n' && start[1])
            fputs("\n    ", stderr);
        else if (isprint((unsigned char)*start))
            fputc(*start, stderr);
    }
    fputc('\n', stderr);
    free(text);
}

static void print_failure(const struct boot *boot, const char *complaint)
{
    char *line = qemu_command_line(boot->command);

    fprintf(stderr, "duet-bench: the cell '%s' failed: %s\n  %s\n", boot->name, complaint, line);
    print_tail("QEMU", boot->log);
    print_tail("COM1", boot->com1);
    print_tail("COM2", boot->com2);
    free(line);
}

static void print_failures(const struct bench *bench)
{
    for (size_t i = 0; i < PLAN_BOOTS; i++) {
        if (bench->complaints[i])
            print_failure(&bench->boots[i], bench->complaints[i]);
    }
}

static void print_list(const struct bench *bench)
{
    for (size_t i = 0; i < PLAN_BOOTS; i++) {
        char *line = qemu_command_line(bench->boots[i].command);

        printf("%s\t%s\n", bench->boots[i].name, line);
        free(line);
    }
}

/* Backwards: GRUB's boot and the micro figures take longest, and should not be what all wait for at the end. */
static void prepare(struct bench *bench, unsigned limit_s)
{
    for (size_t i = 0; i < PLAN_BOOTS; i++) {
        const struct boot *boot = &bench->boots[PLAN_BOOTS - 1 - i];

        bench->order[i] = PLAN_BOOTS - 1 - i;
        bench->jobs[i] = (struct job){.command = boot->command, .log = boot->log, .limit_s = limit_s};
        remove(boot->com1);
        remove(boot->com2);
    }
}

static void run_all(struct bench *bench, const struct options *options)
{
    struct pool pool = {bench->jobs, PLAN_BOOTS, options->jobs, boot_ended, bench};
    int interrupted;

    prepare(bench, LIMIT_S);
    bench->progress = isatty(STDERR_FILENO);
    show_progress(bench, "");
    interrupted = pool_run(&pool);
    clear_progress(bench);
    if (interrupted) {
        fputs("duet-bench: interrupted\n", stderr);
        exit(128 + interrupted);
    }
    if (bench->failed) {
        print_failures(bench);
        exit(EXIT_FAILURE);
    }
}

static void write_report(const char *path, json_t *results)
{
    struct page file = {fopen(path, "w"), true};
    struct page terminal = {stdout, false};

    if (!file.out)
        die("cannot write %s", path);
    report_write(&file, results);
    if (fclose(file.out))
        die("cannot write %s", path);
    report_write(&terminal, results);
}

/* The two boots of one cell must say the same, to the digit. */
static bool check_grub(const struct bench *bench)
{
    char *differences = results_differences(bench->guests[plan_grub_twin()].cell, bench->guests[PLAN_GRUB].cell);

    if (!differences)
        return true;
    fprintf(stderr, "duet-bench: '%s' booted directly and through GRUB differs (direct, GRUB):\n%s",
            bench->boots[plan_grub_twin()].name, differences);
    free(differences);
    return false;
}

static void check_readable(const char *path)
{
    if (access(path, R_OK))
        die("cannot read %s (`make iso` builds the kernel and the ISO)", path);
}

int main(int count, char **arguments)
{
    struct options options = parse(count, arguments);
    struct qemu_machine machine = qemu_machine_read(options.machine);
    char *logs = text_format("%s/cells", options.out);
    char *json_path = text_format("%s/results.json", options.out);
    char *report_path = text_format("%s/report.md", options.out);
    static struct bench bench;
    struct results_context context = {.machine = machine.arguments, .quick = options.quick};
    json_t *results;

    bench.events = context.events = options.quick ? EVENTS_QUICK : EVENTS_FULL;
    plan_make(bench.boots, &machine,
              &(struct plan_options){options.kernel, options.programs, options.iso, logs, bench.events});
    if (options.list) {
        print_list(&bench);
        return EXIT_SUCCESS;
    }
    check_readable(options.kernel);
    check_readable(options.programs);
    check_readable(options.iso);
    context.qemu = qemu_version();
    folder_make(logs);
    remove(json_path); /* so that no old result can be taken for the one of a run that failed */
    remove(report_path);
    run_all(&bench, &options);
    results = results_make(&context, bench.boots, bench.guests);
    results_write(results, json_path);
    write_report(report_path, results);
    return check_grub(&bench) ? EXIT_SUCCESS : EXIT_FAILURE;
}
