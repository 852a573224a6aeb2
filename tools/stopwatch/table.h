/* The cells of external.json as tables in Markdown. */
#ifndef DUET_STOPWATCH_TABLE_H
#define DUET_STOPWATCH_TABLE_H

#include <jansson.h>
#include <stdio.h>

void table_external(FILE *to, const json_t *results);

#endif
