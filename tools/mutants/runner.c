/*
 * Runs tests written for Criterion, each in a process that is forked and not started anew: of a thousand mutants each
 * runs hundreds of tests, and a fork is twenty times faster. It knows no more of Criterion than tests/host needs: tests
 * with or without .init, .fini and .exit_code, and assertions that end them.
 *
 *   runner - <TESTS   those named, a line each, suite/name and the milliseconds it may compute for, until one fails
 *   runner            every test, for a short while; for each, its milliseconds and the functions entered, if it is
 * built so
 *
 * Prints "killed: NAME" or "killed: NAME: hangs", or "survived". Exit status 2 if it cannot do what it is asked for.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FUNCTIONS = 1 << 14, /* a power of two, and far more than there are */
    ALL_MS = 400,
    WAIT_FACTOR = 20, /* how much longer than it may compute a test may wait, on a busy host */
};

/* What a test leaves behind: in memory that its process shares. */
struct left {
    bool failed;
    uintptr_t functions[FUNCTIONS]; /* a hash table */
};

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[], *__stop_cr_sts[];
extern const char __executable_start[];

static struct left *left;
static volatile bool recording;

/* ---- what the tests call */

struct criterion_options criterion_options;

void criterion_send_assert(struct criterion_assert_stats *stats);
void criterion_internal_test_setup(void);
void criterion_internal_test_main(void (*function)(void));
void criterion_internal_test_teardown(void);

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed)
        left->failed = true;
}

void criterion_abort_test(void)
{
    left->failed = true;
    _exit(1);
}

void criterion_continue_test(void)
{
}

void cri_asserts_passed_incr(void)
{
}

int cr_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

void cr_asprintf_free(char *text)
{
    free(text);
}

char *cr_translate_assert_msg(int index, ...)
{
    (void)index;
    return strdup("");
}

static const struct criterion_test *current;

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
    static const struct criterion_test_extra_data none;
    struct criterion_suite **suite;

    for (suite = __start_cr_sts; suite < __stop_cr_sts; suite++)
        if (strcmp((*suite)->name, test->category) == 0 && (*suite)->data)
            return (*suite)->data;
    return &none;
}

void criterion_internal_test_setup(void)
{
    if (suite_of(current)->init)
        suite_of(current)->init();
    if (current->data->init)
        current->data->init();
}

void criterion_internal_test_main(void (*function)(void))
{
    function();
}

void criterion_internal_test_teardown(void)
{
    if (current->data->fini)
        current->data->fini();
    if (suite_of(current)->fini)
        suite_of(current)->fini();
}

/* ---- which functions are entered, in a build with -finstrument-functions */

void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

__attribute__((no_instrument_function)) void __cyg_profile_func_enter(void *function, void *caller)
{
    uintptr_t offset = (uintptr_t)function - (uintptr_t)__executable_start;
    size_t place = offset >> 2;

    (void)caller;
    if (!recording)
        return;
    while (left->functions[place % FUNCTIONS] && left->functions[place % FUNCTIONS] != offset)
        place++;
    left->functions[place % FUNCTIONS] = offset;
}

__attribute__((no_instrument_function)) void __cyg_profile_func_exit(void *function, void *caller)
{
    (void)function;
    (void)caller;
}

/* ---- running them */

static _Noreturn void run_here(const struct criterion_test *test, unsigned limit_ms, bool records)
{
    struct itimerval limit = {.it_value = {limit_ms / 1000, limit_ms % 1000 * 1000}};
    struct rlimit none = {0, 0}, file = {1 << 24, 1 << 24};

    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &file);
    setitimer(ITIMER_PROF, &limit, NULL);
    alarm(limit_ms / 1000 * WAIT_FACTOR + WAIT_FACTOR);
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        _exit(1);
    current = test;
    recording = records;
    test->test();
    exit(0);
}

/* Whether it did as it should; whether it was stopped. */
static bool run(const struct criterion_test *test, unsigned limit_ms, bool records, bool *hangs)
{
    const struct criterion_test_extra_data *data = test->data, *suite = suite_of(test);
    int status;
    pid_t child;

    memset(left, 0, sizeof(*left));
    fflush(stdout);
    child = fork();
    if (child == 0)
        run_here(test, limit_ms, records);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            exit(2);
    *hangs = WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM);
    if (left->failed)
        return false;
    if (data->signal || suite->signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == (data->signal ? data->signal : suite->signal);
    return WIFEXITED(status) && WEXITSTATUS(status) == (data->exit_code ? data->exit_code : suite->exit_code);
}

static const struct criterion_test *find(const char *identifier)
{
    struct criterion_test **test;

    for (test = __start_cr_tst; test < __stop_cr_tst; test++)
        if (strcmp((*test)->data->identifier_, identifier) == 0)
            return *test;
    fprintf(stderr, "runner: no test %s\n", identifier);
    exit(2);
}

static void run_named(void)
{
    char name[256];
    unsigned limit_ms;

    while (scanf("%255s %u", name, &limit_ms) == 2) {
        bool hangs;

        if (!run(find(name), limit_ms, false, &hangs)) {
            printf("killed: %s%s\n", name, hangs ? ": hangs" : "");
            return;
        }
    }
    puts("survived");
}

static unsigned children_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (unsigned)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000u +
           (unsigned)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000u;
}

static void run_all(void)
{
    struct criterion_test **test;
    size_t i;

    for (test = __start_cr_tst; test < __stop_cr_tst; test++) {
        unsigned before_ms = children_ms();
        bool hangs, passed = run(*test, ALL_MS, true, &hangs);

        printf("%s %s %u", (*test)->data->identifier_, passed ? "passed" : "failed", children_ms() - before_ms);
        for (i = 0; i < FUNCTIONS; i++)
            if (left->functions[i])
                printf(" %lx", left->functions[i]);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (left == MAP_FAILED)
        return 2;
    if (argc > 1)
        run_named();
    else
        run_all();
    return 0;
}
