/*
 * printf for a kernel: no floating point, no allocation, no locale.
 *
 * Conversions: %d %i %u %x %X %p %s %c %%. Lengths: hh h l ll z. Flags: '-' '0' '+'. Width and precision, each a number
 * or '*'; precision bounds the bytes read of %s and sets the minimum digits of integers. They behave as C17 7.21.6.1
 * says. Where C leaves the choice: %p prints "0x" and lower-case hexadecimal digits (NULL is 0x0), %s of NULL prints
 * "(null)", and an unknown conversion prints itself, from its '%' to the character not understood.
 */
#ifndef DUET_LIB_FORMAT_H
#define DUET_LIB_FORMAT_H

#include <stdarg.h>

#include "lib/base.h"

/* Writes at most size - 1 characters and a NUL (nothing if size is 0; buffer may then be NULL). Returns the length of
 * the whole text: it was cut if that is >= size. Context: any. */
size_t format_text(char *buffer, size_t size, const char *format, ...) printf_like(3, 4);
size_t format_text_va(char *buffer, size_t size, const char *format, va_list arguments) printf_like(3, 0);

/* Hands each character to put(context, c), in order, with no NUL at the end. Context: whatever put() allows. */
void format_sink_va(void (*put)(void *context, char c), void *context, const char *format, va_list arguments)
    printf_like(3, 0);

#endif
