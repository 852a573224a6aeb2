/* What keys type on a US keyboard, how locks and repeats behave, and that held keys are tracked as a naive model does.
 */
#include "lib/keymap.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

/* The layout a second time, as rows of neighbouring codes. */
static const struct {
    uint16_t first;
    const char *plain, *shifted;
} rows[] = {
    {KEY_1, "1234567890-=", "!@#$%^&*()_+"},
    {KEY_TAB, "\tqwertyuiop[]\n", "\tQWERTYUIOP{}\n"},
    {KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
    {KEY_KPASTERISK, "*", "*"},
    {KEY_SPACE, " ", " "},
    {KEY_102ND, "<", ">"},
    {KEY_KPMINUS, "-", "-"},
    {KEY_KPPLUS, "+", "+"},
    {KEY_KPENTER, "\n", "\n"},
    {KEY_KPSLASH, "/", "/"},
    {KEY_KPEQUAL, "=", "="},
    {KEY_KPCOMMA, ",", ","},
};

static const struct {
    uint16_t first;
    const char *digits;
} keypad[] = {{KEY_KP7, "789"}, {KEY_KP4, "456"}, {KEY_KP1, "1230."}};

static struct key_event apply(struct keymap *keymap, uint16_t code, bool pressed)
{
    struct key_event event;

    cr_assert(keymap_apply(keymap, (struct key_change){.code = code, .pressed = pressed}, &event));
    cr_assert_eq(event.code, code);
    return event;
}

/* Presses and releases a key, and returns what it typed. */
static char type(struct keymap *keymap, uint16_t code)
{
    struct key_event press = apply(keymap, code, true);
    struct key_event release = apply(keymap, code, false);

    cr_assert_eq(press.value, KEY_PRESSED);
    cr_assert_eq(release.value, KEY_RELEASED);
    cr_assert_eq(release.text, 0);
    return press.text;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void expect_rows(struct keymap *keymap, bool shift, bool caps)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; rows[i].plain[j]; j++) {
            bool upper = shift ^ (caps && is_letter(rows[i].plain[j]));

            cr_assert_eq(type(keymap, (uint16_t)(rows[i].first + j)), (upper ? rows[i].shifted : rows[i].plain)[j]);
        }
    }
}

Test(keymap, types_the_us_layout)
{
    struct keymap keymap = {0};

    expect_rows(&keymap, false, false);
    apply(&keymap, KEY_LEFTSHIFT, true);
    expect_rows(&keymap, true, false);
}

Test(keymap, caps_lock_inverts_shift_for_letters_only)
{
    struct keymap keymap = {0};

    type(&keymap, KEY_CAPSLOCK);
    expect_rows(&keymap, false, true);
    apply(&keymap, KEY_RIGHTSHIFT, true);
    expect_rows(&keymap, true, true);
    apply(&keymap, KEY_RIGHTSHIFT, false);
    type(&keymap, KEY_CAPSLOCK);
    expect_rows(&keymap, false, false);
}

Test(keymap, types_keypad_digits_only_under_num_lock)
{
    for (unsigned num_lock = 0; num_lock < 2; num_lock++) {
        struct keymap keymap = {.state = num_lock ? KEYMAP_LED_NUM : 0};

        for (size_t i = 0; i < sizeof(keypad) / sizeof(keypad[0]); i++) {
            for (size_t j = 0; keypad[i].digits[j]; j++)
                cr_assert_eq(type(&keymap, (uint16_t)(keypad[i].first + j)), num_lock ? keypad[i].digits[j] : 0);
        }
    }
}

Test(keymap, types_nothing_for_any_other_key)
{
    struct keymap keymap = {.state = KEYMAP_LED_NUM};
    bool types[KEY_CNT] = {false};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        memset(&types[rows[i].first], true, strlen(rows[i].plain));
    for (size_t i = 0; i < sizeof(keypad) / sizeof(keypad[0]); i++)
        memset(&types[keypad[i].first], true, strlen(keypad[i].digits));
    for (unsigned code = 0; code < KEY_CNT; code++) {
        keymap.state = KEYMAP_LED_NUM;
        cr_assert_eq(type(&keymap, (uint16_t)code) != 0, types[code], "code %u", code);
    }
}

Test(keymap, keeps_shift_until_both_are_released)
{
    struct keymap keymap = {0};

    apply(&keymap, KEY_LEFTSHIFT, true);
    apply(&keymap, KEY_RIGHTSHIFT, true);
    cr_assert_eq(type(&keymap, KEY_A), 'A');
    apply(&keymap, KEY_LEFTSHIFT, false);
    cr_assert_eq(type(&keymap, KEY_A), 'A');
    apply(&keymap, KEY_RIGHTSHIFT, false);
    cr_assert_eq(type(&keymap, KEY_A), 'a');
}

Test(keymap, leaves_the_text_alone_under_control_alt_and_meta)
{
    static const uint16_t modifiers[] = {KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT,
                                         KEY_RIGHTALT, KEY_LEFTMETA,  KEY_RIGHTMETA};

    for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++) {
        struct keymap keymap = {0};

        cr_assert_eq(apply(&keymap, modifiers[i], true).text, 0);
        cr_assert_eq(type(&keymap, KEY_C), 'c');
    }
}

Test(keymap, reports_a_second_press_as_a_repeat_that_types_again)
{
    struct keymap keymap = {0};
    struct key_event event;

    cr_assert_eq(apply(&keymap, KEY_X, true).value, KEY_PRESSED);
    for (unsigned i = 0; i < 3; i++) {
        event = apply(&keymap, KEY_X, true);
        cr_assert_eq(event.value, KEY_REPEATED);
        cr_assert_eq(event.text, 'x');
    }
    cr_assert(keymap_held(&keymap, KEY_X));
    cr_assert_eq(apply(&keymap, KEY_X, false).value, KEY_RELEASED);
    cr_assert_not(keymap_held(&keymap, KEY_X));
    cr_assert_eq(apply(&keymap, KEY_X, true).value, KEY_PRESSED);
}

Test(keymap, toggles_each_lock_on_its_press_only)
{
    static const struct {
        uint16_t code;
        uint8_t led; /* as the keyboard's command 0xed has it */
    } locks[] = {{KEY_SCROLLLOCK, 1}, {KEY_NUMLOCK, 2}, {KEY_CAPSLOCK, 4}};
    struct keymap keymap = {0};
    uint8_t leds = 0;

    cr_assert_eq(keymap_leds(&keymap), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
            leds ^= locks[i].led;
            for (unsigned repeat = 0; repeat < 4; repeat++) {
                apply(&keymap, locks[i].code, true);
                cr_assert_eq(keymap_leds(&keymap), leds);
            }
            apply(&keymap, locks[i].code, false);
            cr_assert_eq(keymap_leds(&keymap), leds);
        }
    }
    cr_assert_eq(leds, 0);
}

Test(keymap, swallows_and_counts_a_release_without_a_press)
{
    struct keymap keymap = {0};
    struct key_event event = {.code = 1234, .value = 56, .text = '7'};

    cr_assert_not(keymap_apply(&keymap, (struct key_change){.code = KEY_A, .pressed = false}, &event));
    type(&keymap, KEY_A);
    cr_assert_not(keymap_apply(&keymap, (struct key_change){.code = KEY_A, .pressed = false}, &event));
    cr_assert_eq(keymap.stray_releases, 2);
    cr_assert(event.code == 1234 && event.value == 56 && event.text == '7', "untouched");
}

Test(keymap, swallows_codes_that_no_key_can_have)
{
    static const uint16_t codes[] = {KEY_CNT, KEY_CNT + 1, UINT16_MAX};
    struct keymap keymap = {0};
    struct key_event event;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (unsigned pressed = 0; pressed < 2; pressed++)
            cr_assert_not(keymap_apply(&keymap, (struct key_change){.code = codes[i], .pressed = pressed}, &event));
        cr_assert_not(keymap_held(&keymap, codes[i]));
    }
    for (unsigned code = 0; code < KEY_CNT; code++)
        cr_assert_not(keymap_held(&keymap, (uint16_t)code));
    cr_assert_eq(keymap.stray_releases, 0);
}

Test(keymap, agrees_with_a_naive_model_over_random_keys)
{
    struct keymap keymap = {0};
    bool held[KEY_CNT] = {false};
    uint64_t seed = 104;
    uint32_t strays = 0;

    for (unsigned i = 0; i < 200000; i++) {
        uint64_t random = support_random(&seed);
        struct key_change change = {.code = (uint16_t)((random >> 8) % KEY_CNT), .pressed = random & 1};
        struct key_event event;
        bool reported = keymap_apply(&keymap, change, &event);

        cr_assert_eq(reported, change.pressed || held[change.code]);
        if (reported)
            cr_assert_eq(event.value, !change.pressed ? 0 : held[change.code] ? 2 : 1);
        else
            strays++;
        held[change.code] = change.pressed;
        cr_assert_eq(keymap_held(&keymap, change.code), change.pressed);
    }
    for (unsigned code = 0; code < KEY_CNT; code++)
        cr_assert_eq(keymap_held(&keymap, (uint16_t)code), held[code]);
    cr_assert_gt(strays, 0);
    cr_assert_eq(keymap.stray_releases, strays);
}

Test(keymap, turns_scan_codes_into_a_transcript)
{
    static const uint8_t bytes[] = {
        0x2a, 0x23, 0xa3, 0xaa, 0x17, 0x97,             /* Shift-h, i */
        0xe0, 0x4b, 0xe0, 0xcb,                         /* Left */
        0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5,             /* Pause */
        0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa, /* Print Screen */
        0xe0, 0x1c, 0xe0, 0x9c,                         /* keypad Enter */
    };
    struct scancode_decoder decoder = {0};
    struct keymap keymap = {0};
    char text[512] = "";
    size_t length = 0;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        struct key_change changes[2];
        size_t count = scancode_feed(&decoder, bytes[i], changes);

        for (size_t j = 0; j < count; j++) {
            struct key_event event;

            cr_assert(keymap_apply(&keymap, changes[j], &event));
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s=%d", key_name(event.code),
                                       event.value);
            if (event.text)
                length += (size_t)snprintf(text + length, sizeof(text) - length, "(%02x)", event.text);
            length += (size_t)snprintf(text + length, sizeof(text) - length, " ");
        }
    }
    cr_assert_str_eq(text, "KEY_LEFTSHIFT=1 KEY_H=1(48) KEY_H=0 KEY_LEFTSHIFT=0 KEY_I=1(69) KEY_I=0 "
                           "KEY_LEFT=1 KEY_LEFT=0 KEY_PAUSE=1 KEY_PAUSE=0 KEY_SYSRQ=1 KEY_SYSRQ=0 "
                           "KEY_KPENTER=1(0a) KEY_KPENTER=0 ");
}
