/*
 * void marks_spin(const struct marks *set, struct marks *got, uint64_t turns)
 *
 * Every register but rsp gets a mark of its own, CF and DF are set, and for `turns` turns nothing is done that changes
 * one of them; then all are looked at. What an interrupt or a switch spoils meanwhile, stays spoiled.
 */
    .text
    .globl marks_spin
    .type marks_spin, @function
marks_spin:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rdx, turns(%rip)
    mov %rsi, place(%rip)

    .set at, 15*8+8
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups at(%rdi), %xmm\number
    .set at, at + 16
    .endr
    .set at, 0
    .irp name, rax, rbx, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    mov at(%rdi), %\name
    .set at, at + 8
    .endr
    mov at(%rdi), %rdi
    std
    stc
1:  decq turns(%rip)                            /* leaves CF alone */
    jnz 1b

    mov %rdi, spare(%rip)
    pushfq
    cld
    mov place(%rip), %rdi
    .set at, 0
    .irp name, rax, rbx, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    mov %\name, at(%rdi)
    .set at, at + 8
    .endr
    mov spare(%rip), %rax
    mov %rax, at(%rdi)
    pop 15*8(%rdi)
    .set at, 15*8+8
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups %xmm\number, at(%rdi)
    .set at, at + 16
    .endr
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size marks_spin, . - marks_spin

    .bss
    .balign 8
turns:
    .skip 8
place:
    .skip 8
spare:
    .skip 8

    .section .note.GNU-stack, "", @progbits
