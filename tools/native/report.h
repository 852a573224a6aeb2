/*
 * The figures for people: a table on the terminal, and a page of Markdown with the spreads and the reasons of dashes.
 */
#ifndef DUET_NATIVE_REPORT_H
#define DUET_NATIVE_REPORT_H

/* After results_rows(). */
void report_print(void);
void report_write(const char *path);

#endif
