/* The keyboard driver: what it publishes, how it talks to the keyboard about lights, and that both styles are one. */
#include "drivers/keyboard.h"

#include <string.h>

#include "executor/executor.h"
#include "machine.h"
#include "support.h"
#include "thread/thread.h"

#define MS UINT64_C(1000000)

enum {
    ACK = 0xfa,
    RESEND = 0xfe,
    CAPS = 0x3a,
    NUM = 0x45,
    SCROLL = 0x46,
    A = 0x1e,
    RELEASE = 0x80,
};

static struct ps2_port port;
static struct event_queue queue;
static struct keyboard keyboard;
static uint64_t stamp;
static enum status send_status;
static unsigned sent;

static enum status send(uint8_t byte)
{
    sent++;
    support_trace("%s%02x", send_status == STATUS_OK ? "" : "!", byte);
    return send_status;
}

static void init(void)
{
    support_clock_ns = 1000 * MS;
    send_status = STATUS_OK;
    sent = 0;
    support_trace_clear();
    port = (struct ps2_port){.send = send};
    queue = (struct event_queue){.published = 0};
    keyboard_init(&keyboard, &port, &queue);
}

TestSuite(keyboard, .init = init);

static void feed(uint8_t data)
{
    keyboard_receive(&keyboard, (struct ps2_byte){.stamp = ++stamp, .data = data}, DRIVER_THREAD);
}

static void tap(uint8_t code)
{
    feed(code);
    feed(code | RELEASE);
}

static void expect_key(uint16_t code, int value, char text)
{
    struct input_event event;

    cr_assert(event_try_read(&queue, &event), "no event");
    cr_assert_eq(event.type, INPUT_KEY);
    cr_assert_eq(event.style, DRIVER_THREAD);
    cr_assert_eq(event.code, code);
    cr_assert_eq(event.value, value);
    cr_assert_eq(event.text, text);
    cr_assert_eq(event.stamp, stamp);
}

static void expect_no_event(void)
{
    struct input_event event;

    cr_assert_not(event_try_read(&queue, &event), "an event of code %u", event.code);
}

/* The bytes sent to the keyboard since the last look; one with a mark failed. */
static void expect_sent(const char *bytes)
{
    cr_assert_str_eq(support_trace_text(), bytes);
    support_trace_clear();
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

Test(keyboard, publishes_presses_repeats_and_releases)
{
    feed(A);
    expect_key(KEY_A, 1, 'a');
    feed(A);
    expect_key(KEY_A, 2, 'a');
    feed(A | RELEASE);
    expect_key(KEY_A, 0, 0);
    feed(A | RELEASE); /* stray */
    expect_no_event();
    expect_sent("");
}

Test(keyboard, stamps_an_event_with_its_last_byte)
{
    feed(0xe0);
    expect_no_event();
    feed(0x48);
    expect_key(KEY_UP, 1, 0);
}

Test(keyboard, publishes_both_changes_of_a_pause)
{
    static const uint8_t pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};

    for (size_t i = 0; i < sizeof(pause); i++) {
        expect_no_event();
        feed(pause[i]);
    }
    expect_key(KEY_PAUSE, 1, 0);
    expect_key(KEY_PAUSE, 0, 0);
    expect_no_event();
}

Test(keyboard, counts_on_in_the_queue_what_it_has_no_room_for)
{
    for (unsigned i = 0; i < EVENT_QUEUE_EVENTS / 2 + 3; i++)
        tap(A);
    cr_assert_eq(queue.published, EVENT_QUEUE_EVENTS);
    cr_assert_eq(queue.dropped, 6);
}

/* ---- lights ------------------------------------------------------------------------------------------------------ */

Test(keyboard, sets_the_lights_in_two_acknowledged_steps)
{
    feed(CAPS);
    expect_sent("ed");
    feed(ACK);
    expect_sent("04");
    feed(ACK);
    expect_sent("");
    feed(CAPS | RELEASE);
    tap(A);
    expect_sent("");
    feed(CAPS);
    feed(ACK);
    feed(ACK);
    expect_sent("ed 00");
}

Test(keyboard, shows_each_lock_by_its_own_light)
{
    static const struct {
        uint8_t code;
        const char *bytes;
    } locks[] = {{SCROLL, "ed 01"}, {NUM, "ed 03"}, {CAPS, "ed 07"}, {SCROLL, "ed 06"}};

    for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
        tap(locks[i].code);
        feed(ACK);
        feed(ACK);
        expect_sent(locks[i].bytes);
    }
}

Test(keyboard, does_not_toggle_a_light_when_its_key_repeats)
{
    for (unsigned i = 0; i < 5; i++)
        feed(CAPS);
    feed(ACK);
    feed(ACK);
    feed(CAPS);
    expect_sent("ed 04");
}

Test(keyboard, takes_an_answer_for_no_key_and_only_while_a_command_waits_for_it)
{
    feed(CAPS);
    expect_key(KEY_CAPSLOCK, 1, 0);
    feed(ACK);
    feed(ACK);
    cr_assert_eq(keyboard.decoder.unknown, 0);
    expect_no_event();
    support_trace_clear();
    feed(ACK);
    feed(RESEND);
    cr_assert_eq(keyboard.decoder.unknown + keyboard.keymap.stray_releases, 2);
    expect_sent("");
}

Test(keyboard, is_not_disturbed_by_an_answer_in_the_middle_of_a_key)
{
    feed(CAPS);
    expect_key(KEY_CAPSLOCK, 1, 0);
    feed(0xe0);
    feed(ACK);
    feed(0x48);
    expect_key(KEY_UP, 1, 0);
    expect_sent("ed 04");
}

Test(keyboard, goes_on_with_keys_while_a_command_is_in_flight)
{
    feed(CAPS);
    expect_key(KEY_CAPSLOCK, 1, 0);
    feed(A);
    expect_key(KEY_A, 1, 'A');
    feed(ACK);
    feed(A | RELEASE);
    expect_key(KEY_A, 0, 0);
    feed(ACK);
    expect_sent("ed 04");
}

Test(keyboard, sends_again_what_the_keyboard_did_not_understand)
{
    for (unsigned round = 0; round < 2; round++) {
        tap(CAPS);
        for (unsigned i = 0; i < 3; i++)
            feed(RESEND);
        feed(ACK);
        feed(ACK);
        expect_sent(round ? "ed ed ed ed 00" : "ed ed ed ed 04");
    }
    for (unsigned round = 0; round < 2; round++) {
        tap(CAPS);
        feed(ACK);
        for (unsigned i = 0; i < 3; i++)
            feed(RESEND);
        feed(ACK);
        expect_sent(round ? "ed 00 00 00 00" : "ed 04 04 04 04");
    }
}

Test(keyboard, gives_up_on_lights_after_three_resends)
{
    tap(CAPS);
    feed(ACK);
    for (unsigned i = 0; i < 10; i++)
        feed(RESEND);
    expect_sent("ed 04 04 04 04");
    tap(A);
    expect_sent("");
    tap(CAPS);
    feed(ACK);
    feed(ACK);
    expect_sent("ed 00");
}

Test(keyboard, starts_again_with_a_keyboard_that_was_silent_for_100_ms_and_not_earlier)
{
    tap(CAPS);
    support_clock_ns += 100 * MS - 1;
    tap(A);
    expect_sent("ed");
    support_clock_ns += 1;
    feed(A);
    expect_sent("ed");
    feed(ACK);
    feed(ACK);
    tap(A);
    expect_sent("04");
}

/* From the latest byte sent, not from the first. */
Test(keyboard, gives_every_byte_of_a_command_its_100_ms)
{
    tap(CAPS);
    support_clock_ns += 60 * MS;
    feed(ACK);
    tap(NUM); /* now the lights differ from what was sent */
    support_clock_ns += 60 * MS;
    tap(A);
    expect_sent("ed 04");
    support_clock_ns += 40 * MS;
    tap(A);
    expect_sent("ed");
}

Test(keyboard, tries_a_command_again_that_could_not_be_sent)
{
    send_status = STATUS_TIMEOUT;
    feed(CAPS);
    feed(CAPS | RELEASE);
    feed(A | RELEASE); /* any byte, even one that is no event */
    expect_sent("!ed !ed !ed");
    send_status = STATUS_OK;
    feed(A);
    feed(ACK);
    feed(ACK);
    expect_sent("ed 04");
}

Test(keyboard, gives_up_on_a_keyboard_that_takes_no_commands_until_a_lock_changes)
{
    tap(CAPS);
    for (unsigned i = 0; i < 20; i++)
        feed(RESEND);
    tap(A);
    expect_sent("ed ed ed ed");
    tap(CAPS);
    tap(NUM);
    feed(ACK);
    feed(ACK);
    expect_sent("ed 02");
}

Test(keyboard, tries_lights_again_that_could_not_be_sent)
{
    feed(CAPS);
    send_status = STATUS_TIMEOUT;
    feed(ACK);
    support_trace_clear();
    send_status = STATUS_OK;
    feed(CAPS | RELEASE);
    feed(ACK);
    feed(ACK);
    expect_sent("ed 04");
}

Test(keyboard, waits_for_no_answer_to_lights_that_could_not_be_sent)
{
    feed(CAPS);
    send_status = STATUS_TIMEOUT;
    feed(ACK);
    cr_assert_eq(strncmp(support_trace_text(), "ed !04", 6), 0);
    support_trace_clear();
    send_status = STATUS_OK;
    tap(NUM); /* though the 100 ms are not over */
    feed(ACK);
    feed(ACK);
    tap(A);
    expect_sent("ed 06");
}

Test(keyboard, sends_the_locks_as_they_are_when_the_lights_are_due)
{
    tap(CAPS);
    tap(NUM);
    expect_sent("ed");
    feed(ACK);
    feed(ACK);
    tap(A);
    expect_sent("06");
    tap(CAPS);
    tap(CAPS);
    feed(ACK);
    feed(ACK);
    tap(A);
    expect_sent("ed 06");
}

Test(keyboard, sends_a_second_command_for_a_lock_toggled_after_the_lights_were_sent)
{
    tap(CAPS);
    feed(ACK);
    tap(NUM);
    tap(A);
    expect_sent("ed 04");
    feed(ACK);
    expect_sent("ed");
    feed(ACK);
    feed(ACK);
    expect_sent("06");
}

Test(keyboard, has_no_lights_on_a_port_that_takes_no_commands)
{
    port.send = NULL;
    tap(CAPS);
    feed(A);
    cr_assert_eq(queue.published, 3);
    cr_assert_eq(sent, 0);
}

/* ---- both styles ------------------------------------------------------------------------------------------------- */

enum { BYTES = 20000 };

/* What came out of a run: the events, and the number and a digest of the bytes sent to the keyboard. */
struct output {
    struct input_event events[2 * BYTES];
    unsigned count;
    uint64_t sent_digest;
};

static struct output outputs[4];
static struct output *output;
static uint8_t input[BYTES];
static unsigned fed;

static struct executor executor;
static struct task task;
static struct keyboard_task body;
static struct thread thread;

static enum status send_and_digest(uint8_t byte)
{
    output->sent_digest = output->sent_digest * 31 + byte + fed;
    return fed % 7 ? STATUS_OK : STATUS_TIMEOUT;
}

/* As the kernel's executor thread, but that it ends with its task. */
static void *poll_body(void *argument)
{
    executor_init(&executor, &thread_current()->waker);
    body = keyboard_task(&keyboard);
    executor_spawn(&executor, &task, "keyboard", &body.async.future);
    for (;;) {
        uint64_t deadline_ns;

        thread_current()->may_not_park = true;
        deadline_ns = executor_poll(&executor, support_clock_ns);
        thread_current()->may_not_park = false;
        if (completion_done(&task.done))
            return argument;
        thread_park_until(deadline_ns);
    }
}

static struct keyboard_isr isr;
static enum driver_style started;

/* The one that polls is an equal of the test's flow, which yields to it. */
static void driver_start(enum driver_style style)
{
    static thread_entry *const entries[] = {
        [DRIVER_ASYNC] = poll_body, [DRIVER_THREAD] = keyboard_thread, [DRIVER_POLL] = keyboard_poller};
    unsigned priority = style == DRIVER_POLL ? THREAD_PRIORITY_NORMAL : THREAD_PRIORITY_HIGH;

    ps2_open(&port);
    started = style;
    if (style == DRIVER_ISR)
        keyboard_isr_start(&isr, &keyboard);
    else
        cr_assert_eq(thread_start(&thread, "driver", priority, entries[style], &keyboard), STATUS_OK);
}

static void driver_stop(void)
{
    ps2_close(&port);
    if (started != DRIVER_ISR)
        thread_join(&thread);
}

/* A third of it locks and answers, so that commands are in all their states; a tenth prefixes. */
static void make_input(void)
{
    static const uint8_t frequent[] = {CAPS, CAPS | RELEASE, NUM, NUM | RELEASE, ACK, ACK, ACK, RESEND};
    uint64_t seed = 42;

    for (unsigned i = 0; i < BYTES; i++) {
        uint64_t random = support_random(&seed) >> 20;

        input[i] = (uint8_t)(random >> 8);
        if (random % 30 < 10)
            input[i] = frequent[(random >> 8) % sizeof(frequent)];
        else if (random % 30 < 13)
            input[i] = random >> 8 & 3 ? 0xe0 : 0xe1;
    }
}

static void byte_comes(void)
{
    ps2_receive(&port, input[fed++], support_clock_ns);
    if (fed < BYTES)
        machine_at(support_clock_ns + MS, byte_comes);
}

static unsigned styles = 2; /* that take turns */

/* Runs the whole input through the driver, in one style after the other, a change every so many bytes. */
static void run(struct output *into, enum driver_style style, unsigned change_every)
{
    unsigned changed_at = 0;

    init();
    support_clock_ns = 0;
    machine_start(10 * MS);
    output = into;
    port.send = send_and_digest;
    fed = 0;
    machine_at(MS, byte_comes);
    driver_start(style);
    while (fed < BYTES) {
        machine_run(MS);
        if (style == DRIVER_POLL)
            thread_yield();
        while (event_try_read(&queue, &output->events[output->count]))
            output->count++;
        if (fed < changed_at + change_every)
            continue;
        changed_at = fed;
        style = (style + 1) % styles;
        style += style == DRIVER_USER; /* which is no driver of the kernel's */
        driver_stop();
        driver_start(style);
    }
    driver_stop();
    cr_assert_eq(port.received, BYTES);
    cr_assert_eq(port.dropped + queue.dropped, 0);
    cr_assert_eq(ring_count(&port.ring), 0);
}

static void expect_same_but_for_style(const struct output *left, const struct output *right)
{
    cr_assert_eq(left->count, right->count);
    cr_assert_eq(left->sent_digest, right->sent_digest);
    for (unsigned i = 0; i < left->count; i++) {
        const struct input_event *a = &left->events[i], *b = &right->events[i];

        cr_assert(a->stamp == b->stamp && a->type == b->type && a->text == b->text && a->value == b->value &&
                      a->code == b->code && a->dx == b->dx && a->dy == b->dy && a->wheel == b->wheel,
                  "event %u", i);
    }
}

static unsigned count_style(const struct output *of, enum driver_style style)
{
    unsigned count = 0;

    for (unsigned i = 0; i < of->count; i++)
        count += of->events[i].style == style;
    return count;
}

Test(keyboard, publishes_and_sends_the_same_in_both_styles_and_across_changes_of_style)
{
    make_input();
    run(&outputs[0], DRIVER_ASYNC, UINT32_MAX);
    run(&outputs[1], DRIVER_THREAD, UINT32_MAX);
    run(&outputs[2], DRIVER_ASYNC, 1);
    run(&outputs[3], DRIVER_THREAD, 17);
    cr_assert_gt(outputs[0].count, BYTES / 3);
    cr_assert_neq(outputs[0].sent_digest, 0);
    for (unsigned i = 1; i < 4; i++)
        expect_same_but_for_style(&outputs[0], &outputs[i]);
    cr_assert_eq(count_style(&outputs[0], DRIVER_ASYNC), outputs[0].count);
    cr_assert_eq(count_style(&outputs[1], DRIVER_THREAD), outputs[1].count);
    cr_assert_gt(count_style(&outputs[3], DRIVER_ASYNC), outputs[3].count / 3);
    cr_assert_gt(count_style(&outputs[3], DRIVER_THREAD), outputs[3].count / 3);
}

static void burst_comes(void)
{
    for (unsigned i = 0; i < 16; i++)
        ps2_receive(&port, i % 2 ? A | RELEASE : A, support_clock_ns + i);
}

Test(keyboard, takes_a_burst_in_order_in_both_styles)
{
    for (enum driver_style style = DRIVER_ASYNC; style <= DRIVER_THREAD; style++) {
        struct input_event event;

        init();
        machine_start(10 * MS);
        driver_start(style);
        machine_interrupt(burst_comes);
        for (unsigned i = 0; i < 16; i++) {
            cr_assert(event_try_read(&queue, &event));
            cr_assert_eq(event.value, !(i % 2));
            cr_assert_eq(event.stamp, support_clock_ns + i);
            cr_assert_eq(event.style, style);
        }
        driver_stop();
        expect_no_event();
    }
}

Test(keyboard, does_the_same_in_the_interrupt_handler_and_by_polling)
{
    make_input();
    run(&outputs[0], DRIVER_THREAD, UINT32_MAX);
    run(&outputs[1], DRIVER_ISR, UINT32_MAX);
    run(&outputs[2], DRIVER_POLL, UINT32_MAX);
    styles = DRIVER_POLL + 1;
    run(&outputs[3], DRIVER_ASYNC, 5);
    for (unsigned i = 1; i < 4; i++)
        expect_same_but_for_style(&outputs[0], &outputs[i]);
    cr_assert_eq(count_style(&outputs[1], DRIVER_ISR), outputs[1].count);
    cr_assert_eq(count_style(&outputs[2], DRIVER_POLL), outputs[2].count);
    for (enum driver_style style = DRIVER_ASYNC; style <= DRIVER_POLL; style++)
        cr_assert(style == DRIVER_USER || count_style(&outputs[3], style) > outputs[3].count / 6);
}

/* Before the interrupt's end; and once closed it leaves the bytes for the next. */
Test(keyboard, has_published_when_the_interrupt_handler_ends)
{
    struct input_event event;

    init();
    machine_start(10 * MS);
    ps2_receive(&port, A, 7);
    driver_start(DRIVER_ISR);
    cr_assert(event_try_read(&queue, &event) && event.stamp == 7, "it was waiting");
    for (unsigned i = 0; i < 300; i++) {
        ps2_receive(&port, i % 2 ? A : A | RELEASE, 8 + i);
        cr_assert(event_try_read(&queue, &event));
        cr_assert(event.stamp == 8 + i && event.style == DRIVER_ISR);
    }
    driver_stop();
    ps2_receive(&port, A | RELEASE, 9);
    expect_no_event();
    cr_assert_eq(ring_count(&port.ring), 1);
}

Test(keyboard, says_as_a_task_what_it_waits_for)
{
    machine_start(10 * MS);
    driver_start(DRIVER_ASYNC);
    cr_assert_eq(body.async.child, &body.read.future);
    cr_assert(body.async.line > 0 && body.async.line < ASYNC_DONE);
    cr_assert_not(completion_done(&task.done));
    driver_stop();
    cr_assert_eq(body.async.line, ASYNC_DONE);
    cr_assert(completion_done(&task.done));
}

Test(keyboard, stamps_each_byte_that_its_polling_driver_goes_on_with)
{
    uint64_t stamps[2];

    machine_start(10 * MS);
    driver_start(DRIVER_POLL);
    port.resumed = (struct probe){.stamps = stamps, .capacity = 2};
    ps2_receive(&port, A, support_clock_ns);
    ps2_receive(&port, A | RELEASE, support_clock_ns);
    thread_yield();
    cr_assert_eq(port.resumed.count, 2);
    driver_stop();
}
