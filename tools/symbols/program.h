/* What the table is made of: the functions and the source lines of an ELF file's text. */
#ifndef DUET_SYMBOLS_PROGRAM_H
#define DUET_SYMBOLS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function {
    uint64_t start;
    uint64_t end;
    const char *name;
    int rank; /* of two at one address, the lower is meant */
    bool async;
};

/* From an address on, this is where the code comes from. A file of NULL: nobody knows. */
struct line {
    uint64_t address;
    const char *file;
    unsigned line;
    size_t order; /* as found: of several at one address, the last holds */
};

struct program {
    uint64_t text;
    uint64_t text_end;
    struct function *functions; /* by start; they do not overlap */
    size_t function_count;
    struct line *lines; /* by address, one for each */
    size_t line_count;
};

/* Says on standard error what is wrong, and exits with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more in an array of `count`, which grows by doubling. */
void *array_grow(void *array, size_t count, size_t size_bytes);

/* Reads the .text section of an ELF file, its symbols and its debugging information, which need not be there. What
 * the program points to stays. */
struct program program_read(const char *path);

#endif
