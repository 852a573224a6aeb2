/*
 * Copies of messages: 8 bytes are two moves, 16 and 32 a few more in a call. Freestanding, memcpy() itself is always a
 * call, and a loop.
 */
#ifndef DUET_LIB_COPY_H
#define DUET_LIB_COPY_H

#include "lib/mem.h"

/* What is copied in a critical section; larger values are passed by their address. */
enum { COPY_BYTES_MAX = 256 };

/* Out of line, also so that the compiler does not weigh a size that a caller's value does not have. */
void copy_other(void *to, const void *from, size_t bytes);

static inline void copy_value(void *to, const void *from, size_t bytes)
{
    if (likely(bytes == 8))
        __builtin_memcpy(to, from, 8);
    else
        copy_other(to, from, bytes);
}

#endif
