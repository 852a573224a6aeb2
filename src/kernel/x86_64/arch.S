/*
 * Of thread/arch.h, what must be exactly these instructions.
 */
    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

/* void cpu_wait(void): sti keeps interrupts off for one more instruction (Intel SDM vol. 2, STI), so none can come
 * between it and hlt */
    function cpu_wait
    sti
    hlt
    ret

    .section .note.GNU-stack, "", @progbits
