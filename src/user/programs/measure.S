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

/* uint64_t measure_now(void) */
    .globl measure_now
    .type measure_now, @function
measure_now:
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    ret
    .size measure_now, . - measure_now

/* void measure_fault(uint64_t at): does not come back. */
    .globl measure_fault
    .type measure_fault, @function
measure_fault:
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    cmp %rdi, %rax
    jb measure_fault
    ud2
    .size measure_fault, . - measure_fault

    .bss
    .balign 8
before:
    .skip 8

    .section .note.GNU-stack, "", @progbits
