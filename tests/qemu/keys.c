/* The table follows Linux's evdev codes and QEMU's QKeyCode names; the bytes are scan code set 1's lengths. */
#include "keys.h"

#include <criterion/criterion.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#define OTHER(qcode, code, plain)                              \
    {                                                          \
        qcode, code, #code, KEY_KIND_OTHER, plain, plain, 1, 1 \
    }
#define GREY(qcode, code, plain)                               \
    {                                                          \
        qcode, code, #code, KEY_KIND_OTHER, plain, plain, 2, 2 \
    }
#define SIGN(qcode, code, plain, shifted)                       \
    {                                                           \
        qcode, code, #code, KEY_KIND_SIGN, plain, shifted, 1, 1 \
    }
#define LETTER(qcode, code, plain, shifted)                       \
    {                                                             \
        qcode, code, #code, KEY_KIND_LETTER, plain, shifted, 1, 1 \
    }
#define KEYPAD(qcode, code, plain)                              \
    {                                                           \
        qcode, code, #code, KEY_KIND_KEYPAD, plain, plain, 1, 1 \
    }
#define SHIFT(qcode, code)                             \
    {                                                  \
        qcode, code, #code, KEY_KIND_SHIFT, 0, 0, 1, 1 \
    }
#define LOCK(qcode, code)                             \
    {                                                 \
        qcode, code, #code, KEY_KIND_LOCK, 0, 0, 1, 1 \
    }

const struct key keys[] = {
    LETTER("a", KEY_A, 'a', 'A'),
    LETTER("b", KEY_B, 'b', 'B'),
    LETTER("c", KEY_C, 'c', 'C'),
    LETTER("d", KEY_D, 'd', 'D'),
    LETTER("e", KEY_E, 'e', 'E'),
    LETTER("f", KEY_F, 'f', 'F'),
    LETTER("g", KEY_G, 'g', 'G'),
    LETTER("h", KEY_H, 'h', 'H'),
    LETTER("i", KEY_I, 'i', 'I'),
    LETTER("j", KEY_J, 'j', 'J'),
    LETTER("k", KEY_K, 'k', 'K'),
    LETTER("l", KEY_L, 'l', 'L'),
    LETTER("m", KEY_M, 'm', 'M'),
    LETTER("n", KEY_N, 'n', 'N'),
    LETTER("o", KEY_O, 'o', 'O'),
    LETTER("p", KEY_P, 'p', 'P'),
    LETTER("q", KEY_Q, 'q', 'Q'),
    LETTER("r", KEY_R, 'r', 'R'),
    LETTER("s", KEY_S, 's', 'S'),
    LETTER("t", KEY_T, 't', 'T'),
    LETTER("u", KEY_U, 'u', 'U'),
    LETTER("v", KEY_V, 'v', 'V'),
    LETTER("w", KEY_W, 'w', 'W'),
    LETTER("x", KEY_X, 'x', 'X'),
    LETTER("y", KEY_Y, 'y', 'Y'),
    LETTER("z", KEY_Z, 'z', 'Z'),
    SIGN("1", KEY_1, '1', '!'),
    SIGN("2", KEY_2, '2', '@'),
    SIGN("3", KEY_3, '3', '#'),
    SIGN("4", KEY_4, '4', '$'),
    SIGN("5", KEY_5, '5', '%'),
    SIGN("6", KEY_6, '6', '^'),
    SIGN("7", KEY_7, '7', '&'),
    SIGN("8", KEY_8, '8', '*'),
    SIGN("9", KEY_9, '9', '('),
    SIGN("0", KEY_0, '0', ')'),
    SIGN("minus", KEY_MINUS, '-', '_'),
    SIGN("equal", KEY_EQUAL, '=', '+'),
    SIGN("bracket_left", KEY_LEFTBRACE, '[', '{'),
    SIGN("bracket_right", KEY_RIGHTBRACE, ']', '}'),
    SIGN("semicolon", KEY_SEMICOLON, ';', ':'),
    SIGN("apostrophe", KEY_APOSTROPHE, '\'', '"'),
    SIGN("grave_accent", KEY_GRAVE, '`', '~'),
    SIGN("backslash", KEY_BACKSLASH, '\\', '|'),
    SIGN("comma", KEY_COMMA, ',', '<'),
    SIGN("dot", KEY_DOT, '.', '>'),
    SIGN("slash", KEY_SLASH, '/', '?'),
    OTHER("spc", KEY_SPACE, ' '),
    OTHER("ret", KEY_ENTER, '\n'),
    OTHER("tab", KEY_TAB, '\t'),
    OTHER("esc", KEY_ESC, 0),
    OTHER("backspace", KEY_BACKSPACE, 0),
    OTHER("f1", KEY_F1, 0),
    OTHER("f2", KEY_F2, 0),
    OTHER("f3", KEY_F3, 0),
    OTHER("f4", KEY_F4, 0),
    OTHER("f5", KEY_F5, 0),
    OTHER("f6", KEY_F6, 0),
    OTHER("f7", KEY_F7, 0),
    OTHER("f8", KEY_F8, 0),
    OTHER("f9", KEY_F9, 0),
    OTHER("f10", KEY_F10, 0),
    OTHER("f11", KEY_F11, 0),
    OTHER("f12", KEY_F12, 0),
    OTHER("ctrl", KEY_LEFTCTRL, 0),
    OTHER("alt", KEY_LEFTALT, 0),
    GREY("ctrl_r", KEY_RIGHTCTRL, 0),
    GREY("alt_r", KEY_RIGHTALT, 0),
    GREY("meta_l", KEY_LEFTMETA, 0),
    GREY("meta_r", KEY_RIGHTMETA, 0),
    GREY("compose", KEY_COMPOSE, 0),
    GREY("insert", KEY_INSERT, 0),
    GREY("delete", KEY_DELETE, 0),
    GREY("home", KEY_HOME, 0),
    GREY("end", KEY_END, 0),
    GREY("pgup", KEY_PAGEUP, 0),
    GREY("pgdn", KEY_PAGEDOWN, 0),
    GREY("up", KEY_UP, 0),
    GREY("down", KEY_DOWN, 0),
    GREY("left", KEY_LEFT, 0),
    GREY("right", KEY_RIGHT, 0),
    GREY("kp_enter", KEY_KPENTER, '\n'),
    GREY("kp_divide", KEY_KPSLASH, '/'),
    OTHER("kp_multiply", KEY_KPASTERISK, '*'),
    OTHER("kp_subtract", KEY_KPMINUS, '-'),
    OTHER("kp_add", KEY_KPPLUS, '+'),
    KEYPAD("kp_0", KEY_KP0, '0'),
    KEYPAD("kp_1", KEY_KP1, '1'),
    KEYPAD("kp_2", KEY_KP2, '2'),
    KEYPAD("kp_3", KEY_KP3, '3'),
    KEYPAD("kp_4", KEY_KP4, '4'),
    KEYPAD("kp_5", KEY_KP5, '5'),
    KEYPAD("kp_6", KEY_KP6, '6'),
    KEYPAD("kp_7", KEY_KP7, '7'),
    KEYPAD("kp_8", KEY_KP8, '8'),
    KEYPAD("kp_9", KEY_KP9, '9'),
    KEYPAD("kp_decimal", KEY_KPDOT, '.'),
    SHIFT("shift", KEY_LEFTSHIFT),
    SHIFT("shift_r", KEY_RIGHTSHIFT),
    LOCK("caps_lock", KEY_CAPSLOCK),
    LOCK("num_lock", KEY_NUMLOCK),
    LOCK("scroll_lock", KEY_SCROLLLOCK),
    {"print", KEY_SYSRQ, "KEY_SYSRQ", KEY_KIND_OTHER, 0, 0, 4, 4},
    {"pause", KEY_PAUSE, "KEY_PAUSE", KEY_KIND_PAUSE, 0, 0, 6, 0},
};

const size_t keys_count = sizeof(keys) / sizeof(keys[0]);

const struct key *key_find(const char *qcode)
{
    for (size_t i = 0; i < keys_count; i++)
        if (strcmp(keys[i].qcode, qcode) == 0)
            return &keys[i];
    cr_assert_fail("no key '%s'", qcode);
    return NULL;
}

static char key_text(const struct key_model *model, const struct key *key)
{
    bool shifted = model->shifts > 0;

    if (key->kind == KEY_KIND_KEYPAD && !model->num_lock)
        return 0;
    if (key->kind == KEY_KIND_LETTER && model->caps_lock)
        shifted = !shifted;
    return shifted ? key->shifted : key->plain;
}

static void key_line(char line[KEY_LINE_BYTES], const struct key *key, const char *driver, int value, char text)
{
    char member[32] = "";

    if (text == '\n')
        snprintf(member, sizeof(member), ",\"text\":\"\\n\"");
    else if (text && text < ' ')
        snprintf(member, sizeof(member), ",\"text\":\"\\u%04x\"", (unsigned)text);
    else if (text)
        snprintf(member, sizeof(member), ",\"text\":\"%s%c\"", text == '"' || text == '\\' ? "\\" : "", text);
    snprintf(line, KEY_LINE_BYTES, "{\"event\":\"key\",\"driver\":\"%s\",\"code\":%u,\"name\":\"%s\",\"value\":%d%s}",
             driver, key->code, key->name, value, member);
}

static void model_press(struct key_model *model, const struct key *key)
{
    if (key->kind == KEY_KIND_SHIFT)
        model->shifts++;
    if (key->code == KEY_CAPSLOCK)
        model->caps_lock = !model->caps_lock;
    if (key->code == KEY_NUMLOCK)
        model->num_lock = !model->num_lock;
}

size_t key_expect(struct key_model *model, const struct key *key, bool down, bool held, const char *driver,
                  char lines[2][KEY_LINE_BYTES])
{
    if (key->kind == KEY_KIND_PAUSE) {
        if (!down)
            return 0;
        key_line(lines[0], key, driver, 1, 0);
        key_line(lines[1], key, driver, 0, 0);
        return 2;
    }
    if (!down && key->kind == KEY_KIND_SHIFT)
        model->shifts--;
    if (down && !held)
        model_press(model, key);
    key_line(lines[0], key, driver, down ? 1 + held : 0, down ? key_text(model, key) : 0);
    return 1;
}

uint32_t seeded_random(uint64_t *state, uint32_t bound)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (uint32_t)((x * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % bound;
}
