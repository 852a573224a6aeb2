/*
 * Of thread/arch.h, what must be exactly these instructions.
 */
#include <machine/sites.h>

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

/* void cpu_wait(void): sti keeps interrupts off for one more instruction (Intel SDM vol. 2, STI), so none can come
 * between it and hlt. Room for a jump */
    function cpu_wait
1:
    sti
    hlt
    ret
    .skip 2, 0xcc
2:  .pushsection irq_sites, "a"
    .quad 1b, irqoff_wait
    .long 2b - 1b, IRQ_SITE_JUMP
    .popsection

    .section .note.GNU-stack, "", @progbits
