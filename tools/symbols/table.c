/* Merges functions and lines into rows, and codes them. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "lib/symbols.h"

/* What holds from an address on. */
struct row {
    uint64_t address;
    const struct function *function; /* NULL: none */
    const char *file;
    unsigned line;
};

struct writer {
    const struct program *program;
    struct bytes index, rows, strings;
    size_t blocks;
    size_t block_rows; /* in the block so far */
    struct row last;
};

static void put(struct bytes *bytes, uint8_t byte)
{
    bytes->at = array_grow(bytes->at, bytes->count, 1);
    bytes->at[bytes->count++] = byte;
}

static void put_u32(struct bytes *bytes, uint64_t value)
{
    if (value > UINT32_MAX)
        die("the text is too large");
    for (unsigned shift = 0; shift < 32; shift += 8)
        put(bytes, (uint8_t)(value >> shift));
}

static void put_bytes(struct bytes *to, const struct bytes *from)
{
    for (size_t i = 0; i < from->count; i++)
        put(to, from->at[i]);
}

static void put_number(struct bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put(bytes, (uint8_t)(value | 0x80));
    put(bytes, (uint8_t)value);
}

static void put_signed(struct bytes *bytes, int64_t value)
{
    put_number(bytes, value < 0 ? 2 * (uint64_t)~value + 1 : 2 * (uint64_t)value);
}

/* The offset of a string among the strings, where it may be the end of another. */
static size_t string_offset(struct bytes *strings, const char *text, size_t length)
{
    size_t offset;

    for (size_t end = 0; end < strings->count; end++)
        if (strings->at[end] == 0 && end >= length && memcmp(&strings->at[end - length], text, length) == 0)
            return end - length;
    offset = strings->count;
    for (size_t i = 0; i < length; i++)
        put(strings, (uint8_t)text[i]);
    put(strings, 0);
    return offset;
}

/* How much of a name comes before the number at its end: all of it if what follows is no plain decimal number. */
static size_t length_before_number(const char *name)
{
    size_t all = strlen(name), length = all;

    while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9')
        length--;
    if (all - length > 9 || (all - length > 1 && name[length] == '0'))
        return all;
    return length;
}

static void put_function(struct writer *writer, const struct row *row, uint64_t advance, bool same_file)
{
    const char *name = row->function->name;
    size_t length = length_before_number(name);
    bool numbered = name[length];

    put(&writer->rows, (uint8_t)(SYMBOLS_FUNCTION | (numbered ? SYMBOLS_NUMBERED : 0) |
                                 (same_file ? SYMBOLS_SAME_FILE : 0) | (row->function->async ? SYMBOLS_ASYNC : 0)));
    put_number(&writer->rows, advance);
    put_number(&writer->rows, string_offset(&writer->strings, name, length));
    if (numbered)
        put_number(&writer->rows, strtoul(name + length, NULL, 10));
    if (!same_file)
        put_number(&writer->rows, string_offset(&writer->strings, row->file, strlen(row->file)));
    put_number(&writer->rows, row->line);
}

static void put_first(struct writer *writer, const struct row *row)
{
    uint64_t base = writer->program->text;

    writer->blocks++;
    put_u32(&writer->index, row->address - base);
    put_u32(&writer->index, writer->rows.count);
    if (row->function) {
        put_function(writer, row, row->address - row->function->start, false);
    } else {
        put(&writer->rows, SYMBOLS_GAP);
        put_number(&writer->rows, 0);
    }
}

static void put_line(struct writer *writer, const struct row *row, uint64_t advance, bool same_file)
{
    int64_t lines = (int64_t)row->line - writer->last.line;
    int64_t from = lines + SYMBOLS_SHORT_BACK;

    if (same_file && from >= 0 && from < SYMBOLS_SHORT_LINES &&
        advance - 1 <= (uint64_t)(UINT8_MAX - SYMBOLS_SHORT - from) / SYMBOLS_SHORT_LINES) {
        put(&writer->rows, (uint8_t)(SYMBOLS_SHORT + (int64_t)(advance - 1) * SYMBOLS_SHORT_LINES + from));
        return;
    }
    put(&writer->rows, same_file ? SYMBOLS_LINE : SYMBOLS_FILE);
    put_number(&writer->rows, advance);
    if (!same_file)
        put_number(&writer->rows, string_offset(&writer->strings, row->file, strlen(row->file)));
    put_signed(&writer->rows, lines);
}

static void put_row(struct writer *writer, const struct row *row)
{
    const struct row *last = &writer->last;
    uint64_t advance = row->address - last->address;
    bool same_file = last->function && strcmp(row->file, last->file) == 0;

    if (writer->blocks && row->function == last->function && same_file && row->line == last->line)
        return;
    if (writer->block_rows++ % SYMBOLS_BLOCK_ROWS == 0) {
        put_first(writer, row);
    } else if (!row->function) {
        put(&writer->rows, SYMBOLS_GAP);
        put_number(&writer->rows, advance);
    } else if (row->function != last->function) {
        put_function(writer, row, advance, same_file);
    } else {
        put_line(writer, row, advance, same_file);
    }
    writer->last = *row;
}

/* The row at each address where a function or a line begins, or a function ends. */
static void put_rows(struct writer *writer)
{
    const struct program *program = writer->program;
    const struct function *functions = program->functions;
    size_t f = 0, l = 0;
    uint64_t address = program->text;

    while (address < program->text_end) {
        struct row row = {.address = address, .file = ""};
        uint64_t next = program->text_end;

        while (f < program->function_count && functions[f].end <= address)
            f++;
        while (l < program->line_count && program->lines[l].address <= address)
            l++;
        if (f < program->function_count) {
            bool inside = functions[f].start <= address;

            row.function = inside ? &functions[f] : NULL;
            next = inside ? functions[f].end : functions[f].start;
        }
        if (row.function && l > 0 && program->lines[l - 1].file) {
            row.file = program->lines[l - 1].file;
            row.line = program->lines[l - 1].line;
        }
        if (l < program->line_count && program->lines[l].address < next)
            next = program->lines[l].address;
        put_row(writer, &row);
        address = next;
    }
}

struct bytes table_make(const struct program *program)
{
    struct writer writer = {.program = program};
    struct bytes table = {0};

    put(&writer.strings, 0);
    put_rows(&writer);
    put_u32(&table, SYMBOLS_MAGIC);
    put_u32(&table, writer.blocks);
    put_u32(&table, writer.rows.count);
    put_u32(&table, writer.strings.count);
    put_u32(&table, program->text & UINT32_MAX);
    put_u32(&table, program->text >> 32);
    put_u32(&table, program->text_end - program->text);
    put_u32(&table, 0);
    put_bytes(&table, &writer.index);
    put_bytes(&table, &writer.rows);
    put_bytes(&table, &writer.strings);
    return table;
}
