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
    uint8_t value; /* KEY_RELEASED, KEY_PRESSED or KEY_REPEATED */
    char text;     /* ASCII; 0: types nothing */
};

/* The argument of the keyboard's command 0xed, Set/Reset Status Indicators (IBM PS/2 Technical Reference, keyboard). */
#define KEYMAP_LED_SCROLL 0x01
#define KEYMAP_LED_NUM    0x02
#define KEYMAP_LED_CAPS   0x04

#define KEYMAP_LEDS 0x07

#define KEYMAP_SHIFT 0x08

/* Zero-initialised: nothing held, all locks off. For another choice initialise the locks, as in
 * { .state = KEYMAP_LED_NUM }. A byte a key is a load or a store where a bit would be six instructions. */
struct keymap {
    bool held[KEY_CNT];
    uint8_t state;           /* the locks that are on, as KEYMAP_LED_*, and KEYMAP_SHIFT while a Shift is held */
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

enum { KEYMAP_TEXTS = KEY_KPCOMMA + 1 };

/* What the keys below KEYMAP_TEXTS type. */
struct key_text {
    char text[2];
    uint16_t second; /* bit s: in state s it is the second text; 0: the key types nothing, ever */
};
extern const struct key_text keymap_texts[KEYMAP_TEXTS];

/* keymap_apply() for a key that types: false, and nothing done, for any other, and for a stray release. Inline: it is
 * what comes between most bytes and their events. */
must_check static inline bool keymap_type(struct keymap *keymap, struct key_change change, struct key_event *event)
{
    size_t code = change.code;
    unsigned second;
    bool was_held;

    if (code >= KEYMAP_TEXTS || (second = keymap_texts[code].second) == 0)
        return false;
    was_held = keymap->held[code];
    if (!change.pressed && !was_held)
        return false;
    event->code = change.code;
    if (!change.pressed) {
        keymap->held[code] = false;
        event->value = KEY_RELEASED;
        event->text = 0;
        return true;
    }
    keymap->held[code] = true;
    event->value = (uint8_t)(KEY_PRESSED + was_held);
    event->text = keymap_texts[code].text[second >> keymap->state & 1];
    return true;
}

/* Which lights should be on: KEYMAP_LED_* in the keyboard's own order. Context: any. */
static inline uint8_t keymap_leds(const struct keymap *keymap)
{
    return keymap->state & KEYMAP_LEDS;
}

/* True while the key is held. Context: any. */
bool keymap_held(const struct keymap *keymap, uint16_t code);

#endif
