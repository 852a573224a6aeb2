/* See process.h. The ways into ring 3 and out of it are in syscall.S and entry.S. */
#include "kernel/process.h"

#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "kernel/programs.h"
#include "kernel/syscall.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/user_copy.h"
#include "lib/elf.h"
#include "lib/format.h"
#include "lib/page_fault.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/vectors.h"

#define NOBODY        UINT64_MAX          /* as a parent: it has ended */
#define NOT_CANONICAL (UINT64_C(1) << 47) /* the first that is not */
#define KERNEL_RFLAGS 2                   /* which is always set: SDM vol. 1, 3.4.3 */

enum {
    BACKTRACE_MAX = 16,
    /* Words below the top of the kernel's stack: an interrupt's or an exception's frame, and syscall.S's. */
    FRAME_SS = 1,
    FRAME_RSP = 2,
    FRAME_RFLAGS = 3,
    FRAME_CS = 4,
    FRAME_RIP = 5,
    FRAME_SYSCALL_RIP = 3,
    STACK_WORDS_BYTES = 16, /* on top of a new stack of ring 3 */
};

/* Part of its process's list until somebody waited for it, or the process has ended. */
struct process_thread {
    struct space_thread flow;
    struct process *process;
    struct list node;
    uint64_t number;
    uint64_t entry, stack_end; /* in ring 3 */
    int64_t status;
    bool ended;         /* processes_lock */
    bool in_ring3;      /* interrupts off: the kernel's stack begins with a frame of ring 3 */
    bool killed;        /* interrupts off */
    uint8_t references; /* interrupts off: the list's and the thread's */
};

struct process {
    struct space space;
    struct mutex memory; /* the space, and its stacks' slots */
    struct list all;
    uint64_t pid, parent;
    unsigned priority;
    struct tar_file file; /* for names; it lies in the loader's module */
    uint32_t stacks;      /* a bit for each slot that has one */

    /* processes_lock */
    struct list threads;
    unsigned thread_count, alive;
    uint64_t next_thread;
    bool ending;
    enum process_end ends_by;
    int64_t status;
    enum process_end end; /* PROCESS_RUNS until all is given back */
};

static struct list processes = LIST_INIT(processes);
static struct mutex processes_lock = MUTEX_INIT(processes_lock);
static struct condvar ended = CONDVAR_INIT(ended);
static size_t count;
static uint64_t next_pid = 1;

void user_enter(uint64_t rip, uint64_t rsp) __attribute__((noreturn));
void process_killed_entry(void);

static struct process_thread *current_part(void)
{
    struct thread *thread = thread_current();

    return thread->attention & ATTENTION_SPACE
               ? container_of(container_of(thread, struct space_thread, thread), struct process_thread, flow)
               : NULL;
}

static struct process *current_process(void)
{
    const struct process_thread *part = current_part();

    return part ? part->process : NULL;
}

uint64_t process_current(void)
{
    const struct process *self = current_process();

    return self ? self->pid : PROCESS_KERNEL;
}

size_t process_count(void)
{
    return count;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void drop(struct process_thread *part)
{
    uint64_t flags = irq_save();
    bool last = --part->references == 0;

    irq_restore(flags);
    if (last)
        kfree(part);
}

/* The lock is held. */
static void forget_thread(struct process_thread *part)
{
    list_remove(&part->node);
    part->process->thread_count--;
    drop(part);
}

/* The lock is held. */
static void forget(struct process *process)
{
    list_remove(&process->all);
    count--;
    kfree(process);
}

static void thread_gone(struct thread *thread)
{
    drop(container_of(container_of(thread, struct space_thread, thread), struct process_thread, flow));
}

/* Those that have ended wait for nobody now. The lock is held. */
static void leave_children(uint64_t pid)
{
    struct list *next;

    for (struct list *node = processes.next; node != &processes; node = next) {
        struct process *child = container_of(node, struct process, all);

        next = node->next;
        if (child->parent != pid)
            continue;
        child->parent = NOBODY;
        if (child->end != PROCESS_RUNS)
            forget(child);
    }
}

/* Has it come by process_killed() or syscall_bad_return() instead of going on in ring 3. Interrupts off. */
static void redirect(struct process_thread *part)
{
    const struct thread *thread = &part->flow.thread;
    uint64_t *top = (uint64_t *)(void *)((char *)thread->stack + thread->stack_bytes);

    if (top[-FRAME_SS] != SELECTOR_USER_DATA) {
        top[-FRAME_SYSCALL_RIP] = NOT_CANONICAL;
        return;
    }
    top[-FRAME_SS] = SELECTOR_KERNEL_DATA;
    top[-FRAME_RSP] = (uint64_t)top;
    top[-FRAME_RFLAGS] = KERNEL_RFLAGS;
    top[-FRAME_CS] = (top[-FRAME_CS] & ~(uint64_t)UINT32_MAX) | SELECTOR_KERNEL_CODE; /* above it is the vector */
    top[-FRAME_RIP] = (uint64_t)process_killed_entry;
}

static void kill_other(struct process_thread *part)
{
    uint64_t flags = irq_save();

    if (part->in_ring3 && !part->killed)
        redirect(part);
    part->killed = true;
    irq_restore(flags);
    thread_cancel(&part->flow.thread);
}

/* Whoever comes first says how it ends. The lock is held. */
static void end_all(struct process *process, enum process_end end, int64_t status)
{
    const struct process_thread *self = current_part();

    if (process->ending)
        return;
    process->ending = true;
    process->ends_by = end;
    process->status = status;
    list_for_each (node, &process->threads) {
        struct process_thread *part = container_of(node, struct process_thread, node);

        if (!part->ended && part != self)
            kill_other(part);
    }
}

/* By the last of its threads, which is in no list any more and in no space. */
static void give_back(struct process *process)
{
    struct list *next;

    mmu_space_destroy(&process->space);
    input_release(process->pid);
    mutex_lock(&processes_lock);
    for (struct list *node = process->threads.next; node != &process->threads; node = next) {
        next = node->next;
        drop(container_of(node, struct process_thread, node));
    }
    list_init(&process->threads); /* which may still be asked for what it has */
    leave_children(process->pid);
    process->end = process->ends_by;
    input_child_ended(process->parent);
    if (process->parent == NOBODY)
        forget(process);
    condvar_broadcast(&ended);
    mutex_unlock(&processes_lock);
}

static unsigned slot_of(uint64_t stack_end)
{
    return (unsigned)((PROCESS_STACK_END - stack_end) / PROCESS_STACK_SLOT);
}

static void stack_unmap(struct process *process, uint64_t stack_end)
{
    enum status status;

    mutex_lock(&process->memory);
    status = space_unmap(&process->space, stack_end - PROCESS_STACK_BYTES, PROCESS_STACK_BYTES);
    ASSERT(status == STATUS_OK);
    process->stacks &= ~(UINT32_C(1) << slot_of(stack_end));
    mutex_unlock(&process->memory);
}

_Noreturn void process_thread_end(int64_t status)
{
    struct process_thread *self = current_part();
    struct process *process = self->process;
    bool last;

    ASSERT(irq_enabled()); /* giving back takes a while */
    self->in_ring3 = false;
    space_thread_end(&self->flow);
    stack_unmap(process, self->stack_end);
    mutex_lock(&processes_lock);
    self->ended = true;
    self->status = status;
    last = --process->alive == 0;
    if (last)
        end_all(process, PROCESS_EXITED, status);
    else
        condvar_broadcast(&ended);
    mutex_unlock(&processes_lock);
    if (last)
        give_back(process);
    thread_exit(NULL);
}

_Noreturn void process_end(enum process_end end, int64_t status)
{
    mutex_lock(&processes_lock);
    end_all(current_process(), end, status);
    mutex_unlock(&processes_lock);
    process_thread_end(status);
}

_Noreturn void process_killed(void);

_Noreturn void process_killed(void)
{
    process_end(PROCESS_KILLED, 0);
}

_Noreturn void syscall_bad_return(void);

_Noreturn void syscall_bad_return(void)
{
    struct process_thread *self = current_part();

    if (self->killed)
        process_end(PROCESS_KILLED, 0);
    console_print("process %lu, %s: a system call's return address is not canonical\n",
                  (unsigned long)self->process->pid, self->flow.thread.name);
    process_end(PROCESS_FAULTED, PROCESS_BAD_RETURN);
}

/* The lock is held; NULL if there is none. */
static struct process *find_any(uint64_t pid)
{
    list_for_each (node, &processes) {
        struct process *process = container_of(node, struct process, all);

        if (process->pid == pid)
            return process;
    }
    return NULL;
}

static struct process *find(uint64_t parent, uint64_t pid)
{
    struct process *process = find_any(pid);

    return process && process->parent == parent ? process : NULL;
}

bool process_look(uint64_t pid, const struct thread **thread, size_t *bytes)
{
    const struct process *process;
    bool runs;

    mutex_lock(&processes_lock);
    process = find_any(pid);
    runs = process && !list_empty(&process->threads);
    if (runs) {
        *thread = &container_of(process->threads.next, struct process_thread, node)->flow.thread;
        *bytes = process->space.pages * PAGE_BYTES;
    }
    mutex_unlock(&processes_lock);
    return runs;
}

enum status process_kill(uint64_t parent, uint64_t pid)
{
    struct process *process;

    if (pid == process_current() && pid != PROCESS_KERNEL)
        process_end(PROCESS_KILLED, 0);
    mutex_lock(&processes_lock);
    process = find(parent, pid);
    if (!process && parent == PROCESS_KERNEL)
        process = find_any(pid);
    if (process && process->end == PROCESS_RUNS)
        end_all(process, PROCESS_KILLED, 0);
    mutex_unlock(&processes_lock);
    return process ? STATUS_OK : STATUS_NOT_FOUND;
}

/* A wait with a deadline, as one without is not ended by a cancel. */
enum status process_wait(uint64_t parent, uint64_t pid, enum process_end *end, int64_t *status)
{
    return process_wait_until(parent, pid, TIMER_NEVER - 1, end, status);
}

enum status process_wait_until(uint64_t parent, uint64_t pid, uint64_t deadline_ns, enum process_end *end,
                               int64_t *status)
{
    enum status result = STATUS_OK;
    struct process *process;

    mutex_lock(&processes_lock);
    while ((process = find(parent, pid)) && process->end == PROCESS_RUNS && result == STATUS_OK)
        result = condvar_wait_until(&ended, &processes_lock, deadline_ns);
    if (!process) {
        result = STATUS_NOT_FOUND;
    } else if (process->end == PROCESS_RUNS) {
        result = result == STATUS_TIMEOUT ? STATUS_AGAIN : STATUS_CLOSED;
    } else {
        *end = process->end;
        *status = process->status;
        forget(process);
        result = STATUS_OK;
    }
    mutex_unlock(&processes_lock);
    return result;
}

/* Of its threads that are alive. The lock is held. */
static uint64_t run_ns(const struct process *process)
{
    uint64_t flags = irq_save();
    uint64_t ns = 0;

    list_for_each (node, &process->threads) {
        const struct process_thread *part = container_of(node, struct process_thread, node);

        if (!part->ended)
            ns += thread_run_ns(&part->flow.thread);
    }
    irq_restore(flags);
    return ns;
}

void process_report(report_print *print)
{
    print("processes: pid   parent  threads    KiB   run ms  state   name\n");
    mutex_lock(&processes_lock);
    list_for_each (node, &processes) {
        const struct process *process = container_of(node, struct process, all);
        char parent[24] = "-"; /* it has ended */

        if (process->parent != NOBODY)
            format_text(parent, sizeof(parent), "%lu", (unsigned long)process->parent);
        print("  %12lu %8s %8u %6lu %8lu  %-6s  %s\n", (unsigned long)process->pid, parent, process->alive,
              (unsigned long)process->space.pages * PAGE_BYTES / 1024, (unsigned long)(run_ns(process) / 1000000),
              process->end == PROCESS_RUNS ? "runs" : "ended", process->file.name);
    }
    mutex_unlock(&processes_lock);
}

bool process_ended(uint64_t pid)
{
    const struct process *process;
    bool over;

    mutex_lock(&processes_lock);
    process = find(PROCESS_KERNEL, pid);
    over = !process || process->end != PROCESS_RUNS;
    mutex_unlock(&processes_lock);
    return over;
}

void process_forget(uint64_t pid)
{
    enum process_end end;
    int64_t status;
    enum status waited = process_wait(PROCESS_KERNEL, pid, &end, &status);

    ASSERT(waited == STATUS_OK || waited == STATUS_NOT_FOUND);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void print_address(const struct process *self, unsigned number, uint64_t address, bool returns)
{
    struct elf_symbol symbol;

    if (elf_symbol(self->file.bytes, self->file.size, address - returns, &symbol) == STATUS_OK)
        console_print("    #%u %s+0x%lx\n", number, symbol.name, (unsigned long)symbol.offset + returns);
    else
        console_print("    #%u %p\n", number, (void *)address);
}

/* By ring 3's frame pointers, which may lead anywhere: upwards alone, and only where they can be read. */
static void user_backtrace(const struct process *self, uint64_t rip, uint64_t rbp)
{
    struct {
        uint64_t caller, return_address;
    } frame;

    print_address(self, 0, rip, false);
    for (unsigned i = 1; i < BACKTRACE_MAX && user_copy_in(&frame, rbp, sizeof(frame)) == STATUS_OK; i++) {
        print_address(self, i, frame.return_address, true);
        if (frame.caller <= rbp)
            return;
        rbp = frame.caller;
    }
}

/* By the instruction, as QEMU's error code says twice the number. */
static unsigned refused_interrupt(const struct trap_frame *frame)
{
    enum { INT3 = 0xcc, INT = 0xcd, INDEX_SHIFT = 3 };
    uint8_t code[2];

    if (user_copy_in(code, frame->rip, sizeof(code)) == STATUS_OK && code[0] == INT)
        return code[1];
    if (user_copy_in(code, frame->rip, sizeof(code[0])) == STATUS_OK && code[0] == INT3)
        return VECTOR_BREAKPOINT;
    return (unsigned)(frame->error >> INDEX_SHIFT);
}

static void describe(char *text, size_t size, const struct trap_frame *frame, uint64_t address)
{
    enum { FROM_IDT = 2 }; /* SDM vol. 3, 6.13 */
    const char *name = exception_name((unsigned)frame->vector);
    struct translation page;
    char tried[96];

    if (frame->vector == VECTOR_PAGE_FAULT) {
        bool mapped = mmu_translate_unlocked((const void *)address, &page) == STATUS_OK;

        page_fault_describe(tried, sizeof(tried), address, frame->error, mapped ? &page : NULL);
        format_text(text, size, "%s: %s", name, tried);
    } else if (frame->vector == VECTOR_GENERAL_PROTECTION && (frame->error & FROM_IDT)) {
        format_text(text, size, "%s: int 0x%x", name, refused_interrupt(frame));
    } else {
        format_text(text, size, "%s, error code 0x%lx", name, (unsigned long)frame->error);
    }
}

/* On the stack that is the process's in the kernel, so it can wait here. */
static void user_exception(struct trap_frame *frame)
{
    uint64_t address = read_cr2();
    struct process_thread *self = current_part();
    char text[160];

    ASSERT(self);
    self->in_ring3 = false;
    irq_restore(IRQ_ENABLED);
    mutex_lock(&self->process->memory); /* its other threads may be about to unmap, and give tables back */
    describe(text, sizeof(text), frame, address);
    mutex_unlock(&self->process->memory);
    console_print("process %lu, %s: %s\n    rip %016lx rsp %016lx rflags %08lx\n", (unsigned long)self->process->pid,
                  self->flow.thread.name, text, frame->rip, frame->rsp, frame->rflags);
    user_backtrace(self->process, frame->rip, frame->rbp);
    process_end(PROCESS_FAULTED, (int64_t)frame->vector);
}

/* ---- the start --------------------------------------------------------------------------------------------------- */

/* The first thing on its own stack. */
static void *process_main(struct process_thread *self)
{
    bool ready = vectors_use() == STATUS_OK;

    space_thread_begin(&self->flow);
    if (!ready)
        process_end(PROCESS_KILLED, 0);
    (void)irq_save();
    sched_preempt_edge();
    if (self->killed) {
        irq_restore(IRQ_ENABLED);
        process_end(PROCESS_KILLED, 0);
    }
    self->in_ring3 = true;
    user_enter(self->entry, self->stack_end - STACK_WORDS_BYTES);
}

/* As space_map(), but tells a limit from memory. */
static enum status map(struct space *space, uint64_t address, uint64_t size, enum page_flags flags)
{
    if (size / PAGE_BYTES > space->pages_max - space->pages)
        return space_holds(address, size) ? STATUS_AGAIN : STATUS_INVALID;
    return space_map(space, address, size, flags);
}

static enum status load(struct space *space, const void *file, const struct elf_image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        enum status status = space_map(space, segment->base, segment->size, segment->flags);

        if (status == STATUS_OK)
            status = space_write(space, segment->address, (const char *)file + segment->offset, segment->file_size);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Maps the stack of a free slot, with these words on top of it; STATUS_AGAIN if there is none, or no page. Whatever
 * else the process has mapped there keeps its place. */
static enum status stack_map(struct process *process, uint64_t first, uint64_t second, uint64_t *end)
{
    const uint64_t words[] = {first, second};
    enum status status = STATUS_AGAIN;

    _Static_assert(sizeof(words) == STACK_WORDS_BYTES, "user_enter() is told where they are");
    mutex_lock(&process->memory);
    for (unsigned slot = 0; slot < PROCESS_THREADS_MAX; slot++) {
        *end = PROCESS_STACK_END - slot * (uint64_t)PROCESS_STACK_SLOT;
        if (process->stacks & UINT32_C(1) << slot)
            continue;
        status = map(&process->space, *end - PROCESS_STACK_BYTES, PROCESS_STACK_BYTES, PAGE_WRITE);
        if (status == STATUS_EXISTS)
            continue;
        if (status == STATUS_OK)
            status = space_write(&process->space, *end - sizeof(words), words, sizeof(words));
        if (status == STATUS_OK)
            process->stacks |= UINT32_C(1) << slot;
        break;
    }
    mutex_unlock(&process->memory);
    return status == STATUS_EXISTS ? STATUS_AGAIN : status;
}

/* The process's space, filled; none on an error. */
static enum status fill(struct process *process, const struct elf_image *image)
{
    enum status status = mmu_space_create(&process->space, PROCESS_PAGES_MAX);

    if (status != STATUS_OK)
        return status;
    status = load(&process->space, process->file.bytes, image);
    if (status != STATUS_OK)
        mmu_space_destroy(&process->space);
    return status;
}

/* A thread with a stack in ring 3, and one in the kernel. The lock is held. */
static enum status add_thread(struct process *process, const char *name, struct process_thread *part)
{
    static const struct thread_options options = {.detached = true, .release = thread_gone};
    enum status status;

    if (process->thread_count == PROCESS_THREADS_MAX)
        return STATUS_AGAIN;
    if (process->ending)
        return STATUS_CLOSED;
    part->process = process;
    part->flow.space = &process->space;
    part->references = 2;
    part->number = process->next_thread;
    status = thread_start_options(&part->flow.thread, name, process->priority, &options, process_main, part);
    if (status != STATUS_OK)
        return status;
    list_push_back(&process->threads, &part->node);
    process->next_thread++;
    process->thread_count++;
    process->alive++;
    return STATUS_OK;
}

/* The same, from the words on its stack on. It may be gone when this returns. */
static enum status start_thread(struct process *process, const char *name, uint64_t entry, uint64_t first,
                                uint64_t second, uint64_t *number)
{
    struct process_thread *part = kzalloc(1, sizeof(*part));
    enum status status;

    if (!part)
        return STATUS_NO_MEMORY;
    part->entry = entry;
    status = stack_map(process, first, second, &part->stack_end);
    if (status == STATUS_OK) {
        mutex_lock(&processes_lock);
        status = add_thread(process, name, part);
        *number = process->next_thread - 1;
        mutex_unlock(&processes_lock);
        if (status != STATUS_OK)
            stack_unmap(process, part->stack_end);
    }
    if (status != STATUS_OK)
        kfree(part);
    return status;
}

enum status process_thread_start(uint64_t entry, uint64_t first, uint64_t second, uint64_t *number)
{
    struct process_thread *self = current_part();

    if (!space_holds(entry, 1))
        return STATUS_INVALID;
    return start_thread(self->process, self->flow.thread.name, entry, first, second, number);
}

/* The lock is held; NULL if there is none. */
static struct process_thread *find_thread(const struct process *process, uint64_t number)
{
    list_for_each (node, &process->threads) {
        struct process_thread *part = container_of(node, struct process_thread, node);

        if (part->number == number && part != current_part())
            return part;
    }
    return NULL;
}

enum status process_thread_wait(uint64_t number, int64_t *status)
{
    struct process *self = current_process();
    enum status result = STATUS_OK;
    struct process_thread *part;

    mutex_lock(&processes_lock);
    while ((part = find_thread(self, number)) && !part->ended && result == STATUS_OK)
        result = condvar_wait_until(&ended, &processes_lock, TIMER_NEVER - 1);
    if (!part) {
        result = STATUS_NOT_FOUND;
    } else if (!part->ended) {
        result = STATUS_CLOSED;
    } else {
        *status = part->status;
        forget_thread(part);
        result = STATUS_OK;
    }
    mutex_unlock(&processes_lock);
    return result;
}

enum status process_map(uint64_t address, uint64_t size, enum page_flags flags)
{
    struct process *self = current_process();
    enum status status;

    mutex_lock(&self->memory);
    status = map(&self->space, address, size, flags);
    mutex_unlock(&self->memory);
    return status;
}

enum status process_unmap(uint64_t address, uint64_t size)
{
    struct process *self = current_process();
    enum status status;

    mutex_lock(&self->memory);
    status = space_unmap(&self->space, address, size);
    mutex_unlock(&self->memory);
    return status;
}

static enum status find_program(const char *name, struct tar_file *file, struct elf_image *image)
{
    enum status status = programs_find(name, file);
    const char *wrong;

    if (status != STATUS_OK)
        return status;
    wrong = elf_read(file->bytes, file->size, image);
    if (!wrong)
        return STATUS_OK;
    log_warning("program %s cannot run: %s", name, wrong);
    return STATUS_INVALID;
}

static unsigned children_of(uint64_t parent)
{
    unsigned children = 0;

    list_for_each (node, &processes)
        children += container_of(node, struct process, all)->parent == parent;
    return children;
}

/* Takes its place among all, and its number. */
static enum status enlist(struct process *process)
{
    enum status status = STATUS_AGAIN;

    mutex_lock(&processes_lock);
    if (next_pid == 1)
        interrupt_expect_user(user_exception); /* not before: where nobody runs in ring 3 it costs nothing */
    if (count < PROCESSES_MAX &&
        (process->parent == PROCESS_KERNEL || children_of(process->parent) < PROCESS_CHILDREN_MAX)) {
        process->pid = next_pid++;
        list_push_back(&processes, &process->all);
        count++;
        status = STATUS_OK;
    }
    mutex_unlock(&processes_lock);
    return status;
}

/* Of one that has no thread yet. */
static void delist(struct process *process)
{
    mutex_lock(&processes_lock);
    forget(process);
    mutex_unlock(&processes_lock);
}

static struct process *new_process(const struct tar_file *file, uint64_t parent)
{
    struct process *process = kzalloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->file = *file;
    process->parent = parent;
    process->end = PROCESS_RUNS;
    process->next_thread = 1;
    list_init(&process->threads);
    mutex_init(&process->memory);
    return process;
}

enum status process_spawn(const char *name, uint64_t argument, uint64_t parent, uint64_t *pid)
{
    return process_spawn_at(THREAD_PRIORITY_NORMAL, name, argument, parent, pid);
}

enum status process_spawn_at(unsigned priority, const char *name, uint64_t argument, uint64_t parent, uint64_t *pid)
{
    struct process *process;
    struct elf_image image;
    struct tar_file file;
    enum status status = find_program(name, &file, &image);
    uint64_t number;

    if (status != STATUS_OK)
        return status;
    process = new_process(&file, parent);
    if (!process)
        return STATUS_NO_MEMORY;
    process->priority = priority;
    status = enlist(process);
    if (status != STATUS_OK) {
        kfree(process);
        return status;
    }
    *pid = process->pid; /* it may be gone once it has a thread */
    status = fill(process, &image);
    if (status == STATUS_OK) {
        status = start_thread(process, name, image.entry, argument, 0, &number);
        if (status == STATUS_OK)
            return status;
        mmu_space_destroy(&process->space);
    }
    delist(process);
    return status;
}

void process_init(bool gate)
{
    syscall_init(gate);
}
