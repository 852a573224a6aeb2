/*
 * void context_switch(uintptr_t *save, const uintptr_t *load, uint64_t flags)
 *
 * The SysV ABI lets a call clobber everything but rbx, rbp, r12-r15 and rsp, so these seven are a thread's state at a
 * switch, and whether it had interrupts on. The last step puts those back, so that whoever is switched to goes on with
 * its own. It is the machine's; all else, the host tests run from this very file.
 *
 *      stack of a thread that does not run (struct switch_frame):
 *          +56  return address         +24  r12
 *          +48  flags                  +16  r13
 *          +40  rbp                     +8  r14
 *          +32  rbx             rsp ->  +0  r15
 */
#include <machine/switch.h>

    .text
    .globl context_switch
    .type context_switch, @function
context_switch:
    push %rdx
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov (%rsi), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    RETURN_WITH_FLAGS
    .size context_switch, . - context_switch

/*
 * The first return address of every thread: pops a struct thread_call, and calls. rsp is 16-byte aligned then, as the
 * ABI wants; rbp is zero from the prepared frame, which ends every backtrace. Nothing of whoever switched here is left
 * in a register: the callee-saved ones come from the frame, and rax is the function's.
 */
    .globl thread_trampoline
    .type thread_trampoline, @function
thread_trampoline:
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %r8
    pop %r9
    xor %r10d, %r10d
    xor %r11d, %r11d
    pop %rax
    call *%rax
    mov %rax, %rdi
    call thread_exit
    ud2
    .size thread_trampoline, . - thread_trampoline

    .section .note.GNU-stack, "", @progbits
