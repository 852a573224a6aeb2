/* The oracle of the tests of text: plain, slow, and with nothing of the code under test. */
#include "text_model.h"

#include <criterion/criterion.h>
#include <iconv.h>

/* What 0x01..0x1f and 0x7f show, which no character set of the C library knows. */
static const uint32_t pictures[] = {
    0x263a /* white smiling face */,
    0x263b /* black smiling face */,
    0x2665 /* heart */,
    0x2666 /* diamond */,
    0x2663 /* club */,
    0x2660 /* spade */,
    0x2022 /* bullet */,
    0x25d8 /* inverse bullet */,
    0x25cb /* circle */,
    0x25d9 /* inverse circle */,
    0x2642 /* male */,
    0x2640 /* female */,
    0x266a /* eighth note */,
    0x266b /* beamed eighth notes */,
    0x263c /* sun */,
    0x25ba /* right pointer */,
    0x25c4 /* left pointer */,
    0x2195 /* up down arrow */,
    0x203c /* double exclamation mark */,
    0x00b6 /* pilcrow */,
    0x00a7 /* section */,
    0x25ac /* black rectangle */,
    0x21a8 /* up down arrow with base */,
    0x2191 /* upwards arrow */,
    0x2193 /* downwards arrow */,
    0x2192 /* rightwards arrow */,
    0x2190 /* leftwards arrow */,
    0x221f /* right angle */,
    0x2194 /* left right arrow */,
    0x25b2 /* up triangle */,
    0x25bc /* down triangle */,
};

static const uint32_t house = 0x2302;

const uint32_t *text_model_page(void)
{
    static uint32_t page[TEXT_MODEL_GLYPHS];
    char codes[TEXT_MODEL_GLYPHS];
    char *in = codes, *out = (char *)page;
    size_t in_left = sizeof(codes), out_left = sizeof(page);
    iconv_t converter;

    if (page[0xff])
        return page;
    for (size_t i = 0; i < sizeof(codes); i++)
        codes[i] = (char)i;
    converter = iconv_open("UTF-32LE", "IBM437");
    cr_assert(converter != (iconv_t)-1 && iconv(converter, &in, &in_left, &out, &out_left) == 0, "iconv");
    iconv_close(converter);
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
        page[1 + i] = pictures[i];
    page[0x7f] = house;
    return page;
}

uint8_t text_model_glyph(uint32_t character)
{
    const uint32_t *page = text_model_page();

    for (unsigned glyph = 1; glyph < TEXT_MODEL_GLYPHS; glyph++)
        if (page[glyph] == character)
            return (uint8_t)glyph;
    return 0xfe;
}

static size_t encoded_length(uint32_t character)
{
    return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

size_t text_model_encode(uint32_t character, size_t least, uint8_t *bytes)
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = encoded_length(character) > least ? encoded_length(character) : least;

    for (size_t i = length; i-- > 0; character >>= 6)
        bytes[i] = (uint8_t)(i ? 0x80 | (character & 0x3f) : leads[length] | character);
    return length;
}

/* The length of the character at the beginning, 0 if there is none. */
static size_t decode_one(const uint8_t *bytes, size_t size, uint32_t *character)
{
    size_t length = bytes[0] < 0x80             ? 1
                    : (bytes[0] & 0xe0) == 0xc0 ? 2
                    : (bytes[0] & 0xf0) == 0xe0 ? 3
                    : (bytes[0] & 0xf8) == 0xf0 ? 4
                                                : 0;
    uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);

    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (encoded_length(value) != length || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *character = value;
    return length;
}

size_t text_model_decode(const uint8_t *bytes, size_t size, uint32_t *characters)
{
    size_t count = 0;

    for (size_t at = 0, length; at < size; at += length) {
        length = decode_one(bytes + at, size - at, &characters[count]);
        if (!length) {
            characters[count] = TEXT_MODEL_BROKEN;
            length = 1;
        }
        count++;
    }
    return count;
}
