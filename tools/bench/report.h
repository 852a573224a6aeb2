/* The comparison for a reader: results.json set side by side, cooperative beside preemptive, on a terminal or a page.
 */
#ifndef DUET_BENCH_REPORT_H
#define DUET_BENCH_REPORT_H

#include <jansson.h>

#include "page.h"

void report_write(const struct page *page, json_t *results);

#endif
