/* Every first byte against every value of each other byte, and what lost and extra bytes cost. */
#include "lib/mouse_packet.h"

#include <linux/input-event-codes.h>
#include <string.h>

#include "support.h"

static const uint8_t ids[] = {MOUSE_ID_STANDARD, MOUSE_ID_WHEEL, MOUSE_ID_EXPLORER};
static const uint8_t extremes[] = {0x00, 0x01, 0x07, 0x08, 0x7f, 0x80, 0x81, 0xff};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct mouse_decoder fresh(uint8_t id)
{
    struct mouse_decoder decoder;

    memset(&decoder, 0xff, sizeof(decoder));
    mouse_decoder_init(&decoder, id);
    cr_assert_eq(decoder.size, id == MOUSE_ID_STANDARD ? 3 : 4);
    return decoder;
}

/* Feeds one whole packet to a decoder that is between two; true if it was delivered. */
static bool feed(struct mouse_decoder *decoder, const uint8_t bytes[4], struct mouse_packet *packet)
{
    for (unsigned i = 0; i + 1 < decoder->size; i++)
        cr_assert_not(mouse_feed(decoder, bytes[i], packet), "delivered before its last byte");
    return mouse_feed(decoder, bytes[decoder->size - 1], packet);
}

/* The format once more, by arithmetic instead of bits. */
static int expected_axis(uint8_t low, unsigned negative, unsigned overflowed)
{
    return overflowed ? 0 : (int)low - (negative ? 256 : 0);
}

static void expect_packet(uint8_t id, const uint8_t bytes[4])
{
    struct mouse_decoder decoder = fresh(id);
    struct mouse_packet packet;
    unsigned first = bytes[0], overflows = first / 128 + first / 64 % 2;
    int wheel = id == MOUSE_ID_WHEEL ? (bytes[3] < 128 ? -bytes[3] : 256 - bytes[3])
                                     : (bytes[3] % 16 < 8 ? -(bytes[3] % 16) : 16 - bytes[3] % 16);
    unsigned extra = bytes[3] / 16 % 4;

    if (id == MOUSE_ID_STANDARD)
        wheel = 0;
    if (bytes[0] == 0xaa && bytes[1] == 0x00)
        return; /* an announcement; has its own test */
    cr_assert(feed(&decoder, bytes, &packet));
    cr_assert_eq(packet.dx, expected_axis(bytes[1], first / 16 % 2, first / 64 % 2));
    cr_assert_eq(packet.dy, -expected_axis(bytes[2], first / 32 % 2, first / 128));
    cr_assert_eq(packet.wheel, wheel > 127 ? 127 : wheel);
    cr_assert_eq(packet.buttons, first % 8 + (id == MOUSE_ID_EXPLORER ? extra * 8 : 0));
    cr_assert_eq(packet.changed, packet.buttons, "nothing was pressed before");
    cr_assert_eq(decoder.overflows, overflows);
    cr_assert_eq(decoder.discarded + decoder.hotplugs, 0);
}

Test(mouse_packet, decodes_every_first_byte_with_every_motion)
{
    for (unsigned word = 0; word < 0x10000; word++) {
        if (!(word >> 8 & 8))
            continue;
        for (size_t i = 0; i < COUNT(extremes); i++) {
            for (unsigned id = 0; id < COUNT(ids); id++) {
                expect_packet(ids[id], (uint8_t[4]){word >> 8, word & 0xff, extremes[i], extremes[i] & 0x3f});
                expect_packet(ids[id], (uint8_t[4]){word >> 8, extremes[i], word & 0xff, extremes[i] & 0x3f});
            }
        }
    }
}

Test(mouse_packet, decodes_every_wheel_byte)
{
    for (unsigned word = 0; word < 0x10000; word++) {
        if (!(word >> 8 & 8))
            continue;
        expect_packet(MOUSE_ID_WHEEL, (uint8_t[4]){word >> 8, 1, 2, word & 0xff});
        expect_packet(MOUSE_ID_EXPLORER, (uint8_t[4]){word >> 8, 1, 2, word & 0x3f});
    }
}

Test(mouse_packet, counts_the_wheel_away_from_the_user_as_positive)
{
    struct mouse_decoder decoder = fresh(MOUSE_ID_EXPLORER);
    struct mouse_packet packet;

    cr_assert(feed(&decoder, (const uint8_t[4]){0x08, 0, 0, 0x0f}, &packet));
    cr_assert_eq(packet.wheel, 1);
    cr_assert(feed(&decoder, (const uint8_t[4]){0x08, 0, 0, 0x01}, &packet));
    cr_assert_eq(packet.wheel, -1);
    cr_assert(feed(&decoder, (const uint8_t[4]){0x08, 0, 0, 0x08}, &packet));
    cr_assert_eq(packet.wheel, 8);
}

Test(mouse_packet, moves_down_the_screen_when_the_mouse_comes_closer)
{
    struct mouse_decoder decoder = fresh(MOUSE_ID_STANDARD);
    struct mouse_packet packet;

    cr_assert(feed(&decoder, (const uint8_t[4]){0x28, 5, 0xf9}, &packet));
    cr_assert_eq(packet.dx, 5);
    cr_assert_eq(packet.dy, 7);
    cr_assert(feed(&decoder, (const uint8_t[4]){0x18, 0xfb, 7}, &packet));
    cr_assert_eq(packet.dx, -5);
    cr_assert_eq(packet.dy, -7);
    cr_assert(feed(&decoder, (const uint8_t[4]){0x38, 0, 0}, &packet));
    cr_assert_eq(packet.dx, -256);
    cr_assert_eq(packet.dy, 256);
}

Test(mouse_packet, reports_which_buttons_changed)
{
    static const uint8_t pressed[] = {0x00, 0x01, 0x03, 0x13, 0x32, 0x20, 0x04, 0x00};
    struct mouse_decoder decoder = fresh(MOUSE_ID_EXPLORER);
    uint8_t before = 0;

    for (size_t i = 0; i < COUNT(pressed); i++) {
        uint8_t buttons = (uint8_t)((pressed[i] & 7) | (pressed[i] & 0x30) >> 1);
        struct mouse_packet packet;

        cr_assert(feed(&decoder, (const uint8_t[4]){0x08 | (pressed[i] & 7), 0, 0, pressed[i] & 0x30}, &packet));
        cr_assert_eq(packet.buttons, buttons);
        cr_assert_eq(packet.changed, buttons ^ before);
        before = buttons;
    }
}

Test(mouse_packet, honours_the_buttons_of_an_overflowed_packet)
{
    struct mouse_decoder decoder = fresh(MOUSE_ID_STANDARD);
    struct mouse_packet packet;

    cr_assert(feed(&decoder, (const uint8_t[4]){0x49, 200, 3}, &packet));
    cr_assert(packet.dx == 0 && packet.dy == -3 && packet.buttons == 1);
    cr_assert(feed(&decoder, (const uint8_t[4]){0x88, 4, 200}, &packet));
    cr_assert(packet.dx == 4 && packet.dy == 0 && packet.buttons == 0 && packet.changed == 1);
    cr_assert_eq(decoder.overflows, 2);
}

Test(mouse_packet, discards_bytes_that_no_packet_begins_with)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        struct mouse_decoder decoder = fresh(MOUSE_ID_STANDARD);
        struct mouse_packet packet = {.dx = 1234};

        cr_assert_not(mouse_feed(&decoder, (uint8_t)byte, &packet));
        cr_assert_eq(decoder.discarded, !(byte & 8));
        cr_assert_eq(packet.dx, 1234, "untouched");
    }
}

Test(mouse_packet, rejects_an_explorer_packet_whose_last_byte_is_impossible)
{
    for (unsigned last = 0; last < 256; last++) {
        struct mouse_decoder decoder = fresh(MOUSE_ID_EXPLORER);
        struct mouse_packet packet;

        cr_assert_eq(feed(&decoder, (const uint8_t[4]){0x08, 1, 2, (uint8_t)last}, &packet), last < 0x40);
        if (last >= 0x40) /* only the last byte itself can begin the next one */
            cr_assert_eq(decoder.discarded, last & 8 ? 3 : 4);
    }
}

Test(mouse_packet, finds_the_packet_inside_a_rejected_one)
{
    struct mouse_decoder decoder = fresh(MOUSE_ID_EXPLORER);
    struct mouse_packet packet;

    cr_assert_not(mouse_feed(&decoder, 0x0f, &packet)); /* left over from a packet whose beginning was lost */
    cr_assert(feed(&decoder, (const uint8_t[4]){0x09, 0x03, 0xf0, 0x00}, &packet));
    cr_assert_eq(packet.dx, 3);
    cr_assert_eq(packet.dy, -0xf0);
    cr_assert_eq(packet.buttons, 1);
    cr_assert_eq(decoder.discarded, 1);
}

Test(mouse_packet, takes_aa_00_for_a_mouse_that_was_plugged_in)
{
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct mouse_decoder decoder = fresh(ids[i]);
        struct mouse_packet packet;

        for (unsigned n = 1; n <= 3; n++) {
            cr_assert(feed(&decoder, (const uint8_t[4]){0x08, 0xaa, 0x00, 0x00}, &packet));
            cr_assert_not(mouse_feed(&decoder, 0xaa, &packet));
            cr_assert_not(mouse_feed(&decoder, 0x00, &packet));
            cr_assert_eq(decoder.hotplugs, n);
            cr_assert_eq(decoder.count, 0);
        }
        cr_assert_eq(decoder.discarded, 0);
        cr_assert(feed(&decoder, (const uint8_t[4]){0xaa, 0x01, 0x00, 0x00}, &packet),
                  "a packet that only resembles it");
        cr_assert_eq(packet.dx, 1);
        cr_assert_eq(decoder.hotplugs, 3);
    }
}

/* A packet whose motion bytes cannot be mistaken for a first byte. */
static void quiet_packet(uint64_t *seed, uint8_t id, uint8_t bytes[4])
{
    uint64_t random = support_random(seed);

    bytes[0] = (uint8_t)(0x08 | (random & 0x37));
    bytes[1] = (uint8_t)(random >> 8 & 0xf7);
    bytes[2] = (uint8_t)(random >> 16 & 0xf7);
    bytes[3] = (uint8_t)(random >> 24 & (id == MOUSE_ID_WHEEL ? 0xf7 : 0x37));
}

static bool same(const struct mouse_packet *a, const struct mouse_packet *b)
{
    return a->dx == b->dx && a->dy == b->dy && a->wheel == b->wheel && a->buttons == b->buttons;
}

/* After any damage at most one wrong packet, and the second undamaged one always arrives. */
static void expect_resync(struct mouse_decoder *decoder, uint8_t id, uint64_t *seed)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct mouse_decoder reference = fresh(id);
        struct mouse_packet packet, expected;
        uint8_t bytes[4];
        bool right = false;

        quiet_packet(seed, id, bytes);
        cr_assert(feed(&reference, bytes, &expected));
        for (unsigned j = 0; j < decoder->size; j++) {
            if (!mouse_feed(decoder, bytes[j], &packet))
                continue;
            if (j + 1 == decoder->size && same(&packet, &expected))
                right = true;
            else
                wrong++;
        }
        cr_assert(right || i == 0, "not in step after %u packets", i + 1);
    }
    cr_assert_leq(wrong, 1);
}

Test(mouse_packet, is_back_in_step_after_one_packet_whatever_was_lost_or_inserted)
{
    uint64_t seed = 33;

    for (unsigned round = 0; round < 60000; round++) {
        uint8_t id = ids[round % COUNT(ids)];
        struct mouse_decoder decoder = fresh(id);
        struct mouse_packet packet;
        unsigned garbage = (unsigned)(support_random(&seed) % 12);

        while (garbage--) {
            if (mouse_feed(&decoder, (uint8_t)(support_random(&seed) >> 40), &packet))
                cr_assert_eq(decoder.count, 0);
        }
        expect_resync(&decoder, id, &seed);
    }
}

Test(mouse_packet, is_back_in_step_after_each_single_lost_byte)
{
    uint64_t seed = 7;

    for (size_t i = 0; i < COUNT(ids); i++) {
        for (unsigned lost = 0; lost < 4; lost++) {
            for (unsigned round = 0; round < 2000; round++) {
                struct mouse_decoder decoder = fresh(ids[i]);
                struct mouse_packet packet;
                uint8_t bytes[4];

                quiet_packet(&seed, ids[i], bytes);
                for (unsigned j = 0; j < decoder.size; j++) {
                    if (j != lost)
                        (void)!mouse_feed(&decoder, bytes[j], &packet);
                }
                expect_resync(&decoder, ids[i], &seed);
            }
        }
    }
}

/* Half of the packets press no button and overflow nothing, else hardly any would be motion alone. */
static uint8_t likely_byte(uint64_t *seed)
{
    uint64_t random = support_random(seed);
    uint8_t byte = (uint8_t)(random >> 32);

    if (random & 1)
        return byte;
    return random & 2 ? (byte & 0x30) | 0x08 : byte & 0x0f;
}

Test(mouse_packet, takes_motion_alone_by_the_short_way_as_by_the_long_one_and_leaves_it_all_else)
{
    uint64_t seed = 31;

    for (size_t i = 0; i < COUNT(ids); i++) {
        struct mouse_decoder decoder = fresh(ids[i]), reference = decoder;
        unsigned motions = 0, others = 0;

        for (unsigned round = 0; round < 200000; round++) {
            struct mouse_packet packet = {0}, expected = {0};
            struct mouse_decoder before = decoder;
            uint8_t byte = likely_byte(&seed);
            bool taken = mouse_motion(&decoder, byte, &packet);
            bool complete = mouse_feed(&reference, byte, &expected);
            bool overflowed = reference.overflows != decoder.overflows;
            bool moved = expected.dx || expected.dy || expected.wheel;

            cr_assert_eq(taken, complete && moved && !expected.changed && !overflowed);
            if (!taken) {
                cr_assert_arr_eq(&decoder, &before, sizeof(decoder));
                cr_assert_eq(mouse_feed(&decoder, byte, &packet), complete);
            }
            cr_assert(packet.dx == expected.dx && packet.dy == expected.dy && packet.wheel == expected.wheel);
            cr_assert(packet.buttons == expected.buttons && packet.changed == expected.changed);
            cr_assert(decoder.count == reference.count && decoder.buttons == reference.buttons);
            motions += taken;
            others += complete && !taken;
        }
        cr_assert(motions > 1000 && others > 1000, "%u motions, %u others", motions, others);
    }
}

Test(mouse_packet, finds_its_step_in_unrestrained_motion_too)
{
    uint64_t seed = 99;

    for (unsigned round = 0; round < 3000; round++) {
        uint8_t id = ids[round % COUNT(ids)];
        struct mouse_decoder decoder = fresh(id), reference = fresh(id);
        unsigned in_step = 0, packets = 0;

        (void)!mouse_feed(&decoder, 0x0f, &(struct mouse_packet){0}); /* one byte too many */
        for (; in_step < 20; packets++) {
            uint64_t random = support_random(&seed);
            uint8_t bytes[4] = {(uint8_t)(0x08 | (random & 0x37)), (uint8_t)(random >> 8), (uint8_t)(random >> 16),
                                (uint8_t)(random >> 24 & 0x3f)};
            struct mouse_packet packet, expected;
            bool delivered = false;

            cr_assert(feed(&reference, bytes, &expected));
            for (unsigned j = 0; j < decoder.size; j++)
                delivered = mouse_feed(&decoder, bytes[j], &packet);
            in_step = delivered && same(&packet, &expected) ? in_step + 1 : 0;
            cr_assert_lt(packets, 100, "never in step again");
        }
    }
}

Test(mouse_packet, takes_an_unknown_mouse_for_a_standard_one)
{
    struct mouse_decoder decoder;

    mouse_decoder_init(&decoder, 0x42);
    cr_assert_eq(decoder.size, 3);
}

Test(mouse_packet, names_the_buttons_as_linux_does)
{
    static const uint16_t codes[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA};

    cr_assert_eq(BTN_LEFT, 272);
    for (unsigned bit = 0; bit < COUNT(codes); bit++)
        cr_assert_eq(mouse_button_code(bit), codes[bit]);
}

Test(mouse_packet, panics_at_a_button_that_no_mouse_has, .exit_code = PANIC_EXIT)
{
    mouse_button_code(5);
}
