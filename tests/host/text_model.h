/*
 * What text should look like in code page 437: decoded naively, all of it at once, with the C library's tables.
 */
#ifndef DUET_TESTS_TEXT_MODEL_H
#define DUET_TESTS_TEXT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_MODEL_GLYPHS 256
#define TEXT_MODEL_BROKEN UINT32_MAX

/* The characters of the code page's glyphs; [0] is 0. */
const uint32_t *text_model_page(void);

/* The glyph that shows a character, 0xfe if it has none. */
uint8_t text_model_glyph(uint32_t character);

/* Writes a character as UTF-8 and returns its length; `bytes` has room for four. Overlong if `least` is more than it
 * needs; what is no character is encoded all the same. */
size_t text_model_encode(uint32_t character, size_t least, uint8_t *bytes);

/* Reads the characters of a text, TEXT_MODEL_BROKEN for each byte in none. Returns how many; there is room for `size`.
 */
size_t text_model_decode(const uint8_t *bytes, size_t size, uint32_t *characters);

#endif
