/* The formatter against libc's snprintf on generated formats, and alone where C leaves the choice to it. */
#include "lib/format.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

#define SIZE 512

#define assert_formats(expected, ...)                                 \
    do {                                                              \
        char text[SIZE];                                              \
        size_t length = format_text(text, sizeof(text), __VA_ARGS__); \
        cr_assert_str_eq(text, expected);                             \
        cr_assert_eq(length, strlen(expected));                       \
    } while (0)

/* Formats with both, into a random part of the buffer, and compares length, text and the bytes beyond. */
#define assert_same(seed, ...)                                                                                       \
    do {                                                                                                             \
        char ours[SIZE], libc[SIZE];                                                                                 \
        size_t size = support_random(seed) % 4 ? sizeof(ours) : support_random(seed) % 40;                           \
        memset(ours, '#', sizeof(ours));                                                                             \
        memset(libc, '#', sizeof(libc));                                                                             \
        cr_assert_eq(format_text(ours, size, __VA_ARGS__), (size_t)snprintf(libc, size, __VA_ARGS__), "%s", format); \
        if (memcmp(ours, libc, sizeof(ours)))                                                                        \
            cr_assert_fail("%s: '%.*s', not '%.*s'", format, SIZE, ours, SIZE, libc);                                \
    } while (0)

/* A value of every magnitude, with the edges of each width often. */
static uint64_t random_value(uint64_t *seed)
{
    static const uint64_t edges[] = {
        0,       1,          9,        10,       SCHAR_MAX,          0x80,      UCHAR_MAX,     SHRT_MAX, USHRT_MAX,
        INT_MAX, 0x80000000, UINT_MAX, LONG_MAX, 0x8000000000000000, ULONG_MAX, UINT64_MAX - 9};

    if (support_random(seed) % 3 == 0)
        return edges[support_random(seed) % ARRAY_SIZE(edges)];
    return support_random(seed) >> support_random(seed) % 64;
}

/* Appends "%", some of `flags`, and width and precision, each absent, a number or '*'. */
static void append_conversion(char *format, uint64_t *seed, const char *flags, bool precision, bool star,
                              const char *conversion)
{
    char *end = format + strlen(format);

    *end++ = '%';
    for (; *flags; flags++)
        if (support_random(seed) % 3 == 0)
            *end++ = *flags;
    if (star)
        *end++ = '*';
    else if (support_random(seed) % 2)
        end += sprintf(end, "%u", (unsigned)(support_random(seed) % 40) + 1);
    if (precision) {
        *end++ = '.';
        if (star)
            *end++ = '*';
        else if (support_random(seed) % 4)
            end += sprintf(end, "%u", (unsigned)(support_random(seed) % 40));
    }
    strcpy(end, conversion);
}

static bool coin(uint64_t *seed)
{
    return support_random(seed) % 2;
}

Test(format, agrees_with_libc_on_generated_integers)
{
    static const char *const narrow[] = {"d",  "i",  "u",  "x",   "X",   "hd",  "hi",
                                         "hu", "hx", "hX", "hhd", "hhi", "hhu", "hhx"};
    static const char *const wide[] = {"ld",  "li",  "lu",  "lx", "lX", "lld", "lli",
                                       "llu", "llx", "llX", "zd", "zu", "zx"};
    uint64_t seed = 11;

    for (unsigned i = 0; i < 60000; i++) {
        char format[SIZE] = "<";
        unsigned narrow_value = (unsigned)random_value(&seed);
        uint64_t wide_value = random_value(&seed);

        append_conversion(format, &seed, "-0+-", coin(&seed), false,
                          narrow[support_random(&seed) % ARRAY_SIZE(narrow)]);
        strcat(format, "|");
        append_conversion(format, &seed, "0+-0", coin(&seed), false, wide[support_random(&seed) % ARRAY_SIZE(wide)]);
        strcat(format, coin(&seed) ? ">" : "%%>");
        assert_same(&seed, format, narrow_value, wide_value);
    }
}

Test(format, agrees_with_libc_on_starred_width_and_precision)
{
    static const char *const wide[] = {"ld", "lu", "llx", "zX", "zd"};
    uint64_t seed = 12;

    for (unsigned i = 0; i < 30000; i++) {
        char format[SIZE] = "";
        int width = (int)(support_random(&seed) % 61) - 30, precision = (int)(support_random(&seed) % 40) - 10;
        uint64_t value = random_value(&seed);

        append_conversion(format, &seed, "-0+", true, true, wide[support_random(&seed) % ARRAY_SIZE(wide)]);
        assert_same(&seed, format, width, precision, value);
    }
}

Test(format, agrees_with_libc_on_text_characters_and_pointers)
{
    static const char *const texts[] = {"", "a", "key", "the quick brown fox jumps over", "\x80\xff", "50%"};
    uint64_t seed = 13;

    for (unsigned i = 0; i < 30000; i++) {
        char format[SIZE] = "";
        const char *text = texts[support_random(&seed) % ARRAY_SIZE(texts)];
        void *pointer = (void *)(uintptr_t)(random_value(&seed) | 1);
        int character = (int)(support_random(&seed) % 255) + 1;
        int width = (int)(support_random(&seed) % 61) - 30, precision = (int)(support_random(&seed) % 40) - 10;

        append_conversion(format, &seed, "-+", coin(&seed), false, "s");
        append_conversion(format, &seed, "-", false, false, "p");
        append_conversion(format, &seed, "-", false, false, "c");
        append_conversion(format, &seed, "-", true, true, "s");
        assert_same(&seed, format, text, pointer, character, width, precision, text);
    }
}

Test(format, returns_the_whole_length_and_always_terminates)
{
    char text[8] = "#######";

    cr_assert_eq(format_text(NULL, 0, "%s", "hello"), 5);
    cr_assert_eq(format_text(text, 0, "%s", "hello"), 5);
    cr_assert_str_eq(text, "#######");
    cr_assert_eq(format_text(text, 1, "%s", "hello"), 5);
    cr_assert_str_eq(text, "");
    cr_assert_eq(format_text(text, 5, "%s", "hello"), 5);
    cr_assert_str_eq(text, "hell");
    cr_assert_eq(format_text(text, 6, "%s", "hello"), 5);
    cr_assert_str_eq(text, "hello");
    cr_assert_eq(text[6], '#');
}

Test(format, prints_null_as_text_and_as_address)
{
    const char *volatile none = NULL; /* volatile: the compiler would refuse what it can foresee */

    assert_formats("(null)", "%s", none);
    assert_formats("(n|  (null)", "%.2s|%8s", none, none);
    assert_formats("0x0|  0x0|0x0  ", "%p|%5p|%-5p", (void *)NULL, (void *)NULL, (void *)NULL);
}

Test(format, reads_no_further_than_the_precision)
{
    const char unterminated[3] = {'a', 'b', 'c'};

    assert_formats("abc|ab", "%.3s|%.*s", unterminated, 2, unterminated);
}

Test(format, prints_unknown_conversions_as_they_are)
{
    assert_formats("%q 7", "%q %d", 7);
    assert_formats("%#x", "%#x", 7);
    assert_formats("%-5.2y|", "%-5.2y|");
    assert_formats("%lllu", "%lllu", 1ul);
    assert_formats("%hn", "%hn");
    assert_formats("100%", "100%");
    assert_formats("%5", "%5");
    assert_formats("%ll", "%ll");
}

Test(format, keeps_to_the_edges_of_64_bits)
{
    assert_formats("-9223372036854775808", "%lld", LLONG_MIN);
    assert_formats("18446744073709551615 FFFFFFFFFFFFFFFF", "%llu %zX", ULLONG_MAX, SIZE_MAX);
}

static void sink_format(void (*put)(void *context, char c), void *context, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_sink_va(put, context, format, arguments);
    va_end(arguments);
}

static void count(void *context, char c)
{
    (void)c;
    ++*(size_t *)context;
}

Test(format, saturates_a_width_that_no_int_holds)
{
    size_t calls = 0;

    sink_format(count, &calls, "%.99999999999999999999s|", "abc");
    cr_assert_eq(calls, 4);
}

Test(format, takes_a_huge_width_as_what_it_says)
{
    char text[16];

    cr_assert_eq(format_text(text, sizeof(text), "%1000000d", 5), 1000000);
    cr_assert_str_eq(text, "               ");
    cr_assert_eq(format_text(text, sizeof(text), "%-20.1000000d", 5), 1000000);
    cr_assert_str_eq(text, "000000000000000");
}

static void append(void *context, char c)
{
    char *text = context;
    size_t length = strlen(text);

    text[length] = c;
    text[length + 1] = '\0';
}

Test(format, hands_the_sink_each_character_in_order_and_no_nul)
{
    char text[64] = "";

    sink_format(append, text, "[%5d|%-4s|%c]", -12, "ab", 'z');
    cr_assert_str_eq(text, "[  -12|ab  |z]");
}
