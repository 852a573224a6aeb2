/* See scancode.h. One table says everything about the keys; the decoder's and the names' tables are made from it. */
#include "lib/scancode.h"

#define EXTENDED 0x80 /* in the table's codes: after 0xe0 */
#define RELEASE  SCANCODE_RELEASE

#define PREFIX_EXTENDED 0xe0
#define PREFIX_PAUSE    0xe1

/*
 * KEY(name, code): a key and the code it is known by. ALSO(name, code): another code of a key. BUTTON(name): no scan
 * code. F13-F24 are where Microsoft's specification puts them, and also where Linux's table does, unless that code is
 * another key's; 0x71 and 0x72 are the Korean keys as newer QEMUs send them.
 */
#define KEY_TABLE(KEY, ALSO, BUTTON)          \
    KEY(KEY_ESC, 0x01)                        \
    KEY(KEY_1, 0x02)                          \
    KEY(KEY_2, 0x03)                          \
    KEY(KEY_3, 0x04)                          \
    KEY(KEY_4, 0x05)                          \
    KEY(KEY_5, 0x06)                          \
    KEY(KEY_6, 0x07)                          \
    KEY(KEY_7, 0x08)                          \
    KEY(KEY_8, 0x09)                          \
    KEY(KEY_9, 0x0a)                          \
    KEY(KEY_0, 0x0b)                          \
    KEY(KEY_MINUS, 0x0c)                      \
    KEY(KEY_EQUAL, 0x0d)                      \
    KEY(KEY_BACKSPACE, 0x0e)                  \
    KEY(KEY_TAB, 0x0f)                        \
    KEY(KEY_Q, 0x10)                          \
    KEY(KEY_W, 0x11)                          \
    KEY(KEY_E, 0x12)                          \
    KEY(KEY_R, 0x13)                          \
    KEY(KEY_T, 0x14)                          \
    KEY(KEY_Y, 0x15)                          \
    KEY(KEY_U, 0x16)                          \
    KEY(KEY_I, 0x17)                          \
    KEY(KEY_O, 0x18)                          \
    KEY(KEY_P, 0x19)                          \
    KEY(KEY_LEFTBRACE, 0x1a)                  \
    KEY(KEY_RIGHTBRACE, 0x1b)                 \
    KEY(KEY_ENTER, 0x1c)                      \
    KEY(KEY_LEFTCTRL, 0x1d)                   \
    KEY(KEY_A, 0x1e)                          \
    KEY(KEY_S, 0x1f)                          \
    KEY(KEY_D, 0x20)                          \
    KEY(KEY_F, 0x21)                          \
    KEY(KEY_G, 0x22)                          \
    KEY(KEY_H, 0x23)                          \
    KEY(KEY_J, 0x24)                          \
    KEY(KEY_K, 0x25)                          \
    KEY(KEY_L, 0x26)                          \
    KEY(KEY_SEMICOLON, 0x27)                  \
    KEY(KEY_APOSTROPHE, 0x28)                 \
    KEY(KEY_GRAVE, 0x29)                      \
    KEY(KEY_LEFTSHIFT, 0x2a)                  \
    KEY(KEY_BACKSLASH, 0x2b)                  \
    KEY(KEY_Z, 0x2c)                          \
    KEY(KEY_X, 0x2d)                          \
    KEY(KEY_C, 0x2e)                          \
    KEY(KEY_V, 0x2f)                          \
    KEY(KEY_B, 0x30)                          \
    KEY(KEY_N, 0x31)                          \
    KEY(KEY_M, 0x32)                          \
    KEY(KEY_COMMA, 0x33)                      \
    KEY(KEY_DOT, 0x34)                        \
    KEY(KEY_SLASH, 0x35)                      \
    KEY(KEY_RIGHTSHIFT, 0x36)                 \
    KEY(KEY_KPASTERISK, 0x37)                 \
    KEY(KEY_LEFTALT, 0x38)                    \
    KEY(KEY_SPACE, 0x39)                      \
    KEY(KEY_CAPSLOCK, 0x3a)                   \
    KEY(KEY_F1, 0x3b)                         \
    KEY(KEY_F2, 0x3c)                         \
    KEY(KEY_F3, 0x3d)                         \
    KEY(KEY_F4, 0x3e)                         \
    KEY(KEY_F5, 0x3f)                         \
    KEY(KEY_F6, 0x40)                         \
    KEY(KEY_F7, 0x41)                         \
    KEY(KEY_F8, 0x42)                         \
    KEY(KEY_F9, 0x43)                         \
    KEY(KEY_F10, 0x44)                        \
    KEY(KEY_NUMLOCK, 0x45)                    \
    KEY(KEY_SCROLLLOCK, 0x46)                 \
    KEY(KEY_KP7, 0x47)                        \
    KEY(KEY_KP8, 0x48)                        \
    KEY(KEY_KP9, 0x49)                        \
    KEY(KEY_KPMINUS, 0x4a)                    \
    KEY(KEY_KP4, 0x4b)                        \
    KEY(KEY_KP5, 0x4c)                        \
    KEY(KEY_KP6, 0x4d)                        \
    KEY(KEY_KPPLUS, 0x4e)                     \
    KEY(KEY_KP1, 0x4f)                        \
    KEY(KEY_KP2, 0x50)                        \
    KEY(KEY_KP3, 0x51)                        \
    KEY(KEY_KP0, 0x52)                        \
    KEY(KEY_KPDOT, 0x53)                      \
    KEY(KEY_SYSRQ, 0x54)                      \
    KEY(KEY_102ND, 0x56)                      \
    KEY(KEY_F11, 0x57)                        \
    KEY(KEY_F12, 0x58)                        \
    KEY(KEY_KPEQUAL, 0x59)                    \
    KEY(KEY_LINEFEED, 0x5b)                   \
    KEY(KEY_KPJPCOMMA, 0x5c)                  \
    KEY(KEY_PHONE, 0x63)                      \
    KEY(KEY_F13, 0x64)                        \
    KEY(KEY_F14, 0x65)                        \
    KEY(KEY_F15, 0x66)                        \
    KEY(KEY_F16, 0x67)                        \
    KEY(KEY_F17, 0x68)                        \
    KEY(KEY_F18, 0x69)                        \
    KEY(KEY_F19, 0x6a)                        \
    KEY(KEY_F20, 0x6b)                        \
    KEY(KEY_F21, 0x6c)                        \
    KEY(KEY_F22, 0x6d)                        \
    KEY(KEY_F23, 0x6e)                        \
    KEY(KEY_KATAKANAHIRAGANA, 0x70)           \
    KEY(KEY_HANJA, 0x71)                      \
    KEY(KEY_HANGEUL, 0x72)                    \
    KEY(KEY_RO, 0x73)                         \
    KEY(KEY_SCROLLUP, 0x75)                   \
    KEY(KEY_F24, 0x76)                        \
    KEY(KEY_HIRAGANA, 0x77)                   \
    KEY(KEY_KATAKANA, 0x78)                   \
    KEY(KEY_HENKAN, 0x79)                     \
    KEY(KEY_MUHENKAN, 0x7b)                   \
    KEY(KEY_YEN, 0x7d)                        \
    KEY(KEY_KPCOMMA, 0x7e)                    \
    KEY(KEY_CONFIG, EXTENDED | 0x01)          \
    KEY(KEY_WWW, EXTENDED | 0x02)             \
    KEY(KEY_AGAIN, EXTENDED | 0x05)           \
    KEY(KEY_PROPS, EXTENDED | 0x06)           \
    KEY(KEY_UNDO, EXTENDED | 0x07)            \
    KEY(KEY_EDIT, EXTENDED | 0x08)            \
    KEY(KEY_NEW, EXTENDED | 0x09)             \
    KEY(KEY_REDO, EXTENDED | 0x0a)            \
    KEY(KEY_SCALE, EXTENDED | 0x0b)           \
    KEY(KEY_FRONT, EXTENDED | 0x0c)           \
    KEY(KEY_FORWARDMAIL, EXTENDED | 0x0e)     \
    KEY(KEY_SCROLLDOWN, EXTENDED | 0x0f)      \
    KEY(KEY_PREVIOUSSONG, EXTENDED | 0x10)    \
    KEY(KEY_SCREENLOCK, EXTENDED | 0x12)      \
    KEY(KEY_XFER, EXTENDED | 0x13)            \
    KEY(KEY_ALTERASE, EXTENDED | 0x14)        \
    KEY(KEY_PROG2, EXTENDED | 0x17)           \
    KEY(KEY_REWIND, EXTENDED | 0x18)          \
    KEY(KEY_NEXTSONG, EXTENDED | 0x19)        \
    KEY(KEY_KPENTER, EXTENDED | 0x1c)         \
    KEY(KEY_RIGHTCTRL, EXTENDED | 0x1d)       \
    KEY(KEY_MENU, EXTENDED | 0x1e)            \
    KEY(KEY_PROG1, EXTENDED | 0x1f)           \
    KEY(KEY_MUTE, EXTENDED | 0x20)            \
    KEY(KEY_CALC, EXTENDED | 0x21)            \
    KEY(KEY_PLAYPAUSE, EXTENDED | 0x22)       \
    KEY(KEY_CLOSECD, EXTENDED | 0x23)         \
    KEY(KEY_STOPCD, EXTENDED | 0x24)          \
    KEY(KEY_SUSPEND, EXTENDED | 0x25)         \
    KEY(KEY_CYCLEWINDOWS, EXTENDED | 0x26)    \
    KEY(KEY_PLAYCD, EXTENDED | 0x28)          \
    KEY(KEY_PAUSECD, EXTENDED | 0x29)         \
    KEY(KEY_PROG3, EXTENDED | 0x2b)           \
    KEY(KEY_PROG4, EXTENDED | 0x2c)           \
    KEY(KEY_DASHBOARD, EXTENDED | 0x2d)       \
    KEY(KEY_VOLUMEDOWN, EXTENDED | 0x2e)      \
    KEY(KEY_CLOSE, EXTENDED | 0x2f)           \
    KEY(KEY_VOLUMEUP, EXTENDED | 0x30)        \
    KEY(KEY_RECORD, EXTENDED | 0x31)          \
    KEY(KEY_HOMEPAGE, EXTENDED | 0x32)        \
    KEY(KEY_PLAY, EXTENDED | 0x33)            \
    KEY(KEY_FASTFORWARD, EXTENDED | 0x34)     \
    KEY(KEY_KPSLASH, EXTENDED | 0x35)         \
    KEY(KEY_RIGHTALT, EXTENDED | 0x38)        \
    KEY(KEY_PRINT, EXTENDED | 0x39)           \
    KEY(KEY_HP, EXTENDED | 0x3a)              \
    KEY(KEY_CAMERA, EXTENDED | 0x3b)          \
    KEY(KEY_CUT, EXTENDED | 0x3c)             \
    KEY(KEY_SOUND, EXTENDED | 0x3d)           \
    KEY(KEY_QUESTION, EXTENDED | 0x3e)        \
    KEY(KEY_EMAIL, EXTENDED | 0x3f)           \
    KEY(KEY_CHAT, EXTENDED | 0x40)            \
    KEY(KEY_FIND, EXTENDED | 0x41)            \
    KEY(KEY_CONNECT, EXTENDED | 0x42)         \
    KEY(KEY_FINANCE, EXTENDED | 0x43)         \
    KEY(KEY_SPORT, EXTENDED | 0x44)           \
    KEY(KEY_SHOP, EXTENDED | 0x45)            \
    KEY(KEY_PAUSE, EXTENDED | 0x46)           \
    KEY(KEY_HOME, EXTENDED | 0x47)            \
    KEY(KEY_UP, EXTENDED | 0x48)              \
    KEY(KEY_PAGEUP, EXTENDED | 0x49)          \
    KEY(KEY_CANCEL, EXTENDED | 0x4a)          \
    KEY(KEY_LEFT, EXTENDED | 0x4b)            \
    KEY(KEY_BRIGHTNESSDOWN, EXTENDED | 0x4c)  \
    KEY(KEY_RIGHT, EXTENDED | 0x4d)           \
    KEY(KEY_KPPLUSMINUS, EXTENDED | 0x4e)     \
    KEY(KEY_END, EXTENDED | 0x4f)             \
    KEY(KEY_DOWN, EXTENDED | 0x50)            \
    KEY(KEY_PAGEDOWN, EXTENDED | 0x51)        \
    KEY(KEY_INSERT, EXTENDED | 0x52)          \
    KEY(KEY_DELETE, EXTENDED | 0x53)          \
    KEY(KEY_BRIGHTNESSUP, EXTENDED | 0x54)    \
    KEY(KEY_SAVE, EXTENDED | 0x55)            \
    KEY(KEY_SWITCHVIDEOMODE, EXTENDED | 0x56) \
    KEY(KEY_KBDILLUMTOGGLE, EXTENDED | 0x57)  \
    KEY(KEY_KBDILLUMDOWN, EXTENDED | 0x58)    \
    KEY(KEY_KBDILLUMUP, EXTENDED | 0x59)      \
    KEY(KEY_SEND, EXTENDED | 0x5a)            \
    KEY(KEY_LEFTMETA, EXTENDED | 0x5b)        \
    KEY(KEY_RIGHTMETA, EXTENDED | 0x5c)       \
    KEY(KEY_COMPOSE, EXTENDED | 0x5d)         \
    KEY(KEY_POWER, EXTENDED | 0x5e)           \
    KEY(KEY_SLEEP, EXTENDED | 0x5f)           \
    KEY(KEY_WAKEUP, EXTENDED | 0x63)          \
    KEY(KEY_REPLY, EXTENDED | 0x64)           \
    KEY(KEY_SEARCH, EXTENDED | 0x65)          \
    KEY(KEY_BOOKMARKS, EXTENDED | 0x66)       \
    KEY(KEY_REFRESH, EXTENDED | 0x67)         \
    KEY(KEY_STOP, EXTENDED | 0x68)            \
    KEY(KEY_FORWARD, EXTENDED | 0x69)         \
    KEY(KEY_BACK, EXTENDED | 0x6a)            \
    KEY(KEY_COMPUTER, EXTENDED | 0x6b)        \
    KEY(KEY_MAIL, EXTENDED | 0x6c)            \
    KEY(KEY_MEDIA, EXTENDED | 0x6d)           \
    KEY(KEY_MACRO, EXTENDED | 0x6f)           \
    KEY(KEY_DOCUMENTS, EXTENDED | 0x70)       \
    KEY(KEY_BATTERY, EXTENDED | 0x71)         \
    KEY(KEY_BLUETOOTH, EXTENDED | 0x72)       \
    KEY(KEY_WLAN, EXTENDED | 0x73)            \
    KEY(KEY_UWB, EXTENDED | 0x74)             \
    KEY(KEY_HELP, EXTENDED | 0x75)            \
    KEY(KEY_KPLEFTPAREN, EXTENDED | 0x76)     \
    KEY(KEY_COPY, EXTENDED | 0x78)            \
    KEY(KEY_KPRIGHTPAREN, EXTENDED | 0x7b)    \
    KEY(KEY_EJECTCLOSECD, EXTENDED | 0x7d)    \
    ALSO(KEY_F13, 0x5d)                       \
    ALSO(KEY_F14, 0x5e)                       \
    ALSO(KEY_F15, 0x5f)                       \
    ALSO(KEY_F16, 0x55)                       \
    ALSO(KEY_F17, EXTENDED | 0x03)            \
    ALSO(KEY_F18, EXTENDED | 0x77)            \
    ALSO(KEY_F19, EXTENDED | 0x04)            \
    ALSO(KEY_F20, 0x5a)                       \
    ALSO(KEY_F21, 0x74)                       \
    ALSO(KEY_F22, EXTENDED | 0x79)            \
    ALSO(KEY_F24, 0x6f)                       \
    ALSO(KEY_HANJA, EXTENDED | 0x0d)          \
    ALSO(KEY_SYSRQ, EXTENDED | 0x37)          \
    BUTTON(BTN_LEFT)                          \
    BUTTON(BTN_RIGHT)                         \
    BUTTON(BTN_MIDDLE)                        \
    BUTTON(BTN_SIDE)                          \
    BUTTON(BTN_EXTRA)

#define KEY_CODE(name, code) [code] = name,
#define NO_CODE(name)
#define NAME_OF_KEY(name, code) \
    case name:                  \
        return #name;
#define NO_NAME(name, code)
#define NAME_OF_BUTTON(name) \
    case name:               \
        return #name;

const uint16_t scancode_codes[256] = {KEY_TABLE(KEY_CODE, KEY_CODE, NO_CODE)};

/* Pause is one sequence, sent on the press. While it comes in, the decoder's state counts its bytes: from 1. */
static const uint8_t pause_sequence[] = {PREFIX_PAUSE, 0x1d, 0x45, PREFIX_PAUSE, 0x9d, 0xc5};

enum {
    STATE_IDLE = 0,
    STATE_IN_PAUSE = 1, /* and up to the length of the sequence */
    STATE_EXTENDED = ARRAY_SIZE(pause_sequence),
};

/* Round a grey key the keyboard pretends that Shift is up, or down, so that a PC/XT's program sees its keypad key. */
static bool is_fake_shift(uint8_t byte)
{
    uint8_t key = byte & ~RELEASE;

    return key == 0x2a || key == 0x36;
}

static size_t feed_key(struct scancode_decoder *decoder, uint8_t extended, uint8_t byte, struct key_change *change)
{
    uint16_t code = scancode_codes[extended | (byte & ~RELEASE)];

    if (code == KEY_RESERVED) {
        decoder->unknown++;
        return 0;
    }
    *change = (struct key_change){.code = code, .pressed = !(byte & RELEASE)};
    return 1;
}

static size_t feed_first(struct scancode_decoder *decoder, uint8_t byte, struct key_change *change)
{
    switch (byte) {
    case 0x00:
    case 0xff:
        decoder->overruns++;
        return 0;
    case PREFIX_EXTENDED:
        decoder->state = STATE_EXTENDED;
        return 0;
    case PREFIX_PAUSE:
        decoder->state = STATE_IN_PAUSE;
        return 0;
    default:
        return feed_key(decoder, 0, byte, change);
    }
}

static size_t pause_pressed(struct key_change changes[2])
{
    changes[0] = (struct key_change){.code = KEY_PAUSE, .pressed = true};
    changes[1] = (struct key_change){.code = KEY_PAUSE, .pressed = false};
    return 2;
}

size_t scancode_feed(struct scancode_decoder *decoder, uint8_t byte, struct key_change changes[2])
{
    uint8_t state = decoder->state;

    decoder->state = STATE_IDLE;
    if (state == STATE_EXTENDED) {
        if (is_fake_shift(byte))
            return 0;
        if (byte != 0x00 && byte != 0xff && byte != PREFIX_EXTENDED && byte != PREFIX_PAUSE)
            return feed_key(decoder, EXTENDED, byte, &changes[0]);
    } else if (state != STATE_IDLE && byte == pause_sequence[state]) {
        if (state + 1 == ARRAY_SIZE(pause_sequence))
            return pause_pressed(changes);
        decoder->state = state + 1;
        return 0;
    }
    if (state != STATE_IDLE)
        decoder->broken++;
    return feed_first(decoder, byte, &changes[0]);
}

const char *key_name(uint16_t code)
{
    switch (code) {
        KEY_TABLE(NAME_OF_KEY, NO_NAME, NAME_OF_BUTTON)
    default:
        return NULL;
    }
}
