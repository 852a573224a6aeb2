/*
 * UTF-8, a byte at a time, as it comes over a console.
 *
 * Only what is well formed is a character: of overlong forms, surrogates, what is beyond U+10FFFF, sequences that
 * another byte breaks off, and bytes that begin nothing, each byte is broken by itself. So no byte is ever lost, and
 * none is taken twice. Facts: The Unicode Standard, 3.9, table 3-7.
 */
#ifndef DUET_LIB_UTF8_H
#define DUET_LIB_UTF8_H

#include "lib/base.h"

/* All zero is the state between two characters. */
struct utf8 {
    uint32_t character; /* what utf8_push() completed last; until then its bits so far */
    uint8_t seen;       /* bytes of the sequence */
    uint8_t missing;    /* bytes it still needs */
    uint8_t low, high;  /* what the next of them may be */
};

/* Takes a byte. Returns true if it completed utf8->character, a control character included. *broken becomes the number
 * of bytes, this one and up to three before it, that now are in no character; they come before it. Context: any. */
bool utf8_push(struct utf8 *utf8, uint8_t byte, unsigned *broken);

/* Breaks off a sequence that is under way: nothing more will come. Returns the number of its bytes. Context: any. */
unsigned utf8_end(struct utf8 *utf8);

#endif
