/* Where a function is in an ELF file, by its symbol table. */
#ifndef DUET_STOPWATCH_SYMBOL_H
#define DUET_STOPWATCH_SYMBOL_H

#include <stdint.h>

struct symbol {
    uint64_t address, size;
};

/* Exits if the file has none of that name. */
struct symbol symbol_find(const char *path, const char *name);

#endif
