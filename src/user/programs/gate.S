/* int64_t gate_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t number), by the classic gate, with
 * the direction and alignment flags set */
    .text
    .globl gate_call
    .type gate_call, @function
gate_call:
    mov %r8, %rax
    mov %rcx, %r10
    mov $-1, %r9
    mov $-1, %r11
    pushfq
    orl $0x40400, (%rsp)
    popfq
    int $0x80
    pushfq
    andl $~0x40400, (%rsp)
    popfq
    or %rcx, %r9
    or %rdx, %r9
    or %rsi, %r9
    or %rdi, %r9
    or %r8, %r9
    or %r10, %r9
    or %r11, %r9
    mov %r9, gate_left(%rip)
    ret
    .size gate_call, . - gate_call

    .section .note.GNU-stack, "", @progbits
