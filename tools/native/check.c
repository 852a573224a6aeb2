#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TIMER_SPAN_US = 1000000 };
static const uint32_t NOT_LIVE = UINT32_MAX;

struct model model;
uint32_t *timers_expired_list;
size_t timers_expired_count;

void native_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("duet-native: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(NATIVE_DIED);
}

void *native_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        native_die("out of memory");
    return memory;
}

void check_count(const char *what, size_t task, uint64_t done, uint64_t expected)
{
    if (done != expected)
        native_die("%s: task %zu did %llu, not %llu", what, task, (unsigned long long)done,
                   (unsigned long long)expected);
}

/* The same sequence in each process. */
static uint64_t random_next(void)
{
    static uint64_t state = 20260101;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void model_init(size_t live)
{
    model = (struct model){.most = live + TIMER_BLOCK};
    model.live = native_memory(model.most * sizeof(uint32_t));
    model.spare = native_memory(model.most * sizeof(uint32_t));
    model.place = native_memory(model.most * sizeof(uint32_t));
    model.deadline = native_memory(model.most * sizeof(uint64_t));
    model.batch = native_memory(model.most * sizeof(uint32_t));
    model.batch_deadlines = native_memory(model.most * sizeof(uint64_t));
    timers_expired_list = native_memory(model.most * sizeof(uint32_t));
    timers_expired_count = 0;
    for (size_t i = 0; i < model.most; i++) {
        model.spare[model.spare_count++] = (uint32_t)(model.most - 1 - i);
        model.place[i] = NOT_LIVE;
    }
}

static void model_take_out(uint32_t timer)
{
    uint32_t moved;

    if (timer >= model.most || model.place[timer] == NOT_LIVE)
        native_die("timer %u expired, but was not live", timer);
    moved = model.live[--model.live_count];
    model.live[model.place[timer]] = moved;
    model.place[moved] = model.place[timer];
    model.place[timer] = NOT_LIVE;
    model.spare[model.spare_count++] = timer;
}

/* In whole microseconds, so that a library with a coarser clock can have as many different deadlines. */
void model_choose_inserts(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t timer = model.spare[--model.spare_count];

        model.batch[i] = timer;
        model.deadline[timer] = (model.last_expired / 1000 + 1 + random_next() % TIMER_SPAN_US) * 1000;
        model.batch_deadlines[i] = model.deadline[timer];
        model.place[timer] = (uint32_t)model.live_count;
        model.live[model.live_count++] = timer;
    }
}

void model_choose_cancels(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        model.batch[i] = model.live[random_next() % model.live_count];
        model_take_out(model.batch[i]);
    }
}

void model_expired(void)
{
    for (size_t i = 0; i < timers_expired_count; i++) {
        uint32_t timer = timers_expired_list[i];

        model_take_out(timer);
        if (model.deadline[timer] < model.last_expired)
            native_die("timer %u expired after one that was due later", timer);
        model.last_expired = model.deadline[timer];
    }
    timers_expired_count = 0;
}

void model_check(void)
{
    for (size_t i = 0; i < model.live_count; i++)
        if (model.deadline[model.live[i]] < model.last_expired)
            native_die("timer %u should have expired", model.live[i]);
}
