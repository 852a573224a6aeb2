/* See guide.h. */
#include "guide.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

struct executor executor;

static void wake_nobody(struct waker *waker)
{
    (void)waker;
}
static struct waker nobody = {wake_nobody};

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

void guide_begin(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    executor_init(&executor, &nobody);
    executor.clock = now_ns;
}

void run_until(uint64_t time_ns)
{
    for (;;) {
        uint64_t again_ns = executor_run(&executor);

        if (again_ns > time_ns || again_ns == TIMER_NEVER)
            break;
        support_clock_ns = again_ns;
    }
    if (time_ns != TIMER_NEVER)
        support_clock_ns = time_ns;
}

void run(void)
{
    run_until(TIMER_NEVER);
}

void run_task(const char *name, struct future *future)
{
    struct task task;

    executor_spawn(&executor, &task, name, future);
    run();
    cr_assert(completion_done(&task.done), "%s still waits", name);
}

void said(const char *text)
{
    cr_assert_str_eq(support_trace_text(), text);
    support_trace_clear();
}

void expect_panic(void (*scene)(void), const char *text)
{
    char words[1024];
    int ends[2], status;
    ssize_t length = 0, more;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        alarm(10); /* one that does not panic may do anything */
        dup2(ends[1], STDERR_FILENO);
        scene();
        _exit(0);
    }
    close(ends[1]);
    while ((more = read(ends[0], words + length, sizeof(words) - 1 - (size_t)length)) > 0)
        length += more;
    words[length] = '\0';
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == PANIC_EXIT, "no panic, but status %#x: %s", status, words);
    cr_assert_not_null(strstr(words, text), "another panic: %s", words);
}
