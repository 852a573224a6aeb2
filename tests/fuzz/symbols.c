/*
 * Tables of names. Any bytes: nothing beyond them is read, and a name and a file are texts. And tables that are made
 * from the input, in all the ways a row can be written: what is found is what they were made from.
 */
#include "lib/symbols.h"

#include "fuzz.h"

enum { ROWS_MAX = 300, TABLE_MAX = 8192, STRINGS = 64 };

#define BASE UINT64_C(0xffffffff80100000)

/* What holds from an address on. */
struct row {
    uint32_t address;
    bool gap, async, numbered;
    uint32_t name, number, file, line; /* offsets into the strings */
    uint32_t function;                 /* where it began */
};

static uint8_t table[TABLE_MAX];
static size_t table_bytes;
static struct row rows[ROWS_MAX];
static size_t row_count;

/* "", then short names, some of them empty. */
static const char strings[STRINGS] = "\0irq_\0main\0a.c\0src/b.c\0schedule_the_next_of_them\0x\0y\0z.h";
static const uint8_t names[] = {1, 6, 23, 50, 52, 0};
static const uint8_t files[] = {11, 15, 54, 0};

static void put(uint8_t byte)
{
    CHECK(table_bytes < TABLE_MAX);
    table[table_bytes++] = byte;
}

static void put_varint(uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put((uint8_t)(value | 0x80));
    put((uint8_t)value);
}

static void put_signed(int64_t value)
{
    put_varint(value < 0 ? (uint64_t)(-1 - value) * 2 + 1 : (uint64_t)value * 2);
}

static void put32(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        table[at + i] = (uint8_t)(value >> (8 * i));
}

static void encode_function(const struct row *row, uint32_t advance, bool same_file)
{
    put((uint8_t)(SYMBOLS_FUNCTION | (row->numbered ? SYMBOLS_NUMBERED : 0) | (same_file ? SYMBOLS_SAME_FILE : 0) |
                  (row->async ? SYMBOLS_ASYNC : 0)));
    put_varint(advance);
    put_varint(row->name);
    if (row->numbered)
        put_varint(row->number);
    if (!same_file)
        put_varint(row->file);
    put_varint(row->line);
}

/* The first of a block says all; how far before it its function began. */
static void encode(const struct row *row, const struct row *before)
{
    uint32_t advance = before ? row->address - before->address : row->address - row->function;
    int64_t lines = before ? (int64_t)row->line - before->line : 0;

    if (row->gap) {
        put(SYMBOLS_GAP);
        put_varint(before ? advance : 0);
    } else if (!before || before->gap || row->function != before->function || row->name != before->name) {
        encode_function(row, advance, before && !before->gap && row->file == before->file);
    } else if (row->file != before->file) {
        put(SYMBOLS_FILE);
        put_varint(advance);
        put_varint(row->file);
        put_signed(lines);
    } else if (lines >= -SYMBOLS_SHORT_BACK && lines < SYMBOLS_SHORT_LINES - SYMBOLS_SHORT_BACK && advance > 0 &&
               SYMBOLS_SHORT + (advance - 1) * SYMBOLS_SHORT_LINES + SYMBOLS_SHORT_LINES <= 256) {
        put((uint8_t)(SYMBOLS_SHORT + (advance - 1) * SYMBOLS_SHORT_LINES + lines + SYMBOLS_SHORT_BACK));
    } else {
        put(SYMBOLS_LINE);
        put_varint(advance);
        put_signed(lines);
    }
}

static void make_rows(void)
{
    uint32_t address = 0;

    for (row_count = 0; fuzz_more() && row_count < ROWS_MAX; row_count++) {
        struct row *row = &rows[row_count];
        unsigned how = (unsigned)fuzz_below(8);

        *row = row_count ? row[-1] : (struct row){.gap = true};
        address += row_count ? 1 + (uint32_t)fuzz_number() % 100000 : 0;
        row->address = address;
        row->line = (uint32_t)fuzz_below(5) ? row->line + (uint32_t)fuzz_below(8) : (uint32_t)fuzz_number() % 1000000;
        if (how == 0) {
            *row = (struct row){.address = address, .gap = true};
        } else if (how < 3 || row->gap) {
            row->gap = false;
            row->async = fuzz_below(2);
            row->numbered = fuzz_below(2);
            row->number = row->numbered ? (uint32_t)fuzz_number() : 0;
            row->name = names[fuzz_below(sizeof(names))];
            row->function = address;
        }
        if (!row->gap && fuzz_below(4) == 0)
            row->file = files[fuzz_below(sizeof(files))];
    }
}

static void make_table(void)
{
    size_t blocks = (row_count + SYMBOLS_BLOCK_ROWS - 1) / SYMBOLS_BLOCK_ROWS;
    size_t first = SYMBOLS_HEADER_BYTES + blocks * SYMBOLS_INDEX_BYTES;

    memset(table, 0, sizeof(table));
    table_bytes = first;
    for (size_t i = 0; i < row_count; i++) {
        bool begins = i % SYMBOLS_BLOCK_ROWS == 0;

        if (begins) {
            put32(SYMBOLS_HEADER_BYTES + i / SYMBOLS_BLOCK_ROWS * SYMBOLS_INDEX_BYTES, rows[i].address, 4);
            put32(SYMBOLS_HEADER_BYTES + i / SYMBOLS_BLOCK_ROWS * SYMBOLS_INDEX_BYTES + 4, table_bytes - first, 4);
        }
        encode(&rows[i], begins ? NULL : &rows[i - 1]);
    }
    put32(0, SYMBOLS_MAGIC, 4);
    put32(4, blocks, 4);
    put32(8, table_bytes - first, 4);
    put32(12, STRINGS, 4);
    put32(16, BASE, 8);
    put32(24, row_count ? rows[row_count - 1].address + 50 : 0, 8);
    for (size_t i = 0; i < STRINGS; i++)
        put((uint8_t)strings[i]);
}

static void check_found(uint64_t offset, enum status status, const struct symbol *symbol)
{
    const struct row *row = NULL;
    char name[SYMBOL_NAME_BYTES + 16];

    for (size_t i = 0; i < row_count && rows[i].address <= offset; i++)
        row = &rows[i];
    if (!row || row->gap || offset >= rows[row_count - 1].address + 50) {
        CHECK(status == STATUS_NOT_FOUND);
        return;
    }
    CHECK(status == STATUS_OK);
    if (row->numbered)
        snprintf(name, sizeof(name), "%s%u", strings + row->name, row->number);
    else
        snprintf(name, sizeof(name), "%s", strings + row->name);
    CHECK(strcmp(symbol->name, name) == 0 && strcmp(symbol->file, strings + row->file) == 0);
    CHECK(symbol->line == row->line && symbol->offset == offset - row->function && symbol->async == row->async);
}

/* In memory of just that size. */
static enum status look_up(const uint8_t *bytes, size_t size, uint64_t address, struct symbol *symbol, uint8_t **copy)
{
    *copy = malloc(size);
    memcpy(*copy, bytes, size);
    return symbols_lookup(*copy, size, address, symbol);
}

static void check_any(const uint8_t *bytes, size_t size, uint64_t address)
{
    struct symbol symbol;
    uint8_t *copy;
    enum status status = look_up(bytes, size, address, &symbol, &copy);

    CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_INVALID);
    if (status == STATUS_OK)
        CHECK(strnlen(symbol.name, SYMBOL_NAME_BYTES) < SYMBOL_NAME_BYTES && strlen(symbol.file) < size);
    free(copy);
}

void fuzz_one(void)
{
    unsigned how = (unsigned)fuzz_below(4);
    uint64_t damage = fuzz_number(), offset = fuzz_number();
    struct symbol symbol;
    uint8_t *copy, by = fuzz_byte();
    size_t size;

    if (how == 3) {
        const uint8_t *bytes = fuzz_rest(&size);

        check_any(bytes, size, BASE + offset);
        return;
    }
    make_rows();
    make_table();
    if (how == 2) { /* nearly right */
        table[damage % table_bytes] ^= by;
        check_any(table, table_bytes - (damage & 1 ? by % table_bytes : 0), BASE + offset);
        return;
    }
    for (size_t i = 0; i < row_count; i++)
        for (unsigned after = 0; after < 2; after++) {
            enum status status = look_up(table, table_bytes, BASE + rows[i].address + after, &symbol, &copy);

            check_found(rows[i].address + after, status, &symbol);
            free(copy);
        }
}
