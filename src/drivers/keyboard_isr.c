/* The keyboard driver in the interrupt handler: a waker that decodes. A bound, beside keyboard_task.c and
 * keyboard_thread.c. It sends the lights' commands from there, too. */
#include "drivers/keyboard.h"
#include "thread/arch.h"

static void receive(struct waker *waker)
{
    struct keyboard_isr *self = container_of(waker, struct keyboard_isr, waker);
    struct ps2_byte byte;

    if (ps2_closed(self->keyboard->port))
        return;
    waker_slot_register(&self->keyboard->port->reader, waker);
    while (ps2_try_read(self->keyboard->port, &byte)) {
        probe_hit(&self->keyboard->port->resumed);
        keyboard_receive(self->keyboard, byte, DRIVER_ISR);
    }
}

/* As if woken, which takes what waits in the ring. */
void keyboard_isr_start(struct keyboard_isr *self, struct keyboard *keyboard)
{
    uint64_t flags = irq_save();

    *self = (struct keyboard_isr){.waker = {receive}, .keyboard = keyboard};
    receive(&self->waker);
    irq_restore(flags);
}
