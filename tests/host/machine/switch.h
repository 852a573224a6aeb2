/*
 * The end of context_switch() on the host: rsp points at the flags to return with.
 */
#define RETURN_WITH_FLAGS \
    pop % rdi;            \
    jmp irq_restore
