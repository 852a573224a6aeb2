/* See keymap.h. */
#include "lib/keymap.h"

/* In which states a key types the second of its texts, a bit for each state. A state is a number of four bits: see
 * keymap.h. */
enum {
    SECOND_BY_SHIFT = 0xff00,
    SECOND_BY_SHIFT_OR_CAPS = 0x0ff0, /* and not by both: Caps Lock inverts Shift */
    SECOND_BY_NUM = 0xcccc,
};
_Static_assert(KEYMAP_LED_NUM == 2 && KEYMAP_LED_CAPS == 4 && KEYMAP_SHIFT == 8, "the states are numbered so");

#define LETTER(lower, upper)                    \
    {                                           \
        {lower, upper}, SECOND_BY_SHIFT_OR_CAPS \
    }
#define PLAIN(text, shifted)             \
    {                                    \
        {text, shifted}, SECOND_BY_SHIFT \
    }
#define ALWAYS(text) PLAIN(text, text)
#define KEYPAD(text)             \
    {                            \
        {0, text}, SECOND_BY_NUM \
    }

const struct key_text keymap_texts[KEYMAP_TEXTS] = {
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

/* A Shift or a lock. */
static void change_state(struct keymap *keymap, uint16_t code, uint8_t value)
{
    static const struct {
        uint16_t code;
        uint8_t led;
    } locks[] = {{KEY_CAPSLOCK, KEYMAP_LED_CAPS}, {KEY_NUMLOCK, KEYMAP_LED_NUM}, {KEY_SCROLLLOCK, KEYMAP_LED_SCROLL}};

    keymap->state &= (uint8_t)~KEYMAP_SHIFT;
    if (keymap->held[KEY_LEFTSHIFT] || keymap->held[KEY_RIGHTSHIFT])
        keymap->state |= KEYMAP_SHIFT;
    for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
        if (code == locks[i].code && value == KEY_PRESSED)
            keymap->state ^= locks[i].led;
}

bool keymap_held(const struct keymap *keymap, uint16_t code)
{
    return code < KEY_CNT && keymap->held[code];
}

bool keymap_apply(struct keymap *keymap, struct key_change change, struct key_event *event)
{
    if (keymap_type(keymap, change, event))
        return true;
    if (change.code >= KEY_CNT)
        return false;
    if (!change.pressed && !keymap->held[change.code]) {
        keymap->stray_releases++;
        return false;
    }
    *event = (struct key_event){
        .code = change.code,
        .value = change.pressed ? KEY_PRESSED + keymap->held[change.code] : KEY_RELEASED,
    };
    keymap->held[change.code] = change.pressed;
    change_state(keymap, change.code, event->value);
    return true;
}
