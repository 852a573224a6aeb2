/*
 * From key changes to key events: which keys are held, the three locks, and what a key types on a US keyboard.
 *
 * Control and Alt do not change what is typed: whoever wants control characters has the events of those keys. Cursor
 * keys, Backspace and Escape type nothing; their codes say what they are.
 */
#ifndef DUET_LIB_KEYMAP_H
#define DUET_LIB_KEYMAP_H

#include "lib/base.h"
#include "lib/scancode.h"

/* The value of an event is Linux's: evdev reports a key the same way. */
#define KEY_RELEASED 0
#define KEY_PRESSED  1
#define KEY_REPEATED 2

struct key_event {
    uint16_t code; /* KEY_* */
    int32_t value; /* KEY_RELEASED, KEY_PRESSED or KEY_REPEATED */
    char text;     /* ASCII; 0: types nothing */
};

/* The argument of the keyboard's command 0xed, Set/Reset Status Indicators (IBM PS/2 Technical Reference, keyboard). */
#define KEYMAP_LED_SCROLL 0x01
#define KEYMAP_LED_NUM    0x02
#define KEYMAP_LED_CAPS   0x04

/* Zero-initialised: nothing held, all locks off. For another choice initialise the locks, as in { .num_lock = true }.
 */
struct keymap {
    uint32_t held[KEY_CNT / 32]; /* a bit a key */
    bool caps_lock;
    bool num_lock;
    bool scroll_lock;
    uint32_t stray_releases; /* releases of keys that were not held, swallowed */
};

/*
 * Takes one change and fills in *event. False, and *event untouched, if the change is no event: a release of a key that
 * is not held (its press was lost, or came before the keymap existed), so that every release follows a press; or a code
 * beyond KEY_MAX. A press of a held key is a repeat. Locks toggle on a press, never on a repeat.
 *
 * Context: any, one caller at a time.
 */
must_check bool keymap_apply(struct keymap *keymap, struct key_change change, struct key_event *event);

/* Which lights should be on: KEYMAP_LED_* in the keyboard's own order. Context: any. */
uint8_t keymap_leds(const struct keymap *keymap);

/* True while the key is held. Context: any. */
bool keymap_held(const struct keymap *keymap, uint16_t code);

#endif
