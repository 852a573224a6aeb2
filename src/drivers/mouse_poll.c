/* The mouse driver that polls: a thread that is never woken. A bound, beside mouse_task.c and mouse_thread.c. */
#include "drivers/mouse.h"

void *mouse_poller(void *argument)
{
    struct mouse *mouse = argument;
    struct ps2_byte byte;

    while (!ps2_closed(mouse->port)) {
        while (ps2_try_read(mouse->port, &byte)) {
            probe_hit(&mouse->port->resumed);
            mouse_receive(mouse, byte, DRIVER_POLL);
        }
        thread_yield();
    }
    return NULL;
}
