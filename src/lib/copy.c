/* See copy.h. */
#include "lib/copy.h"

__attribute__((noinline)) void copy_other(void *to, const void *from, size_t bytes)
{
    if (bytes == 16)
        __builtin_memcpy(to, from, 16);
    else if (bytes == 32)
        __builtin_memcpy(to, from, 32);
    else
        memcpy(to, from, bytes);
}
