/* See keymap.h. */
#include "lib/keymap.h"

/* What a key types, and under which lock it types something else. */
enum typing {
    TYPES_PLAIN,  /* Shift alone chooses */
    TYPES_LETTER, /* Caps Lock inverts Shift */
    TYPES_KEYPAD, /* nothing without Num Lock */
};

struct key_text {
    char plain;
    char shifted;
    uint8_t typing; /* enum typing */
};

#define LETTER(lower, upper)       \
    {                              \
        lower, upper, TYPES_LETTER \
    }
#define PLAIN(text, shifted)       \
    {                              \
        text, shifted, TYPES_PLAIN \
    }
#define ALWAYS(text)            \
    {                           \
        text, text, TYPES_PLAIN \
    }
#define KEYPAD(text)             \
    {                            \
        text, text, TYPES_KEYPAD \
    }

static const struct key_text texts[] = {
    [KEY_1] = PLAIN('1', '!'),
    [KEY_2] = PLAIN('2', '@'),
    [KEY_3] = PLAIN('3', '#'),
    [KEY_4] = PLAIN('4', '$'),
    [KEY_5] = PLAIN('5', '%'),
    [KEY_6] = PLAIN('6', '^'),
    [KEY_7] = PLAIN('7', '&'),
    [KEY_8] = PLAIN('8', '*'),
    [KEY_9] = PLAIN('9', '('),
    [KEY_0] = PLAIN('0', ')'),
    [KEY_MINUS] = PLAIN('-', '_'),
    [KEY_EQUAL] = PLAIN('=', '+'),
    [KEY_TAB] = ALWAYS('\t'),
    [KEY_Q] = LETTER('q', 'Q'),
    [KEY_W] = LETTER('w', 'W'),
    [KEY_E] = LETTER('e', 'E'),
    [KEY_R] = LETTER('r', 'R'),
    [KEY_T] = LETTER('t', 'T'),
    [KEY_Y] = LETTER('y', 'Y'),
    [KEY_U] = LETTER('u', 'U'),
    [KEY_I] = LETTER('i', 'I'),
    [KEY_O] = LETTER('o', 'O'),
    [KEY_P] = LETTER('p', 'P'),
    [KEY_LEFTBRACE] = PLAIN('[', '{'),
    [KEY_RIGHTBRACE] = PLAIN(']', '}'),
    [KEY_ENTER] = ALWAYS('\n'),
    [KEY_A] = LETTER('a', 'A'),
    [KEY_S] = LETTER('s', 'S'),
    [KEY_D] = LETTER('d', 'D'),
    [KEY_F] = LETTER('f', 'F'),
    [KEY_G] = LETTER('g', 'G'),
    [KEY_H] = LETTER('h', 'H'),
    [KEY_J] = LETTER('j', 'J'),
    [KEY_K] = LETTER('k', 'K'),
    [KEY_L] = LETTER('l', 'L'),
    [KEY_SEMICOLON] = PLAIN(';', ':'),
    [KEY_APOSTROPHE] = PLAIN('\'', '"'),
    [KEY_GRAVE] = PLAIN('`', '~'),
    [KEY_BACKSLASH] = PLAIN('\\', '|'),
    [KEY_Z] = LETTER('z', 'Z'),
    [KEY_X] = LETTER('x', 'X'),
    [KEY_C] = LETTER('c', 'C'),
    [KEY_V] = LETTER('v', 'V'),
    [KEY_B] = LETTER('b', 'B'),
    [KEY_N] = LETTER('n', 'N'),
    [KEY_M] = LETTER('m', 'M'),
    [KEY_COMMA] = PLAIN(',', '<'),
    [KEY_DOT] = PLAIN('.', '>'),
    [KEY_SLASH] = PLAIN('/', '?'),
    [KEY_KPASTERISK] = ALWAYS('*'),
    [KEY_SPACE] = ALWAYS(' '),
    [KEY_KP7] = KEYPAD('7'),
    [KEY_KP8] = KEYPAD('8'),
    [KEY_KP9] = KEYPAD('9'),
    [KEY_KPMINUS] = ALWAYS('-'),
    [KEY_KP4] = KEYPAD('4'),
    [KEY_KP5] = KEYPAD('5'),
    [KEY_KP6] = KEYPAD('6'),
    [KEY_KPPLUS] = ALWAYS('+'),
    [KEY_KP1] = KEYPAD('1'),
    [KEY_KP2] = KEYPAD('2'),
    [KEY_KP3] = KEYPAD('3'),
    [KEY_KP0] = KEYPAD('0'),
    [KEY_KPDOT] = KEYPAD('.'),
    [KEY_102ND] = PLAIN('<', '>'), /* beside the left Shift of a 105-key keyboard */
    [KEY_KPENTER] = ALWAYS('\n'),
    [KEY_KPSLASH] = ALWAYS('/'),
    [KEY_KPEQUAL] = ALWAYS('='),
    [KEY_KPCOMMA] = ALWAYS(','),
};

static char typed_text(const struct keymap *keymap, uint16_t code)
{
    bool shift = keymap_held(keymap, KEY_LEFTSHIFT) || keymap_held(keymap, KEY_RIGHTSHIFT);
    const struct key_text *text;

    if (code >= ARRAY_SIZE(texts))
        return 0;
    text = &texts[code];
    if (text->typing == TYPES_KEYPAD && !keymap->num_lock)
        return 0;
    if (text->typing == TYPES_LETTER)
        shift ^= keymap->caps_lock;
    return shift ? text->shifted : text->plain;
}

static void toggle_lock(struct keymap *keymap, uint16_t code)
{
    if (code == KEY_CAPSLOCK)
        keymap->caps_lock = !keymap->caps_lock;
    else if (code == KEY_NUMLOCK)
        keymap->num_lock = !keymap->num_lock;
    else if (code == KEY_SCROLLLOCK)
        keymap->scroll_lock = !keymap->scroll_lock;
}

bool keymap_held(const struct keymap *keymap, uint16_t code)
{
    return code < KEY_CNT && (keymap->held[code / 32] >> (code % 32) & 1);
}

bool keymap_apply(struct keymap *keymap, struct key_change change, struct key_event *event)
{
    bool was_held = keymap_held(keymap, change.code);

    if (change.code >= KEY_CNT)
        return false;
    if (!change.pressed) {
        if (!was_held) {
            keymap->stray_releases++;
            return false;
        }
        keymap->held[change.code / 32] &= ~(UINT32_C(1) << (change.code % 32));
        *event = (struct key_event){.code = change.code, .value = KEY_RELEASED};
        return true;
    }
    keymap->held[change.code / 32] |= UINT32_C(1) << (change.code % 32);
    if (!was_held)
        toggle_lock(keymap, change.code);
    *event = (struct key_event){
        .code = change.code,
        .value = was_held ? KEY_REPEATED : KEY_PRESSED,
        .text = typed_text(keymap, change.code),
    };
    return true;
}

uint8_t keymap_leds(const struct keymap *keymap)
{
    return (uint8_t)((keymap->scroll_lock ? KEYMAP_LED_SCROLL : 0) | (keymap->num_lock ? KEYMAP_LED_NUM : 0) |
                     (keymap->caps_lock ? KEYMAP_LED_CAPS : 0));
}
