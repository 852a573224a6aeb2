/* Archives, good and broken. */
#include "lib/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { BLOCK = 512 };

static unsigned char archive[32 * BLOCK];
static size_t length;

static void init(void)
{
    memset(archive, 0, sizeof(archive));
    length = 0;
}

TestSuite(tar, .init = init);

static void sum_up(unsigned char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static unsigned char *add(const char *name, char type, const char *text)
{
    unsigned char *header = archive + length;
    size_t size = strlen(text);

    memcpy(header, name, strlen(name));
    snprintf((char *)header + 124, 12, "%011o", (unsigned)size);
    header[156] = (unsigned char)type;
    memcpy(header + 257, "ustar\00000", 8);
    sum_up(header);
    memcpy(header + BLOCK, text, size);
    length += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
    return header;
}

/* Read from memory of exactly this size. */
static enum status count(size_t size, unsigned *files)
{
    unsigned char *exact = malloc(size ? size : 1);
    struct tar_file file;
    enum status status;
    size_t at = 0;

    memcpy(exact, archive, size);
    *files = 0;
    while ((status = tar_next(exact, size, &at, &file)) == STATUS_OK) {
        cr_assert((const unsigned char *)file.bytes + file.size <= exact + size);
        cr_assert_lt(strlen(file.name), TAR_NAME_BYTES);
        ++*files;
    }
    free(exact);
    return status;
}

Test(tar, lists_files_and_passes_over_folders)
{
    char long_name[101] = {0};
    struct tar_file file;
    size_t at = 0;

    memset(long_name, 'x', 100);
    add("hello", '0', "some text");
    add("folder/", '5', "");
    add(long_name, '\0', "");
    length += 2 * BLOCK;
    cr_assert_eq(tar_next(archive, length, &at, &file), STATUS_OK);
    cr_assert_str_eq(file.name, "hello");
    cr_assert_eq(file.size, 9);
    cr_assert_eq(memcmp(file.bytes, "some text", 9), 0);
    cr_assert_eq(tar_next(archive, length, &at, &file), STATUS_OK);
    cr_assert_str_eq(file.name, long_name);
    cr_assert_eq(file.size, 0);
    cr_assert_eq(tar_next(archive, length, &at, &file), STATUS_NOT_FOUND);
}

Test(tar, ends_at_its_end_marked_or_not)
{
    unsigned files;

    add("a", '0', "1");
    add("b", '0', "2");
    cr_assert_eq(count(length, &files), STATUS_NOT_FOUND);
    cr_assert_eq(files, 2);
    cr_assert_eq(count(length - BLOCK + 1, &files), STATUS_NOT_FOUND, "the last file's block may be cut");
    cr_assert_eq(files, 2);
    cr_assert_eq(count(0, &files), STATUS_NOT_FOUND);
    cr_assert_eq(files, 0);
}

Test(tar, says_when_a_file_is_not_all_there)
{
    unsigned files;

    add("a", '0', "1");
    add("b", '0', "many characters");
    cr_assert_eq(count(length - BLOCK + 14, &files), STATUS_INVALID);
    cr_assert_eq(files, 1);
}

static void expect_broken(unsigned at, const char *bytes, bool summed)
{
    unsigned char *header;
    unsigned files;

    init();
    header = add("a", '0', "1");
    memcpy(header + at, bytes, strlen(bytes) + 1);
    if (summed)
        sum_up(header);
    cr_assert_eq(count(length, &files), STATUS_INVALID, "%s at %u", bytes, at);
}

Test(tar, says_when_a_header_is_broken)
{
    expect_broken(257, "other", true);
    expect_broken(124, "7777777777", true);
    expect_broken(124, "0000000000x", true);
    expect_broken(124, "           ", true);
    expect_broken(124, "12 34 56 78", false);
    expect_broken(0, "b", false);
    expect_broken(148, "000000", false);
    expect_broken(148, "xxxxxx", false);
}

Test(tar, reads_sizes_with_blanks)
{
    unsigned char *header = add("a", '0', "12345678");
    unsigned files;

    memcpy(header + 124, "        10 ", 12);
    sum_up(header);
    cr_assert_eq(count(length, &files), STATUS_NOT_FOUND);
    cr_assert_eq(files, 1);
}

Test(tar, stays_within_the_archive_however_it_is_spoiled)
{
    srand(3);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned files;

        init();
        add("a", '0', "1234");
        add("b", '0', "5678");
        archive[124 + rand() % 12] = (unsigned char)('0' + rand() % 10);
        archive[(size_t)rand() % length] = (unsigned char)rand();
        sum_up(archive);
        (void)count(length - (size_t)rand() % BLOCK, &files);
    }
}
