/*
 * void fuzz_call(struct fuzz_registers *registers)
 *
 * A system call with every register as *registers says, rsp and the flags included, which then has what the call left.
 * By one thread of a process alone, as there is one place for what is to be found again.
 */
    .set RSP, 14*8
    .set FLAGS, 15*8

    .text
    .globl fuzz_call
    .type fuzz_call, @function
fuzz_call:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rdi, place(%rip)
    mov %rsp, stack(%rip)
    pushq FLAGS(%rdi)
    popfq
    mov RSP(%rdi), %rsp
    .set at, 0
    .irp name, rax, rbx, rdx, rsi, rbp, r8, r9, r10, r12, r13, r14, r15
    mov at(%rdi), %\name
    .set at, at + 8
    .endr
    mov at(%rdi), %rdi
    syscall

    mov %rdi, spare(%rip)
    mov place(%rip), %rdi
    .set at, 0
    .irp name, rax, rbx, rdx, rsi, rbp, r8, r9, r10, r12, r13, r14, r15
    mov %\name, at(%rdi)
    .set at, at + 8
    .endr
    mov spare(%rip), %rax
    mov %rax, at(%rdi)
    mov %rsp, RSP(%rdi)
    mov stack(%rip), %rsp
    pushfq
    pop FLAGS(%rdi)
    cld
    pushfq
    andl $~0x40000, (%rsp)                      /* AC */
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size fuzz_call, . - fuzz_call

    .bss
    .balign 8
place:
    .skip 8
stack:
    .skip 8
spare:
    .skip 8

    .section .note.GNU-stack, "", @progbits
