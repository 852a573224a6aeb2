/*
 * The PC's keyboard controller: finding it, testing it, and leaving its keyboard and mouse ready to interrupt.
 *
 * Bring-up polls, and every wait is bounded; hardware that is ready is never waited for. Afterwards the bytes belong to
 * the interrupt handler, and all that remains here is sending a byte to a device.
 *
 * Facts: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller" (ports, status,
 * controller commands), "Keyboard" and "Mouse" (device commands); the order of bring-up is that of the OSDev wiki's
 * "I8042 PS/2 Controller"; A. Chapweske, "The PS/2 Mouse Interface", for the wheel and five-button knocks.
 */
#ifndef DUET_DRIVERS_I8042_H
#define DUET_DRIVERS_I8042_H

#include "lib/base.h"

#define I8042_DATA    0x60 /* read: a device's byte or an answer; write: to the keyboard, or a command's argument */
#define I8042_STATUS  0x64 /* read */
#define I8042_COMMAND 0x64 /* write */

#define I8042_STATUS_OUTPUT_FULL 0x01 /* I8042_DATA may be read */
#define I8042_STATUS_INPUT_FULL  0x02 /* neither port may be written */
#define I8042_STATUS_AUX         0x20 /* what is in I8042_DATA came from the mouse */
#define I8042_STATUS_TIMEOUT     0x40 /* the device did not answer; what is in I8042_DATA is the controller's */
#define I8042_STATUS_PARITY      0x80 /* what is in I8042_DATA was garbled on the wire */

#define I8042_KEYBOARD_IRQ 1
#define I8042_MOUSE_IRQ    12

struct i8042_info {
    bool controller; /* there is one, and it obeys */
    bool keyboard;   /* reset, scanning, in set 1 by the controller's translation, and may interrupt */
    bool mouse;      /* reset, reporting 100 times a second, and may interrupt */
    uint8_t mouse_id;
    const char *problem; /* the first thing found wrong, for people; NULL: nothing */
};

/*
 * Brings up the controller and both devices. What fails is left disabled and the rest carries on, so STATUS_OK only
 * promises a controller; the devices are in *info. The output buffer is empty at the end, up to the moment the ports
 * are opened, so the next byte makes an edge on its interrupt line.
 *
 * Keys and motion during bring-up are lost. It lasts as long as the devices' self tests: nothing in QEMU, up to half a
 * second each in hardware.
 *
 * STATUS_NOT_FOUND: no controller. STATUS_TIMEOUT, STATUS_IO: there is something, and it does not behave as one.
 * *info is filled in always, unlike elsewhere: what is wrong is its answer.
 *
 * Context: boot or thread, with IRQ 1 and 12 masked by the caller.
 */
must_check enum status i8042_start(struct i8042_info *info);

/*
 * Sends one byte to the device; the device's answer arrives by interrupt. STATUS_TIMEOUT if the controller stays busy
 * for 100 us, and the byte was not sent. The mouse's byte takes two writes: after its timeout the next thing sent must
 * be to the mouse again, as the controller may be waiting for the second.
 *
 * Context: any; the caller keeps two senders apart.
 */
must_check enum status i8042_write_keyboard(uint8_t byte);
must_check enum status i8042_write_mouse(uint8_t byte);

#endif
