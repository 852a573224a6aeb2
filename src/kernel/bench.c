/* mode=bench: the order of things. */
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "kernel/report.h"

static void start_executors(void)
{
    if (executor_thread_start(&bench_executors[PRIORITY_EQUAL], "executor", THREAD_PRIORITY_NORMAL) != STATUS_OK ||
        executor_thread_start(&bench_executors[PRIORITY_HIGH], "executor-high", THREAD_PRIORITY_HIGH) != STATUS_OK)
        bench_no_memory("the executors' stacks");
}

static void send_done(bool passed)
{
    static char line[64];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "done");
    json_bool(&json, "passed", passed);
    console_send_json(&json);
}

static bool chosen(const struct options *options, enum suite suite)
{
    return options->suite == suite || options->suite == SUITE_ALL;
}

static void run_matrix(const struct options *options)
{
    enum status status = bench_matrix(options);

    if (status == STATUS_NO_MEMORY)
        bench_no_memory("so many events");
    if (status == STATUS_OK)
        return;
    console_print("duet: bench: with preempt=off a neighbour that is always ready never ends\n");
    machine_exit(EXIT_FAILED);
}

_Noreturn void bench_run(const struct options *options)
{
    bool passed;

    if (!input.info.controller) {
        console_print("bench: there is no i8042 controller, so nothing can be injected\n");
        send_done(false);
        machine_exit(EXIT_FAILED);
    }
    start_executors();
    bench_calibrate();
    if (chosen(options, SUITE_MATRIX))
        run_matrix(options);
    thread_sleep_until(clock_now_ns() + BENCH_WAIT_NS); /* no timer left over from what came before */
    if (chosen(options, SUITE_THREADS))
        bench_threads(options);
    if (chosen(options, SUITE_MICRO))
        bench_micro();
    passed = !chosen(options, SUITE_THREAD_METRIC) || bench_thread_metric(options->tm_ns, options->test);
    if (options->insight) {
        report_threads(console_print);
        report_threads_json(console_send_json);
    }
    send_done(passed);
    machine_exit(passed ? EXIT_PASSED : EXIT_FAILED);
}
