/* _Noreturn void sleep_astray(void), sleep_astray_by_gate(void), compute_astray(void): for ever, with a frame pointer
 * that leads nowhere. */
    .text

    .macro astray name, body:vararg
    .globl \name
    .type \name, @function
\name:
    mov $8, %ebp
1:  \body
    jmp 1b
    .size \name, . - \name
    .endm

    .macro sleep_by way:vararg
    mov $-1, %rdi
    mov $3, %eax                                /* sleep */
    \way
    .endm

    astray sleep_astray, sleep_by syscall
    astray sleep_astray_by_gate, sleep_by int $0x80
    astray compute_astray

    .section .note.GNU-stack, "", @progbits
