/*
 * What a kernel built with COVERAGE=1 counted, sent out as it ends, and what a program counted as it ends.
 *
 * gcc's -fprofile-arcs has each file count how often its branches were taken, and leaves a description of its counters
 * (gcc's libgcov.h: struct gcov_info, of which there is a list, by -fprofile-info-section). They go to the port of
 * QEMU's debug console, where nothing else is ever written, one frame a source file that counted anything:
 *
 *      "GCOV", bytes that follow (32 bits), the bytes, their Adler-32 (RFC 1950)
 *
 * and one of no bytes at the end. tools/coverage/merge.py says what the bytes are, and makes .gcda files of them.
 * What is sent is set to zero, so that a machine may send more than once, and all that it sends adds up.
 *
 * The linker has the callers of two functions come here (--wrap): the last that is called before the machine ends, and
 * the last that is called in a process's space. This file is itself not counted, and only in such a kernel.
 */
#include "kernel/log.h"
#include "kernel/space_thread.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "thread/arch.h"
#include "thread/thread.h"

enum {
    PORT_DEBUG_CONSOLE = 0xe9, /* reads as this where it is one: QEMU, hw/char/debugcon.c */
    COUNTERS = 8,              /* kinds of them in gcc 12; the first are the only ones asked for */
    OBJECT_BYTES_MAX = 1 << 16,
    ADLER_MODULUS = 65521,
    VARINT_BITS = 7,
};

/* Where user/coverage.S has told the linker that this is. */
#define USER_TABLE       UINT64_C(0x400000)
#define USER_TABLE_MAGIC UINT64_C(0x65676172657663) /* "cverage", less the o */

struct user_table {
    uint64_t magic, start, end;
};

/* What gcc makes, in whichever address space. */
struct object {
    uint32_t version;
    uint64_t next;
    uint32_t stamp, checksum;
    uint64_t name;
    uint64_t merge[COUNTERS];
    uint32_t function_count;
    uint64_t functions;
};

struct function {
    uint64_t object;
    uint32_t ident, line_checksum, flow_checksum;
    struct {
        uint32_t count;
        uint64_t first;
    } counters;
};
_Static_assert(sizeof(struct object) == 112 && sizeof(struct function) == 40, "as gcc 12 lays them out");

/* The kernel's memory, or a process's as its page tables show it: nothing here faults. */
struct memory {
    struct space *space; /* NULL: the kernel's */
    uint64_t page;       /* the last one looked up */
    char *at;
};

extern const uint64_t gcov_start[], gcov_end[];

static unsigned char frame[OBJECT_BYTES_MAX];
static size_t frame_bytes;

/* The word at a multiple of its size, or NULL. */
static void *look(struct memory *memory, uint64_t address)
{
    uint64_t page = address & ~(uint64_t)(PAGE_BYTES - 1);
    struct translation found;

    if (!memory->space)
        return (void *)address;
    if (!memory->at || page != memory->page) {
        memory->at = NULL;
        if (!space_holds(page, PAGE_BYTES) || page_translate(&memory->space->paging, page, &found) != STATUS_OK)
            return NULL;
        memory->at = (char *)memory->space->paging.operations->at(&memory->space->paging, found.physical);
        memory->page = page;
    }
    return memory->at + (address - page);
}

static bool fetch(struct memory *memory, void *to, uint64_t address, size_t size)
{
    uint64_t *words = to;

    for (size_t i = 0; i < size / sizeof(*words); i++) {
        const uint64_t *word = address & 7 ? NULL : look(memory, address + i * sizeof(*words));

        if (!word)
            return false;
        words[i] = *word;
    }
    return true;
}

/* ---- a frame ----------------------------------------------------------------------------------------------------- */

/* What does not fit makes a frame that tools/coverage/merge.py finds wanting. */
static void put_byte(unsigned char byte)
{
    if (frame_bytes < sizeof(frame))
        frame[frame_bytes++] = byte;
}

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
static void put(uint64_t number)
{
    for (; number >> VARINT_BITS; number >>= VARINT_BITS)
        put_byte((unsigned char)(number | 1 << VARINT_BITS));
    put_byte((unsigned char)number);
}

static void send_word(uint32_t word)
{
    for (unsigned shift = 0; shift < 32; shift += 8)
        outb(PORT_DEBUG_CONSOLE, (uint8_t)(word >> shift));
}

static void send_frame(void)
{
    uint32_t low = 1, high = 0;

    outb(PORT_DEBUG_CONSOLE, 'G');
    outb(PORT_DEBUG_CONSOLE, 'C');
    outb(PORT_DEBUG_CONSOLE, 'O');
    outb(PORT_DEBUG_CONSOLE, 'V');
    send_word((uint32_t)frame_bytes);
    for (size_t i = 0; i < frame_bytes; i++) {
        outb(PORT_DEBUG_CONSOLE, frame[i]);
        low = (low + frame[i]) % ADLER_MODULUS;
        high = (high + low) % ADLER_MODULUS;
    }
    send_word(high << 16 | low);
}

/* ---- what was counted -------------------------------------------------------------------------------------------- */

/* Returns the number of counters that are zero from the i-th on. */
static uint64_t zeros(struct memory *memory, const struct function *function, uint64_t i)
{
    uint64_t count = 0;

    while (i + count < function->counters.count) {
        const uint64_t *counter = look(memory, function->counters.first + (i + count) * sizeof(*counter));

        if (counter && *counter)
            break;
        count++;
    }
    return count;
}

/* Nothing of one that never ran. */
static void put_function(struct memory *memory, const struct function *function)
{
    uint64_t i = 0;

    if (zeros(memory, function, 0) == function->counters.count)
        return;
    put(function->ident);
    put(function->line_checksum);
    put(function->flow_checksum);
    put(function->counters.count);
    while (i < function->counters.count) {
        uint64_t skipped = zeros(memory, function, i);
        uint64_t *counter;

        if (skipped) {
            put(0);
            put(skipped);
            i += skipped;
            continue;
        }
        counter = look(memory, function->counters.first + i++ * sizeof(*counter));
        put(*counter);
        *counter = 0;
    }
}

static bool put_name(struct memory *memory, uint64_t address)
{
    for (;; address++) {
        const char *character = look(memory, address);

        if (!character)
            return false;
        put_byte((unsigned char)*character);
        if (!*character)
            return true;
    }
}

static void send_object(struct memory *memory, uint64_t address)
{
    struct object object;
    size_t header;

    frame_bytes = 0;
    if (!fetch(memory, &object, address, sizeof(object)) || !put_name(memory, object.name))
        return;
    put(object.version);
    put(object.stamp);
    put(object.checksum);
    header = frame_bytes;
    for (uint64_t i = 0; i < object.function_count; i++) {
        struct function function;
        uint64_t where;

        if (fetch(memory, &where, object.functions + i * sizeof(where), sizeof(where)) && where &&
            fetch(memory, &function, where, sizeof(function)) && function.object == address)
            put_function(memory, &function);
    }
    if (frame_bytes > header)
        send_frame();
}

static void send_list(struct memory *memory, uint64_t start, uint64_t end)
{
    for (; start < end; start += sizeof(start)) {
        uint64_t object;

        if (fetch(memory, &object, start, sizeof(object)))
            send_object(memory, object);
    }
}

/* Those of a program, if it has any. */
static void send_space(const struct space *space)
{
    struct memory memory = {.space = (struct space *)(uintptr_t)space};
    struct user_table table;

    if (fetch(&memory, &table, USER_TABLE, sizeof(table)) && table.magic == USER_TABLE_MAGIC)
        send_list(&memory, table.start, table.end);
}

static bool is_heard(void)
{
    return inb(PORT_DEBUG_CONSOLE) == PORT_DEBUG_CONSOLE;
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

void __real_log_replay(void);
void __wrap_log_replay(void);
void __real_space_thread_end(struct space_thread *self);
void __wrap_space_thread_end(struct space_thread *self);
void __gcov_merge_add(void);

/* With interrupts off: the machine ends. */
void __wrap_log_replay(void)
{
    struct memory memory = {.space = NULL};

    __real_log_replay();
    if (!is_heard())
        return;
    list_for_each (node, &thread_all) {
        struct thread *thread = container_of(node, struct thread, all);

        if (thread->attention & ATTENTION_SPACE)
            send_space(container_of(thread, struct space_thread, thread)->space);
    }
    send_list(&memory, (uint64_t)gcov_start, (uint64_t)gcov_end);
    frame_bytes = 0;
    send_frame();
}

void __wrap_space_thread_end(struct space_thread *self)
{
    uint64_t flags = irq_save();

    if (is_heard())
        send_space(self->space);
    irq_restore(flags);
    __real_space_thread_end(self);
}

/* What describes the counters names it; nothing calls it. */
void __gcov_merge_add(void)
{
}
