/* What drivers and readers of events ask for, from inside. Argument 0 tries all, 1 finds the keyboard taken, 2 claims
 * it and spins, 3 claims it, sleeps and counts the bytes that it gets at once, 4 waits for an
 * event for ever, 5 reads from two threads at once, 6 reads in threads that end, as often as its argument says
 * from bit 8 on, 7 reads an event passed on, 8 passes events on. Ends with 0, or the line that was wrong. */
#include <linux/input-event-codes.h>

#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "user/duet.h"

#define MS   UINT64_C(1000000)
#define WILD UINT64_C(0xffffffff80100000)
#define TRY(holds) \
    if (!(holds))  \
    return __LINE__

enum { KEYBOARD, MOUSE, EVENTS, PASSED, SOURCES, BYTES = 32, EVENTS_MAX = 16 };

static struct ps2_byte bytes[BYTES];
static struct input_event events[EVENTS_MAX + 1];

static int try_unclaimed(void)
{
    TRY(duet_claim(SOURCES) == -DUET_ERROR_INVALID && duet_claim(UINT64_MAX) == -DUET_ERROR_INVALID);
    TRY(duet_port_read(KEYBOARD, bytes, 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_port_write(KEYBOARD, 0xee) == -DUET_ERROR_INVALID);
    TRY(duet_publish(events, 1) == -DUET_ERROR_INVALID);
    TRY(duet_event_read(events, 0) == -DUET_ERROR_INVALID);
    return 0;
}

static int try_port(void)
{
    int64_t begin_ns, status = -1;

    TRY(duet_claim(KEYBOARD) == 0);
    TRY(duet_claim(KEYBOARD) == -DUET_ERROR_BUSY);
    TRY(duet_wait((uint64_t)duet_spawn("claims", 6, 1), &status) == 0 && status == 0);
    begin_ns = duet_clock();
    TRY(duet_port_read(KEYBOARD, bytes, 1, 3 * MS) == 0);
    TRY((uint64_t)(duet_clock() - begin_ns) >= 3 * MS && (uint64_t)(duet_clock() - begin_ns) < 4 * MS);
    TRY(duet_port_read(KEYBOARD, bytes, 0, 0) == -DUET_ERROR_INVALID);
    TRY(duet_port_read(MOUSE, bytes, 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_port_read(EVENTS, bytes, 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_port_read(UINT64_MAX, bytes, 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_port_write(KEYBOARD, 0x100) == -DUET_ERROR_INVALID);
    return 0;
}

static int try_events(void)
{
    int64_t begin_ns;

    TRY(duet_claim(EVENTS) == 0);
    TRY(duet_publish(events, EVENTS_MAX + 1) == -DUET_ERROR_INVALID);
    TRY(duet_publish((const struct input_event *)WILD, 1) == -DUET_ERROR_INVALID);
    events[1].type = INPUT_REL + 1;
    TRY(duet_publish(events, 2) == -DUET_ERROR_INVALID);
    TRY(duet_event_read(events, 0) == 0); /* so nothing of that was published */
    events[0] = (struct input_event){.type = INPUT_KEY, .style = DRIVER_THREAD, .code = KEY_A, .value = 1, .text = 'a'};
    TRY(duet_publish(events, 1) == 0);
    events[0] = (struct input_event){0};
    TRY(duet_event_read(events, UINT64_MAX) == 1);
    TRY(events[0].style == DRIVER_USER && events[0].code == KEY_A && events[0].value == 1 && events[0].text == 'a');
    begin_ns = duet_clock();
    TRY(duet_event_read(events, 2 * MS) == 0 && (uint64_t)(duet_clock() - begin_ns) >= 2 * MS);
    TRY(duet_publish(events, 1) == 0);
    TRY(duet_event_read((struct input_event *)WILD, 0) == -DUET_ERROR_INVALID);
    return 0;
}

/* What only the shell may. */
static int try_denied(void)
{
    static char text[64];

    for (uint64_t i = 0; i < 8; i++) {
        TRY(duet_report(i, text, sizeof(text)) == -DUET_ERROR_DENIED);
        TRY(duet_bench(i) == -DUET_ERROR_DENIED);
        TRY(duet_power(i) == -DUET_ERROR_DENIED);
    }
    return 0;
}

/* Its events are what another one passes on, and nothing that was meant for one before it. */
static int try_passing(void)
{
    int64_t status = -1;
    uint64_t child;

    TRY(duet_claim(EVENTS) == 0);
    for (unsigned i = 0; i < EVENTS_MAX; i++)
        events[i] = (struct input_event){.type = INPUT_TEXT, .text = (char)('a' + i)};
    for (unsigned times = 0; times < 2; times++) {
        TRY(duet_publish(events, 1) == -DUET_ERROR_NOT_FOUND);
        child = (uint64_t)duet_spawn("claims", 6, 7);
        TRY(duet_wait_for(child, &status, MS / 10) == -DUET_ERROR_BUSY);
        for (unsigned tries = 0; tries < 1000 && duet_publish(events, 2) == -DUET_ERROR_NOT_FOUND; tries++)
            (void)duet_sleep(MS / 10);
        TRY(duet_event_read(events + EVENTS_MAX, UINT64_MAX) == 1 && events[EVENTS_MAX].type == INPUT_ENDED);
        TRY(duet_wait_for(child, &status, 0) == 0 && status == 0);
        TRY(duet_wait_for(child, &status, 0) == -DUET_ERROR_NOT_FOUND);
        TRY(duet_event_read(events + EVENTS_MAX, 0) == 0);
    }
    TRY(duet_publish(events, EVENTS_MAX + 1) == -DUET_ERROR_INVALID);
    TRY(duet_publish((const struct input_event *)WILD, 1) == -DUET_ERROR_INVALID);
    return 0;
}

/* Takes one of the two that come: the other is nobody's. */
static int take_passed(void)
{
    (void)duet_sleep(MS);
    TRY(duet_claim(EVENTS) == -DUET_ERROR_BUSY && duet_claim(PASSED) == 0 && duet_claim(PASSED) == -DUET_ERROR_BUSY);
    TRY(duet_event_read(events, UINT64_MAX) == 1 && events[0].type == INPUT_TEXT && events[0].text == 'a');
    return 0;
}

static int count_bytes(void)
{
    TRY(duet_claim(KEYBOARD) == 0);
    (void)duet_sleep(20 * MS);
    return (int)duet_port_read(KEYBOARD, bytes, BYTES, 0);
}

static int read_event(uint64_t timeout_ns)
{
    struct input_event event;

    return (int)duet_event_read(&event, timeout_ns);
}

static int read_byte(uint64_t timeout_ns)
{
    struct ps2_byte byte;

    return (int)duet_port_read(KEYBOARD, &byte, 1, timeout_ns);
}

/* Whoever comes second is told, and the first one waits on. */
static int try_two(void)
{
    int64_t first, second, status;

    TRY(duet_claim(KEYBOARD) == 0 && duet_claim(EVENTS) == 0);
    first = thread_begin(read_byte, 5 * MS);
    second = thread_begin(read_event, 5 * MS);
    (void)duet_sleep(MS);
    TRY(read_byte(0) == -DUET_ERROR_BUSY && read_event(0) == -DUET_ERROR_BUSY);
    TRY(duet_thread_wait((uint64_t)first, &status) == 0 && status == 0);
    TRY(duet_thread_wait((uint64_t)second, &status) == 0 && status == 0);
    TRY(read_byte(0) == 0 && read_event(0) == 0);
    return 0;
}

/* A byte begins a round, a thread takes the second one and ends, and nobody waits for the third. */
static int read_in_threads(uint64_t rounds)
{
    int64_t status;

    TRY(duet_claim(KEYBOARD) == 0);
    while (rounds--) {
        TRY(duet_port_read(KEYBOARD, bytes, 1, UINT64_MAX) == 1);
        TRY(duet_thread_wait((uint64_t)thread_begin(read_byte, UINT64_MAX), &status) == 0 && status == 1);
        (void)duet_sleep(MS / 10);
        TRY(duet_port_read(KEYBOARD, bytes, BYTES, 0) == 1);
    }
    return 0;
}

int main(uint64_t argument)
{
    int wrong;

    switch (argument & 0xff) {
    case 0:
        wrong = try_unclaimed();
        wrong = wrong ? wrong : try_port();
        wrong = wrong ? wrong : try_events();
        return wrong ? wrong : try_denied();
    case 1:
        TRY(duet_claim(KEYBOARD) == -DUET_ERROR_BUSY);
        return 0;
    case 2:
        TRY(duet_claim(KEYBOARD) == 0 && duet_claim(EVENTS) == 0);
        return (int)duet_port_read(KEYBOARD, bytes, 1, UINT64_MAX);
    case 3:
        return count_bytes();
    case 4:
        TRY(duet_claim(EVENTS) == 0);
        return read_event(UINT64_MAX);
    case 5:
        return try_two();
    case 7:
        return take_passed();
    case 8:
        return try_passing();
    default:
        return read_in_threads(argument >> 8);
    }
}
