/* The mouse driver, preemptive: a thread. Beside it, mouse_task.c. */
#include "drivers/mouse.h"

void *mouse_thread(void *argument)
{
    struct mouse *mouse = argument;
    struct ps2_byte byte;

    while (ps2_wait(mouse->port, &byte))
        mouse_receive(mouse, byte, DRIVER_THREAD);
    return NULL;
}
