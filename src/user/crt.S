/*
 * A program's first and last steps, and its way into the kernel.
 *
 * It begins with every register zero, rsp 16-byte aligned, and its argument on top of the stack.
 */
    .text
    .globl _start
    .type _start, @function
_start:
    mov (%rsp), %rdi
    call main
    movslq %eax, %rdi
    xor %eax, %eax                              /* exit */
    syscall
    ud2
    .size _start, . - _start

/* Where a thread begins: its argument and its function are on top of its stack. */
    .globl _thread
    .type _thread, @function
_thread:
    mov (%rsp), %rdi
    call *8(%rsp)
    movslq %eax, %rdi
    mov $12, %eax                               /* thread_exit */
    syscall
    ud2
    .size _thread, . - _thread

/* int64_t system_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t number) */
    .globl system_call
    .type system_call, @function
system_call:
    mov %r8, %rax
    mov %rcx, %r10
    syscall
    ret
    .size system_call, . - system_call

    .section .note.GNU-stack, "", @progbits
