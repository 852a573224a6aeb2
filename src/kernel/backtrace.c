/* Follows frame pointers over stacks, and awaits over futures. Facts: System V ABI, AMD64 supplement, 3.2.2. */
#include "kernel/backtrace.h"

#include "executor/async_trace.h"
#include "kernel/x86_64/mmu.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "lib/symbols.h"
#include "thread/arch.h"

enum {
    LINES_MAX = 40,
    WAITS_MAX = 16,
    OPCODE_RET = 0xc3,
};

extern char text_start[], text_end[], symbols_start[], symbols_end[], boot_stack[], boot_stack_top[];
extern char interrupt_return[], exception_return[], process_killed_entry[];

/* What a compiler's frame pointers chain: the caller's frame, and the address it continues at. */
struct stack_frame {
    const struct stack_frame *caller;
    uint64_t return_address;
};

struct walk {
    backtrace_sink *print;
    const struct thread *thread; /* NULL: before there are threads */
    uintptr_t low, high;         /* where the next frame may be: on the same stack, above the last one */
    unsigned calls, lines;
    uint64_t last;    /* the address on the last line; 0 after one that is no call */
    unsigned repeats; /* of the last line */
};

static bool in_text(uint64_t address)
{
    return address >= (uint64_t)text_start && address < (uint64_t)text_end;
}

static enum status look_up(uint64_t address, struct symbol *symbol)
{
    return symbols_lookup(symbols_start, (size_t)(symbols_end - symbols_start), address, symbol);
}

/* ---- lines ---- */

/* " (file:line)", or as much of it as is known. */
static const char *place(char *text, size_t size, const char *file, uint32_t line)
{
    text[0] = '\0';
    if (line)
        format_text(text, size, " (%s:%u)", file, line);
    else if (*file)
        format_text(text, size, " (%s)", file);
    return text;
}

/* One line for an address. A return address may be the first one behind its function: the call is before it. */
static void print_call(struct walk *walk, uint64_t address, bool returns)
{
    struct symbol symbol;
    char text[96];

    if (look_up(address - returns, &symbol) == STATUS_OK)
        walk->print("    #%u %s+0x%x%s\n", walk->calls, symbol.name, symbol.offset + returns,
                    place(text, sizeof(text), symbol.file, symbol.line));
    else
        walk->print("    #%u %p\n", walk->calls, (void *)address);
}

void backtrace_name(char *buffer, size_t size, const void *return_address)
{
    struct symbol symbol;
    char text[96];

    if (look_up((uint64_t)return_address - 1, &symbol) == STATUS_OK)
        format_text(buffer, size, "%s%s", symbol.name, place(text, sizeof(text), symbol.file, symbol.line));
    else
        format_text(buffer, size, "%p", return_address);
}

/* Says how often the last line's call recurred, before anything else is said. */
static void end_repeats(struct walk *walk)
{
    if (walk->repeats)
        walk->print("    and %u more from the same place, up to #%u\n", walk->repeats, walk->calls - 1);
    walk->repeats = 0;
}

/* Calls that recur from the same place, as a recursion's do, share a line. */
static void add_call(struct walk *walk, uint64_t address, bool returns)
{
    if (address == walk->last) {
        walk->repeats++;
    } else {
        end_repeats(walk);
        print_call(walk, address, returns);
        walk->lines++;
    }
    walk->last = address;
    walk->calls++;
}

/* A line between two flows: what is below it was interrupted. */
static void begin_interrupted(struct walk *walk)
{
    end_repeats(walk);
    walk->last = 0;
}

static void say_broken(struct walk *walk, const struct stack_frame *frame)
{
    end_repeats(walk);
    walk->print("    the chain of frames is broken: frame %p\n", (const void *)frame);
}

/* ---- stacks ---- */

/* Goes on with the stack that the address is on, from its first byte: an exception's own, or else the thread's. */
static void use_stack_of(struct walk *walk, uintptr_t address)
{
    const struct thread *thread = walk->thread;
    const void *own = interrupt_own_stack(address);

    walk->low = own ? (uintptr_t)own : thread ? (uintptr_t)thread->stack : (uintptr_t)boot_stack;
    walk->high = own      ? walk->low + THREAD_STACK_BYTES
                 : thread ? walk->low + thread->stack_bytes
                          : (uintptr_t)boot_stack_top;
}

static struct walk walk_begin(backtrace_sink *print, const struct thread *thread, uintptr_t at)
{
    struct walk walk = {.print = print, .thread = thread};

    use_stack_of(&walk, at);
    return walk;
}

static bool within(const struct walk *walk, uintptr_t address, size_t bytes)
{
    return address % 8 == 0 && address >= walk->low && address < walk->high && walk->high - address >= bytes;
}

/* Whether there may be something at the address; what comes next is above it. */
static bool reach(struct walk *walk, uintptr_t address, size_t bytes)
{
    if (!within(walk, address, bytes))
        return false;
    walk->low = address + bytes;
    return true;
}

/* Whether the code from the function's start to rip has set up its frame. A cold part has that behind it. */
static bool has_frame(uint64_t rip, const struct symbol *symbol)
{
    static const uint8_t MOV_RSP_RBP[] = {0x48, 0x89, 0xe5};
    const uint8_t *end = (const uint8_t *)rip;

    for (const char *name = symbol->name; *name; name++)
        if (string_starts(name, ".cold"))
            return true;
    for (const uint8_t *code = end - symbol->offset; code + sizeof(MOV_RSP_RBP) <= end; code++)
        if (memcmp(code, MOV_RSP_RBP, sizeof(MOV_RSP_RBP)) == 0)
            return *end != OPCODE_RET;
    return false;
}

/*
 * The return address of a function that was interrupted while it had no frame, or none any more; 0 if it had one.
 * Without this its caller would be missing, as the frame pointer is still, or again, the caller's. The return address
 * is on top of the stack then, or below the one word that was pushed.
 */
static uint64_t caller_by_stack(const struct walk *walk, uint64_t rip, uint64_t rsp)
{
    const uint64_t *top = (const uint64_t *)rsp;
    struct symbol symbol;

    if (!within(walk, rsp, 2 * sizeof(*top)) || (look_up(rip, &symbol) == STATUS_OK && has_frame(rip, &symbol)))
        return 0;
    return in_text(top[0]) ? top[0] : top[1];
}

/* What was running when an interrupt or an exception came. */
static void add_interrupted(struct walk *walk, uint64_t rip, uint64_t rsp)
{
    uint64_t caller;

    add_call(walk, rip, false);
    caller = caller_by_stack(walk, rip, rsp);
    if (in_text(caller))
        add_call(walk, caller, true);
}

/* Its names are not the kernel's, and its stack is not to be trusted. */
static const struct stack_frame *end_in_ring3(const struct walk *walk, uint64_t rip)
{
    walk->print("    #%u %p in ring 3\n", walk->calls, (void *)rip);
    return NULL;
}

static const struct stack_frame *cross_interrupt(struct walk *walk, const struct stack_frame *frame)
{
    const struct interrupt_frame *saved = (const void *)(frame + 1);

    if (!reach(walk, (uintptr_t)saved, sizeof(*saved))) {
        say_broken(walk, frame);
        return NULL;
    }
    begin_interrupted(walk);
    walk->print("    -- interrupt 0x%x --\n", saved->vector);
    if (interrupt_from_user(saved->cs))
        return end_in_ring3(walk, saved->rip);
    add_interrupted(walk, saved->rip, saved->rsp);
    if (saved->rip == (uint64_t)process_killed_entry)
        return NULL;      /* killed, and did not run since: rbp is still ring 3's */
    return frame->caller; /* entry.S leaves rbp alone */
}

static const struct stack_frame *cross_exception(struct walk *walk, const struct stack_frame *frame)
{
    const struct trap_frame *trap = (const void *)(frame + 1);

    if (!reach(walk, (uintptr_t)trap, sizeof(*trap))) {
        say_broken(walk, frame);
        return NULL;
    }
    begin_interrupted(walk);
    walk->print("    -- %s --\n", exception_name((unsigned)trap->vector));
    if (interrupt_from_user(trap->cs))
        return end_in_ring3(walk, trap->rip);
    if (trap->rsp < walk->low || trap->rsp >= walk->high)
        use_stack_of(walk, trap->rsp);
    add_interrupted(walk, trap->rip, trap->rsp);
    return (const struct stack_frame *)trap->rbp;
}

/* Adds the function that the frame returns to. Returns that one's frame, NULL at the end of the chain. */
static const struct stack_frame *cross_call(struct walk *walk, const struct stack_frame *frame)
{
    if (in_text(frame->return_address))
        add_call(walk, frame->return_address, true);
    else if (frame->caller)
        say_broken(walk, frame);
    else
        return NULL; /* boot.S, which calls kernel_main() */
    return in_text(frame->return_address) ? frame->caller : NULL;
}

static void follow(struct walk *walk, const struct stack_frame *frame)
{
    while (frame && walk->lines < LINES_MAX) {
        if (!reach(walk, (uintptr_t)frame, sizeof(*frame))) {
            say_broken(walk, frame);
            return;
        }
        if (frame->return_address == (uint64_t)interrupt_return)
            frame = cross_interrupt(walk, frame);
        else if (frame->return_address == (uint64_t)exception_return)
            frame = cross_exception(walk, frame);
        else
            frame = cross_call(walk, frame);
    }
    end_repeats(walk);
    if (frame)
        walk->print("    ...\n");
}

void backtrace_frame(backtrace_sink *print, const void *frame)
{
    struct walk walk = walk_begin(print, thread_current(), (uintptr_t)frame);

    follow(&walk, frame);
}

void backtrace_trap(backtrace_sink *print, const struct trap_frame *trap)
{
    struct walk walk = walk_begin(print, thread_current(), trap->rsp);

    add_interrupted(&walk, trap->rip, trap->rsp);
    follow(&walk, (const struct stack_frame *)trap->rbp);
}

void backtrace_thread(backtrace_sink *print, const struct thread *thread)
{
    const struct switch_frame *saved = (const struct switch_frame *)thread->sp;
    struct walk walk = walk_begin(print, thread, thread->sp);

    if (thread->condition == THREAD_DEAD) {
        print("    ended\n");
    } else if (!reach(&walk, (uintptr_t)saved, sizeof(*saved))) {
        print("    no stack to follow: sp %p\n", (const void *)saved);
    } else if (saved->rip == (uint64_t)thread_trampoline) {
        add_call(&walk, saved->rip, false);
        end_repeats(&walk);
    } else {
        add_call(&walk, saved->rip, true);
        follow(&walk, (const struct stack_frame *)saved->rbp);
    }
}

/* ---- tasks ---- */

static bool page_present(uintptr_t address)
{
    struct translation page;

    return mmu_translate_unlocked((const void *)address, &page) == STATUS_OK;
}

/* Whether a few bytes of memory can be read: a pointer that was overwritten must not fault in a report. */
static bool readable(const void *at, size_t bytes)
{
    uintptr_t address = (uintptr_t)at;

    return address % 8 == 0 && page_present(address) && page_present(address + bytes - 1);
}

bool backtrace_has_body(uintptr_t poll)
{
    struct symbol symbol;

    return look_up(poll, &symbol) == STATUS_OK && symbol.offset == 0 && symbol.async;
}

static void print_wait(backtrace_sink *print, const struct async_wait *wait)
{
    uint64_t poll = (uint64_t)wait->future->poll;
    uint32_t line = wait->body && wait->line != ASYNC_DONE ? wait->line : 0;
    struct symbol symbol;
    char text[96];

    if (look_up(poll, &symbol) != STATUS_OK) {
        print("    async %p\n", (void *)poll);
        return;
    }
    print("    async %s%s%s\n", symbol.name, place(text, sizeof(text), symbol.file, wait->body ? line : symbol.line),
          !wait->body                ? ""
          : wait->line == 0          ? ", before its first await"
          : wait->line == ASYNC_DONE ? ", ended"
                                     : "");
}

void backtrace_task(backtrace_sink *print, const struct task *task)
{
    struct async_wait waits[WAITS_MAX];
    struct future *future = task_future(task);
    size_t count = async_trace(future, waits, WAITS_MAX, readable, backtrace_has_body);

    for (size_t i = 0; i < count; i++)
        print_wait(print, &waits[i]);
    if (count == 0)
        print("    async: %s\n", future ? "its future cannot be read" : "ended");
    else if (count == WAITS_MAX)
        print("    async: ...\n");
}
