/* The mouse driver in the interrupt handler: a waker that decodes. A bound, beside mouse_task.c and mouse_thread.c. */
#include "drivers/mouse.h"
#include "thread/arch.h"

static void receive(struct waker *waker)
{
    struct mouse_isr *self = container_of(waker, struct mouse_isr, waker);
    struct ps2_byte byte;

    if (ps2_closed(self->mouse->port))
        return;
    waker_slot_register(&self->mouse->port->reader, waker);
    while (ps2_try_read(self->mouse->port, &byte)) {
        probe_hit(&self->mouse->port->resumed);
        mouse_receive(self->mouse, byte, DRIVER_ISR);
    }
}

/* As if woken, which takes what waits in the ring. */
void mouse_isr_start(struct mouse_isr *self, struct mouse *mouse)
{
    uint64_t flags = irq_save();

    *self = (struct mouse_isr){.waker = {receive}, .mouse = mouse};
    receive(&self->waker);
    irq_restore(flags);
}
