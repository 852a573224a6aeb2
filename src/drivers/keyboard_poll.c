/* The keyboard driver that polls: a thread that is never woken. A bound, beside keyboard_task.c and keyboard_thread.c.
 */
#include "drivers/keyboard.h"

void *keyboard_poller(void *argument)
{
    struct keyboard *keyboard = argument;
    struct ps2_byte byte;

    while (!ps2_closed(keyboard->port)) {
        while (ps2_try_read(keyboard->port, &byte)) {
            probe_hit(&keyboard->port->resumed);
            keyboard_receive(keyboard, byte, DRIVER_POLL);
        }
        thread_yield();
    }
    return NULL;
}
