/*
 * A whole PC for one test: QEMU started, watched and ended.
 *
 * Everything between the test and QEMU is an inherited descriptor (pipes for the serial lines, socket pairs for QMP and
 * gdb, a memory file for the screen), so nothing is left on disk; and QEMU is told to die with the test's process, so
 * none outlives a test that crashed or hung. Paths are relative to the repository's top, the current directory.
 *
 * COM1 is for people: machine_com1_*() search its text. COM2 is for machines: one JSON object a line.
 * Functions fail the running Criterion test, with the tail of both, unless they say that they return an answer.
 * Timeouts are hang detectors in milliseconds, not measurements. Context of all: the test's main thread.
 */
#ifndef DUET_TESTS_QEMU_MACHINE_H
#define DUET_TESTS_QEMU_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifndef KERNEL_COUNTED
#define KERNEL_GCC_O2   "build/kernel-gcc-O2/duet.elf"
#define KERNEL_GCC_O0   "build/kernel-gcc-O0/duet.elf"
#define KERNEL_GCC_OS   "build/kernel-gcc-Os/duet.elf"
#define KERNEL_CLANG_O2 "build/kernel-clang-O2/duet.elf"
#define KERNEL_CLANG_O0 "build/kernel-clang-O0/duet.elf"
#define KERNEL_CLANG_OS "build/kernel-clang-Os/duet.elf"
#define ISO             "build/duet.iso"

/* What a module for the first of them is: its programs. */
#define PROGRAMS_GCC_O2 "build/kernel-gcc-O2/programs.tar"

/* Checked for undefined behaviour. */
#define KERNEL_GCC_UBSAN   "build/kernel-gcc-O2-ubsan/duet.elf"
#define KERNEL_CLANG_UBSAN "build/kernel-clang-O2-ubsan/duet.elf"

/* One folder instead of all of them, by which `make coverage` counts what runs; COVERAGE_RUNS in the environment is
 * where each machine's counts go (see src/kernel/coverage.c), as it ends or, by an NMI, as it is stopped. */
#else
#define KERNEL_GCC_O2      KERNEL_COUNTED "/duet.elf"
#define KERNEL_GCC_O0      KERNEL_GCC_O2
#define KERNEL_GCC_OS      KERNEL_GCC_O2
#define KERNEL_CLANG_O2    KERNEL_GCC_O2
#define KERNEL_CLANG_O0    KERNEL_GCC_O2
#define KERNEL_CLANG_OS    KERNEL_GCC_O2
#define ISO                KERNEL_COUNTED "/duet.iso"
#define PROGRAMS_GCC_O2    KERNEL_COUNTED "/programs.tar"
#define KERNEL_GCC_UBSAN   KERNEL_GCC_O2
#define KERNEL_CLANG_UBSAN KERNEL_GCC_O2
#endif

/* What isa-debug-exit makes of the kernel's verdict. */
#define EXIT_PASSED 33
#define EXIT_FAILED 35

/* With -no-reboot, what a reset is: the kernel resets nothing, so it was a triple fault. */
#define EXIT_RESET 0

/* machine_wait_exit(): QEMU still runs, or a signal ended it. */
#define EXIT_NONE -1

/* What boots, on what. Zero means the default. Set once, before machine_start(). */
struct machine_options {
    const char *kernel;    /* an ELF booted directly, through its PVH note... */
    const char *iso;       /* ...or an image that GRUB boots */
    bool disk;             /* the image is a hard disk, not a CD */
    const char *cmdline;   /* the kernel's words; behind GRUB they travel through fw_cfg */
    const char *module;    /* a file for the loader of `kernel` to pass on */
    unsigned seed;         /* of what QEMU draws at random; default: the reference machine's, or none */
    bool reference;        /* tools/reference-machine's arguments, but for what the four below say */
    unsigned icount_shift; /* of that: an instruction is 2^this ns; default: the machine's own, 0 */
    const char *machine;   /* default pc */
    const char *cpu;       /* default max */
    unsigned memory_mib;   /* default 64 */
    unsigned cpus;         /* default 1 */
    bool sparse;           /* more memory than the host has: it must have what the kernel writes to */
    bool vga;              /* a VGA, so that there is a screen to read */
    bool typed;            /* COM1 can be sent to: machine_com1_send() */
    bool gdb;              /* start stopped, for gdb.h */
    bool stays;            /* no isa-debug-exit: the kernel that ends halts, with all it said on the screen */
};

/* Bytes read so far, always followed by a 0. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

enum machine_stream { MACHINE_COM1, MACHINE_COM2, MACHINE_QMP, MACHINE_GDB, MACHINE_STREAMS };

struct machine {
    char title[256];                   /* what boots with which words, for messages */
    pid_t pid;                         /* 0 once it was waited for */
    int status;                        /* what waitpid() said, once pid is 0 */
    int stream[MACHINE_STREAMS];       /* descriptors, -1 when at their end */
    struct text text[MACHINE_STREAMS]; /* all that each one said, or what is not consumed yet of QMP and gdb */
    size_t com2_read;                  /* the offset of the first line of COM2 not returned yet */
    char *com2_line;                   /* the last one returned */
    int screen;                        /* the memory file that screen dumps go to */
    unsigned qmp_posted;               /* commands sent, not answered */
    char *counts;                      /* the file that its counts go to, or NULL */
};

struct machine *machine_start(const struct machine_options *options);

/* Ends QEMU if it runs, and frees the machine. */
void machine_stop(struct machine *machine);

/* Reads what QEMU says on any stream, waiting at most timeout_ms for something. Returns false when all are at their
 * end. */
bool machine_pump(struct machine *machine, int timeout_ms);

/* The next line of COM2, without its newline, valid until the next call. */
const char *machine_com2_line(struct machine *machine, int timeout_ms);

/* The same, or NULL when none comes in time. */
const char *machine_com2_try_line(struct machine *machine, int timeout_ms);

/* The next line of COM2 as a JSON object; the caller drops the reference. */
json_t *machine_com2_object(struct machine *machine, int timeout_ms);

/* The next object of COM2 whose "event" is this; those before it are passed over. The caller drops the reference. */
json_t *machine_com2_event(struct machine *machine, const char *event, int timeout_ms);

/* Waits for a text on COM1, from its beginning, letter case ignored. Returns whether it came. */
bool machine_com1_contains(struct machine *machine, const char *text, int timeout_ms);

/* The same, but only in what it says from byte *from on, letter case as it is; *from is then behind the text. */
bool machine_com1_next(struct machine *machine, size_t *from, const char *text, int timeout_ms);

/* Types on the serial line of a machine started with .typed. */
void machine_com1_send(struct machine *machine, const char *text);

/* Waits for QEMU's end. Returns its exit status; EXIT_NONE after the timeout or when a signal ended it. */
int machine_wait_exit(struct machine *machine, int timeout_ms);

/* Fails the test with a message and the tails of COM1 and COM2. */
_Noreturn void machine_fail(struct machine *machine, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Milliseconds of the monotonic clock. */
long long machine_now_ms(void);

#endif
