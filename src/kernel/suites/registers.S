/*
 * Flows that know what every register holds. Contracts in registers.h.
 *
 * All fifteen registers are filled, rbp among them, so the struct is found through the stack alone:
 *      on the stack of a flow that checks itself:
 *          +8   six callee-saved registers, return address
 *   rsp -> +0   struct registers *
 */
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
    .rept 24
    .rept 9
    nop
    .endr
    jmp 2f
2:
    .endr
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

    function registers_across_interrupt
    enter
    fill
    int $0x40
    compare_all
    leave_and_return

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
    raise 27
    raise 2f
    raise 40
    raise 41
    raise ff

    function raise_40_downwards
    std
    int $0x40
    cld
    ret

    function invalid_opcode
    ud2

/* Nothing is mapped at the bottom of memory, nor is it any stack's guard: the fault cannot be pushed, and faults. */
    function stack_nowhere
    mov $0x8000, %esp
    push %rax

    .section .note.GNU-stack, "", @progbits
