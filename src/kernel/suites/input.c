/* Both ports under more bytes than anyone types: every byte is delivered or counted, in order, in either style. */
#include "drivers/i8042.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/irq_line.h"
#include "thread/arch.h"

enum {
    STORM_BYTES = 2000, /* for each device */
    BURST_BYTES = 16,   /* what QEMU's device queues hold */
    BURSTS = 20,
    EXTRA = 50, /* bytes that find the ring full */
    PERIOD_NS = 100 * US,
    PERIOD_INEXACT_NS = 200 * US,
};

struct counts {
    uint32_t received[DEVICE_ALL], dropped[DEVICE_ALL];
    uint32_t published, events_dropped;
};

static struct counts counts_now(void)
{
    struct counts counts = {.published = input.events.published, .events_dropped = input.events.dropped};

    for (enum device device = 0; device < DEVICE_ALL; device++) {
        counts.received[device] = input.ports[device].received;
        counts.dropped[device] = input.ports[device].dropped;
    }
    return counts;
}

static void storm(enum style style, unsigned priority)
{
    static const uint32_t first[DEVICE_ALL];
    static struct injector injector;
    uint32_t count[DEVICE_ALL];
    struct counts before, after;

    for (enum device device = 0; device < DEVICE_ALL; device++)
        count[device] = stream_events(device, STORM_BYTES);
    drivers_start(style, priority);
    before = counts_now();
    injector_start(&injector, clock_is_exact() ? PERIOD_NS : PERIOD_INEXACT_NS, STORM_BYTES, STORM_BYTES);
    check_events(first, count, style);
    injector_wait(&injector);
    after = counts_now();
    drivers_stop();
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        CHECK_EQUAL(injector.sent[device], STORM_BYTES);
        CHECK_EQUAL(after.received[device] - before.received[device], STORM_BYTES);
        CHECK_EQUAL(after.dropped[device] - before.dropped[device], 0);
        CHECK_EQUAL(ring_count(&input.ports[device].ring), 0);
    }
    CHECK_EQUAL(after.published - before.published, count[DEVICE_KEYBOARD] + count[DEVICE_MOUSE]);
    CHECK_EQUAL(after.events_dropped - before.events_dropped, 0);
}

TEST(storm_high_thread, "input.storm_high_thread")
{
    storm(STYLE_THREAD, THREAD_PRIORITY_HIGH);
}

TEST(storm_high_task, "input.storm_high_task")
{
    storm(STYLE_ASYNC, THREAD_PRIORITY_HIGH);
}

TEST_NEEDS(storm_high_user, "input.storm_high_user", "programs=there")
{
    storm(STYLE_USER, THREAD_PRIORITY_HIGH);
}

TEST(storm_isr, "input.storm_isr")
{
    storm(STYLE_ISR, THREAD_PRIORITY_NORMAL);
}

TEST(storm_poll, "input.storm_poll")
{
    storm(STYLE_POLL, THREAD_PRIORITY_NORMAL);
}

TEST(storm_equal_thread, "input.storm_equal_thread")
{
    storm(STYLE_THREAD, THREAD_PRIORITY_NORMAL);
}

TEST(storm_equal_task, "input.storm_equal_task")
{
    storm(STYLE_ASYNC, THREAD_PRIORITY_NORMAL);
}

/* Fills both queues with interrupts off; where there are none, one byte at a time. */
static void burst_send(uint32_t at, uint32_t bytes)
{
    uint64_t flags;

    if (bytes == 1) {
        for (enum device device = 0; device < DEVICE_ALL; device++)
            CHECK(inject_and_wait(device, stream_byte(device, at)));
        return;
    }
    flags = irq_save();
    for (uint32_t i = at; i < at + bytes; i++)
        for (enum device device = 0; device < DEVICE_ALL; device++)
            inject(device, stream_byte(device, i));
    irq_restore(flags);
}

/* Both devices have all their bytes ready at once: one output buffer, two lines, and nobody's byte may get lost. */
static void bursts(enum style style)
{
    uint32_t bytes = controller_queues() ? BURST_BYTES : 1;
    struct counts before, after;

    drivers_start(style, THREAD_PRIORITY_HIGH);
    before = counts_now();
    for (uint32_t at = 0; at < BURSTS * bytes; at += bytes) {
        uint32_t first[DEVICE_ALL], count[DEVICE_ALL];

        for (enum device device = 0; device < DEVICE_ALL; device++) {
            first[device] = stream_events(device, at);
            count[device] = stream_events(device, at + bytes) - first[device];
        }
        burst_send(at, bytes);
        check_events(first, count, style);
    }
    after = counts_now();
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        CHECK_EQUAL(after.received[device] - before.received[device], BURSTS * bytes);
        CHECK_EQUAL(after.dropped[device] - before.dropped[device], 0);
    }
    drivers_stop();
}

TEST(bursts_thread, "input.bursts_thread")
{
    bursts(STYLE_THREAD);
}

TEST(bursts_task, "input.bursts_task")
{
    bursts(STYLE_ASYNC);
}

TEST(bursts_isr, "input.bursts_isr")
{
    bursts(STYLE_ISR);
}

/* Bytes of the mouse's stream while its driver cannot run, whichever style it is. */
static void send_to_stalled_mouse(uint32_t bytes)
{
    preempt_disable();
    for (uint32_t i = 0; i < bytes; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, i)));
    CHECK_EQUAL(ring_count(&input.ports[DEVICE_MOUSE].ring), PS2_RING_BYTES);
    preempt_enable();
}

static void check_packets(uint32_t from, uint32_t packets, enum style style)
{
    const uint32_t first[DEVICE_ALL] = {[DEVICE_MOUSE] = from};
    const uint32_t count[DEVICE_ALL] = {[DEVICE_MOUSE] = packets};

    check_events(first, count, style);
}

/* The stream goes on in the middle of a packet: what is left of it cannot begin one, and the next is right. */
static void mouse_overflow(enum style style)
{
    uint32_t size = input.mouse.decoder.size;
    uint32_t sent = PS2_RING_BYTES + EXTRA;
    uint32_t rest = (size - sent % size) % size;
    struct counts before, after;

    CHECK_EQUAL(PS2_RING_BYTES % size, 0);
    CHECK(rest > 0);
    drivers_start(style, THREAD_PRIORITY_HIGH);
    before = counts_now();
    send_to_stalled_mouse(sent);
    after = counts_now();
    CHECK_EQUAL(after.received[DEVICE_MOUSE] - before.received[DEVICE_MOUSE], sent);
    CHECK_EQUAL(after.dropped[DEVICE_MOUSE] - before.dropped[DEVICE_MOUSE], EXTRA);
    check_packets(0, PS2_RING_BYTES / size, style);
    for (uint32_t i = 0; i < rest + 10 * size; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, sent + i)));
    check_packets((sent + rest) / size, 10, style);
    CHECK_EQUAL(input.mouse.decoder.discarded, rest);
    drivers_stop();
}

TEST(mouse_overflow_thread, "input.overflow_mouse_thread")
{
    mouse_overflow(STYLE_THREAD);
}

TEST(mouse_overflow_task, "input.overflow_mouse_task")
{
    mouse_overflow(STYLE_ASYNC);
}

/* A key, then arrows of two bytes each, so that the ring is full after the first byte of one. */
static uint8_t arrows_byte(uint32_t n)
{
    static const uint8_t left[] = {0xe0, 0x4b, 0xe0, 0xcb};

    return n == 0 ? KEY_A : left[(n - 1) % sizeof(left)];
}

static void check_next_key(uint16_t code, int value)
{
    struct input_event event = {0};

    CHECK(event_try_read(&input.events, &event));
    CHECK_EQUAL(event.type, INPUT_KEY);
    CHECK_EQUAL(event.code, code);
    CHECK_EQUAL((unsigned)event.value, (unsigned)value);
}

/* The one byte after the lone prefix is lost to it: 0xe0 0x27 is nobody's. The next ones are right. */
static void keyboard_overflow(enum style style)
{
    static const uint8_t after_gap[] = {KEY_SEMICOLON, KEY_A | 0x80, KEY_F, KEY_F | 0x80};
    struct counts before, after;

    drivers_start(style, THREAD_PRIORITY_HIGH);
    before = counts_now();
    preempt_disable();
    for (uint32_t i = 0; i < PS2_RING_BYTES + EXTRA; i++)
        CHECK(inject_and_wait(DEVICE_KEYBOARD, arrows_byte(i)));
    preempt_enable();
    after = counts_now();
    CHECK_EQUAL(after.received[DEVICE_KEYBOARD] - before.received[DEVICE_KEYBOARD], PS2_RING_BYTES + EXTRA);
    CHECK_EQUAL(after.dropped[DEVICE_KEYBOARD] - before.dropped[DEVICE_KEYBOARD], EXTRA);
    check_next_key(KEY_A, 1);
    for (unsigned i = 0; i < (PS2_RING_BYTES - 2) / 2; i++)
        check_next_key(KEY_LEFT, i % 2 == 0);
    for (unsigned i = 0; i < sizeof(after_gap); i++)
        CHECK(inject_and_wait(DEVICE_KEYBOARD, after_gap[i]));
    check_next_key(KEY_A, 0);
    check_next_key(KEY_F, 1);
    check_next_key(KEY_F, 0);
    CHECK_EQUAL(ring_count(&input.events.ring), 0);
    drivers_stop();
}

TEST(keyboard_overflow_thread, "input.overflow_keyboard_thread")
{
    keyboard_overflow(STYLE_THREAD);
}

TEST(keyboard_overflow_task, "input.overflow_keyboard_task")
{
    keyboard_overflow(STYLE_ASYNC);
}

TEST(event_overflow, "input.overflow_of_events")
{
    static const uint32_t first[DEVICE_ALL];
    static const uint32_t count[DEVICE_ALL] = {[DEVICE_KEYBOARD] = EVENT_QUEUE_EVENTS};
    struct counts before, after;

    drivers_start(STYLE_THREAD, THREAD_PRIORITY_HIGH);
    before = counts_now();
    for (uint32_t i = 0; i < EVENT_QUEUE_EVENTS + EXTRA; i++)
        CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, i)));
    after = counts_now();
    CHECK_EQUAL(after.published - before.published, EVENT_QUEUE_EVENTS);
    CHECK_EQUAL(after.events_dropped - before.events_dropped, EXTRA);
    check_events(first, count, STYLE_THREAD);
    drivers_stop();
}

/* Half a packet and half a key's life under each: the next driver goes on where the last one was stopped. */
static void hand_over(enum style from, enum style to)
{
    static const uint32_t none[DEVICE_ALL];
    static const uint32_t key[DEVICE_ALL] = {[DEVICE_KEYBOARD] = 1};
    static const uint32_t key_and_packet[DEVICE_ALL] = {1, 1};
    uint32_t half = input.mouse.decoder.size / 2;
    struct counts before;

    drivers_start(from, THREAD_PRIORITY_HIGH);
    before = counts_now();
    CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, 0)));
    for (uint32_t i = 0; i < half; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, i)));
    check_events(none, key, from);
    drivers_stop();
    CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, 1)));
    for (uint32_t i = half; i < input.mouse.decoder.size; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, i)));
    CHECK_EQUAL(input.events.published - before.published, 1);
    for (enum device device = 0; device < DEVICE_ALL; device++)
        CHECK(input_driver_start(device, to, THREAD_PRIORITY_HIGH, executor_at(THREAD_PRIORITY_HIGH)) == STATUS_OK);
    check_events(key, key_and_packet, to);
    drivers_stop();
}

TEST(hand_over_to_task, "input.thread_hands_over_to_task")
{
    hand_over(STYLE_THREAD, STYLE_ASYNC);
}

TEST(hand_over_to_thread, "input.task_hands_over_to_thread")
{
    hand_over(STYLE_ASYNC, STYLE_THREAD);
}

static void lines_mask(void)
{
    uint64_t flags = irq_save();

    irq_line_mask(I8042_KEYBOARD_IRQ);
    irq_line_mask(I8042_MOUSE_IRQ);
    irq_restore(flags);
}

/* Whether the controller kept the interrupt or not, the byte is taken and those behind it can interrupt. */
static void come_early(enum device device)
{
    struct ps2_port *port = &input.ports[device];
    uint32_t before;

    input_forget();
    before = port->received;
    lines_mask();
    inject(device, stream_byte(device, 0));
    spin_for(100 * US);
    CHECK_EQUAL(port->received, before);
    input_let_in();
    CHECK_EQUAL(port->received, before + 1);
    for (uint32_t i = 1; i < 4; i++)
        CHECK(inject_and_wait(device, stream_byte(device, i)));
    CHECK_EQUAL(ring_count(&port->ring), 4);
    input_forget();
}

TEST(key_before_line_opens, "input.key_before_line_opens")
{
    come_early(DEVICE_KEYBOARD);
}

TEST(motion_before_line_opens, "input.motion_before_line_opens")
{
    come_early(DEVICE_MOUSE);
}

/* The line rose and the byte is gone: whoever reads port 0x60 in between takes it from the driver. */
TEST(nothing_there, "input.interrupt_without_a_byte")
{
    uint64_t flags;
    uint32_t before;

    input_forget();
    before = input.empty;
    flags = irq_save();
    inject(DEVICE_KEYBOARD, 0x1e);
    CHECK_EQUAL(inb(I8042_DATA), 0x1e);
    irq_restore(flags);
    spin_for(10 * US);
    CHECK_EQUAL(input.empty, before + 1);
    CHECK_EQUAL(ring_count(&input.ports[DEVICE_KEYBOARD].ring), 0);
    inject(DEVICE_KEYBOARD, 0x9e);
    spin_for(10 * US);
    CHECK_EQUAL(ring_count(&input.ports[DEVICE_KEYBOARD].ring), 1);
    input_forget();
}

enum { SILENCE_NS = 300 * MS, ANSWERS = 20 }; /* to eighteen bytes, and two ids */

/* It is QEMU's own mouse that is told to report again, and answers. Half a packet is in the way. */
static void plug_in(enum style style)
{
    static const uint32_t first[DEVICE_ALL], packet[DEVICE_ALL] = {[DEVICE_MOUSE] = 1};
    const struct ps2_port *port = &input.ports[DEVICE_MOUSE];
    uint32_t before;

    drivers_start(style, THREAD_PRIORITY_HIGH);
    CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, 0)));
    sleep_for(SILENCE_NS);
    CHECK(inject_and_wait(DEVICE_MOUSE, 0xaa));
    before = port->received;
    inject(DEVICE_MOUSE, 0x00);
    sleep_until_holds(port->received - before == 1 + ANSWERS);
    CHECK_EQUAL(port->received - before, 1 + ANSWERS);
    sleep_for(SILENCE_NS); /* nothing is sent again */
    CHECK_EQUAL(port->received - before, 1 + ANSWERS);
    for (uint32_t i = 0; i < input.mouse.decoder.size; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, i)));
    check_events(first, packet, style);
    drivers_stop();
}

TEST(plugged_in_thread, "input.mouse_plugged_in_thread")
{
    plug_in(STYLE_THREAD);
    CHECK_EQUAL(input.mouse.setup.done, 1);
}

TEST(plugged_in_task, "input.mouse_plugged_in_task")
{
    plug_in(STYLE_ASYNC);
    CHECK_EQUAL(input.mouse.setup.done, 1);
}

TEST(plugged_in_isr, "input.mouse_plugged_in_isr")
{
    plug_in(STYLE_ISR);
    CHECK_EQUAL(input.mouse.setup.done, 1);
}

TEST_NEEDS(plugged_in_user, "input.mouse_plugged_in_user", "programs=there")
{
    plug_in(STYLE_USER);
}

static unsigned asked;

static enum status hear_nothing(uint8_t byte)
{
    (void)byte;
    asked++;
    return STATUS_OK;
}

/* It says that it is there, and nothing more: it is asked five times, and then believed to be none. */
static void plug_in_silent(enum style style)
{
    static const uint32_t first[DEVICE_ALL], packet[DEVICE_ALL] = {[DEVICE_MOUSE] = 1};
    struct ps2_port *port = &input.ports[DEVICE_MOUSE];
    enum status (*send)(uint8_t byte) = port->send;

    asked = 0;
    port->send = hear_nothing;
    drivers_start(style, THREAD_PRIORITY_HIGH);
    CHECK(inject_and_wait(DEVICE_MOUSE, 0xaa));
    CHECK(inject_and_wait(DEVICE_MOUSE, 0x00));
    sleep_for(SILENCE_NS);
    CHECK(asked > 1 && asked < 5);
    sleep_for(2 * SILENCE_NS);
    CHECK_EQUAL(asked, 5);
    for (uint32_t i = 0; i < input.mouse.decoder.size; i++)
        CHECK(inject_and_wait(DEVICE_MOUSE, stream_byte(DEVICE_MOUSE, i)));
    check_events(first, packet, style);
    drivers_stop();
    port->send = send;
}

TEST(plugged_in_silent, "input.silent_mouse_is_given_up")
{
    plug_in_silent(STYLE_THREAD);
    plug_in_silent(STYLE_ASYNC);
    plug_in_silent(STYLE_ISR);
}

TEST_NEEDS(plugged_in_silent_user, "input.silent_mouse_user", "programs=there")
{
    plug_in_silent(STYLE_USER);
}
