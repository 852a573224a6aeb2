/*
 * A flood of bytes through the controller, from a timer interrupt, one at a time and in bursts, while a thread of the
 * priority of most computes. Injected, delivered and dropped bytes come each from a counter of its own: the injector's,
 * the driver's, the port's.
 */
#include "kernel/suites/support.h"
#include "thread/arch.h"

enum {
    BURST_BYTES = 16, /* what QEMU's device queues hold */
    QUANTUM_NS = 200 * US,
    PERIOD_NS = 200 * US,     /* long enough for a kernel that is not optimised */
    PERIOD_LONG_NS = 60 * US, /* not half of a ring in a quantum */
    PERIOD_INEXACT_NS = 1 * MS,
    EXTRA = 72, /* bytes that find the ring full; whole packets, and keys that are released again */
    ROUND_BYTES = PS2_RING_BYTES + EXTRA,
    BYTES = 10000, /* of both devices */
    ROUNDS = 2,    /* of them, that overrun the rings */
    BYTES_LONG = 1000000,
    ROUNDS_LONG = 250,
    SEED = 20240505,
};

/* Sends as many bytes of the keyboard's stream as of the mouse's, turn by turn. */
static struct flood {
    struct waker waker;
    struct timer timer;
    uint64_t period_ns, random;
    uint32_t burst; /* at most, of each device; 1: there is one place for both, they take turns */
    uint32_t sent[DEVICE_ALL];
    uint32_t end; /* where that stops, for each */
    uint32_t received_before[DEVICE_ALL];
    atomic_bool done;
} flood;

/* Counted since the last flood_begin(), for each device. */
static struct flood_counts {
    uint32_t delivered, dropped;
} flood_base[DEVICE_ALL];

static uint64_t probe_stamp[DEVICE_ALL];

/* The handler has had every byte. */
static bool flood_read(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++)
        if (input.ports[device].received - flood.received_before[device] != flood.sent[device])
            return false;
    return true;
}

/* One byte half of the times, else any number up to a full queue. */
static uint32_t flood_burst(void)
{
    uint32_t left = flood.end - flood.sent[DEVICE_MOUSE], bytes = 1; /* the mouse's turn is the last */

    flood.random ^= flood.random << 13;
    flood.random ^= flood.random >> 7;
    flood.random ^= flood.random << 17;
    if (flood.random >> 32 & 1)
        bytes = 1 + (uint32_t)(flood.random >> 33) % flood.burst;
    return bytes < left ? bytes : left;
}

static void flood_send(enum device device)
{
    inject(device, stream_byte(device, flood.sent[device]++));
}

static void flood_wake(struct waker *waker)
{
    if (flood_read()) {
        uint32_t bytes = flood_burst();

        if (bytes == 0) {
            atomic_store(&flood.done, true);
            return;
        }
        if (flood.burst == 1) {
            flood_send(flood.sent[DEVICE_KEYBOARD] > flood.sent[DEVICE_MOUSE] ? DEVICE_MOUSE : DEVICE_KEYBOARD);
            bytes = 0;
        }
        for (; bytes; bytes--)
            for (enum device device = 0; device < DEVICE_ALL; device++)
                flood_send(device);
    }
    sched_timer_start(&flood.timer, clock_now_ns() + flood.period_ns, waker);
}

/* Sends until `end` bytes of each device have been sent. */
static void flood_go(uint32_t end)
{
    flood.end = end;
    atomic_store(&flood.done, false);
    sched_timer_start(&flood.timer, clock_now_ns() + flood.period_ns, &flood.waker);
}

static void flood_begin(uint64_t period_ns, uint32_t burst)
{
    flood = (struct flood){.waker = {flood_wake}, .period_ns = period_ns, .random = SEED, .burst = burst};
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        flood.received_before[device] = input.ports[device].received;
        flood_base[device].dropped = input.ports[device].dropped;
        input.ports[device].resumed = (struct probe){.stamps = &probe_stamp[device], .capacity = 1};
    }
}

static void flood_end(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++)
        input.ports[device].resumed = (struct probe){.stamps = NULL};
}

static void check_counts(uint32_t dropped)
{
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        const struct ps2_port *port = &input.ports[device];

        CHECK_EQUAL(port->dropped - flood_base[device].dropped, dropped);
        CHECK_EQUAL(port->resumed.count + (port->dropped - flood_base[device].dropped), flood.sent[device]);
    }
}

/* The consumer: every event of these bytes, in their order. */
static void check_stream(uint32_t from, uint32_t bytes, enum style style)
{
    uint32_t first[DEVICE_ALL], count[DEVICE_ALL];

    for (enum device device = 0; device < DEVICE_ALL; device++) {
        first[device] = stream_events(device, from);
        count[device] = stream_events(device, from + bytes) - first[device];
    }
    check_events(first, count, style);
}

/* The drivers always come to their turn before a ring is full. */
static void flood_with_room(uint32_t bytes, enum style style)
{
    flood_go(bytes);
    check_stream(0, bytes, style);
    sleep_until_holds(atomic_load(&flood.done));
    check_counts(0);
}

/* The drivers cannot run: each ring is filled to its last place, and what comes then is counted. */
static void flood_beyond_room(enum style style)
{
    uint32_t from = flood.end, dropped[DEVICE_ALL];

    for (enum device device = 0; device < DEVICE_ALL; device++)
        dropped[device] = input.ports[device].dropped;
    preempt_disable();
    flood_go(from + ROUND_BYTES);
    while (!atomic_load(&flood.done))
        spin_for(US);
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        CHECK_EQUAL(ring_count(&input.ports[device].ring), PS2_RING_BYTES);
        CHECK_EQUAL(input.ports[device].dropped - dropped[device], EXTRA);
    }
    preempt_enable();
    check_stream(from, PS2_RING_BYTES, style);
}

static atomic_bool rival_over;
static void *rival_main(void *unused)
{
    (void)unused;
    while (!atomic_load(&rival_over))
        ;
    return NULL;
}

static void flood_all(enum style style, unsigned priority, uint32_t bytes, uint32_t rounds, uint64_t period_ns)
{
    bool exact = clock_is_exact();
    uint32_t burst = controller_queues() ? BURST_BYTES : 1;
    uint32_t events_dropped = input.events.dropped, roomy = bytes / DEVICE_ALL - rounds * ROUND_BYTES;
    uint64_t quantum = quantum_set(QUANTUM_NS);
    struct thread rival;

    CHECK_EQUAL(roomy % 4 + ROUND_BYTES % 4 + EXTRA % 4, 0); /* whole packets, of 4 bytes at most, and whole keys */
    drivers_start(style, priority);
    flood_begin(exact ? period_ns : burst > 1 ? PERIOD_INEXACT_NS : PERIOD_NS, burst);
    atomic_store(&rival_over, false);
    start(&rival, "rival", THREAD_PRIORITY_NORMAL, rival_main, NULL);
    flood_with_room(roomy, style);
    for (uint32_t i = 0; i < rounds; i++)
        flood_beyond_room(style);
    atomic_store(&rival_over, true);
    thread_join(&rival);
    quantum_set(quantum);
    check_counts(rounds * EXTRA);
    CHECK_EQUAL(flood.sent[DEVICE_KEYBOARD] + flood.sent[DEVICE_MOUSE], bytes);
    CHECK_EQUAL(input.events.dropped - events_dropped, 0);
    flood_end();
    drivers_stop();
}

TEST(thread_equal, "input.10000_thread_equal")
{
    flood_all(STYLE_THREAD, THREAD_PRIORITY_NORMAL, BYTES, ROUNDS, PERIOD_NS);
}

TEST(thread_high, "input.10000_thread_high")
{
    flood_all(STYLE_THREAD, THREAD_PRIORITY_HIGH, BYTES, ROUNDS, PERIOD_NS);
}

TEST(task_equal, "input.10000_task_equal")
{
    flood_all(STYLE_ASYNC, THREAD_PRIORITY_NORMAL, BYTES, ROUNDS, PERIOD_NS);
}

TEST(task_high, "input.10000_task_high")
{
    flood_all(STYLE_ASYNC, THREAD_PRIORITY_HIGH, BYTES, ROUNDS, PERIOD_NS);
}

TEST_LONG(thread_equal_long, "input.1000000_thread_equal")
{
    flood_all(STYLE_THREAD, THREAD_PRIORITY_NORMAL, BYTES_LONG, ROUNDS_LONG, PERIOD_LONG_NS);
}

TEST_LONG(thread_high_long, "input.1000000_thread_high")
{
    flood_all(STYLE_THREAD, THREAD_PRIORITY_HIGH, BYTES_LONG, ROUNDS_LONG, PERIOD_LONG_NS);
}

TEST_LONG(task_equal_long, "input.1000000_task_equal")
{
    flood_all(STYLE_ASYNC, THREAD_PRIORITY_NORMAL, BYTES_LONG, ROUNDS_LONG, PERIOD_LONG_NS);
}

TEST_LONG(task_high_long, "input.1000000_task_high")
{
    flood_all(STYLE_ASYNC, THREAD_PRIORITY_HIGH, BYTES_LONG, ROUNDS_LONG, PERIOD_LONG_NS);
}
