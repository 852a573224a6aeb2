#include "report.h"

#include <stdio.h>
#include <string.h>

#include "results.h"

enum { REASONS_MOST = 26, ID_LETTERS = 17, UNIT_LETTERS = 7, CELL_LETTERS = 13, CELL_BYTES = 64 };

static bool ns_only(const struct row *row)
{
    return !units[row->unit].counted;
}

/* Why there is no such figure, or NULL. */
static const char *cell_why_not(const struct row *row, size_t peer, bool ns)
{
    const char *why_not = figure_why_not(&units[row->unit], peers[peer]);

    if (!why_not && !ns && peers[peer]->threads)
        return "most of it happens in the kernel, where callgrind does not count";
    return why_not;
}

/* ---- a terminal ---- */

static void terminal_cell(double value, double ratio, bool own)
{
    char text[CELL_BYTES], factor[CELL_BYTES / 2] = "";

    if (!own)
        snprintf(factor, sizeof(factor), " %.*fx", ratio < 0.95 ? 2 : ratio < 9.95 ? 1 : 0, ratio);
    snprintf(text, sizeof(text), "%.*f%s", value < 100 ? 1 : 0, value, factor);
    printf("%*s", CELL_LETTERS, text);
}

static void terminal_row(const struct row *row, bool ns)
{
    printf("%-*s%-*s", ID_LETTERS, row->id, UNIT_LETTERS, ns ? "ns" : "instr.");
    for (size_t peer = 0; peer < COLUMNS; peer++) {
        struct figure figure = row_figure(row, peer);

        if (cell_why_not(row, peer, ns))
            printf("%*s", CELL_LETTERS, "-");
        else
            terminal_cell(ns ? figure.ns.median : figure.instructions, row_ratio(row, peer, ns), peer == 0);
    }
    putchar('\n');
}

void report_print(void)
{
    printf("%-*s", ID_LETTERS + UNIT_LETTERS, "an operation");
    for (size_t peer = 0; peer < COLUMNS; peer++)
        printf("%*s", CELL_LETTERS, peers[peer]->column);
    putchar('\n');
    for (int ns = 0; ns < 2; ns++)
        for (size_t i = 0; i < row_count; i++)
            if (ns || !ns_only(&rows[i]))
                terminal_row(&rows[i], ns);
    printf("%-*s%-*s", ID_LETTERS, "task_bytes", UNIT_LETTERS, "bytes");
    for (size_t peer = 0; peer < COLUMNS; peer++)
        terminal_cell((double)peers[peer]->task_bytes(),
                      (double)peers[peer]->task_bytes() / (double)peers[0]->task_bytes(), peer == 0);
    printf(
        "\nx: times Duet's figure. instr.: of user space, counted by callgrind. ns: the median of %u rounds on this\n"
        "host, of 3 where one takes seconds. -: no such thing in that library, or not counted; the report says why.\n",
        facts.rounds);
}

/* ---- the page ---- */

static const char *reasons[REASONS_MOST];

/* "-" and a letter that stands for the reason. */
static void page_reason(FILE *page, const char *why_not)
{
    size_t i = 0;

    while (reasons[i] && strcmp(reasons[i], why_not) != 0)
        if (++i == REASONS_MOST)
            native_die("too many reasons");
    reasons[i] = why_not;
    fprintf(page, " - (%c) |", (char)('a' + i));
}

static void page_number(FILE *page, double value)
{
    fprintf(page, value < 100 ? " %.1f" : " %.0f", value);
}

static void page_cell(FILE *page, const struct row *row, size_t peer, bool ns)
{
    struct figure figure = row_figure(row, peer);
    const char *why_not = cell_why_not(row, peer, ns);

    if (why_not) {
        page_reason(page, why_not);
        return;
    }
    page_number(page, ns ? figure.ns.median : figure.instructions);
    if (ns)
        fprintf(page, " (min %.*f, IQR %.*f)", figure.ns.least < 100, figure.ns.least, figure.ns.median < 100,
                figure.ns.high - figure.ns.low);
    if (peer)
        fprintf(page, " **%.2fx**", row_ratio(row, peer, ns));
    fprintf(page, " |");
}

static void page_table(FILE *page)
{
    fprintf(page, "| operation | unit |");
    for (size_t peer = 0; peer < COLUMNS; peer++)
        fprintf(page, " %s |", peers[peer]->title);
    fprintf(page, "\n|---|---|");
    for (size_t peer = 0; peer < COLUMNS; peer++)
        fprintf(page, "---:|");
    for (size_t i = 0; i < row_count; i++)
        for (int ns = 0; ns < 2; ns++) {
            if (!ns && ns_only(&rows[i]))
                continue;
            fprintf(page, "\n| `%s` | %s |", rows[i].id, ns ? "ns" : "instructions");
            for (size_t peer = 0; peer < COLUMNS; peer++)
                page_cell(page, &rows[i], peer, ns);
        }
    fprintf(page, "\n| `task_bytes` | bytes |");
    for (size_t peer = 0; peer < COLUMNS; peer++) {
        size_t bytes = peers[peer]->task_bytes();

        fprintf(page, " %zu", bytes);
        if (peer)
            fprintf(page, " **%.2fx**", (double)bytes / (double)peers[0]->task_bytes());
        fprintf(page, " |");
    }
    fprintf(page, "\n\n");
}

static void page_explain(FILE *page)
{
    fprintf(page, "`x` is how many times Duet's figure: above 1 the peer takes more. Of nanoseconds the median over "
                  "the rounds stands first.\n");
    for (size_t i = 0; i < REASONS_MOST && reasons[i]; i++)
        fprintf(page, "%s(%c) %s", i ? "; " : "A dash: ", (char)('a' + i), reasons[i]);
    fprintf(page,
            ".\nA flag in memory, handed over and answered without any task, takes %.0f ns: the floor of "
            "`cross_thread`.\n\n",
            cross_thread_floor_ns());
    fprintf(page, "## What is measured\n\n| operation | |\n|---|---|\n");
    for (size_t i = 0; i < row_count; i++)
        fprintf(page, "| `%s` | %s |\n", rows[i].id, row_meaning(&rows[i]));
    fprintf(page, "| `task_bytes` | what a parked task with 32 bytes of state takes, its stack included |\n");
    fprintf(page, "\n## The peers\n\n| | version | how |\n|---|---|---|\n");
    for (size_t peer = 0; peer < COLUMNS; peer++)
        fprintf(page, "| %s | %s | %s |\n", peers[peer]->title, peers[peer]->version(), peers[peer]->how);
}

void report_write(const char *path)
{
    FILE *page = fopen(path, "w");

    if (!page)
        native_die("cannot write %s", path);
    fprintf(page, "# Duet's executor on the host, beside what C and C++ offer\n\n");
    fprintf(page, "Written by `make bench-native%s` on %s, of commit %s, with\n%s and %s, on %s\n(%s CPUs, %s). ",
            facts.quick ? " QUICK=1" : "", facts.date, facts.commit, facts.gcc, facts.valgrind, facts.cpu, facts.cpus,
            facts.kernel);
    fprintf(page, "%u rounds; load average before: %s, after: %s.\n\n", facts.rounds, facts.load_before,
            facts.load_after);
    page_table(page);
    page_explain(page);
    fprintf(page, "\nMethod and limits: docs/benchmark.md.\n");
    if (fclose(page))
        native_die("cannot write %s", path);
}
