/*
 * mode=soak: everything at once and above capacity, with faults, for minutes of virtual time, and every byte, event,
 * unit, task and frame accounted for. What is counted is counted where it happens, each by a counter of its own; the
 * accounts are then compared, and a difference says its layer, the seed and the time.
 *
 * A minute is so many rounds of floods (soak_input.c, with the mouse of soak_mouse.c), while lives begin and end beside
 * them (soak_life.c, soak_tasks.c) and memory runs out (soak_memory.c). At its end all has ended, and what is allocated
 * is what was at the beginning.
 */
#ifndef DUET_KERNEL_SOAK_H
#define DUET_KERNEL_SOAK_H

#include <stdatomic.h>

#include "kernel/input.h"
#include "lib/clock.h"
#include "thread/mutex.h"

/* The accounts: name in the code, name in JSON. Those of a device come in its order, twice. */
#define SOAK_COUNTERS(X)                      \
    X(ROUNDS, "rounds")                       \
    X(KEYS_INJECTED, "keys_injected")         \
    X(KEYS_REFUSED, "keys_refused")           \
    X(KEYS_TAKEN, "keys_taken")               \
    X(KEYS_DROPPED, "keys_dropped")           \
    X(KEYS_KEPT, "keys_kept")                 \
    X(KEYS_READ, "keys_read")                 \
    X(MOUSE_INJECTED, "mouse_injected")       \
    X(MOUSE_REFUSED, "mouse_refused")         \
    X(MOUSE_TAKEN, "mouse_taken")             \
    X(MOUSE_DROPPED, "mouse_dropped")         \
    X(MOUSE_KEPT, "mouse_kept")               \
    X(MOUSE_READ, "mouse_read")               \
    X(EVENTS_MADE, "events_made")             \
    X(EVENTS_PUBLISHED, "events_published")   \
    X(EVENTS_DROPPED, "events_dropped")       \
    X(EVENTS_CONSUMED, "events_consumed")     \
    X(EVENTS_MISSED, "events_missed")         \
    X(INTERRUPTS_SENT, "interrupts_sent")     \
    X(INTERRUPTS_MERGED, "interrupts_merged") \
    X(INTERRUPTS_PENDED, "interrupts_pended") \
    X(INTERRUPTS_TAKEN, "interrupts_taken")   \
    X(UNPLUGGED, "unplugged")                 \
    X(ANNOUNCED, "announced")                 \
    X(COMMANDS, "commands")                   \
    X(COMMANDS_ANSWERED, "commands_answered") \
    X(COMMANDS_RESENT, "commands_resent")     \
    X(COMMANDS_FAILED, "commands_failed")     \
    X(COMMANDS_UNHEARD, "commands_unheard")   \
    X(RECOVERED, "recovered")                 \
    X(STALLS, "stalls")                       \
    X(STYLES, "changes_of_style")             \
    X(TIMERS_STARTED, "timers_started")       \
    X(TIMERS_EXPIRED, "timers_expired")       \
    X(TIMERS_CANCELLED, "timers_cancelled")   \
    X(LINES_WRITTEN, "lines_written")         \
    X(LINES_READ, "lines_read")               \
    X(LINES_LOST, "lines_lost")               \
    X(THREADS_STARTED, "threads_started")     \
    X(THREADS_REFUSED, "threads_refused")     \
    X(THREADS_CANCELLED, "threads_cancelled") \
    X(THREADS_JOINED, "threads_joined")       \
    X(THREADS_RELEASED, "threads_released")   \
    X(UNITS_GIVEN, "units_given")             \
    X(UNITS_TAKEN, "units_taken")             \
    X(WAITS_ENDED, "waits_ended")             \
    X(WAITS_TIMED_OUT, "waits_timed_out")     \
    X(MESSAGES_SENT, "messages_sent")         \
    X(MESSAGES_RECEIVED, "messages_received") \
    X(TASKS_SPAWNED, "tasks_spawned")         \
    X(TASKS_CANCELLED, "tasks_cancelled")     \
    X(TASKS_ENDED, "tasks_ended")             \
    X(ITEMS_SENT, "items_sent")               \
    X(ITEMS_RECEIVED, "items_received")       \
    X(PROCESSES_STARTED, "processes_started") \
    X(PROCESSES_REFUSED, "processes_refused") \
    X(PROCESSES_KILLED, "processes_killed")   \
    X(PROCESSES_ENDED, "processes_ended")     \
    X(ORPHANS_KILLED, "orphans_killed")       \
    X(BLOCKS_REFUSED, "blocks_refused")       \
    X(FRAMES_TAKEN_AWAY, "frames_taken_away")

enum soak_counter {
#define SOAK_ENUM(name, text) SOAK_##name,
    SOAK_COUNTERS(SOAK_ENUM)
#undef SOAK_ENUM
        SOAK_COUNTER_COUNT,
    SOAK_OF_DEVICE = SOAK_MOUSE_INJECTED - SOAK_KEYS_INJECTED,
};

extern struct soak {
    uint64_t seed;
    uint64_t minute; /* from 1 */
    uint64_t began_ns;
    uint32_t failures;
    atomic_bool over; /* the minute is: whoever lives is to end */
    _Atomic uint64_t counts[SOAK_COUNTER_COUNT];
} soak;

/* Context: any. */
static inline void soak_add(enum soak_counter counter, uint64_t more)
{
    atomic_fetch_add_explicit(&soak.counts[counter], more, memory_order_relaxed);
}
static inline void soak_count(enum soak_counter counter)
{
    soak_add(counter, 1);
}

/* The counter of this device that is like the keyboard's. */
static inline enum soak_counter soak_of(enum device device, enum soak_counter counter)
{
    return (enum soak_counter)((unsigned)counter + (unsigned)device * SOAK_OF_DEVICE);
}

/* Says what is wrong, in which layer, with the seed and the time; the soak fails. Context: any. */
void soak_fail(const char *layer, const char *format, ...) printf_like(2, 3);

/* There is no going on, as somebody waits for what does not come: says who there is, and ends the machine as failed.
 * Context: thread. */
_Noreturn void soak_give_up(void);

/* Fails if two accounts differ. Context: thread. */
void soak_balance(const char *layer, const char *left_name, uint64_t left, const char *right_name, uint64_t right);

/* The beginning of a row of random numbers, by the seed, the minute and who wants them; the next one; and one below
 * `limit`, which is not 0. Context: any, one at a time a row. */
uint64_t soak_row(unsigned who);
uint64_t soak_random(uint64_t *row);
static inline uint64_t soak_below(uint64_t *row, uint64_t limit)
{
    return soak_random(row) % limit;
}

/* Who draws from a row. */
enum { SOAK_ROW_ROUNDS = 1, SOAK_ROW_TICK, SOAK_ROW_MOUSE, SOAK_ROW_CONSUMER, SOAK_ROW_LIVES };

/* Those who live beside the floods for a minute: a thread's function, whose argument is its row. It returns once
 * soak.over, when all that it began has ended. */
struct soak_actor {
    const char *name;
    unsigned priority;
    void *(*act)(uint64_t row);
    void (*begin)(void); /* before it, on the controlling thread; NULL: nothing is to be done */
    void (*check)(void); /* and after all have ended */
};
extern const struct soak_actor soak_input_actors[], soak_life_actors[], soak_task_actors[], soak_memory_actors[];

/* A round of floods and faults, with all in balance at its end. Context: thread. */
void soak_input_init(void);
void soak_input_round(uint64_t *row);

/* What is done from an interrupt, beside a flood: a unit, an item and a task come from there too. Context: irq. */
void soak_life_interrupt(uint64_t *row);
void soak_tasks_interrupt(uint64_t *row);

/* Held while a process that is a driver begins: who looks for processes that nobody waits for would take it for one. */
extern struct mutex soak_processes;

/* Starts a thread, however long it takes until there is a stack for it. Context: thread. */
#define soak_start(thread, name, priority, ...)                                     \
    do {                                                                            \
        while (thread_start_with(thread, name, priority, __VA_ARGS__) != STATUS_OK) \
            thread_sleep_until(clock_now_ns() + 1000000);                           \
    } while (0)

/* Puts a byte where the device's next one is, unless the controller has no room, which is counted. Context: any. */
void soak_inject(enum device device, uint8_t byte);

/*
 * The mouse, of which the controller's port knows no difference to a real one: it sends packets once it was told to,
 * and is plugged in and out, and answers commands or does not, as `row` has it.
 */
struct soak_mouse {
    bool plugged, reporting;
    uint8_t best, id;    /* what kind it can be, and what it is */
    uint8_t argument_of; /* the command whose argument comes next */
    uint32_t rates;      /* the last ones that it was told, a byte each */
    uint32_t at;         /* the byte of its packet that is next */
    uint32_t packets;    /* that it has sent */
    uint32_t faults;     /* that it is still to make */
};
extern struct soak_mouse soak_mouse;

void soak_mouse_init(uint8_t id);
enum status soak_mouse_send(uint8_t byte); /* to it: what a port's send is */
bool soak_mouse_next(uint8_t *byte);       /* of its packets; false: it says nothing. Context: irq */
void soak_mouse_unplug(void);              /* in the middle of a packet, or not. Context: thread */
void soak_mouse_plug_in(uint64_t *row, uint32_t faults);

#endif
