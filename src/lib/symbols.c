/* Finds the block of an address by bisection, and reads its rows up to the address. */
#include "lib/symbols.h"

#include "lib/format.h"
#include "lib/mem.h"

struct table {
    uint64_t base, text_bytes;
    const uint8_t *index, *rows;
    const char *strings;
    uint32_t blocks, rows_bytes, strings_bytes;
};

/* What is left to read of a block. Reading past its end sets `broken`, and gives zeros. */
struct reader {
    const uint8_t *at, *end;
    bool broken;
};

/* What holds at a row. Name and file are offsets into the strings. */
struct row {
    uint64_t address;
    uint64_t start; /* of the function */
    bool known;     /* there is a function */
    unsigned flags;
    uint64_t name, number, file, line;
};

static uint32_t read_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t read_u64(const uint8_t *at)
{
    return read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

static bool table_open(struct table *table, const uint8_t *bytes, size_t size)
{
    if (size < SYMBOLS_HEADER_BYTES || read_u32(bytes) != SYMBOLS_MAGIC)
        return false;
    table->blocks = read_u32(bytes + 4);
    table->rows_bytes = read_u32(bytes + 8);
    table->strings_bytes = read_u32(bytes + 12);
    table->base = read_u64(bytes + 16);
    table->text_bytes = read_u64(bytes + 24);
    if (SYMBOLS_HEADER_BYTES + (uint64_t)SYMBOLS_INDEX_BYTES * table->blocks + table->rows_bytes +
            table->strings_bytes >
        size)
        return false;
    table->index = bytes + SYMBOLS_HEADER_BYTES;
    table->rows = table->index + (size_t)SYMBOLS_INDEX_BYTES * table->blocks;
    table->strings = (const char *)table->rows + table->rows_bytes;
    return table->strings_bytes && table->strings[table->strings_bytes - 1] == '\0';
}

static uint32_t block_address(const struct table *table, uint32_t block)
{
    return read_u32(table->index + (size_t)SYMBOLS_INDEX_BYTES * block);
}

/* Where a block's rows begin; behind the last block, where the rows end. */
static uint32_t block_rows(const struct table *table, uint32_t block)
{
    if (block == table->blocks)
        return table->rows_bytes;
    return read_u32(table->index + (size_t)SYMBOLS_INDEX_BYTES * block + 4);
}

/* How many blocks begin at or before the address: their last is the one it is in. */
static uint32_t blocks_up_to(const struct table *table, uint64_t address)
{
    uint32_t low = 0, high = table->blocks;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (block_address(table, middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint8_t read_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        reader->broken = true;
        return 0;
    }
    return *reader->at++;
}

static uint64_t read_number(struct reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = read_byte(reader);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    reader->broken = true;
    return 0;
}

static uint64_t read_signed(struct reader *reader)
{
    uint64_t value = read_number(reader);

    return value & 1 ? ~(value >> 1) : value >> 1;
}

static void read_function(struct reader *reader, struct row *row, unsigned flags)
{
    row->known = true;
    row->flags = flags;
    row->name = read_number(reader);
    row->number = flags & SYMBOLS_NUMBERED ? read_number(reader) : 0;
    if (!(flags & SYMBOLS_SAME_FILE))
        row->file = read_number(reader);
    row->line = read_number(reader);
}

/* A block's first row, which depends on none before it. */
static void read_first(struct reader *reader, struct row *row, uint32_t address)
{
    uint8_t op = read_byte(reader);
    uint64_t back = read_number(reader);

    *row = (struct row){.address = address, .start = address - back};
    if (op < SYMBOLS_FILE)
        read_function(reader, row, op);
    else if (op != SYMBOLS_GAP)
        reader->broken = true;
    if (back > address)
        reader->broken = true;
}

/* Turns a row into the one after it. */
static void read_next(struct reader *reader, struct row *row)
{
    uint8_t op = read_byte(reader);

    if (op >= SYMBOLS_SHORT) {
        row->address += 1 + (op - SYMBOLS_SHORT) / SYMBOLS_SHORT_LINES;
        row->line += (uint64_t)((op - SYMBOLS_SHORT) % SYMBOLS_SHORT_LINES - SYMBOLS_SHORT_BACK);
        return;
    }
    row->address += read_number(reader);
    if (op < SYMBOLS_FILE) {
        row->start = row->address;
        read_function(reader, row, op);
    } else if (op == SYMBOLS_GAP) {
        row->known = false;
    } else {
        if (op == SYMBOLS_FILE)
            row->file = read_number(reader);
        row->line += read_signed(reader);
    }
}

/* The last row of the block that is not behind the address. False if the block is broken. */
static bool block_find(const struct table *table, uint32_t block, uint64_t address, struct row *row)
{
    uint32_t from = block_rows(table, block), to = block_rows(table, block + 1);
    struct reader reader = {0};
    struct row next;

    if (from > to || to > table->rows_bytes)
        return false;
    reader.at = table->rows + from;
    reader.end = table->rows + to;
    read_first(&reader, row, block_address(table, block));
    next = *row;
    while (!reader.broken && reader.at != reader.end) {
        read_next(&reader, &next);
        if (next.address > address)
            break;
        *row = next;
    }
    return !reader.broken;
}

enum status symbols_lookup(const void *bytes, size_t table_bytes, uint64_t address, struct symbol *symbol)
{
    struct table table;
    struct row row;
    uint32_t blocks;

    if (table_bytes == 0)
        return STATUS_NOT_FOUND;
    if (!table_open(&table, bytes, table_bytes))
        return STATUS_INVALID;
    address -= table.base;
    blocks = address < table.text_bytes ? blocks_up_to(&table, address) : 0;
    if (blocks == 0)
        return STATUS_NOT_FOUND;
    if (!block_find(&table, blocks - 1, address, &row))
        return STATUS_INVALID;
    if (!row.known)
        return STATUS_NOT_FOUND;
    if (row.name >= table.strings_bytes || row.file >= table.strings_bytes || (uint32_t)row.line != row.line ||
        address - row.start > UINT32_MAX)
        return STATUS_INVALID;
    if (row.flags & SYMBOLS_NUMBERED)
        format_text(symbol->name, sizeof(symbol->name), "%s%lu", table.strings + row.name, (unsigned long)row.number);
    else
        format_text(symbol->name, sizeof(symbol->name), "%s", table.strings + row.name);
    symbol->file = table.strings + row.file;
    symbol->line = (uint32_t)row.line;
    symbol->offset = (uint32_t)(address - row.start);
    symbol->async = row.flags & SYMBOLS_ASYNC;
    return STATUS_OK;
}
