/* The ring between a PS/2 port's interrupt handler and its driver, and the two ways to wait on it. */
#include "drivers/ps2_port.h"

#include "thread/thread.h"

void ps2_receive(struct ps2_port *port, uint8_t data, uint64_t stamp)
{
    uint32_t slot;

    port->received++;
    if (unlikely(!ring_can_push(&port->ring, PS2_RING_BYTES, &slot))) {
        port->dropped++;
        return;
    }
    port->bytes[slot].stamp = stamp;
    port->bytes[slot].data = data;
    ring_push(&port->ring);
    waker_slot_wake(&port->reader);
}

static inline bool ps2_pop(struct ps2_port *port, struct ps2_byte *byte)
{
    uint32_t slot;

    if (!ring_can_pop(&port->ring, PS2_RING_BYTES, &slot))
        return false;
    *byte = port->bytes[slot];
    ring_pop(&port->ring);
    return true;
}

bool ps2_try_read(struct ps2_port *port, struct ps2_byte *byte)
{
    return ps2_pop(port, byte);
}

/* A closed port has nothing more for this reader, whatever is in the ring. */
static inline bool ps2_try(struct ps2_read *self)
{
    self->closed = atomic_load_explicit(&self->port->closed, memory_order_acquire); /* pairs with ps2_close */
    if (unlikely(self->closed))
        waker_slot_clear(&self->port->reader);
    return self->closed || ps2_pop(self->port, &self->byte);
}

static enum poll ps2_read_poll(struct future *future, struct waker *waker)
{
    struct ps2_read *self = container_of(future, struct ps2_read, future);

    if (ps2_try(self))
        return POLL_READY;
    waker_slot_register(&self->port->reader, waker);
    return ps2_try(self) ? POLL_READY : POLL_PENDING;
}

static void ps2_read_drop(struct future *future)
{
    waker_slot_clear(&container_of(future, struct ps2_read, future)->port->reader);
}

struct ps2_read ps2_read(struct ps2_port *port)
{
    return (struct ps2_read){.future = {ps2_read_poll, ps2_read_drop}, .port = port};
}

bool ps2_wait(struct ps2_port *port, struct ps2_byte *byte)
{
    for (;;) {
        if (unlikely(atomic_load_explicit(&port->closed, memory_order_acquire))) { /* pairs with ps2_close */
            waker_slot_clear(&port->reader);
            return false;
        }
        if (ps2_pop(port, byte))
            return true;
        waker_slot_register(&port->reader, &thread_current()->waker);
        if (ring_count(&port->ring) == 0 && !atomic_load(&port->closed))
            thread_park();
    }
}

void ps2_close(struct ps2_port *port)
{
    atomic_store(&port->closed, true);
    waker_slot_wake(&port->reader);
}

void ps2_open(struct ps2_port *port)
{
    atomic_store(&port->closed, false);
}
