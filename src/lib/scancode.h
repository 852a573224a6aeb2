/*
 * Scan code set 1, as a PC's keyboard controller delivers it, to Linux KEY_* codes.
 *
 * A byte at a time: an interrupt handler may see only half of a sequence, so everything between two bytes is in the
 * decoder. Nothing here knows which keys are held, what they type or where bytes come from. Command answers (0xfa,
 * 0xfe, ...) are indistinguishable from releases and must be taken out by whoever sent the command.
 *
 * Facts: the codes are those of IBM's PS/2 Technical Reference (keyboard, "scan code set 1"), of Microsoft's "Keyboard
 * Scan Code Specification" for the ACPI and multimedia keys, and of Linux's x86 table (drivers/tty/vt/keyboard.c,
 * x86_keycodes) for the rest, which is also what QEMU's PS/2 keyboard sends.
 */
#ifndef DUET_LIB_SCANCODE_H
#define DUET_LIB_SCANCODE_H

#include <linux/input-event-codes.h>

#include "lib/base.h"

/* What one key did. A key that is kept down repeats its press. */
struct key_change {
    uint16_t code; /* KEY_* */
    bool pressed;
};

/* Zero-initialised is between two keys. Owned by one reader. */
struct scancode_decoder {
    uint8_t state;     /* how much of a longer sequence has come */
    uint32_t unknown;  /* well-formed codes that no key has */
    uint32_t broken;   /* sequences given up because the next byte cannot follow */
    uint32_t overruns; /* 0x00 or 0xff: the keyboard lost keys; some that seem held may not be */
};

/*
 * Takes the next byte and returns how many changes it completed, 0 to 2; two only for Pause, which reports no release
 * of its own. The fake shifts round Print Screen and the grey keys are not changes.
 *
 * A broken stream costs little: whatever came before, any byte but a prefix (e0, e1) and those of Pause (1d 45 9d c5)
 * leaves the decoder between two keys. Only a lone e0 makes it misread a byte that is whole: the one right after.
 *
 * Context: any, one caller at a time.
 */
size_t scancode_feed(struct scancode_decoder *decoder, uint8_t byte, struct key_change changes[2]);

#define SCANCODE_RELEASE 0x80 /* in the byte of a key */

/* By a key's byte without SCANCODE_RELEASE, with 0x80 after 0xe0; KEY_RESERVED: no key's, or a prefix or an overrun. */
extern const uint16_t scancode_codes[256];

/* What scancode_feed() makes of a byte that is a key's, whole, where no sequence is under way: decoder->state is zero.
 * KEY_RESERVED for any other byte, which scancode_feed() is then to have. Context: any. */
static inline struct key_change scancode_whole(uint8_t byte)
{
    return (struct key_change){.code = scancode_codes[byte & ~SCANCODE_RELEASE], .pressed = !(byte & SCANCODE_RELEASE)};
}

/* "KEY_A", "BTN_LEFT", or NULL for a code that neither the decoder nor a mouse can produce. Context: any. */
const char *key_name(uint16_t code);

#endif
