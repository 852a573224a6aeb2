/* Archives put together from the input, whole and damaged, against a reader by the C library's functions. */
#include "lib/tar.h"

#include "fuzz.h"

enum { BLOCK = 512, ARCHIVE_MAX = 16 * BLOCK };

static uint8_t built[ARCHIVE_MAX];

static unsigned header_sum(const uint8_t *header)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return sum;
}

static size_t build(void)
{
    size_t size = 0;

    memset(built, 0, sizeof(built));
    while (fuzz_more() && size + 4 * BLOCK < ARCHIVE_MAX) {
        uint8_t *header = built + size, wrong = fuzz_byte();
        size_t file_size = fuzz_number() % (2 * BLOCK);

        fuzz_bytes(header, fuzz_below(101));
        sprintf((char *)header + 124, wrong & 1 ? "%11zo" : "%011zo",
                (wrong & 0x70) == 0x70 ? (size_t)(file_size + fuzz_below(3 * BLOCK))
                                       : file_size); /* too long, at times */
        if (wrong == 0xfe)
            fuzz_bytes(header + 124, 12);
        header[156] = (uint8_t)(wrong & 2 ? '0' + fuzz_below(8) : 0);
        memcpy(header + 257, "ustar", 6);
        sprintf((char *)header + 148, wrong & 4 ? "%06o" : "%6o", header_sum(header));
        if (wrong == 0xff)
            header[fuzz_below(BLOCK)] ^= fuzz_byte();
        fuzz_bytes(header + BLOCK, file_size);
        size += BLOCK + (file_size + BLOCK - 1) / BLOCK * BLOCK;
    }
    return fuzz_below(8) == 7 ? size - fuzz_number() % (size + 1) : size + fuzz_below(3) * BLOCK;
}

/* The number of a field: blanks, octal digits, and then a blank, a NUL or the field's end. */
static bool octal(const uint8_t *field, size_t digits, uint64_t *value)
{
    char text[16] = "", *end;
    size_t blanks = 0;

    memcpy(text, field, digits);
    while (text[blanks] == ' ')
        blanks++;
    if (text[blanks] < '0' || text[blanks] > '7')
        return false;
    *value = strtoull(text + blanks, &end, 8);
    return *end == '\0' || *end == ' ';
}

static enum status reference(const uint8_t *archive, size_t size, size_t *at, struct tar_file *file)
{
    static const uint8_t empty[BLOCK];

    for (;;) {
        const uint8_t *header = archive + *at;
        uint64_t sum, length;

        if (*at + BLOCK > size || memcmp(header, empty, BLOCK) == 0)
            return STATUS_NOT_FOUND;
        if (memcmp(header + 257, "ustar", 5) != 0 || !octal(header + 148, 6, &sum) || sum != header_sum(header) ||
            !octal(header + 124, 11, &length) || length > size - *at - BLOCK)
            return STATUS_INVALID;
        *at += BLOCK + (length + BLOCK - 1) / BLOCK * BLOCK;
        if (header[156] && header[156] != '0')
            continue;
        snprintf(file->name, TAR_NAME_BYTES, "%.100s", (const char *)header);
        file->bytes = header + BLOCK;
        file->size = length;
        return STATUS_OK;
    }
}

void fuzz_one(void)
{
    size_t size, at = 0, expected_at = 0;
    const uint8_t *bytes = built;
    uint8_t *archive;
    enum status status;

    if (fuzz_below(16) == 15)
        bytes = fuzz_rest(&size);
    else
        size = build();
    archive = malloc(size);
    memcpy(archive, bytes, size);
    do {
        struct tar_file file, wanted;

        status = tar_next(archive, size, &at, &file);
        CHECK(status == reference(archive, size, &expected_at, &wanted));
        CHECK(at == expected_at || (at == size && expected_at + BLOCK > size)); /* no header fits behind */
        expected_at = at;
        if (status == STATUS_OK) {
            CHECK(strcmp(file.name, wanted.name) == 0 && file.bytes == wanted.bytes && file.size == wanted.size);
            CHECK((const uint8_t *)file.bytes + file.size <= archive + size);
        }
    } while (status == STATUS_OK);
    free(archive);
}
