/* Writes a program as the table of src/lib/symbols.h. */
#ifndef DUET_SYMBOLS_TABLE_H
#define DUET_SYMBOLS_TABLE_H

#include "program.h"

struct bytes {
    uint8_t *at;
    size_t count;
};

/* The table; the same for the same program. */
struct bytes table_make(const struct program *program);

#endif
