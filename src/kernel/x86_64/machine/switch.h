/*
 * The end of context_switch() on a PC: rsp points at the flags to return with.
 */
#define RETURN_WITH_FLAGS \
    popfq;                \
    ret
