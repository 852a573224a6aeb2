/*
 * Processes: programs in ring 3, each with an address space of its own, and threads that each have a stack in it, a
 * kernel stack and vector registers.
 *
 * A process is known by its number, which no other has before or after. It has a parent, which waits for it; the kernel
 * is one too. One whose parent has ended is forgotten when it ends itself. Whatever it held is given back at its end,
 * however that came: by exit(), by a fault, or killed.
 *
 *      0x0000000000010000  the lowest address that can be mapped
 *      0x0000000000400000  a program, where its file says
 *      0x00007ffffffe0000  the end of its first thread's stack, whose argument is the word on top; the others' are
 *                          below it, each in a slot of its own, of which all but the stack stays unmapped
 *      0x00007ffffffff000  the end of what can be mapped
 */
#ifndef DUET_KERNEL_PROCESS_H
#define DUET_KERNEL_PROCESS_H

#include "kernel/report.h"
#include "kernel/space_thread.h"

#define PROCESS_STACK_END UINT64_C(0x00007ffffffe0000)

enum {
    PROCESS_STACK_BYTES = 32768,
    PROCESS_STACK_SLOT = 65536, /* from the end of one stack to the next one's */
    PROCESS_PAGES_MAX = 1024,   /* of one, stacks included */
    PROCESS_THREADS_MAX = 16,   /* of one: alive, or ended and not waited for */
    PROCESS_CHILDREN_MAX = 64,  /* of one that is not the kernel: alive, or ended and not waited for */
    PROCESSES_MAX = 512,        /* alive, or ended and not waited for */
    PROCESS_KERNEL = 0,         /* the number of the kernel as a parent */
};

enum process_end {
    PROCESS_EXITED,
    PROCESS_FAULTED, /* the status is the exception's vector, or PROCESS_BAD_RETURN */
    PROCESS_KILLED,
    PROCESS_RUNS,
};

/* The status of a process whose system call was to return to where no code can be. */
enum { PROCESS_BAD_RETURN = 256 };

/*
 * Starts a program (kernel/programs.h) as a process at the normal priority. STATUS_NOT_FOUND: there is none of that
 * name; STATUS_INVALID: it cannot run, which is logged with the reason; STATUS_NO_MEMORY; STATUS_AGAIN where there are
 * PROCESSES_MAX, or PROCESS_CHILDREN_MAX of this parent. Context: thread.
 */
enum status process_spawn(const char *name, uint64_t argument, uint64_t parent, uint64_t *pid) must_check;

/* The same at another priority, which its threads share. */
enum status process_spawn_at(unsigned priority, const char *name, uint64_t argument, uint64_t parent,
                             uint64_t *pid) must_check;

/* For the kernel's own children: whether one has ended, and its wait without an answer. Context: thread. */
bool process_ended(uint64_t pid) must_check;
void process_forget(uint64_t pid);

/* Waits for the end of a child, and forgets it. STATUS_NOT_FOUND: `parent` has no child of that number;
 * STATUS_CLOSED: the running thread was cancelled meanwhile. Context: thread. */
enum status process_wait(uint64_t parent, uint64_t pid, enum process_end *end, int64_t *status) must_check;

/* The same, but gives up at `deadline_ns`: STATUS_AGAIN. Context: as above. */
enum status process_wait_until(uint64_t parent, uint64_t pid, uint64_t deadline_ns, enum process_end *end,
                               int64_t *status) must_check;

/* Ends a child, or the process itself, at its next step in ring 3; what it waits for in the kernel ends early. The
 * kernel may end any. STATUS_NOT_FOUND as above. Context: thread. */
enum status process_kill(uint64_t parent, uint64_t pid) must_check;

/* The number of the running thread's process; PROCESS_KERNEL if it has none. Context: thread. */
uint64_t process_current(void);

/* A line for each process. Context: thread. */
void process_report(report_print *print);

/* How many there are, ended ones that were not waited for included. Context: thread. */
size_t process_count(void);

/* The first thread of a process, which is the kernel's part of it, and the bytes of the pages that it has mapped. False
 * if it has ended, or there is none. The thread is there as long as the process. Context: thread. */
bool process_look(uint64_t pid, const struct thread **thread, size_t *bytes) must_check;

/* Ends the running thread's process with all its threads: the first who says so says how. Context: thread of a process,
 * with no lock held. */
_Noreturn void process_end(enum process_end end, int64_t status);

/*
 * Starts one more thread of the running one's process, at `entry`, with two words on top of a stack of its own:
 * STATUS_INVALID where no code can be, STATUS_AGAIN where there are PROCESS_THREADS_MAX or no more pages,
 * STATUS_NO_MEMORY. process_thread_wait() waits for its end and forgets it: STATUS_NOT_FOUND where there is no such
 * thread beside the running one, STATUS_CLOSED as above. The process ends with its last thread, as if that had called
 * exit(). Context: as above.
 */
enum status process_thread_start(uint64_t entry, uint64_t first, uint64_t second, uint64_t *number) must_check;
enum status process_thread_wait(uint64_t number, int64_t *status) must_check;
_Noreturn void process_thread_end(int64_t status);

/* As space_map() and space_unmap(), of the running thread's process; STATUS_AGAIN for more than PROCESS_PAGES_MAX.
 * Context: as above. */
enum status process_map(uint64_t address, uint64_t size, enum page_flags flags) must_check;
enum status process_unmap(uint64_t address, uint64_t size) must_check;

/* Has system calls taken, by int 0x80 too if `gate`. Context: boot. */
void process_init(bool gate);

#endif
