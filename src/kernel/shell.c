/*
 * mode=shell: a program that reads the keyboard and the serial line, and starts others.
 *
 * Drivers are above all, and the shell is above what it starts: a program that never ends does not keep it from hearing
 * that it shall.
 */
#include "kernel/shell.h"

#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/programs.h"

enum { PRIORITY_SHELL = 20, AGAIN_NS = 1000000000 };

static struct executor_thread executor;
static uint64_t shell_pid;

bool shell_is(uint64_t pid)
{
    return pid != PROCESS_KERNEL && pid == shell_pid;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* On a thread of its own, at the priority that all is measured at. */
static void *bench_main(void *suite)
{
    static void (*const suites[SHELL_BENCHES])(void) = {
        [SHELL_BENCH_USER] = bench_user,
        [SHELL_BENCH_TASKS] = bench_async,
        [SHELL_BENCH_TIMERS] = bench_timers,
        [SHELL_BENCH_MEMORY] = bench_memory,
    };

    suites[(uintptr_t)suite]();
    return NULL;
}

/* Once each. */
static enum status start_executors(void)
{
    static const unsigned priorities[] = {
        [PRIORITY_EQUAL] = THREAD_PRIORITY_NORMAL, [PRIORITY_HIGH] = THREAD_PRIORITY_HIGH};
    static unsigned started;
    enum status status = STATUS_OK;

    for (; started < ARRAY_SIZE(priorities) && status == STATUS_OK; started += status == STATUS_OK)
        status = executor_thread_start(&bench_executors[started], started ? "bench-high" : "bench",
                                       priorities[started]);
    return status;
}

enum status shell_bench(uint64_t suite)
{
    static struct thread thread;
    enum status status;

    if (suite >= SHELL_BENCHES)
        return STATUS_INVALID;
    status = start_executors();
    if (status == STATUS_OK)
        status = thread_start(&thread, "bench", THREAD_PRIORITY_NORMAL, bench_main, (void *)(uintptr_t)suite);
    if (status == STATUS_OK)
        (void)thread_join(&thread);
    return status;
}

/* ---- the mode ---------------------------------------------------------------------------------------------------- */

static enum status start(const struct options *options)
{
    enum status status = executor_thread_start(&executor, "executor", THREAD_PRIORITY_HIGH);

    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_KEYBOARD, options->keyboard, THREAD_PRIORITY_HIGH, &executor);
    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_MOUSE, options->mouse, THREAD_PRIORITY_HIGH, &executor);
    if (status != STATUS_OK)
        return status;
    status = input_serial_start(THREAD_PRIORITY_HIGH);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status; /* a machine without COM1 */
}

/* Its number is known before its first step. */
static void run_once(void)
{
    enum status status = process_spawn_at(PRIORITY_SHELL, "shell", 0, PROCESS_KERNEL, &shell_pid);
    enum process_end end = PROCESS_RUNS;
    int64_t with = 0;

    if (status == STATUS_OK)
        status = process_wait(PROCESS_KERNEL, shell_pid, &end, &with);
    if (status != STATUS_OK)
        console_print("duet: shell: it cannot be started\n");
    else if (end == PROCESS_FAULTED)
        console_print("duet: shell: exception %ld ended it; another one is started\n", (long)with);
    else
        console_print("duet: shell: it has %s; another one is started\n",
                      end == PROCESS_KILLED ? "been killed" : "ended");
}

_Noreturn void shell_run(const struct options *options)
{
    if (!programs_exist()) {
        console_print("duet: shell: there are no programs; the loader brings them as a module, programs.tar\n");
        machine_exit(EXIT_FAILED);
    }
    if (start(options) != STATUS_OK) {
        console_print("duet: shell: the drivers cannot be started\n");
        machine_exit(EXIT_FAILED);
    }
    for (;;) {
        run_once();
        thread_sleep_until(clock_now_ns() + AGAIN_NS);
    }
}
