/*
 * Names for addresses: which function an address is in, and which line of which file it was compiled from.
 *
 * The table is made from the linked kernel by tools/symbols, which shares this file's constants, and is placed in the
 * kernel by a second link. Little endian, no alignment:
 *
 *      u32 magic, blocks, rows_bytes, strings_bytes; u64 base; u64 text_bytes
 *      u32 address, row        for each block, in the order of addresses
 *      rows
 *      strings                 each ends in a NUL, and so does the whole
 *
 * Addresses are relative to base. A row says what holds from an address on: function, file and line. SYMBOLS_BLOCK_ROWS
 * rows, coded as differences to each other, make a block; the index finds the block of an address. A number in a row is
 * a varint: 7 bits a byte, the lowest first, the top bit set in all but the last byte; a signed one is zigzag, twice
 * the value or -1 minus that. `advance` is the distance to the row before, except in a block's first row, which is a
 * FUNCTION or a GAP: how far before the block its function began. A row is one byte and what it says follows:
 *
 *      SYMBOLS_FUNCTION + flags    advance, name, number if NUMBERED, file if not SAME_FILE, line
 *      SYMBOLS_FILE                advance, file, signed difference of lines
 *      SYMBOLS_LINE                advance, signed difference of lines
 *      SYMBOLS_GAP                 advance: no function
 *      SYMBOLS_SHORT and above     nothing: see there
 *
 * Names and files are offsets into the strings. The name of a NUMBERED function has the number at its end: that makes
 * one string of 256 interrupt stubs. Line 0 and the file "" stand for not known.
 */
#ifndef DUET_LIB_SYMBOLS_H
#define DUET_LIB_SYMBOLS_H

#include "lib/base.h"

enum {
    SYMBOLS_MAGIC = 0x4d595344,
    SYMBOLS_HEADER_BYTES = 32,
    SYMBOLS_INDEX_BYTES = 8,
    SYMBOLS_BLOCK_ROWS = 64,

    SYMBOLS_FUNCTION = 0,
    SYMBOLS_NUMBERED = 1,
    SYMBOLS_SAME_FILE = 2,
    SYMBOLS_ASYNC = 4, /* the function has an ASYNC body: as a future's poll function, it polls a struct async */
    SYMBOLS_FILE = 8,
    SYMBOLS_LINE = 9,
    SYMBOLS_GAP = 10,

    /* op - SYMBOLS_SHORT = (advance - 1) * SYMBOLS_SHORT_LINES + difference of lines + SYMBOLS_SHORT_BACK */
    SYMBOLS_SHORT = 11,
    SYMBOLS_SHORT_LINES = 8,
    SYMBOLS_SHORT_BACK = 3,

    SYMBOL_NAME_BYTES = 64,
};

struct symbol {
    char name[SYMBOL_NAME_BYTES]; /* shortened to fit */
    const char *file;             /* in the table; "" if not known */
    uint32_t line;                /* 0 if not known */
    uint32_t offset;              /* from the function's start to the address */
    bool async;
};

/*
 * Finds what is at `address`. Takes time logarithmic in the size of the table. STATUS_NOT_FOUND: no function is there,
 * or the table is empty. STATUS_INVALID: the table breaks its own format, somewhere on the way to this address.
 * Whatever the table holds, nothing outside its bytes is read. Context: any.
 */
enum status symbols_lookup(const void *table, size_t table_bytes, uint64_t address, struct symbol *symbol) must_check;

#endif
