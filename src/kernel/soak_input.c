/*
 * The floods. Bytes come from the timer interrupt, more than the drivers can take and less, and as many of both
 * devices.
 *
 * Each byte is followed. The journal has what the controller must have in its queues, so that what comes out of them is
 * known: nothing else, nothing twice, nothing out of turn. What then finds room in a ring also goes, in the interrupt,
 * to a keyboard and a mouse driver of the soak's own, whose events are those that must come: with the stamp of their
 * byte, which no other has. The consumer meets them one by one, and those it does not meet are those that were dropped.
 */
#include "executor/async.h"
#include "executor/sleep.h"
#include "kernel/soak.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/pic.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    QUEUE_BYTES = 16,   /* what QEMU keeps of a device: PS2_QUEUE_SIZE of its hw/input/ps2.c; what comes then is gone */
    JOURNAL_BYTES = 32, /* a power of two */
    EXPECTED = 1024,    /* likewise: what 128 bytes make, and 256 events, and what a process has in hand */
    KEYS_ODD = 16,      /* one of so many is any byte at all */
    SLICES_MAX = 6,
    DRAIN_MS = 5000,
    RECOVERY_MS = 3000,
    COMMAND_SET_DEFAULTS = 0xf6,
    IPI_IRR = 0x200 + SUITE_VECTOR / 32 * 16, /* of the local APIC: 10.8.4 */
    IPI_COMMAND = 0x300,
    IPI_SELF = 1 << 18, /* 10.6.1: destination shorthand */
    PRIORITY_STALL = 28,
    PRIORITY_CONSUMER = 20,
};

/* Interrupts off. */
static struct stream {
    uint8_t journal[JOURNAL_BYTES];
    uint32_t accepted, taken; /* by the controller, from it */
    uint32_t keys;            /* that the keyboard's stream has reached */
    struct input_event expected[EXPECTED];
    uint32_t made, met;
} streams[DEVICE_ALL];

/* The drivers of the soak's own. */
static struct ps2_port shadow_ports[DEVICE_ALL];
static struct event_queue shadow_events;
static struct keyboard shadow_keyboard;
static struct mouse shadow_mouse;

static interrupt_handler *handlers[2];

static struct flood {
    struct waker waker;
    struct timer timer;
    uint64_t row;
    uint64_t turn_ns; /* when heavy turns into light and back */
    bool heavy, on, ending;
} flood;

/* Counters of others at the round's beginning. */
static struct base {
    uint32_t received, dropped, head, tail;
} base[DEVICE_ALL];
static uint32_t base_published, base_dropped;
static uint64_t base_counts[SOAK_COUNTER_COUNT];

static uint64_t since(enum soak_counter counter)
{
    return atomic_load(&soak.counts[counter]) - base_counts[counter];
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

void soak_inject(enum device device, uint8_t byte)
{
    struct stream *stream = &streams[device];
    uint64_t flags = irq_save();

    soak_count(soak_of(device, SOAK_KEYS_INJECTED));
    if (stream->accepted - stream->taken < QUEUE_BYTES)
        stream->journal[stream->accepted++ % JOURNAL_BYTES] = byte;
    else
        soak_count(soak_of(device, SOAK_KEYS_REFUSED));
    inject(device, byte);
    irq_restore(flags);
}

static void inject_key(void)
{
    uint8_t byte = (uint8_t)soak_random(&flood.row);

    if (soak_below(&flood.row, KEYS_ODD))
        byte = stream_byte(DEVICE_KEYBOARD, streams[DEVICE_KEYBOARD].keys++);
    soak_inject(DEVICE_KEYBOARD, byte);
}

static void inject_motion(void)
{
    uint8_t byte;

    if (soak_mouse_next(&byte))
        soak_inject(DEVICE_MOUSE, byte);
}

/* Interrupts of the CPU's own: while one is pending, others like it are none. */
static void inject_interrupts(uint64_t count)
{
    while (count--) {
        soak_count(SOAK_INTERRUPTS_SENT);
        if (apic_register(IPI_IRR) >> SUITE_VECTOR % 32 & 1)
            soak_count(SOAK_INTERRUPTS_MERGED);
        else
            soak_count(SOAK_INTERRUPTS_PENDED);
        apic_register_set(IPI_COMMAND, IPI_SELF | SUITE_VECTOR);
    }
}

static void take_interrupt(unsigned vector)
{
    (void)vector;
    soak_count(SOAK_INTERRUPTS_TAKEN);
}

/* Above capacity for a while, then below, so that somebody gets to anything. Pauses are between packets. */
static uint64_t next_tick_ns(void)
{
    if (clock_now_ns() >= flood.turn_ns) {
        flood.heavy = !flood.heavy;
        flood.turn_ns = clock_now_ns() + MS + soak_below(&flood.row, flood.heavy ? 12 * MS : 60 * MS);
    }
    return flood.heavy ? 100 * US + soak_below(&flood.row, 2 * MS) : MS + soak_below(&flood.row, 4 * MS);
}

static void tick(struct waker *waker)
{
    uint64_t most = flood.heavy ? 32 : 6, keys = soak_below(&flood.row, most), motions = soak_below(&flood.row, most);

    if (flood.ending && (soak_mouse.at == 0 || !soak_mouse.reporting)) {
        flood.on = false;
        return;
    }
    if (flood.ending) {
        keys = 0;
        motions = 1;
    }
    for (uint64_t i = 0; i < keys || i < motions; i++) {
        if (i < keys)
            inject_key();
        if (i < motions)
            inject_motion();
    }
    inject_interrupts(soak_below(&flood.row, 4));
    soak_life_interrupt(&flood.row);
    soak_tasks_interrupt(&flood.row);
    sched_timer_start(&flood.timer, clock_now_ns() + next_tick_ns(), waker);
}

/* ---- out of the controller --------------------------------------------------------------------------------------- */

/* The byte that should have come, and did not, in terms of the sequence. */
static void identify(enum device device, uint8_t expected, uint8_t got)
{
    struct stream *stream = &streams[device];
    uint32_t before = stream->taken - 2;

    for (uint32_t at = stream->taken; at != stream->accepted; at++)
        if (stream->journal[at % JOURNAL_BYTES] == got) {
            soak_fail("i8042", "%02x came in place of %02x, which was lost or overtaken: byte %u, device %u", got,
                      expected, stream->taken - 1, (unsigned)device);
            return;
        }
    soak_fail("i8042", "%02x came %s, in place of %02x: byte %u, device %u", got,
              stream->journal[before % JOURNAL_BYTES] == got ? "twice" : "from nowhere", expected, stream->taken - 1,
              (unsigned)device);
}

static void expect_events(enum device device)
{
    struct stream *stream = &streams[device];
    struct input_event event;

    while (event_try_read(&shadow_events, &event)) {
        if (stream->made - stream->met == EXPECTED)
            soak_fail("event queue", "more events are on their way than there is room for");
        stream->expected[stream->made++ % EXPECTED] = event;
        soak_count(SOAK_EVENTS_MADE);
    }
}

static void take_byte(enum device device, bool kept)
{
    const struct ps2_port *port = &input.ports[device];
    struct stream *stream = &streams[device];
    struct ps2_byte byte;
    uint8_t expected;

    if (stream->taken == stream->accepted) {
        soak_fail("i8042", "a byte from nowhere, device %u", (unsigned)device);
        return;
    }
    expected = stream->journal[stream->taken++ % JOURNAL_BYTES];
    if (!kept)
        return;
    soak_count(soak_of(device, SOAK_KEYS_KEPT));
    byte = port->bytes[(atomic_load(&port->ring.tail) - 1) % PS2_RING_BYTES];
    if (byte.data != expected)
        identify(device, expected, byte.data);
    if (device == DEVICE_KEYBOARD)
        keyboard_receive(&shadow_keyboard, byte, DRIVER_ISR);
    else
        mouse_receive(&shadow_mouse, byte, DRIVER_ISR);
    expect_events(device);
}

/* Beside the kernel's own routine. A woken driver may have read the byte by now: it stays where it was. */
static void look_on(unsigned vector)
{
    uint32_t received[DEVICE_ALL], tail[DEVICE_ALL];

    for (enum device device = 0; device < DEVICE_ALL; device++) {
        received[device] = input.ports[device].received;
        tail[device] = atomic_load(&input.ports[device].ring.tail);
    }
    handlers[vector != PIC_VECTOR + I8042_KEYBOARD_IRQ](vector);
    for (enum device device = 0; device < DEVICE_ALL; device++)
        if (input.ports[device].received != received[device])
            take_byte(device, atomic_load(&input.ports[device].ring.tail) != tail[device]);
}

static enum status hear_nothing(uint8_t byte)
{
    (void)byte;
    return STATUS_OK;
}

/* The driver begins with a mouse: whether it was silence that made it do so again, its shadow cannot know; what was
 * plugged in it sees for itself. */
static enum status send_mouse(uint8_t byte)
{
    uint64_t flags = irq_save();

    if (byte == COMMAND_SET_DEFAULTS && shadow_mouse.setup.step) {
        shadow_mouse.setup.step = 1;
        shadow_mouse.setup.identity = false;
    }
    irq_restore(flags);
    return soak_mouse_send(byte);
}

/* ---- the consumer ------------------------------------------------------------------------------------------------ */

/* What a key has is less than what a motion has. */
static bool same(const struct input_event *a, const struct input_event *b)
{
    return a->stamp == b->stamp && a->type == b->type && a->text == b->text && a->value == b->value &&
           a->code == b->code && (a->type != INPUT_REL || a->dy == b->dy);
}

static bool is_end(const struct input_event *event)
{
    return event->type == INPUT_ENDED;
}

/* Those before it were dropped, if they are older; a packet has several of one age. */
static void meet(const struct input_event *event)
{
    struct stream *stream = &streams[event_device(event)];
    uint64_t flags = irq_save();

    while (stream->met != stream->made) {
        const struct input_event *next = &stream->expected[stream->met % EXPECTED];

        if (same(next, event)) {
            stream->met++;
            irq_restore(flags);
            return;
        }
        if (next->stamp > event->stamp)
            break;
        stream->met++;
        soak_count(SOAK_EVENTS_MISSED);
    }
    irq_restore(flags);
    soak_fail("event queue", "an event twice, late or from nowhere: type %u, code %u, value %d, style %u", event->type,
              event->code, event->value, event->style);
}

static void *consume(uint64_t row)
{
    struct input_event event;

    for (;;) {
        event_read(&input.events, &event);
        soak_count(SOAK_EVENTS_CONSUMED);
        if (is_end(&event))
            return NULL;
        meet(&event);
        if (soak_below(&row, 200) == 0) {
            soak_count(SOAK_STALLS);
            sleep_for(soak_below(&row, 60 * MS));
        }
    }
}

/* Whoever is at work, works on; or not, for a while, with or without interrupts. */
static void *stall(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        uint64_t ns = soak_below(&row, 4 * MS), flags;

        sleep_for(soak_below(&row, 60 * MS));
        soak_count(SOAK_STALLS);
        switch (soak_below(&row, 3)) {
        case 0:
            spin_for(ns);
            break;
        case 1:
            preempt_disable();
            spin_for(ns);
            preempt_enable();
            break;
        default:
            flags = irq_save();
            spin_for(ns / 4);
            irq_restore(flags);
            break;
        }
    }
    return NULL;
}

static struct thread consumer;

const struct soak_actor soak_input_actors[] = {{"stall", PRIORITY_STALL, stall, NULL, NULL}, {.name = NULL}};

/* ---- the drivers ------------------------------------------------------------------------------------------------- */

/* A task that keeps the drivers' executor busy, now and then. */
static struct chore {
    struct async async;
    struct sleep sleep;
    struct task task;
    uint64_t row;
    atomic_bool over;
} chore;

static enum poll chore_poll(struct future *future, struct waker *waker)
{
    struct chore *self = container_of(future, struct chore, async.future);

    ASYNC (&self->async) {
        while (!atomic_load(&self->over)) {
            self->sleep = sleep_ns(MS + soak_below(&self->row, 50 * MS));
            AWAIT(&self->sleep.future);
            soak_count(SOAK_STALLS);
            spin_for(soak_below(&self->row, 3 * MS));
        }
        ASYNC_RETURN;
    }
}

static enum style styles[DEVICE_ALL];
static unsigned priorities[DEVICE_ALL];

/* Styles that share the kernel's decoders, and may take turns amid a packet. */
static enum style kernel_style(uint64_t *row)
{
    static const enum style all[] = {STYLE_ASYNC,  STYLE_ASYNC,  STYLE_ASYNC, STYLE_THREAD,
                                     STYLE_THREAD, STYLE_THREAD, STYLE_ISR,   STYLE_POLL};

    return all[soak_below(row, ARRAY_SIZE(all))];
}

/* Without memory for a thread or a process it is a task, which needs none. */
static void driver_start(enum device device, enum style style, uint64_t *row)
{
    bool high = style != STYLE_POLL && soak_below(row, 2);
    enum status status;

    styles[device] = style;
    priorities[device] = high ? THREAD_PRIORITY_HIGH : THREAD_PRIORITY_NORMAL;
    mutex_lock(&soak_processes);
    status = input_driver_start(device, style, priorities[device], executor_at(priorities[device]));
    mutex_unlock(&soak_processes);
    if (status == STATUS_OK)
        return;
    styles[device] = STYLE_ASYNC;
    if (input_driver_start(device, STYLE_ASYNC, priorities[device], executor_at(priorities[device])) != STATUS_OK)
        panic("a task is refused");
}

static void change_style(uint64_t *row)
{
    enum device device = (enum device)soak_below(row, DEVICE_ALL);

    if (styles[device] == STYLE_USER)
        return;
    soak_count(SOAK_STYLES);
    input_driver_stop(device);
    driver_start(device, kernel_style(row), row);
}

static void shadows_init(void)
{
    shadow_ports[DEVICE_MOUSE].send = hear_nothing;
    keyboard_init(&shadow_keyboard, &shadow_ports[DEVICE_KEYBOARD], &shadow_events);
    mouse_init(&shadow_mouse, &shadow_ports[DEVICE_MOUSE], &shadow_events, soak_mouse.id);
}

/* ---- a round ----------------------------------------------------------------------------------------------------- */

static void bases_take(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        struct ps2_port *port = &input.ports[device];

        base[device] = (struct base){port->received, port->dropped, port->ring.head, port->ring.tail};
    }
    base_published = input.events.published;
    base_dropped = input.events.dropped;
    for (unsigned i = 0; i < SOAK_COUNTER_COUNT; i++)
        base_counts[i] = atomic_load(&soak.counts[i]);
}

static bool mouse_is_set_up(void)
{
    return soak_mouse.reporting && shadow_mouse.setup.step == 0;
}

static bool mouse_recovers(uint64_t wait_ms)
{
    for (uint64_t ms = 0; ms < wait_ms && !mouse_is_set_up(); ms++)
        sleep_for(MS);
    return mouse_is_set_up();
}

static uint32_t mouse_bytes_lost(void)
{
    return input.ports[DEVICE_MOUSE].dropped + (uint32_t)atomic_load(&soak.counts[SOAK_MOUSE_REFUSED]);
}

/* Out, and in again, by a hand that tries until it works; each time the mouse makes fewer mistakes. One that makes none
 * is set up the first time, unless a byte of its was lost: it does not announce itself twice. */
static void plug_in_until_it_works(uint64_t *row)
{
    for (uint32_t faults = (uint32_t)(soak_below(row, 2) * soak_below(row, 12));; faults /= 2) {
        uint32_t lost;

        sleep_for(300 * MS + soak_below(row, 300 * MS));
        lost = mouse_bytes_lost();
        soak_mouse_plug_in(row, faults);
        if (mouse_recovers(faults ? soak_below(row, RECOVERY_MS) : RECOVERY_MS))
            return;
        if (!faults && mouse_bytes_lost() == lost) {
            soak_fail("mouse", "it was plugged in, and is not set up: step %u of its driver's shadow",
                      shadow_mouse.setup.step);
            return;
        }
        soak_mouse_unplug();
    }
}

static void unplug_mouse(uint64_t *row)
{
    uint32_t packets = soak_mouse.packets;

    soak_mouse_unplug();
    plug_in_until_it_works(row);
    for (unsigned ms = 0; ms < RECOVERY_MS && soak_mouse.packets < packets + 2; ms++)
        sleep_for(MS);
    if (soak_mouse.packets < packets + 2)
        soak_fail("mouse", "it sends nothing");
    else
        soak_count(SOAK_RECOVERED);
}

static bool drained(void)
{
    uint64_t published = input.events.published - base_published, dropped = input.events.dropped - base_dropped;

    for (enum device device = 0; device < DEVICE_ALL; device++)
        if (streams[device].taken != streams[device].accepted || ring_count(&input.ports[device].ring))
            return false;
    return published + dropped >= since(SOAK_EVENTS_MADE) && since(SOAK_EVENTS_CONSUMED) >= published;
}

/* Where what does not come through has come to. */
static void say_where_it_is(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        uint32_t in_queue = streams[device].accepted - streams[device].taken;

        if (in_queue)
            soak_fail("i8042", "%u bytes of device %u are not taken out", in_queue, (unsigned)device);
        if (ring_count(&input.ports[device].ring))
            soak_fail("ring", "%u bytes of device %u are not read, by the driver in style %s",
                      ring_count(&input.ports[device].ring), (unsigned)device, style_name(styles[device]));
    }
    if (ring_count(&input.events.ring))
        soak_fail("event queue", "%u events are not read", ring_count(&input.events.ring));
    if (soak.failures == 0)
        soak_fail("driver", "it has read all, and %lu events are missing",
                  (unsigned long)since(SOAK_EVENTS_MADE) - (input.events.published - base_published) -
                      (input.events.dropped - base_dropped));
}

/* What came after the last event that was met is known to be dropped only now. */
static void meet_the_rest(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++) {
        soak_add(SOAK_EVENTS_MISSED, streams[device].made - streams[device].met);
        streams[device].met = streams[device].made;
    }
}

static void check_device(enum device device)
{
    struct ps2_port *port = &input.ports[device];
    uint32_t kept = port->ring.tail - base[device].tail;

    soak_add(soak_of(device, SOAK_KEYS_TAKEN), port->received - base[device].received);
    soak_add(soak_of(device, SOAK_KEYS_DROPPED), port->dropped - base[device].dropped);
    soak_add(soak_of(device, SOAK_KEYS_READ), port->ring.head - base[device].head);
    soak_balance("i8042", "injected", since(soak_of(device, SOAK_KEYS_INJECTED)), "refused and taken",
                 since(soak_of(device, SOAK_KEYS_REFUSED)) + since(soak_of(device, SOAK_KEYS_TAKEN)));
    soak_balance("ring", "taken", since(soak_of(device, SOAK_KEYS_TAKEN)), "dropped and kept",
                 since(soak_of(device, SOAK_KEYS_DROPPED)) + kept);
    soak_balance("ring", "kept", kept, "seen to be kept", since(soak_of(device, SOAK_KEYS_KEPT)));
    soak_balance("ring", "kept", kept, "read", since(soak_of(device, SOAK_KEYS_READ)));
}

static void check_round(void)
{
    meet_the_rest();
    soak_add(SOAK_EVENTS_PUBLISHED, input.events.published - base_published);
    soak_add(SOAK_EVENTS_DROPPED, input.events.dropped - base_dropped);
    for (enum device device = 0; device < DEVICE_ALL; device++)
        check_device(device);
    soak_balance("driver", "events of the bytes", since(SOAK_EVENTS_MADE), "published and dropped",
                 since(SOAK_EVENTS_PUBLISHED) + since(SOAK_EVENTS_DROPPED));
    soak_balance("event queue", "published", since(SOAK_EVENTS_PUBLISHED), "consumed", since(SOAK_EVENTS_CONSUMED));
    soak_balance("event queue", "dropped", since(SOAK_EVENTS_DROPPED), "missed", since(SOAK_EVENTS_MISSED));
    soak_balance("interrupt", "sent", since(SOAK_INTERRUPTS_SENT), "merged and pended",
                 since(SOAK_INTERRUPTS_MERGED) + since(SOAK_INTERRUPTS_PENDED));
    soak_balance("interrupt", "pended", since(SOAK_INTERRUPTS_PENDED), "taken", since(SOAK_INTERRUPTS_TAKEN));
}

static void flood_begin(uint64_t *row)
{
    flood = (struct flood){.waker = {tick}, .row = soak_random(row), .on = true};
    sched_timer_start(&flood.timer, clock_now_ns() + MS, &flood.waker);
}

static void flood_end(void)
{
    flood.ending = true;
    while (*(volatile bool *)&flood.on)
        sleep_for(MS);
}

static void drain(void)
{
    for (unsigned ms = 0; ms < DRAIN_MS && !drained(); ms++)
        sleep_for(MS);
    if (!drained()) {
        say_where_it_is();
        soak_give_up();
    }
    ps2_alarm(&shadow_ports[DEVICE_MOUSE], 0);
}

static void drivers_begin(uint64_t *row)
{
    input.info.mouse_id = soak_mouse.id;
    input_forget();
    shadows_init();
    bases_take();
    for (enum device device = 0; device < DEVICE_ALL; device++)
        driver_start(device, soak_below(row, 4) ? kernel_style(row) : STYLE_USER, row);
    chore = (struct chore){.async = ASYNC_BODY(chore_poll), .row = soak_random(row)};
    executor_spawn(&executor_at(THREAD_PRIORITY_NORMAL)->executor, &chore.task, "chore", &chore.async.future);
}

static void drivers_end(void)
{
    drivers_stop();
    atomic_store(&chore.over, true);
    task_wait(&chore.task);
}

/* The last event, which is one like the others, has nobody to come behind it. */
static void consumer_end(void)
{
    event_publish(&input.events, (struct input_event){.type = INPUT_ENDED});
    soak_count(SOAK_EVENTS_MADE);
    (void)thread_join(&consumer);
}

void soak_input_round(uint64_t *row)
{
    uint64_t consumer_row = soak_random(row);

    drivers_begin(row);
    soak_start(&consumer, "consumer", PRIORITY_CONSUMER, consume, consumer_row);
    flood_begin(row);
    for (uint64_t slices = 1 + soak_below(row, SLICES_MAX); slices; slices--) {
        sleep_for(soak_below(row, 400 * MS));
        change_style(row);
        if (soak_below(row, 6) == 0)
            unplug_mouse(row);
    }
    flood_end();
    drain();
    consumer_end();
    check_round();
    soak_count(SOAK_ROUNDS);
    drivers_end();
}

void soak_input_init(void)
{
    static const unsigned lines[] = {I8042_KEYBOARD_IRQ, I8042_MOUSE_IRQ};

    if (!controller_queues())
        panic("the soak needs a controller that queues what is injected: -global i8042.extended-state=off");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        handlers[i] = interrupt_set(PIC_VECTOR + lines[i], look_on);
    interrupt_set(SUITE_VECTOR, take_interrupt);
    input.ports[DEVICE_KEYBOARD].send = NULL; /* its answers would be nobody's bytes */
    input.ports[DEVICE_MOUSE].send = send_mouse;
    soak_mouse_init(input.info.mouse_id);
    (void)executor_at(THREAD_PRIORITY_NORMAL); /* which stay, as does the mapping of the local APIC */
    (void)executor_at(THREAD_PRIORITY_HIGH);
    (void)apic_register(IPI_IRR);
}
