/* Saying what broke, where, in which thread and task, and how it came there. */
#include "kernel/panic.h"

#include "kernel/backtrace.h"
#include "kernel/console.h"
#include "kernel/executor_thread.h"
#include "kernel/log.h"
#include "kernel/report.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/irqoff.h"
#include "kernel/x86_64/random.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum { PORT_DEBUG_EXIT = 0xf4 };

static const char *expected;
static bool exits;
static unsigned panics;

void panic_expect(const char *text)
{
    expected = text;
}

void panic_exits(void)
{
    exits = true;
}

_Noreturn void machine_exit(uint8_t code)
{
    cli();
    log_replay(); /* nothing else will print it */
    outb(PORT_DEBUG_EXIT, code);
    for (;;)
        hlt();
}

static void print_registers(const struct trap_frame *f)
{
    console_print("    rip %016lx rsp %016lx rflags %08lx\n", f->rip, f->rsp, f->rflags);
    console_print("    rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    console_print("    rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    console_print("    r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
    console_print("    r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
}

/* True if `text` begins with the words up to the next '*'. */
static bool begins(const char *text, const char *words)
{
    while (*words && *words != '*')
        if (*text++ != *words++)
            return false;
    return true;
}

/* True if the message has all the words, in their order; '*' stands for anything between. */
static bool says(const char *message, const char *words)
{
    for (;;) {
        while (!begins(message, words))
            if (!*message++)
                return false;
        while (*words && *words != '*') {
            words++;
            message++;
        }
        if (!*words++)
            return true;
    }
}

/* A first panic that a test waits for passes it; everything else is a failure. */
static _Noreturn void panic_end(const char *message)
{
    bool passed = false;

    if (expected) {
        passed = says(message, expected);
        console_print("%s: the test expects a panic that says \"%s\"\n", passed ? "passed" : "FAILED", expected);
    }
    if (expected || exits)
        machine_exit(passed ? EXIT_PASSED : EXIT_FAILED);
    for (;;)
        hlt();
}

printf_like(4, 0) static _Noreturn void panic_report(const char *place, const struct trap_frame *registers,
                                                     const void *frame, const char *format, va_list arguments)
{
    static char message[384];
    const struct thread *thread = thread_current();
    const struct task *task = executor_thread_task();

    cli();
    if (panics++) { /* the report itself broke: say so with what surely works, and stop */
        console_break_lock();
        if (panics == 2)
            console_print("PANIC while panicking: %s\n    the first one: %s\n", format, message);
        machine_exit(EXIT_FAILED);
    }
    console_break_lock();
    console_set_attribute(CONSOLE_ALARM);
    format_text_va(message, sizeof(message), format, arguments);
    console_print("\n"); /* a line may be half printed */
    log_replay();        /* before the report: in the order of time, and the report stays at the bottom of the screen */
    console_print("\nPANIC: %s\n    %s, thread %s, task %s\n", message, place, thread ? thread->name : "none",
                  task ? task->name : "none");
    if (registers) {
        print_registers(registers);
        backtrace_trap(console_print, registers);
    } else {
        backtrace_frame(console_print, frame);
    }
    if (task)
        backtrace_task(console_print, task);
    if (irqoff_on())
        report_stretches(console_print);
    panic_end(message);
}

printf_like(4, 0) static _Noreturn void panic_here(const char *file, int line, const void *frame, const char *format,
                                                   va_list arguments)
{
    char place[96];

    format_text(place, sizeof(place), "at %s:%d", file, line);
    panic_report(place, NULL, frame, format, arguments);
}

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format); /* never ended: nothing comes after */
    panic_here(file, line, __builtin_frame_address(0), format, arguments);
}

printf_like(3, 4) static _Noreturn void assertion_report(const struct assertion *assertion, const void *frame,
                                                         const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    panic_here(assertion->file, assertion->line, frame, format, arguments);
}

_Noreturn void assertion_failed(const struct assertion *assertion)
{
    assertion_report(assertion, __builtin_frame_address(0), "assertion failed: %s", assertion->expression);
}

_Noreturn void panic_exception(const struct trap_frame *frame, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    panic_report("in an exception", frame, NULL, format, arguments);
}

/* The compiler's stack protector: each frame at risk keeps a copy, and on return compares. */
uint64_t __stack_chk_guard;

/* Its lowest byte, which an overrun meets first, is the one that no string can hold. */
__attribute__((no_stack_protector)) void stack_guard_init(void)
{
    __stack_chk_guard = random_at_boot() & ~(uint64_t)0xff;
}

/* A buffer on the stack was overrun. */
_Noreturn void __stack_chk_fail(void);

_Noreturn void __stack_chk_fail(void)
{
    panic("stack smashed: a buffer was overrun in the caller of this");
}
