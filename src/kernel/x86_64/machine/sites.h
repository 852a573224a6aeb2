/*
 * A place where interrupts go off or come on, for assembler files: see interrupts.h, which has the same for C. What is
 * patched into it is a call of `stub`.
 */
/* Lines of an assembler file: */
/* clang-format off */
#define IRQ_SITE(instruction, stub) \
    1: .byte 0x2e, 0x2e, 0x2e, 0x2e; \
    instruction; \
    2: .pushsection irq_sites, "a"; \
    .quad 1b, stub; \
    .long 2b - 1b, IRQ_SITE_CALL; \
    .popsection
/* clang-format on */

#define IRQ_SITE_CALL 0xe8
#define IRQ_SITE_JUMP 0xe9
