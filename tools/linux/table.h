/* The figures of bench-linux and of bench-external as tables in Markdown. */
#ifndef DUET_LINUX_TABLE_H
#define DUET_LINUX_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* Both kernels side by side, each figure with its median, minimum, p99, maximum and number; and how they lie to those
 * measured before (shared anchors). */
void table_linux(FILE *to, const json_t *results);

#endif
