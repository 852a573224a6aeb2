#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Where the text of a field begins on a terminal. */
#define FIELD_INDENT 10

struct table table_new(const struct column *columns, size_t width)
{
    return (struct table){.columns = columns, .width = width};
}

void table_add(struct table *table, char *text)
{
    table->cells = realloc(table->cells, (table->count + 1) * sizeof(*table->cells));
    if (!table->cells)
        die("out of memory");
    table->cells[table->count++] = text;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

/* Words up to `limit` columns a line; all lines but the first begin with `indent` spaces, and the first stands there.
 */
static void write_wrapped(const struct page *page, const char *text, int indent, int limit)
{
    int column = indent;
    bool fresh = true;

    while (*text) {
        int size = (int)strcspn(text, " ");

        if (!fresh && column + 1 + size > limit) {
            fprintf(page->out, "\n%*s", indent, "");
            column = indent;
            fresh = true;
        }
        column += fprintf(page->out, "%s%.*s", fresh ? "" : " ", size, text);
        fresh = false;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', page->out);
}

static void write_markdown(const struct page *page, const char *text)
{
    for (; *text; text++) {
        if (strchr("*<|", *text))
            fputc('\\', page->out);
        fputc(*text, page->out);
    }
}

void page_title(const struct page *page, const char *title)
{
    fprintf(page->out, page->markdown ? "# %s\n\n" : "%s\n\n", title);
}

void page_section(const struct page *page, const char *title)
{
    fprintf(page->out, page->markdown ? "\n## %s\n\n" : "\n%s\n\n", title);
}

void page_field(const struct page *page, const char *label, const char *text)
{
    if (page->markdown) {
        fprintf(page->out, "- **%s**: ", label);
        write_markdown(page, text);
        fputc('\n', page->out);
    } else {
        fprintf(page->out, "%-*s", FIELD_INDENT, label);
        write_wrapped(page, text, FIELD_INDENT, PAGE_WIDTH);
    }
}

void page_paragraph(const struct page *page, const char *text)
{
    fputc('\n', page->out);
    if (page->markdown) {
        write_markdown(page, text);
        fputc('\n', page->out);
    } else {
        write_wrapped(page, text, 0, PAGE_WIDTH);
    }
}

static size_t column_size(const struct table *table, size_t column)
{
    size_t size = strlen(table->columns[column].title);

    for (size_t i = column; i < table->count; i += table->width) {
        if (strlen(table->cells[i]) > size)
            size = strlen(table->cells[i]);
    }
    return size;
}

/* One line of a terminal's table. */
static void write_line(const struct page *page, const struct table *table, const char *const *text)
{
    char line[1024] = "";
    size_t end = 0;

    for (size_t i = 0; i < table->width; i++) {
        int size = (int)column_size(table, i);
        const char *bar = table->columns[i].group ? " | " : "  ";

        end += (size_t)snprintf(line + end, sizeof(line) - end, "%s%*s", i == 0 ? "" : bar,
                                table->columns[i].left ? -size : size, text[i]);
        if (end >= sizeof(line))
            die("a table is too wide");
    }
    while (end > 0 && line[end - 1] == ' ')
        end--;
    fprintf(page->out, "%.*s\n", (int)end, line);
}

/* The groups' names, each where its first column begins. */
static void write_groups(const struct page *page, const struct table *table)
{
    size_t start = 0;
    size_t column = 0;
    bool any = false;

    for (size_t i = 0; i < table->width; i++) {
        const char *group = table->columns[i].group;

        if (i > 0)
            start += group ? 3 : 2;
        if (group && group[0]) {
            column += (size_t)fprintf(page->out, "%*s%s", (int)(start - column), "", group);
            any = true;
        }
        start += column_size(table, i);
    }
    if (any)
        fputc('\n', page->out);
}

static void write_terminal(const struct page *page, const struct table *table)
{
    const char **titles = array_new(table->width, sizeof(*titles));
    size_t size = 0;

    for (size_t i = 0; i < table->width; i++) {
        titles[i] = table->columns[i].title;
        size += column_size(table, i) + (i == 0 ? 0 : table->columns[i].group ? 3 : 2);
    }
    write_groups(page, table);
    write_line(page, table, titles);
    while (size--)
        fputc('-', page->out);
    fputc('\n', page->out);
    for (size_t i = 0; i < table->count; i += table->width)
        write_line(page, table, (const char *const *)&table->cells[i]);
    free(titles);
}

static void write_markdown_table(const struct page *page, const struct table *table)
{
    const char *group = "";

    for (size_t i = 0; i < table->width; i++) {
        if (table->columns[i].group)
            group = table->columns[i].group;
        fputs("| ", page->out);
        write_markdown(page, group);
        fputs(group[0] ? " " : "", page->out);
        write_markdown(page, table->columns[i].title);
        fputc(' ', page->out);
    }
    fputs("|\n", page->out);
    for (size_t i = 0; i < table->width; i++)
        fputs(table->columns[i].left ? "|---" : "|--:", page->out);
    fputs("|\n", page->out);
    for (size_t i = 0; i < table->count; i++) {
        fputs("| ", page->out);
        write_markdown(page, table->cells[i]);
        fputs((i + 1) % table->width ? " " : " |\n", page->out);
    }
}

void page_table(const struct page *page, const struct table *table)
{
    if (page->markdown)
        write_markdown_table(page, table);
    else
        write_terminal(page, table);
}
