/* See host_threads.h; and the link-time seams of the pure core: panic, the clock, critical sections. */
#include "host_threads.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/critical.h"

#define SECOND_NS UINT64_C(1000000000)

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "panic: %s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

_Noreturn void assertion_failed(const struct assertion *assertion)
{
    panic_at(assertion->file, assertion->line, "assertion failed: %s", assertion->expression);
}

uint64_t clock_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t clock_ticks(void)
{
    return clock_now_ns();
}

/* ---- critical sections ------------------------------------------------------------------------------------------- */

static pthread_mutex_t critical = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local unsigned critical_depth;

uint64_t irq_save(void)
{
    if (critical_depth++ == 0)
        pthread_mutex_lock(&critical);
    return 0;
}

void irq_restore(uint64_t flags)
{
    (void)flags;
    if (--critical_depth == 0)
        pthread_mutex_unlock(&critical);
}

void critical_leave_woken(uint64_t flags)
{
    irq_restore(flags);
}

void critical_pause(uint64_t flags)
{
    if (critical_depth > 1)
        return;
    irq_restore(flags);
    (void)irq_save();
}

bool critical_interrupted(void)
{
    return false;
}

/* ---- parking ----------------------------------------------------------------------------------------------------- */

static void parking_wake(struct waker *waker)
{
    struct parking *self = container_of(waker, struct parking, waker);

    pthread_mutex_lock(&self->lock);
    self->woken = true;
    pthread_cond_signal(&self->woken_now);
    pthread_mutex_unlock(&self->lock);
}

void parking_init(struct parking *parking)
{
    pthread_condattr_t attributes;

    parking->waker.wake = parking_wake;
    parking->woken = false;
    pthread_mutex_init(&parking->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&parking->woken_now, &attributes);
    pthread_condattr_destroy(&attributes);
}

void parking_wait(struct parking *parking, uint64_t until_ns)
{
    struct timespec until = {(time_t)(until_ns / SECOND_NS), (long)(until_ns % SECOND_NS)};
    bool late = false;

    pthread_mutex_lock(&parking->lock);
    while (!parking->woken && !late) {
        if (until_ns == TIMER_NEVER)
            pthread_cond_wait(&parking->woken_now, &parking->lock);
        else
            late = pthread_cond_timedwait(&parking->woken_now, &parking->lock, &until) != 0;
    }
    parking->woken = false;
    pthread_mutex_unlock(&parking->lock);
}

/* ---- executors --------------------------------------------------------------------------------------------------- */

static void park(struct executor *executor, uint64_t until_ns)
{
    parking_wait(&container_of(executor, struct host_executor, executor)->parking, until_ns);
}

static void *executor_main(void *argument)
{
    struct host_executor *self = argument;

    (void)executor_run(&self->executor);
    return NULL;
}

void host_executor_start(struct host_executor *self)
{
    parking_init(&self->parking);
    executor_init(&self->executor, &self->parking.waker);
    self->executor.clock = clock_now_ns;
    self->executor.park = park;
    host_thread_start(&self->thread, executor_main, self);
}

void host_executor_stop(struct host_executor *self)
{
    executor_stop(&self->executor);
    host_thread_join(self->thread);
}

void host_block_on(struct parking *parking, struct future *future)
{
    while (future_poll(future, &parking->waker) == POLL_PENDING)
        parking_wait(parking, TIMER_NEVER);
}

void host_wait(struct parking *parking, struct task *task)
{
    while (completion_register(&task->done, &parking->waker))
        parking_wait(parking, TIMER_NEVER);
}

void host_thread_start(pthread_t *thread, void *(*entry)(void *argument), void *argument)
{
    if (pthread_create(thread, NULL, entry, argument) != 0)
        panic("no thread");
}

void host_thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}
