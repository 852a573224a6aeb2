/*
 * What is called instead of an instruction that turns interrupts or preemption off or on, with irqoff=on: see irqoff.h.
 *
 * A stub changes what the instruction changes, and nothing else. A stretch is written down with interrupts off, or
 * preemption, so by one flow at a time; what comes in between, as an NMI does, finds them off already and leaves it
 * alone. The longest is kept without a branch, so that the way through a stub depends on nothing but the flags.
 */
#include <machine/sites.h>

    .set TICKS, 0
    .set BEGIN, 8
    .set END, 16
    .set BEGAN_TICKS, 24
    .set BEGAN, 32
    .set PREEMPT_COUNT, 12
    .set IF_BIT, 9
    .set IF_BYTE, 1
    .set IF_IN_BYTE, 2

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

/* rdx is overwritten, and at, a register that holds the code's address and is to be rax. */
    .macro begin_stretch what
    mov %rax, \what + BEGAN(%rip)
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, \what + BEGAN_TICKS(%rip)
    .endm

/* rcx: the code's address. rax and rdx are overwritten. Of two as long the earlier stays. */
    .macro end_stretch what
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub \what + BEGAN_TICKS(%rip), %rax
    mov \what + TICKS(%rip), %rdx
    cmp %rdx, %rax
    cmovb %rdx, %rax
    mov %rax, \what + TICKS(%rip)
    mov \what + END(%rip), %rax
    cmova %rcx, %rax
    mov %rax, \what + END(%rip)
    mov \what + BEGIN(%rip), %rax
    cmova \what + BEGAN(%rip), %rax
    mov %rax, \what + BEGIN(%rip)
    .endm

/* With the return address on top of the stack: saves flags and three registers below it. */
    .macro enter
    pushfq
    push %rax
    push %rcx
    push %rdx
    .endm
    .set SAVED, 32 /* bytes, up to the return address */
    .set FLAGS, 24

    .macro restore
    pop %rdx
    pop %rcx
    pop %rax
    .endm

/* After enter: the flags are to become what lies at `new`. */
    .macro change_to new
    testb $IF_IN_BYTE, FLAGS + IF_BYTE(%rsp)
    jnz 2f
    testb $IF_IN_BYTE, \new + IF_BYTE(%rsp)
    jz 3f
    mov SAVED(%rsp), %rcx
    end_stretch irqoff_interrupts
    jmp 3f
2:  testb $IF_IN_BYTE, \new + IF_BYTE(%rsp)
    jnz 3f
    cli
    mov SAVED(%rsp), %rax
    begin_stretch irqoff_interrupts
3:
    .endm

/* cli
 *      on the stack: return address */
    function irqoff_cli
    pushfq
    cli
    push %rax
    push %rdx
    btrq $IF_BIT, 16(%rsp)
    jnc 1f
    mov 24(%rsp), %rax
    begin_stretch irqoff_interrupts
1:  pop %rdx
    pop %rax
    popfq
    ret

/* popfq
 *      on the stack: return address, the flags to be */
    function irqoff_popfq
    enter
    change_to (SAVED+8)
    restore
    lea 8(%rsp), %rsp
    pushq 8(%rsp)
    popfq
    ret $8

/* iretq
 *      on the stack: return address | rip cs rflags rsp ss */
    function irqoff_iretq
    enter
    change_to (SAVED+8+16)
    restore
    lea 16(%rsp), %rsp
    iretq

/* cld in entry.S, where an interrupt's vector and flags lie above the return address and nine registers; rax and rdx
 * are free. An interrupt raised by an instruction may have come with interrupts off. */
    .macro way_in site, vector, flags
    .globl \site
\site:
    .byte 0x2e, 0x2e, 0x2e, 0x2e /* as in entry.S: see clear_ac() */
    cld
    testb $IF_IN_BYTE, \flags + IF_BYTE(%rsp)
    jz 1f
    movzbl \vector(%rsp), %eax
    mov vector_stubs(, %rax, 8), %rax
    inc %rax
    begin_stretch irqoff_interrupts
1:  ret
    .endm

    function irqoff_interrupt
    way_in irqoff_cld_of_interrupt, (8+9*8+12), (8+9*8+16)

/* The same for an exception: fifteen registers, vector, error, rip, cs, rflags. */
    function irqoff_exception
    way_in irqoff_cld_of_exception, (8+15*8), (8+15*8+32)

/* cpu_wait(), all of it */
    function irqoff_wait
    push %rax
    push %rcx
    push %rdx
    lea cpu_wait + 1(%rip), %rcx
    end_stretch irqoff_interrupts
    restore
    sti
    hlt
    ret

/* incl of the count */
    function irqoff_preempt_up
    incl cpu_boot + PREEMPT_COUNT(%rip)
    pushfq
    cmpl $1, cpu_boot + PREEMPT_COUNT(%rip)
    jne 1f
    push %rax
    push %rdx
    mov 24(%rsp), %rax
    begin_stretch irqoff_preemption
    pop %rdx
    pop %rax
1:  popfq
    ret

/* decl of it, whose flags are asked for, and which leaves the carry alone. */
    function irqoff_preempt_down
    enter
    cmpl $1, cpu_boot + PREEMPT_COUNT(%rip)
    jne 1f
    mov SAVED(%rsp), %rcx
    end_stretch irqoff_preemption
1:  restore
    popfq
    decl cpu_boot + PREEMPT_COUNT(%rip)
    ret

    .section .note.GNU-stack, "", @progbits
