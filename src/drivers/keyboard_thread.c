/* The keyboard driver, preemptive: a thread. Beside it, keyboard_task.c. */
#include "drivers/keyboard.h"

void *keyboard_thread(void *argument)
{
    struct keyboard *keyboard = argument;
    struct ps2_byte byte;

    while (ps2_wait(keyboard->port, &byte))
        keyboard_receive(keyboard, byte, DRIVER_THREAD);
    return NULL;
}
