/*
 * The ring of a PS/2 port, between the interrupt that fills it and the driver's thread or task that empties it.
 *
 * Every access that is atomic in C is a step, and a byte is two of them, its stamp and its data; the interrupt, which in
 * the kernel runs through, may be cut into by the driver. The driver is the thread's leaf, the task's takes the same
 * steps: try, register, try again, pend. Indices wrap at four instead of 2^32, the capacity is two.
 *
 * src/lib/ring.h: ring_can_push ring_push ring_can_pop ring_pop ring_count
 * src/lib/waker.h: waker_slot_register waker_slot_wake
 * src/drivers/ps2_port.h: ps2_receive ps2_try_read ps2_wait ps2_read_poll ps2_try
 */
#define CAPACITY 2
#define WRAP 4
#define BYTES 6

byte head, tail;
byte stamps[CAPACITY], data[CAPACITY];
bool reader; /* the waker's slot: the driver's, or nobody's */
bool token, parked;

byte sent, dropped, read; /* bytes from the device, numbered from 1 on; read is the latest that the driver has */
byte delivered;

inline waker_slot_wake()
{
    d_step { woken = reader; reader = false };
    if
    :: woken -> woken = false; token = true
    :: else
    fi
}

inline ring_push()
{
    tail = (index + 1) % WRAP
}

inline ps2_receive()
{
    sent++;
    index = tail;
    if
#ifdef PLANT_ONE_TOO_MANY
    :: (index + WRAP - CAPACITY - 1) % WRAP == head -> dropped++
#else
    :: (index + WRAP - CAPACITY) % WRAP == head -> dropped++
#endif
    :: else ->
#ifdef PLANT_PUSHED_BEFORE_FILLED
        ring_push();
#endif
        stamps[index % CAPACITY] = sent;
        data[index % CAPACITY] = sent;
#ifdef PLANT_WAKES_BEFORE_PUSH
        waker_slot_wake();
        ring_push()
#else
#ifndef PLANT_PUSHED_BEFORE_FILLED
        ring_push();
#endif
        waker_slot_wake()
#endif
    fi
}

active proctype device()
{
    byte index;
    bool woken;

    do
    :: sent < BYTES -> ps2_receive()
    :: sent > 0 -> break
    od
}

inline ring_pop()
{
    head = (index + 1) % WRAP
}

inline ps2_try_read()
{
    index = head;
    found = (index != tail);
    if
    :: found ->
#ifdef PLANT_POPPED_BEFORE_COPIED
        ring_pop();
#endif
        stamp = stamps[index % CAPACITY];
        byte_read = data[index % CAPACITY];
#ifndef PLANT_POPPED_BEFORE_COPIED
        ring_pop();
#endif
        d_step {
            assert(stamp == byte_read && byte_read > read);
            read = byte_read;
            delivered++;
            stamp = 0;
            byte_read = 0
        }
    :: else
    fi
}

active proctype ps2_wait()
{
    byte index, stamp, byte_read;
    bool found;

    do
    ::
        ps2_try_read();
        if
        :: found -> found = false
        :: else ->
            reader = true; /* waker_slot_register() */
#ifdef PLANT_PARKS_WITHOUT_LOOKING_AGAIN
            if
            :: true ->
#else
            if
            :: head == tail ->
#endif
                parked = true;
                d_step { token -> token = false; parked = false }
            :: else
            fi
        fi
    od
}

/* Who is parked goes on being parked: see halt() in cpu.pml. */
active proctype rest()
{
    do
    :: d_step { parked && !token -> parked = true }
    od
}

ltl every_byte_kept_is_read { <>[] (head == tail) }
ltl bytes_are_read_or_dropped_or_there { [] ((tail + WRAP - head) % WRAP <= CAPACITY && delivered + dropped <= sent) }
ltl none_is_lost { <>[] (delivered + dropped == sent) }
