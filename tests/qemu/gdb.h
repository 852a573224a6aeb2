/*
 * A debugger's hand on a machine started with .gdb: stop at an address, change what a register or memory holds, go on.
 * Used to boot the kernel as a broken loader would. QEMU's gdbstub speaks gdb's remote protocol; registers are numbered
 * as in its x86-64 target description whatever mode the CPU is in.
 */
#ifndef DUET_TESTS_QEMU_GDB_H
#define DUET_TESTS_QEMU_GDB_H

#include <stdint.h>

#include "machine.h"

enum gdb_register {
    GDB_RAX,
    GDB_RBX,
    GDB_RCX,
    GDB_RDX,
    GDB_RSI,
    GDB_RDI,
    GDB_RBP,
    GDB_RSP,
    GDB_R8,
    GDB_R9,
    GDB_R10,
    GDB_R11,
    GDB_R12,
    GDB_R13,
    GDB_R14,
    GDB_R15,
    GDB_RIP
};

/* Says hello to the stub. The machine stands still. */
void gdb_attach(struct machine *machine);

/* Runs until the instruction at the address is next; a hardware breakpoint, so the code may not be loaded yet. */
void gdb_run_to(struct machine *machine, uint64_t address, int timeout_ms);

uint64_t gdb_read_register(struct machine *machine, enum gdb_register number);
void gdb_write_register(struct machine *machine, enum gdb_register number, uint64_t value);
void gdb_write_memory_u32(struct machine *machine, uint64_t address, uint32_t value);
uint64_t gdb_read_memory_u64(struct machine *machine, uint64_t address);

/* Lets the machine run on and stops talking to it. */
void gdb_continue(struct machine *machine);

/* Where loaders enter an ELF file: by its PVH note, and by its multiboot2 header (physical addresses). 0 = nowhere. */
uint64_t elf_pvh_entry(const char *path);
uint64_t elf_multiboot2_entry(const char *path);

/* The value of the first symbol of that name in a file that has a symbol table; fails the test if there is none. */
uint64_t elf_symbol(const char *path, const char *name);

#endif
