/* The table against the C library's, and every other character against the block. */
#include "lib/cp437.h"

#include "support.h"
#include "text_model.h"

Test(cp437, has_every_glyph_of_the_page_but_the_first)
{
    const uint32_t *page = text_model_page();

    for (unsigned glyph = 1; glyph < TEXT_MODEL_GLYPHS; glyph++)
        cr_assert_eq(cp437_glyph(page[glyph], 0), glyph, "U+%04x: 0x%02x, not 0x%02x", page[glyph],
                     cp437_glyph(page[glyph], 0), glyph);
}

Test(cp437, has_one_character_a_glyph_and_no_other)
{
    unsigned found[TEXT_MODEL_GLYPHS] = {0};
    unsigned sum = 0;

    for (uint32_t character = 0; character <= 0x120000; character++) {
        uint8_t glyph = cp437_glyph(character, 0);

        found[glyph]++;
        sum += glyph != 0;
        if (!glyph && cp437_glyph(character, 0xfe) != 0xfe)
            cr_assert_fail("U+%04x", character);
    }
    cr_assert_eq(sum, 255);
    for (unsigned glyph = 1; glyph < TEXT_MODEL_GLYPHS; glyph++)
        cr_assert_eq(found[glyph], 1, "glyph 0x%02x: %u", glyph, found[glyph]);
    cr_assert_eq(cp437_glyph(UINT32_MAX, 0xfe), 0xfe);
}

Test(cp437, has_no_glyph_for_a_control_character)
{
    for (uint32_t character = 0; character < 0x20; character++) {
        cr_assert_eq(cp437_glyph(character, 0xfe), 0xfe);
        cr_assert_eq(cp437_glyph(0x80 + character, 0xfe), 0xfe);
    }
    cr_assert_eq(cp437_glyph(0x7f, 0xfe), 0xfe);
}
