/*
 * void context_switch(uintptr_t *save, uintptr_t load, uint64_t flags)
 *
 * The SysV ABI lets a call clobber everything but rbx, rbp, r12-r15 and rsp, so these seven are a thread's state at a
 * switch, and whether it had interrupts on. The last step is irq_restore(), so that whoever is switched to goes on with
 * its own. No privileged instruction: the host tests run this very file.
 *
 *      stack of a thread that does not run (struct switch_frame):
 *          +56  return address         +24  r13
 *          +48  rbp                    +16  r14
 *          +40  rbx                     +8  r15
 *          +32  r12             rsp ->  +0  flags
 */
    .text
    .globl context_switch
    .type context_switch, @function
context_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    jmp irq_restore
    .size context_switch, . - context_switch

/*
 * The first return address of every thread. rsp is 16-byte aligned here, as the ABI wants before a call; rbp is zero
 * from the prepared frame, which ends every backtrace.
 */
    .globl thread_trampoline
    .type thread_trampoline, @function
thread_trampoline:
    call thread_main
    ud2
    .size thread_trampoline, . - thread_trampoline

    .section .note.GNU-stack, "", @progbits
