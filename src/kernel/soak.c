/* mode=soak: the minutes, the accounts, and what is said of them. */
#include "kernel/soak.h"

#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/report.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/physical.h"
#include "thread/arch.h"

enum {
    MINUTE_S = 60,
    ACTORS_MAX = 12,
    FAILURES_SAID = 50,
    SETTLE_NS = 30 * MS,
    END_SECONDS = 40, /* until who does not end is stuck */
    PRIORITY_CONTROL = 30,
    JSON_BYTES = 4096,
};

#define SECOND_NS UINT64_C(1000000000)

struct soak soak;

static const struct soak_actor *const actor_lists[] = {soak_input_actors, soak_life_actors, soak_task_actors,
                                                       soak_memory_actors};
static struct acting {
    const struct soak_actor *actor;
    struct thread thread;
} acting[ACTORS_MAX];

/* All there is of what is allocated. */
struct holdings {
    struct memory_mark memory;
    uint64_t threads, processes;
};

/* splitmix64. */
uint64_t soak_random(uint64_t *row)
{
    uint64_t x = *row += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t soak_row(unsigned who)
{
    uint64_t row = soak.seed;
    uint64_t first = soak_random(&row) ^ soak.minute << 32 ^ who;

    return soak_random(&first);
}

void soak_fail(const char *layer, const char *format, ...)
{
    uint64_t ms = (clock_now_ns() - soak.began_ns) / MS;
    va_list arguments;

    if (soak.failures++ >= FAILURES_SAID)
        return;
    console_print("soak: FAILED: %s: ", layer);
    va_start(arguments, format);
    console_print_va(format, arguments);
    va_end(arguments);
    console_print(" (seed %lu, minute %lu, at %lu.%03lu s)\n", (unsigned long)soak.seed, (unsigned long)soak.minute,
                  (unsigned long)(ms / 1000), (unsigned long)(ms % 1000));
}

void soak_balance(const char *layer, const char *left_name, uint64_t left, const char *right_name, uint64_t right)
{
    if (left != right)
        soak_fail(layer, "%s: %lu, and %s: %lu", left_name, (unsigned long)left, right_name, (unsigned long)right);
}

static uint64_t threads_alive(void)
{
    uint64_t flags = irq_save();
    uint64_t count = 0;

    list_for_each (node, &thread_all)
        count++;
    irq_restore(flags);
    return count;
}

/* The last steps of threads that have ended are the idle thread's, and the log's thread is the least urgent. */
static struct holdings holdings(void)
{
    log_flush();
    sleep_for(SETTLE_NS);
    return (struct holdings){memory_mark(), threads_alive(), process_count()};
}

static void holdings_check(const struct holdings *before)
{
    struct holdings now = holdings();

    soak_balance("frames", "free at the beginning", before->memory.frames, "now", now.memory.frames);
    soak_balance("heap", "blocks at the beginning", before->memory.live, "now", now.memory.live);
    soak_balance("heap", "bytes taken at the beginning", before->memory.taken, "now", now.memory.taken);
    soak_balance("threads", "at the beginning", before->threads, "now", now.threads);
    soak_balance("processes", "at the beginning", before->processes, "now", now.processes);
    if (now.processes != before->processes)
        process_report(console_print);
    if (now.threads != before->threads)
        report_threads(console_print);
    soak_balance("log", "lines written", log_count(&kernel_log), "printed", log_printed());
}

static void actors_begin(void)
{
    unsigned count = 0;

    atomic_store(&soak.over, false);
    for (size_t i = 0; i < ARRAY_SIZE(actor_lists); i++)
        for (const struct soak_actor *actor = actor_lists[i]; actor->name; actor++, count++) {
            ASSERT(count < ACTORS_MAX);
            if (actor->begin)
                actor->begin();
            acting[count].actor = actor;
            soak_start(&acting[count].thread, actor->name, actor->priority, actor->act,
                       soak_row(SOAK_ROW_LIVES + count));
        }
}

static _Noreturn void finish(void);

void soak_give_up(void)
{
    report_threads(console_print);
    report_tasks(console_print);
    finish();
}

/* Whoever does not end waits for something that does not come. */
static void actors_end(void)
{
    void *result;

    atomic_store(&soak.over, true);
    for (unsigned i = 0; i < ACTORS_MAX && acting[i].actor; i++)
        if (thread_join_until(&acting[i].thread, clock_now_ns() + END_SECONDS * SECOND_NS, &result) != STATUS_OK) {
            soak_fail("wake", "%s does not end", acting[i].actor->name);
            soak_give_up();
        }
    for (unsigned i = 0; i < ACTORS_MAX && acting[i].actor; i++)
        if (acting[i].actor->check)
            acting[i].actor->check();
}

static void send(const char *event)
{
    static const char *const names[SOAK_COUNTER_COUNT] = {
#define SOAK_NAME(name, text) [SOAK_##name] = (text),
        SOAK_COUNTERS(SOAK_NAME)
#undef SOAK_NAME
    };
    static char line[JSON_BYTES];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event);
    json_unsigned(&json, "minute", soak.minute);
    json_unsigned(&json, "seed", soak.seed);
    json_unsigned(&json, "failures", soak.failures);
    json_unsigned(&json, "virtual_ns", clock_now_ns() - soak.began_ns);
    json_unsigned(&json, "frames_free", frames_free());
    for (unsigned i = 0; i < SOAK_COUNTER_COUNT; i++)
        json_unsigned(&json, names[i], atomic_load(&soak.counts[i]));
    console_send_json(&json);
}

static unsigned long total(enum soak_counter counter)
{
    return (unsigned long)atomic_load(&soak.counts[counter]);
}

static unsigned long both(enum soak_counter keys)
{
    return total(keys) + total(soak_of(DEVICE_MOUSE, keys));
}

static void say(void)
{
    console_print("soak: minute %lu: %lu bytes = %lu refused + %lu dropped + %lu read; %lu events = %lu dropped + %lu "
                  "consumed; %lu threads, %lu tasks, %lu processes, %lu timers; %lu frames free; %u failures\n",
                  (unsigned long)soak.minute, both(SOAK_KEYS_INJECTED), both(SOAK_KEYS_REFUSED),
                  both(SOAK_KEYS_DROPPED), both(SOAK_KEYS_READ), total(SOAK_EVENTS_MADE), total(SOAK_EVENTS_DROPPED),
                  total(SOAK_EVENTS_CONSUMED), total(SOAK_THREADS_STARTED), total(SOAK_TASKS_SPAWNED),
                  total(SOAK_PROCESSES_STARTED), total(SOAK_TIMERS_STARTED), (unsigned long)frames_free(),
                  soak.failures);
    send("soak_minute");
}

static void run_minute(const struct holdings *before)
{
    uint64_t end_ns = clock_now_ns() + MINUTE_S * SECOND_NS;
    uint64_t row = soak_row(SOAK_ROW_ROUNDS);

    actors_begin();
    do
        soak_input_round(&row);
    while (clock_now_ns() < end_ns && soak.failures == 0);
    actors_end();
    holdings_check(before);
    say();
}

static _Noreturn void finish(void)
{
    static char line[128];
    struct json json;

    send("soak");
    console_print("soak: %lu minutes with seed %lu: %s\n", (unsigned long)soak.minute, (unsigned long)soak.seed,
                  soak.failures ? "FAILED" : "all is in balance");
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "done");
    json_bool(&json, "passed", soak.failures == 0);
    console_send_json(&json);
    machine_exit(soak.failures ? EXIT_FAILED : EXIT_PASSED);
}

_Noreturn void soak_run(const struct options *options)
{
    struct holdings before;

    thread_set_priority(thread_current(), PRIORITY_CONTROL);
    soak.seed = options->seed;
    soak.minute = 1;
    soak_input_init();
    before = holdings();
    soak.began_ns = clock_now_ns();
    for (;;) {
        run_minute(&before);
        if (soak.failures || soak.minute == options->minutes)
            break;
        soak.minute++;
    }
    finish();
}
