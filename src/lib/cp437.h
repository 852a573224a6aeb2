/*
 * Code page 437, the characters that a PC's text screen has glyphs for.
 *
 * The glyphs of 0x20..0x7e are ASCII's. Those of 0x01..0x1f and 0x7f are pictures, which text reaches by what they show
 * (U+263A is 0x01), never by the control character of the same number; 0x00 is blank as 0x20 is, and no character's.
 * Facts: IBM Character Data Representation Architecture, code page 00437; The Unicode Consortium's
 * VENDORS/MICSFT/PC/CP437.TXT and VENDORS/MISC/IBMGRAPH.TXT.
 */
#ifndef DUET_LIB_CP437_H
#define DUET_LIB_CP437_H

#include "lib/base.h"

/* The glyph of a Unicode character, or `otherwise` if there is none. Each glyph has one character. Context: any. */
uint8_t cp437_glyph(uint32_t character, uint8_t otherwise);

#endif
