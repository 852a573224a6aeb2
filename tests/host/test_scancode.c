/* The decoder against lists that were made without it, and against every broken stream that can be enumerated. */
#include "lib/scancode.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

#define NAMED(code) code, #code

struct sequence {
    const char *make, *release; /* hexadecimal, a byte a word */
    uint16_t code;
    const char *name;
};

/* What QEMU 7.2's keyboard puts into the output buffer for each QMP qcode: its set 2, by the controller's translation.
 */
static const struct sequence qemu_keys[] = {
    {"2a", "aa", NAMED(KEY_LEFTSHIFT)},
    {"36", "b6", NAMED(KEY_RIGHTSHIFT)},
    {"38", "b8", NAMED(KEY_LEFTALT)},
    {"e0 38", "e0 b8", NAMED(KEY_RIGHTALT)},
    {"1d", "9d", NAMED(KEY_LEFTCTRL)},
    {"e0 1d", "e0 9d", NAMED(KEY_RIGHTCTRL)},
    {"01", "81", NAMED(KEY_ESC)},
    {"02", "82", NAMED(KEY_1)},
    {"03", "83", NAMED(KEY_2)},
    {"04", "84", NAMED(KEY_3)},
    {"05", "85", NAMED(KEY_4)},
    {"06", "86", NAMED(KEY_5)},
    {"07", "87", NAMED(KEY_6)},
    {"08", "88", NAMED(KEY_7)},
    {"09", "89", NAMED(KEY_8)},
    {"0a", "8a", NAMED(KEY_9)},
    {"0b", "8b", NAMED(KEY_0)},
    {"0c", "8c", NAMED(KEY_MINUS)},
    {"0d", "8d", NAMED(KEY_EQUAL)},
    {"0e", "8e", NAMED(KEY_BACKSPACE)},
    {"0f", "8f", NAMED(KEY_TAB)},
    {"10", "90", NAMED(KEY_Q)},
    {"11", "91", NAMED(KEY_W)},
    {"12", "92", NAMED(KEY_E)},
    {"13", "93", NAMED(KEY_R)},
    {"14", "94", NAMED(KEY_T)},
    {"15", "95", NAMED(KEY_Y)},
    {"16", "96", NAMED(KEY_U)},
    {"17", "97", NAMED(KEY_I)},
    {"18", "98", NAMED(KEY_O)},
    {"19", "99", NAMED(KEY_P)},
    {"1a", "9a", NAMED(KEY_LEFTBRACE)},
    {"1b", "9b", NAMED(KEY_RIGHTBRACE)},
    {"1c", "9c", NAMED(KEY_ENTER)},
    {"1e", "9e", NAMED(KEY_A)},
    {"1f", "9f", NAMED(KEY_S)},
    {"20", "a0", NAMED(KEY_D)},
    {"21", "a1", NAMED(KEY_F)},
    {"22", "a2", NAMED(KEY_G)},
    {"23", "a3", NAMED(KEY_H)},
    {"24", "a4", NAMED(KEY_J)},
    {"25", "a5", NAMED(KEY_K)},
    {"26", "a6", NAMED(KEY_L)},
    {"27", "a7", NAMED(KEY_SEMICOLON)},
    {"28", "a8", NAMED(KEY_APOSTROPHE)},
    {"29", "a9", NAMED(KEY_GRAVE)},
    {"2b", "ab", NAMED(KEY_BACKSLASH)},
    {"2c", "ac", NAMED(KEY_Z)},
    {"2d", "ad", NAMED(KEY_X)},
    {"2e", "ae", NAMED(KEY_C)},
    {"2f", "af", NAMED(KEY_V)},
    {"30", "b0", NAMED(KEY_B)},
    {"31", "b1", NAMED(KEY_N)},
    {"32", "b2", NAMED(KEY_M)},
    {"33", "b3", NAMED(KEY_COMMA)},
    {"34", "b4", NAMED(KEY_DOT)},
    {"35", "b5", NAMED(KEY_SLASH)},
    {"37", "b7", NAMED(KEY_KPASTERISK)},
    {"39", "b9", NAMED(KEY_SPACE)},
    {"3a", "ba", NAMED(KEY_CAPSLOCK)},
    {"3b", "bb", NAMED(KEY_F1)},
    {"3c", "bc", NAMED(KEY_F2)},
    {"3d", "bd", NAMED(KEY_F3)},
    {"3e", "be", NAMED(KEY_F4)},
    {"3f", "bf", NAMED(KEY_F5)},
    {"40", "c0", NAMED(KEY_F6)},
    {"41", "c1", NAMED(KEY_F7)},
    {"42", "c2", NAMED(KEY_F8)},
    {"43", "c3", NAMED(KEY_F9)},
    {"44", "c4", NAMED(KEY_F10)},
    {"45", "c5", NAMED(KEY_NUMLOCK)},
    {"46", "c6", NAMED(KEY_SCROLLLOCK)},
    {"e0 35", "e0 b5", NAMED(KEY_KPSLASH)},
    {"37", "b7", NAMED(KEY_KPASTERISK)},
    {"4a", "ca", NAMED(KEY_KPMINUS)},
    {"4e", "ce", NAMED(KEY_KPPLUS)},
    {"e0 1c", "e0 9c", NAMED(KEY_KPENTER)},
    {"53", "d3", NAMED(KEY_KPDOT)},
    {"e0 2a e0 37", "e0 b7 e0 aa", NAMED(KEY_SYSRQ)},
    {"52", "d2", NAMED(KEY_KP0)},
    {"4f", "cf", NAMED(KEY_KP1)},
    {"50", "d0", NAMED(KEY_KP2)},
    {"51", "d1", NAMED(KEY_KP3)},
    {"4b", "cb", NAMED(KEY_KP4)},
    {"4c", "cc", NAMED(KEY_KP5)},
    {"4d", "cd", NAMED(KEY_KP6)},
    {"47", "c7", NAMED(KEY_KP7)},
    {"48", "c8", NAMED(KEY_KP8)},
    {"49", "c9", NAMED(KEY_KP9)},
    {"56", "d6", NAMED(KEY_102ND)},
    {"57", "d7", NAMED(KEY_F11)},
    {"58", "d8", NAMED(KEY_F12)},
    {"e0 2a e0 37", "e0 b7 e0 aa", NAMED(KEY_SYSRQ)},
    {"e0 47", "e0 c7", NAMED(KEY_HOME)},
    {"e0 49", "e0 c9", NAMED(KEY_PAGEUP)},
    {"e0 51", "e0 d1", NAMED(KEY_PAGEDOWN)},
    {"e0 4f", "e0 cf", NAMED(KEY_END)},
    {"e0 4b", "e0 cb", NAMED(KEY_LEFT)},
    {"e0 48", "e0 c8", NAMED(KEY_UP)},
    {"e0 50", "e0 d0", NAMED(KEY_DOWN)},
    {"e0 4d", "e0 cd", NAMED(KEY_RIGHT)},
    {"e0 52", "e0 d2", NAMED(KEY_INSERT)},
    {"e0 53", "e0 d3", NAMED(KEY_DELETE)},
    {"e0 68", "e0 e8", NAMED(KEY_STOP)},
    {"e0 5b", "e0 db", NAMED(KEY_LEFTMETA)},
    {"e0 5c", "e0 dc", NAMED(KEY_RIGHTMETA)},
    {"e0 5d", "e0 dd", NAMED(KEY_COMPOSE)},
    {"e1 1d 45 e1 9d c5", "", NAMED(KEY_PAUSE)},
    {"73", "f3", NAMED(KEY_RO)},
    {"77", "f7", NAMED(KEY_HIRAGANA)},
    {"79", "f9", NAMED(KEY_HENKAN)},
    {"7d", "fd", NAMED(KEY_YEN)},
    {"7b", "fb", NAMED(KEY_MUHENKAN)},
    {"70", "f0", NAMED(KEY_KATAKANAHIRAGANA)},
    {"7e", "fe", NAMED(KEY_KPCOMMA)},
    {"59", "d9", NAMED(KEY_KPEQUAL)},
    {"e0 5e", "e0 de", NAMED(KEY_POWER)},
    {"e0 5f", "e0 df", NAMED(KEY_SLEEP)},
    {"e0 63", "e0 e3", NAMED(KEY_WAKEUP)},
    {"e0 19", "e0 99", NAMED(KEY_NEXTSONG)},
    {"e0 10", "e0 90", NAMED(KEY_PREVIOUSSONG)},
    {"e0 24", "e0 a4", NAMED(KEY_STOPCD)},
    {"e0 22", "e0 a2", NAMED(KEY_PLAYPAUSE)},
    {"e0 20", "e0 a0", NAMED(KEY_MUTE)},
    {"e0 30", "e0 b0", NAMED(KEY_VOLUMEUP)},
    {"e0 2e", "e0 ae", NAMED(KEY_VOLUMEDOWN)},
    {"e0 6d", "e0 ed", NAMED(KEY_MEDIA)},
    {"e0 6c", "e0 ec", NAMED(KEY_MAIL)},
    {"e0 21", "e0 a1", NAMED(KEY_CALC)},
    {"e0 6b", "e0 eb", NAMED(KEY_COMPUTER)},
    {"e0 32", "e0 b2", NAMED(KEY_HOMEPAGE)},
    {"e0 6a", "e0 ea", NAMED(KEY_BACK)},
    {"e0 69", "e0 e9", NAMED(KEY_FORWARD)},
    {"e0 67", "e0 e7", NAMED(KEY_REFRESH)},
    {"e0 66", "e0 e6", NAMED(KEY_BOOKMARKS)},
};

/* Keys that QEMU does not have: Microsoft's "Keyboard Scan Code Specification", and Linux's x86 table for the rest. */
static const struct sequence other_keys[] = {
    {"54", "d4", NAMED(KEY_SYSRQ)},
    {"64", "e4", NAMED(KEY_F13)},
    {"65", "e5", NAMED(KEY_F14)},
    {"66", "e6", NAMED(KEY_F15)},
    {"67", "e7", NAMED(KEY_F16)},
    {"68", "e8", NAMED(KEY_F17)},
    {"69", "e9", NAMED(KEY_F18)},
    {"6a", "ea", NAMED(KEY_F19)},
    {"6b", "eb", NAMED(KEY_F20)},
    {"6c", "ec", NAMED(KEY_F21)},
    {"6d", "ed", NAMED(KEY_F22)},
    {"6e", "ee", NAMED(KEY_F23)},
    {"76", "f6", NAMED(KEY_F24)},
    {"5d", "dd", NAMED(KEY_F13)},
    {"5e", "de", NAMED(KEY_F14)},
    {"5f", "df", NAMED(KEY_F15)},
    {"55", "d5", NAMED(KEY_F16)},
    {"e0 03", "e0 83", NAMED(KEY_F17)},
    {"e0 77", "e0 f7", NAMED(KEY_F18)},
    {"e0 04", "e0 84", NAMED(KEY_F19)},
    {"5a", "da", NAMED(KEY_F20)},
    {"74", "f4", NAMED(KEY_F21)},
    {"e0 79", "e0 f9", NAMED(KEY_F22)},
    {"6f", "ef", NAMED(KEY_F24)},
    {"72", "f2", NAMED(KEY_HANGEUL)},
    {"71", "f1", NAMED(KEY_HANJA)},
    {"78", "f8", NAMED(KEY_KATAKANA)},
    {"5b", "db", NAMED(KEY_LINEFEED)},
    {"5c", "dc", NAMED(KEY_KPJPCOMMA)},
    {"e0 1e", "e0 9e", NAMED(KEY_MENU)},
    {"e0 65", "e0 e5", NAMED(KEY_SEARCH)},
    {"e0 07", "e0 87", NAMED(KEY_UNDO)},
    {"e0 3c", "e0 bc", NAMED(KEY_CUT)},
    {"e0 78", "e0 f8", NAMED(KEY_COPY)},
    {"e0 41", "e0 c1", NAMED(KEY_FIND)},
    {"e0 75", "e0 f5", NAMED(KEY_HELP)},
    {"e0 4c", "e0 cc", NAMED(KEY_BRIGHTNESSDOWN)},
    {"e0 54", "e0 d4", NAMED(KEY_BRIGHTNESSUP)},
    {"e0 6f", "e0 ef", NAMED(KEY_MACRO)},
    {"e0 4e", "e0 ce", NAMED(KEY_KPPLUSMINUS)},
    {"e0 46", "e0 c6", NAMED(KEY_PAUSE)},
    {"e0 0b", "e0 8b", NAMED(KEY_SCALE)},
    {"e0 0c", "e0 8c", NAMED(KEY_FRONT)},
    {"e0 0d", "e0 8d", NAMED(KEY_HANJA)},
    {"e0 05", "e0 85", NAMED(KEY_AGAIN)},
    {"e0 06", "e0 86", NAMED(KEY_PROPS)},
    {"e0 13", "e0 93", NAMED(KEY_XFER)},
    {"e0 1f", "e0 9f", NAMED(KEY_PROG1)},
    {"e0 17", "e0 97", NAMED(KEY_PROG2)},
    {"e0 02", "e0 82", NAMED(KEY_WWW)},
    {"e0 12", "e0 92", NAMED(KEY_SCREENLOCK)},
    {"e0 26", "e0 a6", NAMED(KEY_CYCLEWINDOWS)},
    {"e0 23", "e0 a3", NAMED(KEY_CLOSECD)},
    {"e0 7d", "e0 fd", NAMED(KEY_EJECTCLOSECD)},
    {"e0 31", "e0 b1", NAMED(KEY_RECORD)},
    {"e0 18", "e0 98", NAMED(KEY_REWIND)},
    {"63", "e3", NAMED(KEY_PHONE)},
    {"e0 01", "e0 81", NAMED(KEY_CONFIG)},
    {"e0 08", "e0 88", NAMED(KEY_EDIT)},
    {"75", "f5", NAMED(KEY_SCROLLUP)},
    {"e0 0f", "e0 8f", NAMED(KEY_SCROLLDOWN)},
    {"e0 76", "e0 f6", NAMED(KEY_KPLEFTPAREN)},
    {"e0 7b", "e0 fb", NAMED(KEY_KPRIGHTPAREN)},
    {"e0 09", "e0 89", NAMED(KEY_NEW)},
    {"e0 0a", "e0 8a", NAMED(KEY_REDO)},
    {"e0 28", "e0 a8", NAMED(KEY_PLAYCD)},
    {"e0 29", "e0 a9", NAMED(KEY_PAUSECD)},
    {"e0 2b", "e0 ab", NAMED(KEY_PROG3)},
    {"e0 2c", "e0 ac", NAMED(KEY_PROG4)},
    {"e0 2d", "e0 ad", NAMED(KEY_DASHBOARD)},
    {"e0 25", "e0 a5", NAMED(KEY_SUSPEND)},
    {"e0 2f", "e0 af", NAMED(KEY_CLOSE)},
    {"e0 33", "e0 b3", NAMED(KEY_PLAY)},
    {"e0 34", "e0 b4", NAMED(KEY_FASTFORWARD)},
    {"e0 39", "e0 b9", NAMED(KEY_PRINT)},
    {"e0 3a", "e0 ba", NAMED(KEY_HP)},
    {"e0 3b", "e0 bb", NAMED(KEY_CAMERA)},
    {"e0 3d", "e0 bd", NAMED(KEY_SOUND)},
    {"e0 3e", "e0 be", NAMED(KEY_QUESTION)},
    {"e0 3f", "e0 bf", NAMED(KEY_EMAIL)},
    {"e0 40", "e0 c0", NAMED(KEY_CHAT)},
    {"e0 42", "e0 c2", NAMED(KEY_CONNECT)},
    {"e0 43", "e0 c3", NAMED(KEY_FINANCE)},
    {"e0 44", "e0 c4", NAMED(KEY_SPORT)},
    {"e0 45", "e0 c5", NAMED(KEY_SHOP)},
    {"e0 14", "e0 94", NAMED(KEY_ALTERASE)},
    {"e0 4a", "e0 ca", NAMED(KEY_CANCEL)},
    {"e0 56", "e0 d6", NAMED(KEY_SWITCHVIDEOMODE)},
    {"e0 57", "e0 d7", NAMED(KEY_KBDILLUMTOGGLE)},
    {"e0 58", "e0 d8", NAMED(KEY_KBDILLUMDOWN)},
    {"e0 59", "e0 d9", NAMED(KEY_KBDILLUMUP)},
    {"e0 5a", "e0 da", NAMED(KEY_SEND)},
    {"e0 64", "e0 e4", NAMED(KEY_REPLY)},
    {"e0 0e", "e0 8e", NAMED(KEY_FORWARDMAIL)},
    {"e0 55", "e0 d5", NAMED(KEY_SAVE)},
    {"e0 70", "e0 f0", NAMED(KEY_DOCUMENTS)},
    {"e0 71", "e0 f1", NAMED(KEY_BATTERY)},
    {"e0 72", "e0 f2", NAMED(KEY_BLUETOOTH)},
    {"e0 73", "e0 f3", NAMED(KEY_WLAN)},
    {"e0 74", "e0 f4", NAMED(KEY_UWB)},
};

/* Feeds a hexadecimal text and writes what comes out as "+KEY_A -KEY_A". */
static const char *decode(struct scancode_decoder *decoder, const char *bytes)
{
    static char text[1024];
    size_t length = 0;
    unsigned byte;
    int used;

    text[0] = '\0';
    for (; sscanf(bytes, "%x%n", &byte, &used) == 1; bytes += used) {
        struct key_change changes[2];
        size_t count = scancode_feed(decoder, (uint8_t)byte, changes);

        cr_assert_leq(count, 2);
        for (size_t i = 0; i < count; i++)
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%c%s", length ? " " : "",
                                       changes[i].pressed ? '+' : '-', key_name(changes[i].code));
    }
    return text;
}

static const char *decode_afresh(const char *bytes)
{
    struct scancode_decoder decoder = {0};

    return decode(&decoder, bytes);
}

static void expect_keys(const struct sequence *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scancode_decoder decoder = {0};
        char press[64], release[64], both[128];

        snprintf(press, sizeof(press), "+%s", keys[i].name);
        snprintf(release, sizeof(release), "-%s", keys[i].name);
        snprintf(both, sizeof(both), "%s %s", press, release);
        cr_assert_str_eq(key_name(keys[i].code), keys[i].name);
        if (keys[i].release[0]) {
            cr_assert_str_eq(decode(&decoder, keys[i].make), press);
            cr_assert_str_eq(decode(&decoder, keys[i].make), press, "a repeat is another press");
            cr_assert_str_eq(decode(&decoder, keys[i].release), release);
        } else {
            cr_assert_str_eq(decode(&decoder, keys[i].make), both);
        }
        cr_assert_eq(decoder.state, 0);
        cr_assert_eq(decoder.unknown + decoder.broken + decoder.overruns, 0, "%s", keys[i].name);
    }
}

Test(scancode, decodes_every_key_that_qemu_sends)
{
    expect_keys(qemu_keys, sizeof(qemu_keys) / sizeof(qemu_keys[0]));
}

Test(scancode, decodes_the_keys_that_qemu_does_not_have)
{
    expect_keys(other_keys, sizeof(other_keys) / sizeof(other_keys[0]));
}

Test(scancode, decodes_what_modifiers_do_to_pause_and_print_screen)
{
    cr_assert_str_eq(decode_afresh("1d e0 46 e0 c6 9d"), "+KEY_LEFTCTRL +KEY_PAUSE -KEY_PAUSE -KEY_LEFTCTRL");
    cr_assert_str_eq(decode_afresh("e0 1d e0 46 e0 c6 e0 9d"), "+KEY_RIGHTCTRL +KEY_PAUSE -KEY_PAUSE -KEY_RIGHTCTRL");
    cr_assert_str_eq(decode_afresh("2a e0 37 e0 b7 aa"), "+KEY_LEFTSHIFT +KEY_SYSRQ -KEY_SYSRQ -KEY_LEFTSHIFT");
    cr_assert_str_eq(decode_afresh("38 b8 38 54 d4 b8 38 b8"), "+KEY_LEFTALT -KEY_LEFTALT +KEY_LEFTALT +KEY_SYSRQ "
                                                               "-KEY_SYSRQ -KEY_LEFTALT +KEY_LEFTALT -KEY_LEFTALT");
    cr_assert_str_eq(decode_afresh("e0 38 e0 b8 e0 38 54 d4 e0 b8 e0 38 e0 b8"),
                     "+KEY_RIGHTALT -KEY_RIGHTALT +KEY_RIGHTALT +KEY_SYSRQ "
                     "-KEY_SYSRQ -KEY_RIGHTALT +KEY_RIGHTALT -KEY_RIGHTALT");
}

Test(scancode, ignores_the_fake_shifts_round_grey_keys)
{
    struct scancode_decoder decoder = {0};

    cr_assert_str_eq(decode(&decoder, "e0 2a e0 48 e0 c8 e0 aa"), "+KEY_UP -KEY_UP"); /* with Num Lock */
    cr_assert_str_eq(decode(&decoder, "2a e0 aa e0 53 e0 d3 e0 2a aa"),
                     "+KEY_LEFTSHIFT +KEY_DELETE -KEY_DELETE -KEY_LEFTSHIFT");
    cr_assert_str_eq(decode(&decoder, "36 e0 b6 e0 35 e0 b5 e0 36 b6"),
                     "+KEY_RIGHTSHIFT +KEY_KPSLASH -KEY_KPSLASH -KEY_RIGHTSHIFT");
    cr_assert_eq(decoder.unknown + decoder.broken, 0);
}

static void mark(const struct sequence *keys, size_t count, bool listed[2][128])
{
    for (size_t i = 0; i < count; i++) {
        unsigned first, second;

        switch (sscanf(keys[i].make, "%x %x", &first, &second)) {
        case 1:
            listed[0][first] = true;
            break;
        case 2:
            if (first == 0xe0 && second != 0x2a)
                listed[1][second] = true;
            break;
        }
    }
    listed[1][0x37] = true; /* Print Screen, behind its fake shift */
}

Test(scancode, knows_the_listed_codes_and_no_others)
{
    bool listed[2][128] = {{false}};

    mark(qemu_keys, sizeof(qemu_keys) / sizeof(qemu_keys[0]), listed);
    mark(other_keys, sizeof(other_keys) / sizeof(other_keys[0]), listed);
    for (unsigned extended = 0; extended < 2; extended++) {
        for (unsigned code = 1; code < 0x7f; code++) {
            struct scancode_decoder decoder = {.state = 0};
            struct key_change changes[2];
            size_t pressed, released;

            if (extended)
                scancode_feed(&decoder, 0xe0, changes);
            pressed = scancode_feed(&decoder, (uint8_t)code, changes);
            if (!extended && (code == 0x60 || code == 0x61)) {
                cr_assert_eq(pressed, 0, "its release would be a prefix");
                continue;
            }
            if (extended)
                scancode_feed(&decoder, 0xe0, changes);
            released = scancode_feed(&decoder, (uint8_t)(code | 0x80), changes);
            cr_assert_eq(pressed, listed[extended][code], "%s%02x", extended ? "e0 " : "", code);
            cr_assert_eq(released, pressed);
        }
    }
}

Test(scancode, counts_unknown_codes_and_overruns_and_goes_on)
{
    struct scancode_decoder decoder = {0};

    cr_assert_str_eq(decode(&decoder, "62 e2 e0 7f 00 ff e0 00 e0 ff 1e 9e"), "+KEY_A -KEY_A");
    cr_assert_eq(decoder.unknown, 3);
    cr_assert_eq(decoder.overruns, 4);
    cr_assert_eq(decoder.broken, 2);
}

Test(scancode, starts_a_new_sequence_at_every_prefix)
{
    struct scancode_decoder decoder = {0};

    cr_assert_str_eq(decode(&decoder, "e0 e0 48"), "+KEY_UP");
    cr_assert_str_eq(decode(&decoder, "e0 e1 1d 45 e1 9d c5"), "+KEY_PAUSE -KEY_PAUSE");
    cr_assert_str_eq(decode(&decoder, "e1 e1 1d 45 e1 9d c5"), "+KEY_PAUSE -KEY_PAUSE");
    cr_assert_str_eq(decode(&decoder, "e1 1d e0 48"), "+KEY_UP");
    cr_assert_str_eq(decode(&decoder, "e1 1d 45 1e"), "+KEY_A");
    cr_assert_str_eq(decode(&decoder, "e1 1d 45 e1 9d 1e"), "+KEY_A");
    cr_assert_eq(decoder.broken, 6);
}

Test(scancode, leaves_no_key_down_when_pause_loses_a_byte)
{
    static const uint8_t pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};

    for (unsigned lost = 0; lost < sizeof(pause); lost++) {
        struct scancode_decoder decoder = {0};
        bool down[KEY_CNT] = {false};

        for (unsigned i = 0; i < sizeof(pause); i++) {
            struct key_change changes[2];
            size_t count = i == lost ? 0 : scancode_feed(&decoder, pause[i], changes);

            for (size_t j = 0; j < count; j++)
                down[changes[j].code] = changes[j].pressed;
        }
        for (unsigned code = 0; code < KEY_CNT; code++)
            cr_assert_not(down[code], "lost byte %u, %s stays down", lost, key_name((uint16_t)code));
        cr_assert_str_eq(decode(&decoder, "1e 9e"), "+KEY_A -KEY_A");
    }
}

/* The documented limit: one byte that is neither a prefix nor Pause's, and the decoder is between two keys. */
static void expect_resync(struct scancode_decoder decoder, bool after_lone_extended)
{
    struct key_change changes[2];
    struct scancode_decoder other = decoder;

    if (!after_lone_extended) {
        cr_assert_eq(scancode_feed(&other, 0x1e, changes), 1);
        cr_assert_eq(changes[0].code, KEY_A);
        cr_assert(changes[0].pressed);
    }
    scancode_feed(&decoder, 0x39, changes);
    cr_assert_eq(scancode_feed(&decoder, 0x30, changes), 1);
    cr_assert_eq(changes[0].code, KEY_B);
    cr_assert(changes[0].pressed);
    cr_assert_eq(scancode_feed(&decoder, 0xb0, changes), 1);
    cr_assert_eq(changes[0].code, KEY_B);
    cr_assert_not(changes[0].pressed);
}

Test(scancode, resynchronises_after_every_pair_of_bytes)
{
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            struct scancode_decoder decoder = {0};
            struct key_change changes[2];

            cr_assert_leq(scancode_feed(&decoder, (uint8_t)first, changes), 1);
            cr_assert_leq(scancode_feed(&decoder, (uint8_t)second, changes), 1);
            expect_resync(decoder, second == 0xe0);
        }
    }
}

Test(scancode, resynchronises_after_every_six_bytes_that_mean_something)
{
    static const uint8_t alphabet[] = {0xe0, 0xe1, 0x1d, 0x45, 0x9d, 0xc5, 0x2a, 0xff};

    for (unsigned word = 0; word < 1u << 18; word++) {
        struct scancode_decoder decoder = {0};
        struct key_change changes[2];
        uint8_t byte = 0;

        for (unsigned i = 0; i < 6; i++) {
            byte = alphabet[word >> (3 * i) & 7];
            scancode_feed(&decoder, byte, changes);
        }
        expect_resync(decoder, byte == 0xe0);
    }
}

Test(scancode, resynchronises_after_random_bytes_and_reports_only_keys_with_names)
{
    uint64_t seed = 1;
    struct scancode_decoder decoder = {0};

    for (unsigned i = 0; i < 200000; i++) {
        struct key_change changes[2];
        uint8_t byte = (uint8_t)(support_random(&seed) >> 32);
        size_t count = scancode_feed(&decoder, byte, changes);

        for (size_t j = 0; j < count; j++)
            cr_assert_not_null(key_name(changes[j].code));
        expect_resync(decoder, byte == 0xe0);
    }
    cr_assert_gt(decoder.unknown, 1000);
    cr_assert_gt(decoder.broken, 500);
    cr_assert_gt(decoder.overruns, 1000);
}

Test(scancode, names_mouse_buttons_and_nothing_else)
{
    cr_assert_str_eq(key_name(BTN_LEFT), "BTN_LEFT");
    cr_assert_str_eq(key_name(BTN_RIGHT), "BTN_RIGHT");
    cr_assert_str_eq(key_name(BTN_MIDDLE), "BTN_MIDDLE");
    cr_assert_str_eq(key_name(BTN_SIDE), "BTN_SIDE");
    cr_assert_str_eq(key_name(BTN_EXTRA), "BTN_EXTRA");
    cr_assert_null(key_name(KEY_RESERVED));
    cr_assert_null(key_name(BTN_FORWARD));
    cr_assert_null(key_name(KEY_ZENKAKUHANKAKU));
    cr_assert_null(key_name(UINT16_MAX));
}
