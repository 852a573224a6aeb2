/* The decoder against the C library's encoder on every character, and against a naive one on every kind of damage. */
#include "lib/utf8.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "text_model.h"

#define CHARACTERS 0x110000

/* Feeds a text to a decoder; what it says, in the model's form. */
static size_t decode(const uint8_t *bytes, size_t size, uint32_t *characters)
{
    struct utf8 utf8 = {0};
    size_t count = 0;
    unsigned broken;

    for (size_t i = 0; i < size; i++) {
        bool whole = utf8_push(&utf8, bytes[i], &broken);

        while (broken--)
            characters[count++] = TEXT_MODEL_BROKEN;
        if (whole)
            characters[count++] = utf8.character;
    }
    for (broken = utf8_end(&utf8); broken; broken--)
        characters[count++] = TEXT_MODEL_BROKEN;
    cr_assert_eq(utf8_end(&utf8), 0);
    return count;
}

static void assert_like_model(const uint8_t *bytes, size_t size)
{
    uint32_t ours[64], theirs[64];
    size_t count = decode(bytes, size, ours);

    if (count != text_model_decode(bytes, size, theirs) || memcmp(ours, theirs, count * sizeof(*ours)) != 0)
        cr_assert_fail("%02x %02x %02x %02x...: %zu characters", bytes[0], bytes[1], bytes[2], bytes[3], count);
}

Test(utf8, completes_every_character_with_its_last_byte)
{
    static uint32_t wanted[CHARACTERS];
    static uint8_t bytes[4 * CHARACTERS];
    struct utf8 utf8 = {0};
    size_t characters = 0, next = 0;
    char *in = (char *)wanted, *out = (char *)bytes;
    size_t in_left, out_left = sizeof(bytes);
    iconv_t converter = iconv_open("UTF-8", "UTF-32LE");

    for (uint32_t character = 0; character < CHARACTERS; character++)
        if (character < 0xd800 || character > 0xdfff)
            wanted[characters++] = character;
    in_left = characters * sizeof(*wanted);
    cr_assert(converter != (iconv_t)-1 && iconv(converter, &in, &in_left, &out, &out_left) == 0, "iconv");
    iconv_close(converter);
    for (const uint8_t *at = bytes; at < (uint8_t *)out; at++) {
        unsigned broken;
        bool whole = utf8_push(&utf8, *at, &broken);
        bool last = at + 1 == (uint8_t *)out || (at[1] & 0xc0) != 0x80;

        if (broken || whole != last || (whole && utf8.character != wanted[next]))
            cr_assert_fail("U+%04x: %u broken, whole: %d", wanted[next], broken, whole);
        next += whole;
    }
    cr_assert_eq(next, characters);
}

Test(utf8, breaks_every_byte_of_what_is_not_well_formed)
{
    static const char *const broken[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xf8\x88\x80\x80\x80",
    };
    uint32_t characters[8];

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        size_t size = strlen(broken[i]);

        cr_assert_eq(decode((const uint8_t *)broken[i], size, characters), size, "text %zu", i);
        for (size_t j = 0; j < size; j++)
            cr_assert_eq(characters[j], TEXT_MODEL_BROKEN, "text %zu", i);
    }
}

Test(utf8, takes_what_breaks_a_sequence_off)
{
    uint32_t characters[8];

    cr_assert_eq(decode((const uint8_t *)"\xf0\x9f\x98\n\xe2\x82\xc3\xb6", 8, characters), 7);
    cr_assert_eq(characters[2], TEXT_MODEL_BROKEN);
    cr_assert_eq(characters[3], '\n');
    cr_assert_eq(characters[4], TEXT_MODEL_BROKEN);
    cr_assert_eq(characters[5], TEXT_MODEL_BROKEN);
    cr_assert_eq(characters[6], 0xf6);
}

/* Every sequence of four bytes from both sides of every bound there is. */
Test(utf8, agrees_with_a_naive_decoder_at_every_bound)
{
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf,
                                    0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5};
    size_t sequences = 1;

    for (unsigned i = 0; i < 4; i++)
        sequences *= ARRAY_SIZE(edges);
    for (size_t sequence = 0; sequence < sequences; sequence++) {
        uint8_t bytes[4];
        size_t rest = sequence;

        for (unsigned i = 0; i < sizeof(bytes); i++, rest /= ARRAY_SIZE(edges))
            bytes[i] = edges[rest % ARRAY_SIZE(edges)];
        assert_like_model(bytes, sizeof(bytes));
    }
}

Test(utf8, agrees_with_a_naive_decoder_on_all_pairs_and_on_noise)
{
    uint8_t bytes[64];
    uint64_t seed = 437;

    for (unsigned pair = 0; pair < 0x10000; pair++) {
        bytes[0] = (uint8_t)pair;
        bytes[1] = (uint8_t)(pair >> 8);
        bytes[2] = 0x80;
        bytes[3] = 'A';
        assert_like_model(bytes, 4);
    }
    for (unsigned round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)(support_random(&seed) | (i & 1) << 7);
        assert_like_model(bytes, sizeof(bytes));
    }
}
