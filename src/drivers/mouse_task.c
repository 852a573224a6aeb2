/* The mouse driver, cooperative: a future. Beside it, mouse_thread.c. */
#include "drivers/mouse.h"

static enum poll mouse_poll(struct future *future, struct waker *waker)
{
    struct mouse_task *self = container_of(future, struct mouse_task, async.future);

    ASYNC (&self->async) {
        self->read = ps2_read(self->mouse->port);
        for (;;) {
            AWAIT_BY(ps2_read_poll, &self->read.future);
            if (self->read.closed)
                ASYNC_RETURN;
            mouse_receive(self->mouse, self->read.byte, DRIVER_ASYNC);
        }
    }
}

struct mouse_task mouse_task(struct mouse *mouse)
{
    return (struct mouse_task){.async = ASYNC_BODY(mouse_poll), .mouse = mouse};
}
