/* QEMU as a program to call: the reference machine's arguments, the version, and a command line for one boot. */
#ifndef DUET_BENCH_QEMU_H
#define DUET_BENCH_QEMU_H

#include <stddef.h>

/* isa-debug-exit turns a byte v written to port 0xf4 into the exit status v * 2 + 1: the kernel writes 0x10 or 0x11. */
enum qemu_exit { QEMU_PASSED = 33, QEMU_FAILED = 35 };

struct qemu_machine {
    char *arguments; /* as one string, single spaces */
};

struct qemu_boot {
    const char *kernel;   /* booted directly, or NULL */
    const char *programs; /* the archive of its programs, for a kernel booted directly */
    const char *iso;      /* booted through its GRUB, or NULL */
    const char *words;    /* the kernel's command line */
    const char *com1;     /* path of the log of the first serial port */
    const char *com2;     /* path of the log of the second */
};

/* Reads the file of arguments; lines that start with '#' are comments. Exits if it cannot. */
struct qemu_machine qemu_machine_read(const char *path);

/* The first line of `qemu-system-x86_64 --version`; exits, saying what to install, if there is no QEMU. */
char *qemu_version(void);

/* A fresh NULL-terminated argument list that boots `boot` on `machine`. */
char **qemu_command(const struct qemu_machine *machine, const struct qemu_boot *boot);

/* The argument list as one line that a shell would take. */
char *qemu_command_line(char *const *command);

#endif
