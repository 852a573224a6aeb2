/*
 * duet-symbols ELF TABLE: writes the names and source lines of an ELF file's text as a table that src/lib/symbols.c
 * reads. The same ELF file always gives the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "table.h"

int main(int count, char **arguments)
{
    struct program program;
    struct bytes table;
    FILE *file;

    if (count != 3)
        die("usage: duet-symbols ELF TABLE");
    program = program_read(arguments[1]);
    table = table_make(&program);
    file = fopen(arguments[2], "wb");
    if (!file || fwrite(table.at, 1, table.count, file) != table.count || fclose(file) != 0)
        die("%s: cannot be written", arguments[2]);
    return EXIT_SUCCESS;
}
