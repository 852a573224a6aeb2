/*
 * uint64_t measure_call(uint64_t number): clock ticks from before a system call without arguments to after it.
 */
    .text
    .globl measure_call
    .type measure_call, @function
measure_call:
    mov %rdi, %rsi
    rdtsc
    shl $32, %rdx
    or %rax, %rdx
    mov %rdx, before(%rip)
    mov %rsi, %rax
    syscall
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub before(%rip), %rax
    ret
    .size measure_call, . - measure_call

    .bss
    .balign 8
before:
    .skip 8

    .section .note.GNU-stack, "", @progbits
