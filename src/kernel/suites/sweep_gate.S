/*
 * The sweep's own way into its interrupt and back, around entry.S. Contracts in sweep.h.
 *
 * The gate stores every register as the CPU comes, and has the interrupt return to sweep_return, which stores every
 * register again and then goes on where the interrupt came, with the registers as they were: a wrong one is a failure
 * to be told, not a reason to crash. Nobody's stack is used below rsp, so both may.
 *
 *      on the stack at the gate:
 *          +32  ss     +24  rsp    +16  rflags    +8  cs    rsp -> +0  rip
 */
    .set AT_RFLAGS, 15 * 8
    .set AT_RSP, 16 * 8
    .set AT_RIP, 17 * 8
    .set VECTOR, 0x42

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro each operation to
    .set index, 0
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    \operation \register, \to, index
    .set index, index + 1
    .endr
    .endm

    .macro store register, to, index
    mov %\register, \to + 8 * \index
    .endm

    .macro load register, from, index
    mov \from + 8 * \index, %\register
    .endm

    function sweep_gate
    each store, sweep_before
    pushq (%rsp)
    popq sweep_before + AT_RIP
    pushq 16(%rsp)
    popq sweep_before + AT_RFLAGS
    pushq 24(%rsp)
    popq sweep_before + AT_RSP
    movq $sweep_return, (%rsp)
    jmp *vector_stubs + 8 * VECTOR

    function sweep_return
    each store, sweep_after
    mov %rsp, sweep_after + AT_RSP
    pushfq
    popq sweep_after + AT_RFLAGS
    and $-16, %rsp
    cld
    call sweep_returned
    mov sweep_before + AT_RSP, %rsp
    pushq sweep_before + AT_RFLAGS
    each load, sweep_before
    popfq
    jmp *sweep_before + AT_RIP

/* void sweep_arm(volatile uint32_t *count, uint32_t ticks, uint64_t trap): the timer is armed two instructions before
 * the trap flag, if that is in `trap`, has its effect */
    function sweep_arm
    pushfq
    or %rdx, (%rsp)
    mov %esi, (%rdi)
    popfq
    nop
    nop
    nop
    nop
    ret

    function sweep_raise
    int $VECTOR
    ret

    function sweep_straight
    .rept 40
    nop
    .endr
    ret

    .bss
    .balign 8
    .globl sweep_before, sweep_after
sweep_before:
    .skip 18 * 8
sweep_after:
    .skip 18 * 8

    .section .note.GNU-stack, "", @progbits
