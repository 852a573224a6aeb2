/* Reads symbols with libelf and DWARF lines with libdw. */
#include "program.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What lies between two functions belongs to the first if it is no more than padding. */
#define PADDING_BYTES 16

/* The variable by which a function with an ASYNC body is known: the macro's (executor/async.h). */
#define ASYNC_VARIABLE "async_"

void die(const char *format, ...)
{
    va_list arguments;

    fputs("duet-symbols: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

void *array_grow(void *array, size_t count, size_t size_bytes)
{
    if (count & (count - 1))
        return array;
    array = realloc(array, (count ? 2 * count : 1) * size_bytes);
    if (!array)
        die("out of memory");
    return array;
}

static bool in_text(const struct program *program, uint64_t address)
{
    return address >= program->text && address < program->text_end;
}

/* ---- symbols ---- */

/* Finds .text; returns the symbol table's section. */
static Elf_Scn *find_sections(Elf *elf, struct program *program, size_t *text_index)
{
    Elf_Scn *symbols = NULL;
    size_t names;

    if (elf_getshdrstrndx(elf, &names) != 0)
        die("%s", elf_errmsg(-1));
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;

        gelf_getshdr(section, &header);
        if (header.sh_type == SHT_SYMTAB) {
            symbols = section;
        } else if (strcmp(elf_strptr(elf, names, header.sh_name), ".text") == 0) {
            *text_index = elf_ndxscn(section);
            program->text = header.sh_addr;
            program->text_end = header.sh_addr + header.sh_size;
        }
    }
    if (!symbols || !program->text_end)
        die("no symbol table, or no .text");
    return symbols;
}

/* Sized functions before unsized ones before labels, global before local. */
static int rank(const GElf_Sym *symbol)
{
    bool function = GELF_ST_TYPE(symbol->st_info) == STT_FUNC;

    return (function ? symbol->st_size ? 0 : 2 : 4) + (GELF_ST_BIND(symbol->st_info) == STB_LOCAL);
}

static void read_symbols(Elf *elf, struct program *program)
{
    size_t text_index = 0;
    Elf_Scn *section = find_sections(elf, program, &text_index);
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Shdr header;
    GElf_Sym symbol;

    gelf_getshdr(section, &header);
    for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
        unsigned type = GELF_ST_TYPE(symbol.st_info);
        const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

        if (symbol.st_shndx != text_index || (type != STT_FUNC && type != STT_NOTYPE) || !name || !*name ||
            !in_text(program, symbol.st_value))
            continue;
        program->functions = array_grow(program->functions, program->function_count, sizeof(struct function));
        program->functions[program->function_count++] = (struct function){
            .start = symbol.st_value,
            .end = type == STT_FUNC ? symbol.st_value + symbol.st_size : symbol.st_value,
            .name = name,
            .rank = rank(&symbol)};
    }
}

static int compare_functions(const void *left, const void *right)
{
    const struct function *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank - b->rank;
    return strcmp(a->name, b->name);
}

/* One function an address: labels inside a function are dropped, and one without a size ends where the next begins. */
static void settle_functions(struct program *program)
{
    struct function *functions = program->functions;
    size_t count = 0;

    qsort(functions, program->function_count, sizeof(*functions), compare_functions);
    for (size_t i = 0; i < program->function_count; i++) {
        const struct function *last = count ? &functions[count - 1] : NULL;

        if (!last || (functions[i].start != last->start && functions[i].start >= last->end))
            functions[count++] = functions[i];
    }
    program->function_count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t next = i + 1 < count ? functions[i + 1].start : program->text_end;

        if (functions[i].end == functions[i].start || next - functions[i].end < PADDING_BYTES)
            functions[i].end = next;
    }
}

/* ---- lines ---- */

static const char *without(const char *path, const char *folder)
{
    size_t length = folder ? strlen(folder) : 0;

    return length && strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

/* The path from the top of the tree, where this runs; the compiler said that it ran in `folder`, which may be made up.
 * Not every assembler calls the top by the name it was given for it. */
static const char *plain_path(const char *path, const char *folder)
{
    static char top[PATH_MAX];

    if (!*top && !getcwd(top, sizeof(top)))
        die("no current directory");
    path = without(without(path, folder), top);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return path;
}

/* Makes the line one of the function's own, where it called what was inlined, by whatever way. */
static void call_of_inlined(Dwarf_Die *unit, struct line *line, Dwarf_Die *inlined, const char *folder)
{
    Dwarf_Die *around = NULL;
    int count = dwarf_getscopes_die(inlined, &around);

    for (int i = 0; i < count && dwarf_tag(&around[i]) != DW_TAG_subprogram; i++) {
        Dwarf_Attribute attribute;
        Dwarf_Word file, number;
        Dwarf_Files *files;

        if (dwarf_tag(&around[i]) != DW_TAG_inlined_subroutine)
            continue;
        if (dwarf_formudata(dwarf_attr(&around[i], DW_AT_call_file, &attribute), &file) != 0 ||
            dwarf_formudata(dwarf_attr(&around[i], DW_AT_call_line, &attribute), &number) != 0 ||
            dwarf_getsrcfiles(unit, &files, NULL) != 0)
            die("an inlined call from nowhere: %s", dwarf_errmsg(-1));
        line->file = plain_path(dwarf_filesrc(files, file, NULL, NULL), folder);
        line->line = (unsigned)number;
    }
    free(around);
}

/* The instructions that turn interrupts off and on are in many functions: whose they are is what their line says. */
static void name_caller(Dwarf_Die *unit, struct line *line, const char *folder)
{
    static const char header[] = "machine/interrupts.h";
    size_t length = line->file ? strlen(line->file) : 0;
    Dwarf_Die *scopes = NULL;
    int count, i = 0;

    if (length < strlen(header) || strcmp(line->file + length - strlen(header), header) != 0)
        return;
    count = dwarf_getscopes(unit, line->address, &scopes);
    while (i < count && dwarf_tag(&scopes[i]) == DW_TAG_lexical_block)
        i++;
    if (i < count && dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine)
        call_of_inlined(unit, line, &scopes[i], folder);
    free(scopes);
}

static void add_line(struct program *program, Dwarf_Die *unit, Dwarf_Line *line, const char *folder)
{
    bool ends = false;
    Dwarf_Addr address;
    int number = 0;
    const char *file = dwarf_linesrc(line, NULL, NULL);

    if (dwarf_lineaddr(line, &address) != 0 || dwarf_lineendsequence(line, &ends) != 0 ||
        dwarf_lineno(line, &number) != 0)
        die("a broken line table: %s", dwarf_errmsg(-1));
    if (!in_text(program, address))
        return;
    program->lines = array_grow(program->lines, program->line_count, sizeof(struct line));
    program->lines[program->line_count] = (struct line){.address = address,
                                                        .file = ends || !file ? NULL : plain_path(file, folder),
                                                        .line = ends ? 0 : (unsigned)number,
                                                        .order = program->line_count};
    name_caller(unit, &program->lines[program->line_count], folder);
    program->line_count++;
}

/* The end of a sequence gives way to what begins at the same address. */
static int compare_lines(const void *left, const void *right)
{
    const struct line *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (!a->file != !b->file)
        return a->file ? 1 : -1;
    return a->order < b->order ? -1 : 1;
}

static void settle_lines(struct program *program)
{
    struct line *lines = program->lines;
    size_t count = 0;

    qsort(lines, program->line_count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < program->line_count; i++) {
        if (count && lines[count - 1].address == lines[i].address)
            count--;
        lines[count++] = lines[i];
    }
    program->line_count = count;
}

/* ---- ASYNC bodies ---- */

/* Whether the function's own blocks hold the macro's variable. A body that was inlined into it is not its own: its
 * frame is not what the poll is given. */
static bool has_async_body(Dwarf_Die *parent)
{
    Dwarf_Die die;

    if (dwarf_child(parent, &die) != 0)
        return false;
    do {
        int tag = dwarf_tag(&die);
        const char *name = tag == DW_TAG_variable ? dwarf_diename(&die) : NULL;

        if (name && strcmp(name, ASYNC_VARIABLE) == 0)
            return true;
        if (tag == DW_TAG_lexical_block && has_async_body(&die))
            return true;
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

static void mark_async(struct program *program, uint64_t start)
{
    struct function key = {.start = start};

    for (size_t low = 0, high = program->function_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        struct function *function = &program->functions[middle];

        if (function->start == key.start) {
            function->async = true;
            return;
        }
        if (function->start < key.start)
            low = middle + 1;
        else
            high = middle;
    }
}

static int see_function(Dwarf_Die *die, void *program)
{
    Dwarf_Addr base, start, end;

    if (has_async_body(die))
        for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;)
            mark_async(program, start);
    return DWARF_CB_OK;
}

static void read_unit(struct program *program, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    Dwarf_Lines *lines;
    size_t count;

    if (dwarf_getsrclines(unit, &lines, &count) == 0)
        for (size_t i = 0; i < count; i++)
            add_line(program, unit, dwarf_onesrcline(lines, i), folder);
    dwarf_getfuncs(unit, see_function, program, 0);
}

struct program program_read(const char *path)
{
    struct program program = {0};
    Dwarf_CU *unit = NULL;
    Dwarf_Die top;
    Dwarf *dwarf;
    int file = open(path, O_RDONLY);
    Elf *elf;

    elf_version(EV_CURRENT);
    elf = file < 0 ? NULL : elf_begin(file, ELF_C_READ, NULL);
    if (!elf || elf_kind(elf) != ELF_K_ELF)
        die("%s: cannot be read as an ELF file", path);
    read_symbols(elf, &program);
    settle_functions(&program);
    dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    while (dwarf && dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &top, NULL) == 0)
        read_unit(&program, &top);
    settle_lines(&program);
    return program;
}
