/*
 * A kernel built with SAN=ubsan, which alone has this suite, panics at each kind of what C leaves undefined. The line
 * that the panic must name carries the comment `undefined`. What a test works on is volatile, or the compilers would
 * see through it.
 */
#include <limits.h>

#include "kernel/suite.h"

static volatile int one = 1, minus_one = -1, nothing = 0, most = INT_MAX, least = INT_MIN;
static volatile unsigned bits = 32;
static volatile int result;

TEST_PANICS(add, "ubsan.add", "2147483647 + 1 overflows 'int'")
{
    result = most + one; /* undefined */
}

TEST_PANICS(sub, "ubsan.sub", "-2147483648 - 1 overflows 'int'")
{
    result = least - one; /* undefined */
}

TEST_PANICS(mul, "ubsan.mul", "2147483647 * -2147483648 overflows 'int'")
{
    result = most * least; /* undefined */
}

static volatile __int128_t wide = ((__int128_t)1 << 126) + 1;

TEST_PANICS(mul_wide, "ubsan.mul_wide",
            "0x40000000000000000000000000000001 * 0x40000000000000000000000000000001 overflows")
{
    wide = wide * wide; /* undefined */
}

static volatile long long_least = LONG_MIN;

TEST_PANICS(negate, "ubsan.negate", "-(-9223372036854775808) overflows 'long")
{
    long_least = -long_least; /* undefined */
}

TEST_PANICS(divide_overflow, "ubsan.divide_overflow", "-2147483648 / -1 overflows 'int'")
{
    result = least / minus_one; /* undefined */
}

TEST_PANICS(divide_by_zero, "ubsan.divide_by_zero", "2147483647 / 0 in 'int'")
{
    result = most / nothing; /* undefined */
}

TEST_PANICS(remainder_by_zero, "ubsan.remainder_by_zero", "2147483647 / 0 in 'int'")
{
    result = most % nothing; /* undefined */
}

TEST_PANICS(shift_too_far, "ubsan.shift_too_far", "1 shifted by 32 in 'int'")
{
    result = one << bits; /* undefined */
}

TEST_PANICS(shift_backwards, "ubsan.shift_backwards", "1 shifted by -1 in 'int'")
{
    result = one >> minus_one; /* undefined */
}

TEST_PANICS(shift_of_negative, "ubsan.shift_of_negative", "-1 shifted by 1 in 'int'")
{
    result = minus_one << one; /* undefined */
}

static int array[7];

TEST_PANICS(index_past_end, "ubsan.index_past_end", "index 32 of 'int")
{
    result = array[bits]; /* undefined */
}

TEST_PANICS(index_before_start, "ubsan.index_before_start", "index -1 of 'int")
{
    array[minus_one] = 1; /* undefined */
}

/* clang lets an access to a volatile object at NULL pass. */
static int *volatile null;

TEST_PANICS(load_at_null, "ubsan.load_at_null", "load of 'int' at NULL")
{
    result = *null; /* undefined */
}

TEST_PANICS(store_at_null, "ubsan.store_at_null", "store to 'int' at NULL")
{
    *null = 1; /* undefined */
}

struct pair {
    int first, second;
};

static struct pair *volatile null_pair;

TEST_PANICS(member_of_null, "ubsan.member_of_null", "member")
{
    result = null_pair->second; /* undefined */
}

TEST_PANICS(misaligned_load, "ubsan.misaligned_load", "not aligned to 4")
{
    const int *volatile crooked = (const int *)((uintptr_t)array + (unsigned)one);

    result = *crooked; /* undefined */
}

TEST_PANICS(pointer_overflow, "ubsan.pointer_overflow", "moved to 0x")
{
    const volatile char *volatile start = (const volatile char *)array;
    volatile size_t far = SIZE_MAX / 2;

    start = start + far; /* undefined */
}

TEST_PANICS(invalid_bool, "ubsan.invalid_bool", "32 is no value of")
{
    const bool *flag = (const bool *)(uintptr_t)&bits;

    result = *flag; /* undefined */
}

TEST_PANICS(unreachable, "ubsan.unreachable", "unreachable")
{
    if (one)
        __builtin_unreachable(); /* undefined */
}

__attribute__((noinline, nonnull(2))) static void second_not_null(int unused, int *pointer)
{
    (void)unused;
    result = pointer == array;
}

TEST_PANICS(null_argument, "ubsan.null_argument", "argument 2 is NULL")
{
    second_not_null(1, null); /* undefined */
}

__attribute__((noinline, returns_nonnull)) static int *return_null(void)
{
    return null; /* undefined */
}

TEST_PANICS(null_returned, "ubsan.null_returned", "returned NULL")
{
    result = return_null() == array;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wvla"
TEST_PANICS(array_of_none, "ubsan.array_of_none", "array of -1 elements")
{
    volatile char elements[minus_one]; /* undefined */

    elements[0] = 1;
    result = elements[0];
}
#pragma GCC diagnostic pop

TEST_PANICS(ctz_of_zero, "ubsan.ctz_of_zero", "__builtin_ctz(0)")
{
    result = __builtin_ctz((unsigned)nothing); /* undefined */
}

TEST_PANICS(clz_of_zero, "ubsan.clz_of_zero", "__builtin_clz(0)")
{
    result = __builtin_clz((unsigned)nothing); /* undefined */
}

/* No C compiler calls this one: called as a C++ compiler would. */
_Noreturn void __ubsan_handle_missing_return(const void *place);

TEST_PANICS(missing_return, "ubsan.missing_return", "ended without its value")
{
    static const struct {
        const char *file;
        uint32_t line, column;
    } place = {__FILE__, __LINE__, 1}; /* undefined */

    __ubsan_handle_missing_return(&place);
}

#ifdef __clang__
TEST_PANICS(assumed_aligned, "ubsan.assumed_aligned", "assumed 0 over a multiple of 4096 in")
{
    static const int numbers[2];
    const void *volatile crooked = &numbers[1];

    result = *(const int *)__builtin_assume_aligned(crooked, 4096); /* undefined */
}

TEST_PANICS(bits_lost, "ubsan.bits_lost", "256 of 'int' became 0 of")
{
    volatile uint8_t narrow = 255;

    narrow++; /* undefined */
}
#endif
