/* A port's ring and its cooperative leaf, as interrupts, a reader and who closes it take turns, against a plain line of
 * bytes. */
#include "drivers/ps2_port.h"

#include "fuzz.h"

enum { BYTES_MAX = 8192 };

static struct ps2_port port;
static struct ps2_read reading;

static uint8_t line[BYTES_MAX];
static size_t received, taken; /* of the line */
static uint32_t dropped;
static bool waits, closed;
static unsigned wakes;

static void count_wake(struct waker *waker)
{
    (void)waker;
    wakes++;
}
static struct waker waker = {count_wake};

static void receive(uint8_t byte)
{
    unsigned before = wakes;
    bool room = received - taken < PS2_RING_BYTES;

    ps2_receive(&port, byte, 100 + received);
    if (room)
        line[received++] = byte;
    else
        dropped++;
    CHECK(wakes == before + (room && waits));
    waits = waits && !room;
    CHECK(port.received == received + dropped && port.dropped == dropped);
}

static void check_byte(const struct ps2_byte *byte)
{
    CHECK(taken < received && byte->data == line[taken] && byte->stamp == 100 + taken);
    taken++;
}

static void poll(void)
{
    bool ready = future_poll(&reading.future, &waker) == POLL_READY;

    CHECK(ready == (closed || taken < received));
    waits = !ready || (waits && !closed); /* who reads at once need not take its waker back */
    if (!ready)
        return;
    CHECK(reading.closed == closed);
    if (!closed)
        check_byte(&reading.byte);
}

static void operate(void)
{
    struct ps2_byte byte;
    unsigned before = wakes;

    switch (fuzz_below(8)) {
    case 0:
        for (uint64_t n = fuzz_below(200); n && received < BYTES_MAX; n--)
            receive((uint8_t)(received * 7));
        break;
    case 1:
        if (ps2_try_read(&port, &byte))
            check_byte(&byte);
        else
            CHECK(taken == received);
        break;
    case 2:
        future_drop(&reading.future);
        waits = false;
        reading = ps2_read(&port);
        break;
    case 3:
        ps2_close(&port);
        closed = true;
        CHECK(wakes == before + waits);
        waits = false;
        break;
    case 4:
        ps2_open(&port);
        closed = false;
        break;
    case 5:
    case 6:
        poll();
        break;
    default:
        receive(fuzz_byte());
        break;
    }
}

void fuzz_one(void)
{
    port = (struct ps2_port){.received = 0};
    reading = ps2_read(&port);
    received = taken = dropped = wakes = 0;
    waits = closed = false;
    while (fuzz_more() && received < BYTES_MAX)
        operate();
    CHECK(ring_count(&port.ring) == received - taken);
}
