/* _Noreturn void sleep_astray(void), compute_astray(void): for ever, with a frame pointer that leads nowhere. */
    .text
    .globl sleep_astray
    .type sleep_astray, @function
sleep_astray:
    mov $8, %ebp
1:  mov $-1, %rdi
    mov $3, %eax                                /* sleep */
    syscall
    jmp 1b
    .size sleep_astray, . - sleep_astray

    .globl compute_astray
    .type compute_astray, @function
compute_astray:
    mov $8, %ebp
1:  jmp 1b
    .size compute_astray, . - compute_astray

    .section .note.GNU-stack, "", @progbits
