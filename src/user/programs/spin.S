/* _Noreturn void sleep_astray(void), sleep_astray_by_gate(void), compute_astray(void): for ever, with a frame pointer
 * that leads nowhere. */
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

    .globl sleep_astray_by_gate
    .type sleep_astray_by_gate, @function
sleep_astray_by_gate:
    mov $8, %ebp
1:  mov $-1, %rdi
    mov $3, %eax                                /* sleep */
    int $0x80
    jmp 1b
    .size sleep_astray_by_gate, . - sleep_astray_by_gate

    .globl compute_astray
    .type compute_astray, @function
compute_astray:
    mov $8, %ebp
1:  jmp 1b
    .size compute_astray, . - compute_astray

    .section .note.GNU-stack, "", @progbits
