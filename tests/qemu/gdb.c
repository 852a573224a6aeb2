/* gdb's remote serial protocol, as much as QEMU's stub needs, and the addresses a kernel file tells. */
#include "gdb.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GDB_TIMEOUT_MS 10000
#define PACKET_BYTES   4096

/* Takes one packet from the stub and acknowledges it. Plus signs between packets are its acknowledgements of ours. */
static void packet_receive(struct machine *machine, char *packet, int timeout_ms)
{
    struct text *text = &machine->text[MACHINE_GDB];
    long long deadline_ms = machine_now_ms() + timeout_ms;
    const char *begin = NULL;
    const char *end = NULL;
    size_t length;

    while (!begin || !(end = strchr(begin, '#')) || strlen(end) < 3) {
        long long left_ms = deadline_ms - machine_now_ms();

        if (left_ms <= 0 || machine->stream[MACHINE_GDB] < 0 || !machine_pump(machine, (int)left_ms))
            machine_fail(machine, "the gdb stub does not answer");
        begin = text->bytes ? strchr(text->bytes, '$') : NULL;
    }
    length = (size_t)(end - begin) - 1;
    cr_assert_lt(length, PACKET_BYTES);
    memcpy(packet, begin + 1, length);
    packet[length] = 0;
    text->length -= (size_t)(end + 3 - text->bytes);
    memmove(text->bytes, end + 3, text->length + 1);
    cr_assert_eq(write(machine->stream[MACHINE_GDB], "+", 1), 1);
}

static void packet_send(struct machine *machine, const char *packet)
{
    char framed[256];
    unsigned char sum = 0;
    int length;

    for (const char *c = packet; *c; c++)
        sum = (unsigned char)(sum + *c);
    length = snprintf(framed, sizeof(framed), "$%s#%02x", packet, sum);
    cr_assert_eq(write(machine->stream[MACHINE_GDB], framed, (size_t)length), length);
}

static void packet_send_for_ok(struct machine *machine, const char *packet)
{
    char answer[PACKET_BYTES];

    packet_send(machine, packet);
    packet_receive(machine, answer, GDB_TIMEOUT_MS);
    if (strcmp(answer, "OK") != 0)
        machine_fail(machine, "the gdb stub answers '%s' to '%s'", answer, packet);
}

void gdb_attach(struct machine *machine)
{
    char answer[PACKET_BYTES];

    packet_send(machine, "qSupported");
    packet_receive(machine, answer, GDB_TIMEOUT_MS);
    /* Single registers can be had only by a client that has asked for their description. */
    packet_send(machine, "qXfer:features:read:target.xml:0,ffb");
    packet_receive(machine, answer, GDB_TIMEOUT_MS);
}

void gdb_run_to(struct machine *machine, uint64_t address, int timeout_ms)
{
    char packet[64];

    snprintf(packet, sizeof(packet), "Z1,%" PRIx64 ",1", address);
    packet_send_for_ok(machine, packet);
    packet_send(machine, "c");
    packet_receive(machine, (char[PACKET_BYTES]){0}, timeout_ms);
    snprintf(packet, sizeof(packet), "z1,%" PRIx64 ",1", address);
    packet_send_for_ok(machine, packet);
    cr_assert_eq(gdb_read_register(machine, GDB_RIP), address, "stopped somewhere else");
}

static uint64_t swap_u64(uint64_t value)
{
    return __builtin_bswap64(value);
}

uint64_t gdb_read_register(struct machine *machine, enum gdb_register number)
{
    char packet[PACKET_BYTES];

    snprintf(packet, sizeof(packet), "p%x", number);
    packet_send(machine, packet);
    packet_receive(machine, packet, GDB_TIMEOUT_MS);
    cr_assert_eq(strlen(packet), 16, "not a 64-bit register: '%s'", packet);
    return swap_u64(strtoull(packet, NULL, 16));
}

void gdb_write_register(struct machine *machine, enum gdb_register number, uint64_t value)
{
    char packet[64];

    snprintf(packet, sizeof(packet), "P%x=%016" PRIx64, number, swap_u64(value));
    packet_send_for_ok(machine, packet);
    cr_assert_eq(gdb_read_register(machine, number), value, "the register did not take it");
}

void gdb_write_memory_u32(struct machine *machine, uint64_t address, uint32_t value)
{
    char packet[64];

    snprintf(packet, sizeof(packet), "M%" PRIx64 ",4:%08" PRIx32, address, __builtin_bswap32(value));
    packet_send_for_ok(machine, packet);
}

uint64_t gdb_read_memory_u64(struct machine *machine, uint64_t address)
{
    char packet[PACKET_BYTES];

    snprintf(packet, sizeof(packet), "m%" PRIx64 ",8", address);
    packet_send(machine, packet);
    packet_receive(machine, packet, GDB_TIMEOUT_MS);
    cr_assert_eq(strlen(packet), 16, "cannot read %" PRIx64 ": '%s'", address, packet);
    return swap_u64(strtoull(packet, NULL, 16));
}

void gdb_continue(struct machine *machine)
{
    packet_send(machine, "c");
}

/* ---- entry points ---- */

#define PVH_NOTE_ENTRY        18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define MULTIBOOT2_MAGIC      0xe85250d6u
#define MULTIBOOT2_SEARCH     32768
#define MULTIBOOT2_TAG_END    0
#define MULTIBOOT2_TAG_ENTRY  3
#define MULTIBOOT2_TAGS_BEGIN 16

static unsigned char *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;

    cr_assert_not_null(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    cr_assert_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static uint32_t read_u32(const unsigned char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

/* The entry in a segment of notes, or 0. */
static uint64_t note_entry(const unsigned char *notes, size_t size)
{
    size_t at = 0;

    while (at + sizeof(Elf64_Nhdr) <= size) {
        Elf64_Nhdr note;
        size_t name = at + sizeof(note);

        memcpy(&note, notes + at, sizeof(note));
        at = name + align_up(note.n_namesz, 4);
        if (note.n_type == PVH_NOTE_ENTRY && note.n_namesz == 4 && memcmp(notes + name, "Xen", 4) == 0)
            return read_u32(notes + at);
        at += align_up(note.n_descsz, 4);
    }
    return 0;
}

uint64_t elf_pvh_entry(const char *path)
{
    size_t size;
    unsigned char *file = file_read(path, &size);
    uint64_t entry = 0;
    Elf64_Ehdr header;

    memcpy(&header, file, sizeof(header));
    for (unsigned i = 0; i < header.e_phnum && !entry; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, file + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_NOTE)
            entry = note_entry(file + segment.p_offset, segment.p_filesz);
    }
    free(file);
    return entry;
}

uint64_t elf_multiboot2_entry(const char *path)
{
    size_t size;
    unsigned char *file = file_read(path, &size);
    uint64_t entry = ((const Elf64_Ehdr *)(void *)file)->e_entry;
    size_t at = 0;

    while (at + MULTIBOOT2_TAGS_BEGIN < size && at < MULTIBOOT2_SEARCH && read_u32(file + at) != MULTIBOOT2_MAGIC)
        at += 8;
    cr_assert(at < MULTIBOOT2_SEARCH && at < size, "%s has no multiboot2 header", path);
    for (at += MULTIBOOT2_TAGS_BEGIN; at + 12 <= size; at += align_up(read_u32(file + at + 4), 8)) {
        uint16_t type = (uint16_t)read_u32(file + at);

        if (type == MULTIBOOT2_TAG_END)
            break;
        if (type == MULTIBOOT2_TAG_ENTRY)
            entry = read_u32(file + at + 8);
    }
    free(file);
    return entry;
}

/* The value of a symbol in one symbol table of the file, or 0. */
static uint64_t table_symbol(const unsigned char *file, const Elf64_Shdr *table, const Elf64_Shdr *names,
                             const char *name)
{
    for (size_t at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;

        memcpy(&symbol, file + table->sh_offset + at, sizeof(symbol));
        if (strcmp((const char *)file + names->sh_offset + symbol.st_name, name) == 0)
            return symbol.st_value;
    }
    return 0;
}

uint64_t elf_symbol(const char *path, const char *name)
{
    size_t size;
    unsigned char *file = file_read(path, &size);
    uint64_t value = 0;
    Elf64_Ehdr header;

    memcpy(&header, file, sizeof(header));
    for (unsigned i = 0; i < header.e_shnum && !value; i++) {
        Elf64_Shdr table, names;

        memcpy(&table, file + header.e_shoff + i * sizeof(table), sizeof(table));
        if (table.sh_type != SHT_SYMTAB)
            continue;
        memcpy(&names, file + header.e_shoff + table.sh_link * sizeof(names), sizeof(names));
        value = table_symbol(file, &table, &names, name);
    }
    free(file);
    cr_assert_neq(value, 0, "%s has no %s", path, name);
    return value;
}
