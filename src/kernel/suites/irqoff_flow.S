/*
 * Stretches of a known length. Contracts in irqoff_flow.h.
 */
#include <machine/sites.h>

    .set preempt_count, cpu_boot + 12

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro here name
    .globl \name
\name:
    .endm

/* Two instructions a loop, of which there are rdi. */
    .macro loops
    mov %rdi, %rcx
9:  dec %rcx
    jnz 9b
    .endm

    .macro stretch name
    function \name
    pushfq
    IRQ_SITE(cli, irqoff_cli)
    here \name\()_begin
    loops
    IRQ_SITE(popfq, irqoff_popfq)
    here \name\()_end
    ret
    .endm

    stretch irqoff_flow
    stretch irqoff_flow_other

    function irqoff_flow_nested
    pushfq
    IRQ_SITE(cli, irqoff_cli)
    here irqoff_flow_nested_begin
    loops
    pushfq
    IRQ_SITE(cli, irqoff_cli)
    loops
    IRQ_SITE(popfq, irqoff_popfq)
    loops
    IRQ_SITE(popfq, irqoff_popfq)
    here irqoff_flow_nested_end
    ret

    function irqoff_flow_preemption
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    here irqoff_flow_preemption_begin
    loops
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    here irqoff_flow_preemption_end
    ret

    function irqoff_flow_preemption_nested
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    here irqoff_flow_preemption_nested_begin
    loops
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    loops
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    loops
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    here irqoff_flow_preemption_nested_end
    ret

/* The flags after each step of a count: up, up, down, down. */
    .macro flags_to index
    pushfq
    popq \index * 8(%rdi)
    .endm

    function irqoff_flow_count
    stc
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    flags_to 0
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    flags_to 1
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    flags_to 2
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    flags_to 3
    ret

    function irqoff_flow_count_plainly
    push $0
    stc
    incl (%rsp)
    flags_to 0
    incl (%rsp)
    flags_to 1
    decl (%rsp)
    flags_to 2
    decl (%rsp)
    flags_to 3
    add $8, %rsp
    ret

    .section .note.GNU-stack, "", @progbits
