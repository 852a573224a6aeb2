/*
 * Plain loops, with one trick: every access is volatile.
 *
 * A compiler that recognises the loop of memset replaces it by a call to memset, which then calls itself. Flags that
 * forbid it differ between compilers; an access that may not be moved or merged forbids it in all of them, and one
 * 8-byte access a step is as good as it gets without vector registers.
 */
#include "lib/mem.h"

/* A word anywhere in memory, whatever else that memory is declared as. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

#define WORD sizeof(word)

static void copy_forward(unsigned char *to, const unsigned char *from, size_t size)
{
    size_t i = 0;

    for (; size - i >= WORD; i += WORD)
        *(volatile word *)(to + i) = *(const volatile word *)(from + i);
    for (; i < size; i++)
        *(volatile unsigned char *)(to + i) = from[i];
}

static void copy_backward(unsigned char *to, const unsigned char *from, size_t size)
{
    for (; size >= WORD; size -= WORD)
        *(volatile word *)(to + size - WORD) = *(const volatile word *)(from + size - WORD);
    for (; size; size--)
        *(volatile unsigned char *)(to + size - 1) = from[size - 1];
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    copy_forward(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    /* Below `from` the difference wraps to a huge number: only a `to` inside the source needs the other direction. */
    if ((uintptr_t)to - (uintptr_t)from >= size)
        copy_forward(to, from, size);
    else
        copy_backward(to, from, size);
    return to;
}

void *memset(void *to, int value, size_t size)
{
    unsigned char *bytes = to;
    uint64_t pattern = (unsigned char)value * UINT64_C(0x0101010101010101);
    size_t i = 0;

    for (; size - i >= WORD; i += WORD)
        *(volatile word *)(bytes + i) = pattern;
    for (; i < size; i++)
        *(volatile unsigned char *)(bytes + i) = (unsigned char)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const volatile unsigned char *a = left;
    const volatile unsigned char *b = right;

    for (size_t i = 0; i < size; i++) {
        int difference = a[i] - b[i];

        if (difference)
            return difference;
    }
    return 0;
}

size_t string_length(const char *text)
{
    const volatile char *end = text; /* volatile: gcc knows strlen's loop too */

    while (*end)
        end++;
    return (size_t)(end - text);
}

bool string_equal(const char *left, const char *right)
{
    while (*left && *left == *right) {
        left++;
        right++;
    }
    return *left == *right;
}

bool string_starts(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix) {
        text++;
        prefix++;
    }
    return !*prefix;
}
