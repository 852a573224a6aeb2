/* The port's ring and its two leaves, fed by interrupts at every instruction. */
#include "drivers/ps2_port.h"

#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct ps2_port port;

struct counter {
    struct waker waker;
    unsigned wakes;
};

static void count_wake(struct waker *waker)
{
    container_of(waker, struct counter, waker)->wakes++;
}

#define COUNTER ((struct counter){.waker = {count_wake}})

/* The n-th byte and its stamp say which it is. */
static void receive(unsigned n)
{
    ps2_receive(&port, (uint8_t)(n * 7), 1000 + n);
}

static void expect_byte(const struct ps2_byte *byte, unsigned n)
{
    cr_assert_eq(byte->data, (uint8_t)(n * 7), "byte %u", n);
    cr_assert_eq(byte->stamp, 1000 + n, "byte %u", n);
}

Test(ps2_port, keeps_bytes_and_stamps_in_order)
{
    struct ps2_byte byte;
    unsigned popped = 0;

    cr_assert_not(ps2_try_read(&port, &byte));
    for (unsigned pushed = 0; pushed < 1000;) {
        for (unsigned i = 0; i < 1 + pushed % 100; i++)
            receive(pushed++);
        while (ps2_try_read(&port, &byte))
            expect_byte(&byte, popped++);
        cr_assert_eq(popped, pushed);
    }
    cr_assert_eq(port.received, popped);
    cr_assert_eq(port.dropped, 0);
}

Test(ps2_port, counts_exactly_what_it_drops_and_keeps_the_oldest)
{
    struct ps2_byte byte;

    for (unsigned n = 0; n < PS2_RING_BYTES + 5; n++)
        receive(n);
    cr_assert_eq(port.received, PS2_RING_BYTES + 5);
    cr_assert_eq(port.dropped, 5);
    for (unsigned n = 0; n < PS2_RING_BYTES; n++) {
        cr_assert(ps2_try_read(&port, &byte));
        expect_byte(&byte, n);
    }
    cr_assert_not(ps2_try_read(&port, &byte));
    receive(500);
    cr_assert(ps2_try_read(&port, &byte));
    expect_byte(&byte, 500);
    cr_assert_eq(port.dropped, 5);
}

Test(ps2_port, stamps_each_byte_that_a_driver_goes_on_with_while_it_is_asked_to)
{
    uint64_t stamps[2] = {0, 7};
    struct counter counter = COUNTER;
    struct ps2_read read = ps2_read(&port);
    struct ps2_byte byte;

    support_clock_ns = 10;
    for (unsigned n = 0; n < 4; n++)
        receive(n);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    cr_assert_eq(port.resumed.count, 0);
    port.resumed = (struct probe){.stamps = stamps, .capacity = 1};
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    expect_byte(&read.byte, 1);
    cr_assert_eq(port.resumed.count, 1);
    cr_assert(ps2_wait(&port, &byte));
    expect_byte(&byte, 2);
    cr_assert_eq(port.resumed.count, 2);
    cr_assert(stamps[0] == 10 && stamps[1] == 7);
}

static void find_the_byte(struct waker *waker)
{
    struct ps2_byte byte;

    count_wake(waker);
    cr_assert(ps2_try_read(&port, &byte), "woken before the byte is in the ring");
    expect_byte(&byte, 3);
}

Test(ps2_port, wakes_its_reader_once_and_after_the_byte_is_there)
{
    struct counter counter = {.waker = {find_the_byte}};

    waker_slot_register(&port.reader, &counter.waker);
    receive(3);
    cr_assert_eq(counter.wakes, 1);
    receive(4);
    cr_assert_eq(counter.wakes, 1);
}

/* ---- the cooperative leaf ---------------------------------------------------------------------------------------- */

Test(ps2_port, reads_at_once_what_is_there)
{
    struct ps2_read read = ps2_read(&port);
    struct counter counter = COUNTER;

    receive(0);
    receive(1);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    expect_byte(&read.byte, 0);
    cr_assert_not(read.closed);
    cr_assert_null(port.reader.waker, "registered though it did not have to wait");
    cr_assert_eq(ring_count(&port.ring), 1);
}

Test(ps2_port, wakes_nobody_whose_read_was_dropped)
{
    struct ps2_read read = ps2_read(&port);
    struct counter counter = COUNTER;

    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_PENDING);
    cr_assert_not_null(port.reader.waker);
    future_drop(&read.future);
    cr_assert_null(port.reader.waker);
    receive(0);
    cr_assert_eq(ring_count(&port.ring), 1, "and nothing is lost");
}

Test(ps2_port, pends_until_it_is_woken_by_a_byte)
{
    struct ps2_read read = ps2_read(&port);
    struct counter counter = COUNTER;

    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_PENDING);
    cr_assert_eq(counter.wakes, 0);
    receive(0);
    cr_assert_eq(counter.wakes, 1);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    expect_byte(&read.byte, 0);
}

Test(ps2_port, registers_again_after_a_wake_in_vain)
{
    struct ps2_read read = ps2_read(&port);
    struct counter first = COUNTER, second = COUNTER;

    cr_assert_eq(future_poll(&read.future, &first.waker), POLL_PENDING);
    waker_slot_wake(&port.reader);
    cr_assert_eq(future_poll(&read.future, &second.waker), POLL_PENDING);
    receive(0);
    cr_assert_eq(first.wakes, 1);
    cr_assert_eq(second.wakes, 1);
}

Test(ps2_port, ends_a_read_when_it_is_closed)
{
    struct ps2_read read = ps2_read(&port);
    struct counter counter = COUNTER;

    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_PENDING);
    ps2_close(&port);
    cr_assert_eq(counter.wakes, 1);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    cr_assert(read.closed);
    cr_assert_null(port.reader.waker);
}

static volatile unsigned happened;
static struct counter explored;

static void begin(void)
{
    port = (struct ps2_port){.received = 0};
    explored = COUNTER;
    happened = 0;
}

static void byte_comes(void)
{
    receive(happened++);
}

static void poll_once(void)
{
    struct ps2_read read = ps2_read(&port);
    enum poll result;

    begin();
    machine_window_open();
    result = future_poll(&read.future, &explored.waker);
    machine_window_close();
    if (result == POLL_READY) {
        expect_byte(&read.byte, 0);
        cr_assert_eq(ring_count(&port.ring), 0);
        return;
    }
    if (!happened)
        return;
    cr_assert_eq(explored.wakes, 1, "a lost wake; %s", machine_place());
    cr_assert_eq(future_poll(&read.future, &explored.waker), POLL_READY);
    expect_byte(&read.byte, 0);
}

Test(ps2_port, loses_no_byte_that_comes_at_any_instruction_of_a_poll)
{
    cr_assert_gt(machine_explore(poll_once, byte_comes), 20);
}

static void port_is_closed(void)
{
    happened++;
    ps2_close(&port);
}

static void poll_until_closed(void)
{
    struct ps2_read read = ps2_read(&port);
    enum poll result;

    begin();
    machine_window_open();
    result = future_poll(&read.future, &explored.waker);
    machine_window_close();
    if (!happened)
        return;
    if (result == POLL_PENDING) {
        cr_assert_eq(explored.wakes, 1, "a close unnoticed; %s", machine_place());
        result = future_poll(&read.future, &explored.waker);
    }
    cr_assert_eq(result, POLL_READY);
    cr_assert(read.closed);
    cr_assert_null(port.reader.waker, "a reader that ended is still registered; %s", machine_place());
}

Test(ps2_port, notices_a_close_at_any_instruction_of_a_poll)
{
    cr_assert_gt(machine_explore(poll_until_closed, port_is_closed), 20);
}

/* ---- the preemptive leaf ----------------------------------------------------------------------------------------- */

static struct thread reader;
static unsigned count_read;

/* Reads until the port is closed. */
static void *read_all(void *argument)
{
    struct ps2_byte byte;

    while (ps2_wait(&port, &byte))
        expect_byte(&byte, count_read++);
    return argument;
}

static void start_reader(unsigned priority)
{
    count_read = 0;
    cr_assert_eq(thread_start(&reader, "reader", priority, read_all, NULL), STATUS_OK);
}

Test(ps2_port, lets_a_thread_wait_for_each_byte)
{
    machine_start(10 * MS);
    start_reader(THREAD_PRIORITY_HIGH);
    for (unsigned n = 0; n < 300; n++) {
        receive(n);
        cr_assert_eq(count_read, n + 1, "a reader of a higher priority has it at once");
    }
    ps2_close(&port);
    thread_join(&reader);
    cr_assert_eq(port.dropped, 0);
}

Test(ps2_port, counts_exactly_what_it_drops_while_its_reader_waits_for_the_cpu)
{
    machine_start(10 * MS);
    start_reader(THREAD_PRIORITY_NORMAL);
    for (unsigned n = 0; n < PS2_RING_BYTES + 9; n++)
        receive(n);
    thread_yield();
    cr_assert_eq(count_read, PS2_RING_BYTES);
    cr_assert_eq(port.dropped, 9);
    ps2_close(&port);
    thread_join(&reader);
}

Test(ps2_port, ends_a_wait_when_it_is_closed_whatever_is_in_the_ring)
{
    struct ps2_byte byte;

    machine_start(10 * MS);
    receive(0);
    ps2_close(&port);
    cr_assert_not(ps2_wait(&port, &byte));
    cr_assert_eq(ring_count(&port.ring), 1);
    cr_assert_eq(machine.halts, 0);
}

static struct ps2_byte byte_waited_for;

static void wait_in_boot(void)
{
    begin();
    machine_start(10 * MS);
    machine_window_open();
    cr_assert(ps2_wait(&port, &byte_waited_for));
    machine_window_close();
    expect_byte(&byte_waited_for, 0);
    cr_assert_eq(ring_count(&port.ring), 0);
}

/* A lost wake would halt the machine with nothing to come. */
Test(ps2_port, loses_no_byte_that_comes_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_in_boot, byte_comes), 40);
}

static void wait_in_boot_until_closed(void)
{
    begin();
    machine_start(10 * MS);
    machine_window_open();
    cr_assert_not(ps2_wait(&port, &byte_waited_for));
    machine_window_close();
    cr_assert_null(port.reader.waker, "a reader that ended is still registered; %s", machine_place());
}

Test(ps2_port, notices_a_close_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_in_boot_until_closed, port_is_closed), 40);
}

/* ---- handing over ------------------------------------------------------------------------------------------------ */

Test(ps2_port, hands_unread_bytes_over_from_one_style_to_the_other_and_back)
{
    struct ps2_read read = ps2_read(&port);
    struct counter counter = COUNTER;
    struct ps2_byte byte;

    machine_start(10 * MS);
    receive(0);
    receive(1);
    receive(2);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    expect_byte(&read.byte, 0);
    ps2_close(&port);
    read = ps2_read(&port);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    cr_assert(read.closed);
    cr_assert_not(ps2_wait(&port, &byte));
    receive(3); /* with nobody to read, still kept */
    ps2_open(&port);
    for (unsigned n = 1; n <= 2; n++) {
        cr_assert(ps2_wait(&port, &byte));
        expect_byte(&byte, n);
    }
    read = ps2_read(&port);
    cr_assert_eq(future_poll(&read.future, &counter.waker), POLL_READY);
    cr_assert_not(read.closed);
    expect_byte(&read.byte, 3);
    cr_assert_eq(machine.halts, 0);
}
