/* The keyboard driver, cooperative: a future. Beside it, keyboard_thread.c. */
#include "drivers/keyboard.h"

static enum poll keyboard_poll(struct future *future, struct waker *waker)
{
    struct keyboard_task *self = container_of(future, struct keyboard_task, async.future);

    ASYNC (&self->async) {
        self->read = ps2_read(self->keyboard->port);
        for (;;) {
            AWAIT_BY(ps2_read_poll, &self->read.future);
            if (self->read.closed)
                ASYNC_RETURN;
            keyboard_receive(self->keyboard, self->read.byte, DRIVER_ASYNC);
        }
    }
}

struct keyboard_task keyboard_task(struct keyboard *keyboard)
{
    return (struct keyboard_task){.async = ASYNC_BODY(keyboard_poll), .keyboard = keyboard};
}
