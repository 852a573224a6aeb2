/*
 * What the suites share: threads and executors to run things on, and bytes that come as if from the devices.
 */
#ifndef DUET_KERNEL_SUITES_SUPPORT_H
#define DUET_KERNEL_SUITES_SUPPORT_H

#include "kernel/input.h"
#include "kernel/process.h"
#include "kernel/suite.h"
#include "lib/clock.h"
#include "thread/sched.h"

enum {
    US = 1000,
    MS = 1000000,
    PRIORITY_LOW = 8,
};

/* True if the clock counts instructions, as on the reference machine: then the same run takes the same time always, and
 * a test may expect exact times. Context: thread. */
bool clock_is_exact(void);

/* As thread_start(), for a test that cannot go on without. Context: thread. */
void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument);

void sleep_for(uint64_t ns);

/* Sleeps a millisecond at a time until the condition holds, or for ten seconds: then what waited for it will fail.
 * Context: thread. */
#define sleep_until_holds(condition)                               \
    do {                                                           \
        for (unsigned ms_ = 0; ms_ < 10000 && !(condition); ms_++) \
            sleep_for(MS);                                         \
    } while (0)

/* Keeps the CPU busy for a while. Context: any. */
void spin_for(uint64_t ns);

/* Sets the quantum of the running thread and of those that start from now on, and returns the scheduler's old one; a
 * turn already under way keeps what it has. Context: thread. */
uint64_t quantum_set(uint64_t ns);

/* Gives back all memory that is kept for later: the heap's, and the stacks of threads that ended. Context: thread. */
void heap_tidy(void);

/* How much memory is in use, tidied up. Context: thread. */
struct memory_mark {
    size_t frames; /* free */
    uint64_t live; /* blocks of the heap */
    size_t taken;  /* bytes of it */
};
struct memory_mark memory_mark(void);

/* Says if more or less is in use now. Context: thread. */
void memory_check(const struct memory_mark *mark);

/* Starts a program as a child of the kernel, for a test that cannot go on without; waits for it, and says if it did not
 * end so. Context: thread. */
uint64_t start_process(const char *name, uint64_t argument);
void expect_end(uint64_t pid, enum process_end end, int64_t status);

/* Frames that nobody else can have. */
struct hoard {
    uint64_t first; /* physical address; each holds the next in its first word */
    size_t count;
};

/* Takes every frame there is; gives `count` of them back, or all. Context: thread. */
void hoard_frames(struct hoard *hoard);
void hoard_give(struct hoard *hoard, size_t count);

/* The executor at THREAD_PRIORITY_NORMAL or THREAD_PRIORITY_HIGH that all tests share. Context: thread. */
struct executor_thread *executor_at(unsigned priority);

/* Waits until the executor has let go of the task. Context: thread. */
void task_wait(struct task *task);

/*
 * Puts one byte where the device's next byte would be, and raises its line: the controller's commands 0xd2 and 0xd3
 * (IBM PS/2 Hardware Interface Technical Reference). The line is taken when interrupts are on. Context: any.
 */
void inject(enum device device, uint8_t byte);

/* The same, and waits without giving the CPU away until the handler has read it: false if it never does.
 * Context: thread, interrupts on. */
bool inject_and_wait(enum device device, uint8_t byte);

/* Whether the controller puts such bytes in the device's queue, for 16: others have one place for them. No driver runs.
 * Context: thread, interrupts on. */
bool controller_queues(void);

/*
 * The n-th byte of an endless stream: keys that are pressed and released, or motion packets, no two near ones alike.
 * The bytes of motion never look like the first one of a packet. Context: any.
 */
uint8_t stream_byte(enum device device, uint32_t n);

/* Events that the first n bytes of the stream complete. Context: any. */
uint32_t stream_events(enum device device, uint32_t bytes);

/* True if the event is what the stream's event `n` should be. Context: any. */
bool stream_matches(enum device device, uint32_t n, const struct input_event *event);

/* Which device an event came from. */
enum device event_device(const struct input_event *event);

/* Injects the streams from the timer interrupt, a byte a period, never before the handler has read the one before. */
struct injector {
    struct waker waker;
    struct timer timer;
    uint64_t period_ns;
    uint32_t bytes[DEVICE_ALL]; /* to be sent */
    uint32_t sent[DEVICE_ALL];
    uint32_t received_before[DEVICE_ALL];
    uint32_t held; /* periods in which the handler had not read yet */
    atomic_bool done;
};

/* Starts sending `keyboard_bytes` and `mouse_bytes`, taking turns. Context: thread. */
void injector_start(struct injector *injector, uint64_t period_ns, uint32_t keyboard_bytes, uint32_t mouse_bytes);

/* Waits until everything was sent and has been read by the handler. Context: thread. */
void injector_wait(struct injector *injector);

/* Starts both drivers, on an executor or as threads, with nothing left over from earlier tests. Context: thread. */
void drivers_start(enum style style, unsigned priority);
void drivers_stop(void);

/* Throws away what the ports, the drivers' decoders and the event queue hold, and opens the ports to whoever claims
 * them. Context: thread; no driver runs. */
void input_forget(void);

/* Reads events until `count` have come from each device, or for a second of silence, and says what differs from the
 * streams from `first` on. Context: thread. */
void check_events(const uint32_t first[DEVICE_ALL], const uint32_t count[DEVICE_ALL], enum style style);

/* What tests of the local APIC need: a register, by its offset. Context: any. */
volatile uint32_t *apic_register_at(unsigned offset);
uint32_t apic_register(unsigned offset);
void apic_register_set(unsigned offset, uint32_t value);

/* Uses up any stack, from depth 0 on. Context: any. */
unsigned deepen(unsigned depth);

#endif
