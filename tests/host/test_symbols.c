/*
 * Tables made by hand, row by row; the same tables broken in every byte; and what tools/symbols makes of programs that
 * gcc has just compiled, against what addr2line says of every byte of their text.
 */
#include "lib/symbols.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define BASE     0xffffffff80101000u
#define ALL_SIZE 4096

/* ---- tables by hand ---- */

struct maker {
    uint8_t index[256], rows[1024], strings[256];
    size_t index_bytes, rows_bytes, strings_bytes;
    uint64_t text_bytes;
};

static void put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, 4); /* the host is little endian too */
}

static void block(struct maker *maker, uint32_t address)
{
    put_u32(maker->index + maker->index_bytes, address);
    put_u32(maker->index + maker->index_bytes + 4, maker->rows_bytes);
    maker->index_bytes += 8;
}

static void row_bytes(struct maker *maker, const uint8_t *bytes, size_t count)
{
    memcpy(maker->rows + maker->rows_bytes, bytes, count);
    maker->rows_bytes += count;
}

#define row(maker, ...) row_bytes(maker, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t string(struct maker *maker, const char *text)
{
    size_t offset = maker->strings_bytes;

    strcpy((char *)maker->strings + offset, text);
    maker->strings_bytes += strlen(text) + 1;
    return offset;
}

/* The table in memory of exactly its size, so that the sanitizer sees each byte read beyond it. */
static uint8_t *table(const struct maker *maker, size_t *size)
{
    uint8_t *bytes;

    *size = 32 + maker->index_bytes + maker->rows_bytes + maker->strings_bytes;
    bytes = calloc(1, *size);
    put_u32(bytes, SYMBOLS_MAGIC);
    put_u32(bytes + 4, maker->index_bytes / 8);
    put_u32(bytes + 8, maker->rows_bytes);
    put_u32(bytes + 12, maker->strings_bytes);
    *(uint64_t *)(bytes + 16) = 0xffffffff00000000 | BASE;
    *(uint64_t *)(bytes + 24) = maker->text_bytes;
    memcpy(bytes + 32, maker->index, maker->index_bytes);
    memcpy(bytes + 32 + maker->index_bytes, maker->rows, maker->rows_bytes);
    memcpy(bytes + 32 + maker->index_bytes + maker->rows_bytes, maker->strings, maker->strings_bytes);
    return bytes;
}

#define SHORT(advance, lines) (SYMBOLS_SHORT + (advance - 1) * SYMBOLS_SHORT_LINES + lines + SYMBOLS_SHORT_BACK)

/*
 *    0x00  one             a.c:10      0x08 a.c:13   0x09 a.c:12    0x30 b.h:200   0x34 b.h:190
 *    0x40  nothing
 *    0x50  stub_7          a.c:300
 *    0x60  poll, async     (file and line unknown)
 *          a block begins at 0x68: a.c:5
 *    0x80  nothing, by a block of its own
 */
static struct maker example(void)
{
    struct maker m = {.text_bytes = 0x90};
    uint8_t none = string(&m, ""), one = string(&m, "one"), a = string(&m, "a.c"), b = string(&m, "b.h");
    uint8_t stub = string(&m, "stub_"), poll = string(&m, "poll");

    block(&m, 0);
    row(&m, SYMBOLS_FUNCTION, 0, one, a, 10);
    row(&m, SHORT(8, 3));
    row(&m, SHORT(1, -1));
    row(&m, SYMBOLS_FILE, 0x27, b, 0xf8, 0x02); /* zigzag of 188 */
    row(&m, SYMBOLS_LINE, 4, 19);               /* of -10 */
    row(&m, SYMBOLS_GAP, 12);
    row(&m, SYMBOLS_FUNCTION | SYMBOLS_NUMBERED, 16, stub, 7, a, 0xac, 0x02);
    row(&m, SYMBOLS_FUNCTION | SYMBOLS_ASYNC, 16, poll, none, 0);
    block(&m, 0x68);
    row(&m, SYMBOLS_FUNCTION | SYMBOLS_ASYNC, 8, poll, a, 5);
    block(&m, 0x80);
    row(&m, SYMBOLS_GAP, 0);
    return m;
}

static enum status look(const struct maker *maker, uint64_t at, struct symbol *symbol)
{
    size_t size;
    uint8_t *bytes = table(maker, &size);
    enum status status = symbols_lookup(bytes, size, (0xffffffff00000000 | BASE) + at, symbol);
    static char file[64];

    if (status == STATUS_OK)
        symbol->file = strcpy(file, symbol->file);
    free(bytes);
    return status;
}

static void expect(const struct maker *maker, uint64_t at, const char *wanted)
{
    struct symbol symbol;
    char text[256] = "nothing";

    if (look(maker, at, &symbol) == STATUS_OK)
        snprintf(text, sizeof(text), "%s+%u %s:%u%s", symbol.name, symbol.offset, symbol.file, symbol.line,
                 symbol.async ? " async" : "");
    cr_assert_str_eq(text, wanted, "at 0x%lx", (unsigned long)at);
}

Test(symbols, finds_the_function_and_the_offset_from_its_first_byte_to_its_last)
{
    struct maker m = example();

    expect(&m, 0, "one+0 a.c:10");
    expect(&m, 7, "one+7 a.c:10");
    expect(&m, 0x3f, "one+63 b.h:190");
}

Test(symbols, follows_lines_forward_and_back_and_into_other_files)
{
    struct maker m = example();

    expect(&m, 8, "one+8 a.c:13");
    expect(&m, 9, "one+9 a.c:12");
    expect(&m, 0x2f, "one+47 a.c:12");
    expect(&m, 0x30, "one+48 b.h:200");
    expect(&m, 0x34, "one+52 b.h:190");
}

Test(symbols, finds_nothing_in_a_gap_nor_outside_the_text)
{
    struct maker m = example();

    expect(&m, 0x40, "nothing");
    expect(&m, 0x4f, "nothing");
    expect(&m, 0x80, "nothing");
    expect(&m, 0x8f, "nothing");
    expect(&m, 0x90, "nothing");
    expect(&m, UINT64_MAX, "nothing");
    m.index[0] = 4; /* the first block begins behind the text's start */
    expect(&m, 3, "nothing");
}

Test(symbols, puts_numbered_names_together)
{
    struct maker m = example();

    expect(&m, 0x50, "stub_7+0 a.c:300");
    expect(&m, 0x5f, "stub_7+15 a.c:300");
}

Test(symbols, knows_functions_with_an_async_body_and_unknown_places)
{
    struct maker m = example();

    expect(&m, 0x60, "poll+0 :0 async");
    expect(&m, 0x68, "poll+8 a.c:5 async");
    expect(&m, 0x7f, "poll+31 a.c:5 async");
}

Test(symbols, shares_a_file_with_the_row_before)
{
    struct maker m = example();

    block(&m, 0x82);
    row(&m, SYMBOLS_FUNCTION, 0, 1, 5, 1);
    row(&m, SYMBOLS_FUNCTION | SYMBOLS_SAME_FILE, 2, 1, 9);
    expect(&m, 0x85, "one+1 a.c:9");
}

Test(symbols, shortens_a_name_that_does_not_fit)
{
    struct maker m = example();
    char name[100], wanted[128];
    uint8_t offset;

    memset(name, 'x', sizeof(name));
    name[99] = '\0';
    offset = string(&m, name);
    block(&m, 0x82);
    row(&m, SYMBOLS_FUNCTION, 0, offset, 5, 1);
    snprintf(wanted, sizeof(wanted), "%.*s+0 a.c:1", SYMBOL_NAME_BYTES - 1, name);
    expect(&m, 0x82, wanted);
}

Test(symbols, an_empty_table_knows_nothing)
{
    struct symbol symbol;
    struct maker m = {.strings_bytes = 1, .text_bytes = 16};

    cr_assert_eq(symbols_lookup(NULL, 0, BASE, &symbol), STATUS_NOT_FOUND);
    cr_assert_eq(look(&m, 0, &symbol), STATUS_NOT_FOUND);
}

/* ---- broken tables ---- */

static void expect_invalid(const struct maker *maker, uint64_t at)
{
    struct symbol symbol = {.line = 77, .file = "untouched"};

    cr_assert_eq(look(maker, at, &symbol), STATUS_INVALID);
    cr_assert_eq(symbol.line, 77);
    cr_assert_str_eq(symbol.file, "untouched");
}

/* A table of one block with one row, and three strings: "", "f", "c". */
static struct maker single(void)
{
    struct maker m = {.text_bytes = 0x100};

    string(&m, "");
    string(&m, "f");
    string(&m, "c");
    block(&m, 0x10);
    return m;
}

#define EXPECT_INVALID_ROWS(...)    \
    do {                            \
        struct maker m_ = single(); \
        row(&m_, __VA_ARGS__);      \
        expect_invalid(&m_, 0x20);  \
    } while (0)

Test(symbols, says_of_broken_rows_that_they_are)
{
    struct maker m = single();

    expect_invalid(&m, 0x20); /* no row */
    row(&m, SYMBOLS_FUNCTION, 0, 1, 3, 9);
    expect(&m, 0x20, "f+16 c:9");
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 5, 3, 9);                               /* name */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 5, 9);                               /* file */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 3);                                  /* cut short */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 3, 0x89);                            /* in a number */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0x11, 1, 3, 9);                            /* begins before the text */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 3, 0xff, 0xff, 0xff, 0xff, 0x7f);    /* a line above 2^32 */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0); /* an endless number */
    EXPECT_INVALID_ROWS(SYMBOLS_FUNCTION, 0, 1, 3, 2, SHORT(1, -3));                 /* a line below 0 */
    EXPECT_INVALID_ROWS(SYMBOLS_LINE, 0, 2); /* a first row that depends on another */
    EXPECT_INVALID_ROWS(SHORT(1, 0));
}

Test(symbols, says_of_a_broken_index_that_it_is)
{
    struct maker m = example();

    put_u32(m.index + 4, m.rows_bytes + 1);
    expect_invalid(&m, 0);
    m = example();
    put_u32(m.index + 4, 40); /* behind the next block's */
    expect_invalid(&m, 0);
    m = example();
    put_u32(m.index + 12, m.rows_bytes + 1);
    expect_invalid(&m, 0);
}

Test(symbols, says_of_a_broken_header_that_it_is)
{
    struct maker m = example();
    struct symbol symbol;
    size_t size;
    uint8_t *bytes = table(&m, &size);

    bytes[0] ^= 1;
    cr_assert_eq(symbols_lookup(bytes, size, BASE, &symbol), STATUS_INVALID);
    bytes[0] ^= 1;
    bytes[size - 1] = 'x'; /* no NUL at the end */
    cr_assert_eq(symbols_lookup(bytes, size, BASE, &symbol), STATUS_INVALID);
    free(bytes);
    m.strings_bytes = 0;
    expect_invalid(&m, 0);
}

static void look_everywhere(const uint8_t *bytes, size_t size)
{
    struct symbol symbol;

    for (uint64_t at = 0; at < 0xa0; at += 3)
        if (symbols_lookup(bytes, size, (0xffffffff00000000 | BASE) + at, &symbol) == STATUS_OK) {
            cr_assert_lt(strlen(symbol.name), SYMBOL_NAME_BYTES);
            cr_assert_lt(strlen(symbol.file), size);
        }
}

Test(symbols, reads_nothing_outside_a_table_that_is_cut_anywhere)
{
    struct maker m = example();
    size_t size;
    uint8_t *bytes = table(&m, &size);

    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1);

        memcpy(copy, bytes, cut);
        look_everywhere(copy, cut);
        free(copy);
    }
    free(bytes);
}

Test(symbols, reads_nothing_outside_a_table_with_any_byte_changed)
{
    struct maker m = example();
    uint64_t random = 12345;
    size_t size;
    uint8_t *bytes = table(&m, &size);

    for (size_t i = 0; i < size; i++) {
        uint8_t old = bytes[i];

        for (unsigned value = 0; value < 256; value++) {
            bytes[i] = value;
            look_everywhere(bytes, size);
        }
        bytes[i] = old;
    }
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t *copy = malloc(size);

        memcpy(copy, bytes, size);
        for (unsigned changes = 0; changes < 4; changes++)
            copy[support_random(&random) % size] = support_random(&random);
        look_everywhere(copy, size);
        free(copy);
    }
    free(bytes);
}

/* ---- what the tool makes ---- */

static const char program[] = "#include \"executor/async.h\"\n"
                              "struct body { struct async async; struct future *child; };\n"
                              "static volatile int sink;\n"
                              "__asm__(\".text\\nlabel_1: nop\\nlabel_2: nop\\nnop\\n\");\n"
                              "_Noreturn void panic_at(const char *f, int l, const char *t, ...) { for (;;) sink++; }\n"
                              "static __attribute__((noinline)) int hidden(int x) { sink = x; return x * sink; }\n"
                              "static enum poll body_poll(struct future *future, struct waker *waker)\n"
                              "{\n"
                              "    struct body *self = container_of(future, struct body, async.future);\n"
                              "    ASYNC (&self->async) {\n"
                              "        AWAIT(self->child);\n"
                              "        ASYNC_RETURN;\n"
                              "    }\n"
                              "}\n"
                              "static enum poll leaf_poll(struct future *f, struct waker *w)\n"
                              "{\n"
                              "    return hidden(f == (void *)w);\n"
                              "}\n"
                              "struct future futures[] = {{body_poll}, {leaf_poll}};\n"
                              "int main(int count, char **words)\n"
                              "{\n"
                              "    for (int i = 0; i < count; i++)\n"
                              "        sink += hidden(i) + words[i][0];\n"
                              "    if (sink == 12345)\n"
                              "        panic(\"never\");\n"
                              "    return 0;\n"
                              "}\n";

struct made {
    char folder[32];
    uint8_t *bytes;
    size_t size;
};

static void run(const char *format, ...)
{
    char command[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

static struct made make(const char *compiler)
{
    struct made made = {.folder = "/tmp/duet-symbols-XXXXXX", .bytes = malloc(1 << 20)};
    char path[64];
    FILE *file;

    cr_assert_not_null(mkdtemp(made.folder));
    snprintf(path, sizeof(path), "%s/program.c", made.folder);
    file = fopen(path, "w");
    fputs(program, file);
    fclose(file);
    run("%s -g -no-pie -Isrc -ffile-prefix-map=%s/= %s/program.c -o %s/program", compiler, made.folder, made.folder,
        made.folder);
    run("build/duet-symbols %s/program %s/table && build/duet-symbols %s/program %s/again && cmp %s/table %s/again",
        made.folder, made.folder, made.folder, made.folder, made.folder, made.folder);
    snprintf(path, sizeof(path), "%s/table", made.folder);
    file = fopen(path, "r");
    made.size = fread(made.bytes, 1, 1 << 20, file);
    fclose(file);
    made.bytes = realloc(made.bytes, made.size);
    return made;
}

static void made_remove(struct made *made)
{
    run("rm -r %s", made->folder);
    free(made->bytes);
}

static uint64_t address_of(const struct made *made, const char *name)
{
    char command[128];
    unsigned long address = 0;
    FILE *nm;

    snprintf(command, sizeof(command), "nm %s/program | sed -n 's/ [tT] %s$//p'", made->folder, name);
    nm = popen(command, "r");
    cr_assert_eq(fscanf(nm, "%lx", &address), 1, "no symbol %s", name);
    pclose(nm);
    return address;
}

static struct symbol find(const struct made *made, uint64_t address)
{
    struct symbol symbol;

    cr_assert_eq(symbols_lookup(made->bytes, made->size, address, &symbol), STATUS_OK);
    return symbol;
}

/* The line of the program that holds these words. */
static unsigned line_of(const char *words)
{
    unsigned line = 1;

    for (const char *at = program; at < strstr(program, words); at++)
        line += *at == '\n';
    return line;
}

static void expect_named(const struct made *made, const char *name, bool async)
{
    struct symbol symbol = find(made, address_of(made, name) + 1);

    cr_assert_str_eq(symbol.name, name);
    cr_assert_eq(symbol.offset, 1);
    cr_assert_eq(symbol.async, async, "%s", name);
}

/* The same line as addr2line says of every byte, where it knows one. (It gives the functions of a header the name of
 * the file that includes it.) */
static void expect_as_addr2line(const struct made *made)
{
    char command[256], text[512];
    uint64_t from = address_of(made, "_start"), at = from;
    FILE *lines;
    unsigned known = 0;

    snprintf(command, sizeof(command),
             "awk 'BEGIN { for (i = 0; i < 512; i++) printf \"%%x\\n\", %lu + i }' | "
             "addr2line -e %s/program",
             (unsigned long)from, made->folder);
    lines = popen(command, "r");
    for (; fgets(text, sizeof(text), lines); at++) {
        struct symbol symbol;
        char *colon = strrchr(text, ':');

        if (symbols_lookup(made->bytes, made->size, at, &symbol) != STATUS_OK || !colon || colon[1] == '?')
            continue;
        cr_assert_eq(symbol.line, atoi(colon + 1), "line of 0x%lx", (unsigned long)at);
        known += symbol.line != 0;
    }
    pclose(lines);
    cr_assert_gt(known, 100);
}

static void expect_program(const char *compiler)
{
    struct made made = make(compiler);
    struct symbol symbol;

    expect_named(&made, "main", false);
    expect_named(&made, "hidden", false);
    expect_named(&made, "body_poll", true);
    expect_named(&made, "leaf_poll", false);
    expect_named(&made, "label_2", false);
    symbol = find(&made, address_of(&made, "label_1"));
    cr_assert_str_eq(symbol.name, "label_1");
    symbol = find(&made, address_of(&made, "hidden"));
    cr_assert_str_eq(symbol.file, "program.c");
    cr_assert_eq(symbol.line, line_of("static __attribute__((noinline)) int hidden"));
    expect_as_addr2line(&made);
    made_remove(&made);
}

Test(symbols, the_tool_names_every_address_of_an_unoptimised_program, .timeout = 60)
{
    expect_program("gcc -O0");
}

Test(symbols, the_tool_knows_headers, .timeout = 60)
{
    struct made made = make("gcc -O0");
    struct symbol symbol = find(&made, address_of(&made, "future_poll"));

    cr_assert_str_eq(symbol.file, "src/executor/future.h");
    made_remove(&made);
}

Test(symbols, the_tool_names_every_address_of_an_optimised_program, .timeout = 60)
{
    expect_program("gcc -O2");
}

Test(symbols, the_tool_names_what_clang_made, .timeout = 60)
{
    expect_program("clang -O2");
}

Test(symbols, the_tool_names_functions_without_debugging_information, .timeout = 60)
{
    struct made made = make("gcc -O1 -Wl,--strip-debug");
    struct symbol symbol = find(&made, address_of(&made, "main"));

    cr_assert_str_eq(symbol.name, "main");
    cr_assert_eq(symbol.line, 0);
    cr_assert_str_eq(symbol.file, "");
    made_remove(&made);
}
