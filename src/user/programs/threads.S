/*
 * A thread's first step: what every register holds goes to first_seen, and the thread ends with 0. rsp is the one that
 * must hold something.
 */
    .text
    .globl first_step
    .type first_step, @function
first_step:
    .set at, 0
    .irp name, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    mov %\name, first_seen + at(%rip)
    .set at, at + 8
    .endr
    .irp name, ds, es, fs, gs
    mov %\name, %eax
    mov %rax, first_seen + at(%rip)
    .set at, at + 8
    .endr
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups %xmm\number, first_seen + at(%rip)
    .set at, at + 16
    .endr
    pushfq
    pop first_seen + at(%rip)
    stmxcsr first_seen + at + 8(%rip)
    fnstcw first_seen + at + 12(%rip)
    xor %edi, %edi
    mov $12, %eax                               /* thread_exit */
    syscall
    ud2
    .size first_step, . - first_step

/* Into every segment register that can be loaded: ring 3's data. */
    .globl load_segments
    .type load_segments, @function
load_segments:
    mov $0x1b, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    ret
    .size load_segments, . - load_segments

    .section .note.GNU-stack, "", @progbits
