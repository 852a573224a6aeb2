/* The example of docs/async.md that runs in the kernel. */
#include "bridge/join.h"
#include "executor/async.h"
#include "executor/sleep.h"
#include "kernel/console.h"
#include "kernel/suites/support.h"

/* guide: kernel */
struct greeter {
    struct async async;
    struct sleep pause;
    unsigned left;
};

static enum poll greeter_poll(struct future *future, struct waker *waker)
{
    struct greeter *self = container_of(future, struct greeter, async.future);

    ASYNC (&self->async) {
        for (; self->left > 0; self->left--) {
            console_print("hello, future: %u\n", self->left);
            self->pause = sleep_ns(10 * MS);
            AWAIT(&self->pause.future);
        }
        ASYNC_RETURN_VALUE(42);
    }
}

static struct executor_thread greeting; /* an executor that is one thread among others */

TEST(hello, "guide.hello")
{
    static struct greeter body = {.async = ASYNC_BODY(greeter_poll), .left = 3};
    static struct task task;

    if (executor_thread_start(&greeting, "greeting", THREAD_PRIORITY_NORMAL) != STATUS_OK)
        panic("no stack for the executor");
    executor_spawn(&greeting.executor, &task, "greeter", &body.async.future);
    CHECK_EQUAL(task_join_wait(&task), 42); /* this thread parks; the others run */
    executor_thread_stop(&greeting);
}
/* guide end */
