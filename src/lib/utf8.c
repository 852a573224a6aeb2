/* The second byte of some sequences has a narrower range; nothing else needs to be checked once a character is whole.
 */
#include "lib/utf8.h"

enum { CONTINUATION_FIRST = 0x80, CONTINUATION_LAST = 0xbf, CONTINUATION_BITS = 6 };

static void set(struct utf8 *utf8, uint8_t bits, uint8_t missing, uint8_t low, uint8_t high)
{
    *utf8 = (struct utf8){.character = bits, .seen = 1, .missing = missing, .low = low, .high = high};
}

/* Takes the first byte of a character. False if none begins with it. */
static bool begin(struct utf8 *utf8, uint8_t byte)
{
    if (byte < 0x80)
        set(utf8, byte, 0, 0, 0);
    else if (byte >= 0xc2 && byte <= 0xdf)
        set(utf8, byte & 0x1f, 1, CONTINUATION_FIRST, CONTINUATION_LAST);
    else if (byte >= 0xe0 && byte <= 0xef)
        set(utf8, byte & 0x0f, 2, byte == 0xe0 ? 0xa0 : CONTINUATION_FIRST, byte == 0xed ? 0x9f : CONTINUATION_LAST);
    else if (byte >= 0xf0 && byte <= 0xf4)
        set(utf8, byte & 0x07, 3, byte == 0xf0 ? 0x90 : CONTINUATION_FIRST, byte == 0xf4 ? 0x8f : CONTINUATION_LAST);
    else
        return false;
    return true;
}

bool utf8_push(struct utf8 *utf8, uint8_t byte, unsigned *broken)
{
    *broken = 0;
    if (utf8->missing && byte >= utf8->low && byte <= utf8->high) {
        utf8->character = utf8->character << CONTINUATION_BITS | (byte & ((1u << CONTINUATION_BITS) - 1));
        utf8->low = CONTINUATION_FIRST;
        utf8->high = CONTINUATION_LAST;
        utf8->seen++;
        return --utf8->missing == 0;
    }
    *broken = utf8_end(utf8);
    if (begin(utf8, byte))
        return utf8->missing == 0;
    ++*broken;
    return false;
}

unsigned utf8_end(struct utf8 *utf8)
{
    unsigned bytes = utf8->missing ? utf8->seen : 0;

    utf8->missing = 0;
    return bytes;
}
