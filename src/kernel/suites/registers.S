/*
 * Flows that know what every register holds. Contracts in registers.h.
 *
 * All fifteen registers are filled, rbp among them, so the struct is found through the stack alone:
 *      on the stack of a flow that checks itself:
 *          +8   six callee-saved registers, return address
 *   rsp -> +0   struct registers *
 */
#include <machine/sites.h>

    .set preempt_count, cpu_boot + 12
    .set AT_RFLAGS, 120
    .set AT_WRONG, 128
    .set AT_MISMATCHES, 136
    .set AT_ROUNDS, 144
    .set AT_STOP, 152
    .set FLAGS_COMPARED, 0xed5                  /* those of registers.h, and IF */

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro enter
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    .endm

    .macro leave_and_return
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .endm

    .macro fill
    mov (%rsp), %rax
    pushq AT_RFLAGS(%rax)
    mov 8(%rax), %rbx
    mov 16(%rax), %rcx
    mov 24(%rax), %rdx
    mov 32(%rax), %rsi
    mov 40(%rax), %rdi
    mov 48(%rax), %rbp
    mov 56(%rax), %r8
    mov 64(%rax), %r9
    mov 72(%rax), %r10
    mov 80(%rax), %r11
    mov 88(%rax), %r12
    mov 96(%rax), %r13
    mov 104(%rax), %r14
    mov 112(%rax), %r15
    mov (%rax), %rax
    popfq
    .endm

    .macro wrong_if_not_equal index
    je 9f
    incq AT_MISMATCHES(%rax)
    orq $1 << \index, AT_WRONG(%rax)
9:
    .endm

    .macro compare index, register
    cmp \index * 8(%rax), %\register
    wrong_if_not_equal \index
    .endm

    /* The flags are caught first; rax waits on the stack until another register is free to compare it. */
    .macro compare_all
    pushfq
    push %rax
    mov 16(%rsp), %rax
    cld
    compare 1, rbx
    compare 2, rcx
    compare 3, rdx
    compare 4, rsi
    compare 5, rdi
    compare 6, rbp
    compare 7, r8
    compare 8, r9
    compare 9, r10
    compare 10, r11
    compare 11, r12
    compare 12, r13
    compare 13, r14
    compare 14, r15
    pop %rbx
    compare 0, rbx
    pop %rbx
    mov AT_RFLAGS(%rax), %rcx
    and $FLAGS_COMPARED, %ebx
    and $FLAGS_COMPARED, %ecx
    cmp %ecx, %ebx
    wrong_if_not_equal 15
    incq AT_ROUNDS(%rax)
    .endm

/* The jumps change nothing, but let an emulator that looks for interrupts only at branches find one anywhere. */
    function registers_spin
    enter
1:  fill
.Lwindow:
    .rept 24
    .rept 9
    nop
    .endr
    jmp 2f
2:
    .endr
.Lwindow_end:
    compare_all
    cmpb $0, AT_STOP(%rax)
    je 1b
    leave_and_return

    function registers_across_breakpoint
    enter
    fill
    int3
    compare_all
    leave_and_return

/* Each change that irq_save() and irq_restore() can make: on to off, off to off, off to on, on to on. */
    function registers_across_flags
    enter
    fill
    pushfq
    IRQ_SITE(cli, irqoff_cli)
    IRQ_SITE(cli, irqoff_cli)
    pushfq
    IRQ_SITE(popfq, irqoff_popfq)
    IRQ_SITE(popfq, irqoff_popfq)
    pushfq
    IRQ_SITE(popfq, irqoff_popfq)
    compare_all
    leave_and_return

/* The counts change flags, which are put back. Nested, as both ways through are other code. */
    function registers_across_counts
    enter
    fill
    pushfq
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    IRQ_SITE(incl preempt_count, irqoff_preempt_up)
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    IRQ_SITE(decl preempt_count, irqoff_preempt_down)
    popfq
    compare_all
    leave_and_return

    function registers_across_interrupt
    enter
    fill
    int $0x40
    compare_all
    leave_and_return

/* An exception as the CPU delivers it, whichever way it can be had here: by INT, which pushes no error code (Intel SDM
 * vol. 3, 6.14.2), or by pushing all that the CPU would have. The second way has no register to spare. */
    .macro deliver vector
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30
    pushfq
    popq delivered_rflags
    mov %rsp, delivered_rsp
    and $-16, %rsp
    pushq $0x10
    pushq delivered_rsp
    pushq delivered_rflags
    pushq $0x08
    pushq $deliver_return_\vector
    pushq $0x500 + \vector
    cli
    jmp *vector_stubs + 8 * \vector
    .else
    int $\vector
    .endif
deliver_return_\vector:
    .endm

    .macro across_exception vector
registers_across_exception_\vector:
    enter
    fill
    deliver \vector
    compare_all
    leave_and_return
    .endm

    .altmacro
    .set vector, 0
    .rept 32
    across_exception %vector
    .set vector, vector + 1
    .endr

    function registers_across_call
    enter
    mov %rdi, %rax
    mov 8(%rax), %rbx
    mov 48(%rax), %rbp
    mov 88(%rax), %r12
    mov 96(%rax), %r13
    mov 104(%rax), %r14
    mov 112(%rax), %r15
    call *%rsi
    mov (%rsp), %rax
    compare 1, rbx
    compare 6, rbp
    compare 11, r12
    compare 12, r13
    compare 13, r14
    compare 14, r15
    incq AT_ROUNDS(%rax)
    leave_and_return

    .macro raise vector
    function raise_\vector
    int $0x\vector
    ret
    .endm
    raise 23
    raise 27
    raise 28
    raise 2f
    raise 40
    raise 41
    raise 47
    raise ff

    function raise_40_downwards
    std
    int $0x40
    cld
    ret

/* Returns only by the hand of a handler that goes on at try_failed. */
    function divide_by_zero
    xor %ecx, %ecx
    xor %edx, %edx
    mov $1, %eax
    div %ecx
    ud2

    function invalid_opcode
    ud2

/* Nothing is mapped at the bottom of memory, nor is it any stack's guard: the fault cannot be pushed, and faults. */
    function stack_nowhere
    mov $0x8000, %esp
    push %rax

/* bool try_read(const void *), try_write(void *), try_execute(const void *): true if it did not fault. A handler of the
 * fault has it go on at try_failed. */
    function try_read
    mov (%rdi), %al
    mov $1, %eax
    ret

    function try_write
    movb $0xc3, (%rdi)                          # ret: what try_execute() needs
    mov $1, %eax
    ret

    function try_execute
    call *%rdi
    mov $1, %eax
    ret

    .globl try_failed
try_failed:
    xor %eax, %eax
    ret

/* void *registers_at_entry_0(void), void *registers_at_entry_6(uint64_t, ... six): what a thread finds at its first
 * instruction, into registers_at_entry; returns its address */
    .globl registers_at_entry_0
registers_at_entry_0:
    function registers_at_entry_6
    mov $registers_at_entry, %rax
    mov %rdi, 0(%rax)
    mov %rsi, 8(%rax)
    mov %rdx, 16(%rax)
    mov %rcx, 24(%rax)
    mov %r8, 32(%rax)
    mov %r9, 40(%rax)
    mov %r10, 48(%rax)
    mov %r11, 56(%rax)
    mov %rbx, 64(%rax)
    mov %rbp, 72(%rax)
    mov %r12, 80(%rax)
    mov %r13, 88(%rax)
    mov %r14, 96(%rax)
    mov %r15, 104(%rax)
    mov %rsp, 112(%rax)
    pushfq
    popq 120(%rax)
    ret

    .section .rodata
    .balign 8
    .globl registers_window
registers_window:
    .quad .Lwindow, .Lwindow_end

/* void (*const registers_across_exception[32])(struct registers *) */
    .globl registers_across_exception
registers_across_exception:
    .macro across_address vector
    .quad registers_across_exception_\vector
    .endm
    .set vector, 0
    .rept 32
    across_address %vector
    .set vector, vector + 1
    .endr

    .bss
    .balign 8
delivered_rsp:
    .skip 8
delivered_rflags:
    .skip 8
    .globl registers_at_entry
registers_at_entry:
    .skip 128

    .section .note.GNU-stack, "", @progbits
