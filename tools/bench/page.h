/*
 * A page of text and tables, written for a terminal (at most PAGE_WIDTH columns wide as far as the tables' contents
 * allow) or as Markdown; the contents are the same. Texts are ASCII.
 */
#ifndef DUET_BENCH_PAGE_H
#define DUET_BENCH_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { PAGE_WIDTH = 110 };

struct page {
    FILE *out;
    bool markdown;
};

struct column {
    const char *group; /* if not NULL, a bar stands before this column, and this over it and those that follow */
    const char *title;
    bool left; /* aligned to the left */
};

/* Cells row by row; the table owns their strings. */
struct table {
    const struct column *columns;
    size_t width;
    char **cells;
    size_t count;
};

struct table table_new(const struct column *columns, size_t width);

/* Appends the next cell, a fresh string that becomes the table's. */
void table_add(struct table *table, char *text);
void table_free(struct table *table);

void page_title(const struct page *page, const char *title);
void page_section(const struct page *page, const char *title);

/* A labelled line of the heading. */
void page_field(const struct page *page, const char *label, const char *text);
void page_paragraph(const struct page *page, const char *text);
void page_table(const struct page *page, const struct table *table);

#endif
