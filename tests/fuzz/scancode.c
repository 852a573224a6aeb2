/*
 * Scan codes to key events: the decoder against a reader that sees all bytes at once, the keymap against a list of the
 * keys held, and both ways through the keymap against each other. After any garbage every key can be released.
 */
#include "lib/scancode.h"

#include "fuzz.h"
#include "lib/keymap.h"

enum { BYTES_MAX = 1024, CHANGES_MAX = 2 * BYTES_MAX };

/* ---- the decoder's reference ---- */

static struct {
    struct key_change changes[CHANGES_MAX];
    size_t count;
    uint32_t unknown, broken, overruns;
} wanted;

static void want(unsigned code, bool pressed)
{
    if (scancode_codes[code] == KEY_RESERVED)
        wanted.unknown++;
    else
        wanted.changes[wanted.count++] = (struct key_change){scancode_codes[code], pressed};
}

static bool begins_nothing(uint8_t byte)
{
    return byte == 0x00 || byte == 0xff || byte == 0xe0 || byte == 0xe1;
}

/* How many bytes of Pause's six are at the beginning. */
static size_t pause_bytes(const uint8_t *bytes, size_t size)
{
    static const uint8_t pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
    size_t i = 0;

    while (i < sizeof(pause) && i < size && bytes[i] == pause[i])
        i++;
    return i;
}

/* Takes one sequence, whole or broken off, and returns its length; 0 if it may go on. */
static size_t read_one(const uint8_t *bytes, size_t size)
{
    size_t length;

    switch (bytes[0]) {
    case 0x00:
    case 0xff:
        wanted.overruns++;
        return 1;
    case 0xe0:
        if (size == 1)
            return 0;
        if (begins_nothing(bytes[1])) {
            wanted.broken++;
            return 1;
        }
        if ((bytes[1] & 0x7f) != 0x2a && (bytes[1] & 0x7f) != 0x36)
            want(0x80u | bytes[1], !(bytes[1] & 0x80));
        return 2;
    case 0xe1:
        length = pause_bytes(bytes, size);
        if (length == 6) {
            wanted.changes[wanted.count++] = (struct key_change){KEY_PAUSE, true};
            wanted.changes[wanted.count++] = (struct key_change){KEY_PAUSE, false};
        } else if (length == size) {
            return 0;
        } else {
            wanted.broken++;
        }
        return length;
    default:
        want(bytes[0] & 0x7fu, !(bytes[0] & 0x80));
        return 1;
    }
}

static void read_all(const uint8_t *bytes, size_t size)
{
    memset(&wanted, 0, sizeof(wanted));
    while (size) {
        size_t length = read_one(bytes, size);

        if (length == 0)
            return;
        bytes += length;
        size -= length;
    }
}

/* ---- the keymap's reference ---- */

static struct {
    uint16_t held[KEY_CNT];
    size_t count;
    bool caps, num, scroll;
    uint32_t stray;
} keys;

static bool holds(uint16_t code)
{
    for (size_t i = 0; i < keys.count; i++)
        if (keys.held[i] == code)
            return true;
    return false;
}

static void let_go(uint16_t code)
{
    size_t kept = 0;

    for (size_t i = 0; i < keys.count; i++)
        if (keys.held[i] != code)
            keys.held[kept++] = keys.held[i];
    keys.count = kept;
}

/* What a US keyboard types, as rows of a real one. */
static char typed(uint16_t code)
{
    static const struct {
        uint16_t first;
        const char *plain, *shifted;
    } rows[] = {
        {KEY_1, "1234567890-=", "!@#$%^&*()_+"},
        {KEY_Q, "qwertyuiop[]\n", "QWERTYUIOP{}\n"},
        {KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
        {KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
        {KEY_102ND, "<", ">"},
        {KEY_TAB, "\t", "\t"},
        {KEY_SPACE, " ", " "},
        {KEY_KPASTERISK, "*", "*"},
        {KEY_KPMINUS, "-", "-"},
        {KEY_KPPLUS, "+", "+"},
        {KEY_KPENTER, "\n", "\n"},
        {KEY_KPSLASH, "/", "/"},
        {KEY_KPEQUAL, "=", "="},
        {KEY_KPCOMMA, ",", ","},
    };
    static const struct {
        uint16_t first;
        const char *text;
    } pad[] = {{KEY_KP7, "789"}, {KEY_KP4, "456"}, {KEY_KP1, "1230."}};
    bool shift = holds(KEY_LEFTSHIFT) || holds(KEY_RIGHTSHIFT);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t at = code - (size_t)rows[i].first;
        bool letter;

        if (code < rows[i].first || at >= strlen(rows[i].plain))
            continue;
        letter = rows[i].plain[at] >= 'a' && rows[i].plain[at] <= 'z';
        return (letter ? shift != keys.caps : shift) ? rows[i].shifted[at] : rows[i].plain[at];
    }
    for (size_t i = 0; i < ARRAY_SIZE(pad); i++)
        if (code >= pad[i].first && code - (size_t)pad[i].first < strlen(pad[i].text))
            return keys.num ? pad[i].text[code - pad[i].first] : '\0';
    return '\0';
}

/* Whether the change is an event. */
static bool apply(struct key_change change, struct key_event *event)
{
    bool held = holds(change.code);

    if (!change.pressed && !held) {
        keys.stray++;
        return false;
    }
    *event = (struct key_event){change.code, (uint8_t)(change.pressed ? 1 + held : 0), 0};
    if (!change.pressed) {
        let_go(change.code);
        return true;
    }
    if (!held)
        keys.held[keys.count++] = change.code;
    keys.caps ^= !held && change.code == KEY_CAPSLOCK;
    keys.num ^= !held && change.code == KEY_NUMLOCK;
    keys.scroll ^= !held && change.code == KEY_SCROLLLOCK;
    event->text = typed(change.code);
    return true;
}

/* ---- under test ---- */

static struct scancode_decoder decoder;
static struct keymap keymap;

static void take(struct key_change change)
{
    struct key_event wanted_event, event = {0xffff, 0xff, 'x'}, quick = event;
    struct keymap copy = keymap;
    bool is_event = apply(change, &wanted_event), was_quick = keymap_type(&copy, change, &quick);

    CHECK(key_name(change.code) != NULL);
    CHECK(keymap_apply(&keymap, change, &event) == is_event);
    CHECK(keymap_held(&keymap, change.code) == holds(change.code));
    CHECK(keymap.stray_releases == keys.stray);
    CHECK(keymap_leds(&keymap) == (keys.scroll | keys.num << 1 | keys.caps << 2));
    if (!is_event) {
        CHECK(!was_quick && event.code == 0xffff);
        return;
    }
    CHECK(event.code == change.code && event.value == wanted_event.value && event.text == wanted_event.text);
    if (was_quick)
        CHECK(memcmp(&quick, &event, sizeof(event)) == 0 && memcmp(&copy, &keymap, sizeof(copy)) == 0);
}

static size_t feed_all(const uint8_t *bytes, size_t size)
{
    size_t seen = 0;

    for (size_t i = 0; i < size; i++) {
        struct key_change changes[2];
        struct key_change whole = scancode_whole(bytes[i]);
        bool between = decoder.state == 0;
        size_t count = scancode_feed(&decoder, bytes[i], changes);

        CHECK(count <= 2 && seen + count <= wanted.count);
        if (between && whole.code != KEY_RESERVED)
            CHECK(count == 1 && changes[0].code == whole.code && changes[0].pressed == whole.pressed);
        for (size_t c = 0; c < count; c++, seen++) {
            CHECK(changes[c].code == wanted.changes[seen].code && changes[c].pressed == wanted.changes[seen].pressed);
            take(changes[c]);
        }
    }
    return seen;
}

/* Whatever came: after one byte that ends any sequence, each key's release is a release, and then none is held. */
static void release_all(void)
{
    struct key_change changes[2];
    struct key_event event;

    for (unsigned i = 0; i < 2; i++)
        (void)scancode_feed(&decoder, 0x7f, changes); /* no key's */
    CHECK(decoder.state == 0);
    for (unsigned code = 1; code < 256; code++) {
        if (scancode_codes[code] == KEY_RESERVED)
            continue;
        if (code & 0x80)
            CHECK(scancode_feed(&decoder, 0xe0, changes) == 0);
        CHECK(scancode_feed(&decoder, (uint8_t)(code | 0x80), changes) == 1 && !changes[0].pressed);
        if (keymap_apply(&keymap, changes[0], &event))
            CHECK(event.code == scancode_codes[code] && event.value == KEY_RELEASED && event.text == 0);
    }
    for (unsigned code = 0; code < KEY_CNT; code++)
        CHECK(!keymap_held(&keymap, (uint16_t)code));
    CHECK(!(keymap.state & KEYMAP_SHIFT));
}

void fuzz_one(void)
{
    size_t size;
    const uint8_t *bytes = fuzz_rest(&size);

    size = size < BYTES_MAX ? size : BYTES_MAX;
    memset(&keys, 0, sizeof(keys));
    decoder = (struct scancode_decoder){.state = 0};
    keymap = (struct keymap){.state = 0};
    read_all(bytes, size);
    CHECK(feed_all(bytes, size) == wanted.count);
    CHECK(decoder.unknown == wanted.unknown && decoder.overruns == wanted.overruns && decoder.broken == wanted.broken);
    release_all();
}
