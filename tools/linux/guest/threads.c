/*
 * What threads cost: by the calls of the C library, between threads of one process and one SCHED_FIFO priority, unless
 * a name says otherwise.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

enum { LATE_MIN_NS = 50000, LATE_SPREAD_NS = 950000, NS_PER_S = 1000000000 };

static struct samples samples;
static volatile uint64_t start;
static volatile bool stop;

static void thread_begin(pthread_t *thread, void *(*function)(void *), int priority)
{
    struct sched_param parameters = {.sched_priority = priority};
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, priority ? SCHED_FIFO : SCHED_OTHER);
    pthread_attr_setschedparam(&attributes, &parameters);
    error = pthread_create(thread, &attributes, function, NULL);
    if (error)
        fail("pthread_create: %s", strerror(error));
    pthread_attr_destroy(&attributes);
}

/* ---- yield ---- */

static void *yields(void *unused)
{
    while (!samples_full(&samples)) {
        uint64_t now = rdtsc();

        if (start)
            sample(&samples, now - start);
        start = rdtsc();
        sched_yield();
    }
    return unused;
}

static void measure_yield(unsigned count)
{
    pthread_t thread[2];

    samples_begin(&samples, count);
    start = 0;
    for (unsigned i = 0; i < 2; i++)
        thread_begin(&thread[i], yields, PRIORITY_EQUAL);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    samples_tell(&samples, "thread.yield", "instructions");
}

/* ---- one way: a signal, and the return of who waited ---- */

static sem_t there;
static sem_t back;
static int event;
static int poller;

static void *waits_semaphore(void *unused)
{
    while (!samples_full(&samples)) {
        sem_wait(&there);
        sample(&samples, rdtsc() - start);
        sem_post(&back);
    }
    return unused;
}

static void *gives_semaphore(void *unused)
{
    while (!samples_full(&samples)) {
        start = rdtsc();
        sem_post(&there);
        sem_wait(&back);
    }
    return unused;
}

static void *waits_event(void *unused)
{
    struct epoll_event ready;
    uint64_t number;

    while (!samples_full(&samples)) {
        if (epoll_wait(poller, &ready, 1, -1) != 1)
            fail_errno("epoll_wait");
        if (read(event, &number, sizeof(number)) != sizeof(number))
            fail_errno("eventfd");
        sample(&samples, rdtsc() - start);
        sem_post(&back);
    }
    return unused;
}

static void *gives_event(void *unused)
{
    uint64_t one = 1;

    while (!samples_full(&samples)) {
        start = rdtsc();
        if (write(event, &one, sizeof(one)) != sizeof(one))
            fail_errno("eventfd");
        sem_wait(&back);
    }
    return unused;
}

/* The waiter begins first, so that it waits when the first signal comes. */
static void one_way(const char *name, void *(*waiter)(void *), void *(*giver)(void *), int waits, unsigned count)
{
    pthread_t thread[2];

    samples_begin(&samples, count);
    sem_init(&there, 0, 0);
    sem_init(&back, 0, 0);
    thread_begin(&thread[0], waiter, waits);
    usleep(10000);
    thread_begin(&thread[1], giver, PRIORITY_EQUAL);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    samples_tell(&samples, name, "instructions");
}

static void measure_one_way(unsigned count)
{
    struct epoll_event wanted = {.events = EPOLLIN};

    one_way("thread.sem_oneway", waits_semaphore, gives_semaphore, PRIORITY_WAITS, count);
    one_way("thread.sem_oneway_wait", waits_semaphore, gives_semaphore, PRIORITY_EQUAL, count);
    event = eventfd(0, EFD_CLOEXEC);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (event < 0 || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted) != 0)
        fail_errno("epoll");
    one_way("thread.event_oneway", waits_event, gives_event, PRIORITY_WAITS, count);
    one_way("thread.event_oneway_wait", waits_event, gives_event, PRIORITY_EQUAL, count);
    close(poller);
    close(event);
}

/* ---- deadlines ---- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void *sleeps(void *unused)
{
    uint64_t random = 88172645463325252u;

    while (!samples_full(&samples)) {
        uint64_t deadline = now_ns() + LATE_MIN_NS + next_random(&random) % LATE_SPREAD_NS;
        struct timespec until = {.tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S)};

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        sample(&samples, now_ns() - deadline);
    }
    return unused;
}

static void *computes(void *unused)
{
    while (!stop)
        continue;
    return unused;
}

static void measure_sleep(const char *name, bool busy, unsigned count)
{
    pthread_t sleeper;
    pthread_t hog;

    samples_begin(&samples, count);
    stop = false;
    if (busy)
        thread_begin(&hog, computes, 0);
    thread_begin(&sleeper, sleeps, PRIORITY_WAITS);
    pthread_join(sleeper, NULL);
    stop = true;
    if (busy)
        pthread_join(hog, NULL);
    samples_tell(&samples, name, "ns");
}

/* ---- life ---- */

static void *ends(void *unused)
{
    return unused;
}

static void *starts(void *unused)
{
    while (!samples_full(&samples)) {
        uint64_t begin = rdtsc();
        pthread_t thread;

        if (pthread_create(&thread, NULL, ends, NULL) != 0)
            fail("pthread_create failed");
        pthread_join(thread, NULL);
        sample(&samples, rdtsc() - begin);
    }
    return unused;
}

static void measure_life(unsigned count)
{
    pthread_t thread;

    samples_begin(&samples, count);
    thread_begin(&thread, starts, PRIORITY_EQUAL);
    pthread_join(thread, NULL);
    samples_tell(&samples, "thread.lifecycle", "instructions");
}

static void measure_stamp(unsigned count)
{
    samples_begin(&samples, count);
    while (!samples_full(&samples)) {
        uint64_t begin = rdtsc();

        sample(&samples, rdtsc() - begin);
    }
    samples_tell(&samples, "stamp", "instructions");
}

void measure_threads(unsigned count)
{
    measure_stamp(count);
    measure_yield(count);
    measure_one_way(count);
    measure_life(count);
    measure_sleep("timer.thread", true, count);
    measure_sleep("timer.thread_idle", false, count);
}
