/* The mem* functions against libc's, byte for byte with the bytes around them; on the host they are called duet_*. */
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

void *duet_memcpy(void *restrict to, const void *restrict from, size_t size);
void *duet_memmove(void *to, const void *from, size_t size);
void *duet_memset(void *to, int value, size_t size);
int duet_memcmp(const void *left, const void *right, size_t size);

#define AREA 96

static void fill_random(unsigned char *bytes, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)support_random(seed);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

Test(mem, memcpy_copies_every_size_at_every_alignment_and_nothing_more)
{
    uint64_t seed = 1;
    unsigned char from[AREA], ours[AREA], libc[AREA];

    for (size_t size = 0; size <= 70; size++) {
        for (size_t offset = 0; offset < 64; offset++) {
            size_t to = offset % 8, at = offset / 8;

            fill_random(from, AREA, &seed);
            fill_random(ours, AREA, &seed);
            memcpy(libc, ours, AREA);
            memcpy(libc + to, from + at, size);
            cr_assert_eq(duet_memcpy(ours + to, from + at, size), ours + to);
            cr_assert_arr_eq(ours, libc, AREA, "size %zu, to %zu, from %zu", size, to, at);
        }
    }
}

Test(mem, memmove_survives_every_overlap)
{
    uint64_t seed = 2;
    unsigned char ours[AREA], libc[AREA];

    for (size_t size = 0; size <= 40; size++) {
        for (size_t to = 0; to <= 48; to++) {
            for (size_t from = 0; from <= 48; from++) {
                fill_random(ours, AREA, &seed);
                memcpy(libc, ours, AREA);
                memmove(libc + to, libc + from, size);
                cr_assert_eq(duet_memmove(ours + to, ours + from, size), ours + to);
                if (memcmp(ours, libc, AREA))
                    cr_assert_fail("size %zu, to %zu, from %zu", size, to, from);
            }
        }
    }
}

Test(mem, memset_fills_every_size_at_every_alignment_and_nothing_more)
{
    static const int values[] = {0, 1, 0x7f, 0x80, 0xff, 0x1234, -1, -129};
    uint64_t seed = 3;
    unsigned char ours[AREA], libc[AREA];

    for (size_t size = 0; size <= 70; size++) {
        for (size_t offset = 0; offset < 8; offset++) {
            for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                fill_random(ours, AREA, &seed);
                memcpy(libc, ours, AREA);
                memset(libc + offset, values[i], size);
                cr_assert_eq(duet_memset(ours + offset, values[i], size), ours + offset);
                cr_assert_arr_eq(ours, libc, AREA, "size %zu, offset %zu, value %d", size, offset, values[i]);
            }
        }
    }
}

Test(mem, memcmp_orders_as_libc_does)
{
    uint64_t seed = 4;
    size_t equal = 0;

    for (unsigned i = 0; i < 50000; i++) {
        unsigned char left[AREA], right[AREA];
        size_t size = support_random(&seed) % 33;
        size_t a = support_random(&seed) % 16, b = support_random(&seed) % 16;

        fill_random(left, AREA, &seed);
        fill_random(right, AREA, &seed);
        memcpy(right + b, left + a, size);
        if (size && support_random(&seed) % 2)
            right[b + support_random(&seed) % size] ^= (unsigned char)(1u << support_random(&seed) % 8);
        cr_assert_eq(sign(duet_memcmp(left + a, right + b, size)), sign(memcmp(left + a, right + b, size)));
        equal += !memcmp(left + a, right + b, size);
    }
    cr_assert_gt(equal, 10000);
    cr_assert_lt(equal, 40000);
}

Test(mem, memcmp_takes_bytes_as_unsigned)
{
    cr_assert_gt(duet_memcmp("\x80", "\x7f", 1), 0);
    cr_assert_lt(duet_memcmp("\x7f", "\xff", 1), 0);
    cr_assert_eq(duet_memcmp("a", "b", 0), 0);
}

Test(mem, stays_inside_buffers_of_the_exact_size)
{
    uint64_t seed = 5;

    for (unsigned i = 0; i < 2000; i++) {
        size_t size = 1 + support_random(&seed) % 300;
        unsigned char *from = malloc(size), *to = malloc(size);

        fill_random(from, size, &seed);
        duet_memset(to, 0x55, size);
        cr_assert_eq(to[0], 0x55);
        cr_assert_eq(to[size - 1], 0x55);
        duet_memcpy(to, from, size);
        cr_assert_eq(duet_memcmp(to, from, size), 0);
        duet_memmove(to, from, size);
        cr_assert_arr_eq(to, from, size);
        free(from);
        free(to);
    }
}

Test(mem, copies_a_mebibyte_onto_itself_in_both_directions)
{
    size_t size = 1 << 20;
    uint64_t seed = 6;
    unsigned char *ours = malloc(size + 64), *libc = malloc(size + 64);

    fill_random(ours, size + 64, &seed);
    memcpy(libc, ours, size + 64);
    duet_memmove(ours + 13, ours, size);
    memmove(libc + 13, libc, size);
    cr_assert_arr_eq(ours, libc, size + 64);
    duet_memmove(ours, ours + 3, size);
    memmove(libc, libc + 3, size);
    cr_assert_arr_eq(ours, libc, size + 64);
    free(ours);
    free(libc);
}

Test(mem, string_length_counts_up_to_the_nul)
{
    char text[64];

    for (size_t length = 0; length < sizeof(text); length++) {
        memset(text, 'x', sizeof(text));
        text[length] = '\0';
        cr_assert_eq(string_length(text), length);
    }
}

Test(mem, string_equal_tells_texts_and_prefixes_apart)
{
    static const char *const texts[] = {"", "a", "b", "ab", "abc", "abd", "\xff", "a\xff"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
            cr_assert_eq(string_equal(texts[i], texts[j]), !strcmp(texts[i], texts[j]), "%s %s", texts[i], texts[j]);
}

Test(mem, string_starts_agrees_with_strncmp)
{
    static const char *const texts[] = {"", "a", "b", "ab", "abc", "abd", "bab"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
            cr_assert_eq(string_starts(texts[i], texts[j]), !strncmp(texts[i], texts[j], strlen(texts[j])), "%s %s",
                         texts[i], texts[j]);
}
