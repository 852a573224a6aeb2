/*
 * The 256 ways in. The CPU has pushed ss, rsp, rflags, cs, rip, and for some exceptions an error code (Intel SDM
 * vol. 3, 6.14.2), on a stack it aligned to 16 bytes; interrupts are off.
 *
 * Exceptions (vectors 0 to 31) save every register, so that a report can show them and a handler change them:
 *
 *      struct trap_frame, lowest address first:
 *      r15 r14 r13 r12 r11 r10 r9 r8 rbp rdi rsi rdx rcx rbx rax vector error | rip cs rflags rsp ss
 *
 * Interrupts (32 to 255) save what the ABI lets a C function clobber; a switch, if there is one, saves the rest. Nine
 * registers and the CPU's five keep the stack aligned for the call. The vector is kept, for backtraces, in a byte of the
 * upper half of the word of cs, which iretq discards (Intel SDM vol. 2, IRET).
 *
 *      r11 r10 r9 r8 rdi rsi rdx rcx rax | rip cs+vector rflags rsp ss
 */
#include <machine/sites.h>

    .text

    .macro exception_stub vector, has_error
exception_\vector:
    .if \has_error == 0
    push $0
    .endif
    push $\vector
    jmp exception_common
    .endm

    .macro interrupt_stub vector
interrupt_\vector:
    movb $\vector, 12(%rsp)
    .if \vector - \vector / 8 * 8 == 7
    jmp interrupt_doubtful
    .else
    jmp interrupt_common
    .endif
    .endm

    .altmacro
    .set vector, 0
    .rept 32
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    exception_stub %vector, 1
    .else
    exception_stub %vector, 0
    .endif
    .set vector, vector + 1
    .endr
    .rept 224
    interrupt_stub %vector
    .set vector, vector + 1
    .endr

    .type exception_common, @function
exception_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    .globl cld_of_exception
cld_of_exception:
    IRQ_SITE(cld, irqoff_exception)
    mov %rsp, %rdi
    call exception
    .globl exception_return
exception_return:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    IRQ_SITE(iretq, irqoff_iretq)
    .size exception_common, . - exception_common

/* What the ABI lets a call clobber is kept, and the vector is the argument. */
    .macro interrupt_enter way_in
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    .globl \way_in
\way_in:
    IRQ_SITE(cld, irqoff_interrupt)
    movzbl 9*8+12(%rsp), %edi
    .endm

    .type interrupt_common, @function
interrupt_common:
    interrupt_enter cld_of_interrupt
    call interrupt
    .globl interrupt_return
interrupt_return:
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    IRQ_SITE(iretq, irqoff_iretq)
    .size interrupt_common, . - interrupt_common

/* The same for vectors that also stand for no interrupt: theirs is a path of its own, and no other has the question. */
    .type interrupt_doubtful, @function
interrupt_doubtful:
    interrupt_enter cld_of_doubtful
    push $interrupt_return
    jmp interrupt_unless_spurious
    .size interrupt_doubtful, . - interrupt_doubtful

/* void (*const vector_stubs[256])(void) */
    .section .rodata
    .balign 8
    .globl vector_stubs
vector_stubs:
    .macro stub_address prefix, vector
    .quad \prefix\()_\vector
    .endm
    .set vector, 0
    .rept 32
    stub_address exception, %vector
    .set vector, vector + 1
    .endr
    .rept 224
    stub_address interrupt, %vector
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
