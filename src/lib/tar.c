/* Blocks of 512 bytes: a header, then the file's. */
#include "lib/tar.h"

#include "lib/mem.h"

enum {
    BLOCK = 512,
    AT_SIZE = 124,
    SIZE_DIGITS = 11,
    AT_CHECKSUM = 148,
    CHECKSUM_BYTES = 8,
    CHECKSUM_DIGITS = 6,
    AT_TYPE = 156,
    AT_MAGIC = 257,
};

/* Octal digits, maybe with blanks before, up to a blank or NUL. False if there is none, or anything else. */
static bool read_octal(const unsigned char *text, size_t digits, uint64_t *value)
{
    size_t at = 0;
    size_t begin;

    while (at < digits && text[at] == ' ')
        at++;
    *value = 0;
    for (begin = at; at < digits && text[at] >= '0' && text[at] <= '7'; at++)
        *value = *value * 8 + (uint64_t)(text[at] - '0');
    return at > begin && (at == digits || text[at] == ' ' || text[at] == '\0');
}

/* All bytes of the header, those of the sum itself as blanks. */
static uint64_t checksum(const unsigned char *header)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + CHECKSUM_BYTES ? ' ' : header[i];
    return sum;
}

static bool is_empty(const unsigned char *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

static bool header_valid(const unsigned char *header, uint64_t *size)
{
    uint64_t sum;

    return memcmp(header + AT_MAGIC, "ustar", 5) == 0 && read_octal(header + AT_CHECKSUM, CHECKSUM_DIGITS, &sum) &&
           sum == checksum(header) && read_octal(header + AT_SIZE, SIZE_DIGITS, size);
}

enum status tar_next(const void *archive, size_t size, size_t *at, struct tar_file *file)
{
    const unsigned char *bytes = archive;

    while (*at <= size && size - *at >= BLOCK) {
        const unsigned char *header = bytes + *at;
        size_t left = size - *at - BLOCK;
        uint64_t file_size;

        if (is_empty(header))
            return STATUS_NOT_FOUND;
        if (!header_valid(header, &file_size) || file_size > left)
            return STATUS_INVALID;
        *at = left - file_size < BLOCK - 1 ? size : *at + BLOCK + ((file_size + BLOCK - 1) & ~(uint64_t)(BLOCK - 1));
        if (header[AT_TYPE] != '0' && header[AT_TYPE] != '\0')
            continue;
        memcpy(file->name, header, TAR_NAME_BYTES - 1);
        file->name[TAR_NAME_BYTES - 1] = '\0';
        file->bytes = header + BLOCK;
        file->size = file_size;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}
