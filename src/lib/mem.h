/*
 * The memory functions a freestanding compiler may call on its own, and the few string functions the kernel needs.
 *
 * The mem* functions behave as C17 7.24 says, zero sizes included. Copies move 8 bytes at a time whatever the
 * alignment: no vector register is touched, so an interrupt handler may use them. Strings are never copied here:
 * "lib/format.h" does that with a bound.
 */
#ifndef DUET_LIB_MEM_H
#define DUET_LIB_MEM_H

#include "lib/base.h"

/* Context: any. The two areas do not overlap. Returns `to`. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);

/* Context: any. The two areas may overlap. Returns `to`. */
void *memmove(void *to, const void *from, size_t size);

/* Context: any. `value` is converted to unsigned char. Returns `to`. */
void *memset(void *to, int value, size_t size);

/* Compares as unsigned char: negative, 0 or positive. Context: any. */
int memcmp(const void *left, const void *right, size_t size);

/* Bytes before the terminating NUL. Context: any. */
size_t string_length(const char *text);

/* Context: any. */
bool string_equal(const char *left, const char *right);

/* True if `text` begins with `prefix`; every text begins with "". Context: any. */
bool string_starts(const char *text, const char *prefix);

#endif
