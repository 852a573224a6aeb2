/*
 * The end of context_switch() on a PC: rsp points at the flags to return with.
 */
#include <machine/sites.h>

#define RETURN_WITH_FLAGS          \
    IRQ_SITE(popfq, irqoff_popfq); \
    ret
