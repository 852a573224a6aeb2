/*
 * The way from ring 3 by SYSCALL, and back by SYSRET; and into ring 3 for the first time.
 * Facts: Intel SDM vol. 2, SYSCALL and SYSRET; vol. 3, 5.8.8.
 *
 * SYSCALL leaves the return address in rcx and the flags in r11, changes neither rsp nor gs, and clears the flags that
 * syscall_init() says: interrupts are off here, and DF, AC, TF and NT are clear. There is one CPU, so what is its own
 * lies at fixed addresses, and gs is left to ring 3.
 *
 *      rax   number, then result
 *      rdi rsi rdx r10 r8   arguments; they, r9, rcx and r11 hold nothing of worth afterwards
 *
 * The kernel's stack begins with
 *
 *      top - 8    rflags        Where an interrupt or an exception came from ring 3, ss is there: never equal, as bit
 *      top - 16   rsp           3 of rflags is zero always. process_kill() tells by that which frame it is.
 *      top - 24   rip
 *      top - 32   rbp
 *
 * SYSRET to an address that is not canonical would fault in ring 0 with ring 3's stack, so it is looked at first. No
 * program can have its last instruction there (SPACE_END), but process_kill() puts one there to be noticed.
 */
#include <machine/sites.h>

    .set USER_DATA, 0x18 | 3                    /* as in interrupt.h */
    .set USER_CODE, 0x20 | 3
    .set FLAGS_INITIAL, 0x202                   /* interrupts on */
    .set TSS_RSP0, 4

    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro by_syscall unknown
    mov %rsp, syscall_rsp(%rip)
    mov cpu_tss + TSS_RSP0(%rip), %rsp
    push %r11
    push syscall_rsp(%rip)
    push %rcx
    push %rbp
    xor %ebp, %ebp                              /* the end of every backtrace */
    sti
    call_by_number \unknown
    .endm

    .macro call_by_number unknown
    cmp syscall_count(%rip), %rax
    jae \unknown
    mov %r10, %rcx
    call *syscall_table(, %rax, 8)
    .endm

    function syscall_entry
    by_syscall 1f
2:  cli
.Lsyscall_return:
    pop %rbp
    pop %rcx
    mov %rcx, %rdx
    shr $47, %rdx
    jnz 3f
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    mov 8(%rsp), %r11
    mov (%rsp), %rsp
    sysretq

1:  call syscall_unknown
    jmp 2b

3:  xor %ebp, %ebp
    sti
    call syscall_bad_return
    ud2

/* The same where the kernel is preempted at its edges, of which the return to ring 3 is one. */
    .macro edge
    cli
    push %rax
    push %rax
    call sched_preempt_edge
    pop %rax
    pop %rax
    .endm

    function syscall_entry_at_edges
    by_syscall 1f
2:  edge
    jmp .Lsyscall_return
1:  call syscall_unknown
    jmp 2b

/*
 * The classic gate, int 0x80, where it is open: arguments and results are those of SYSCALL. The CPU's five words lie
 * where those of an interrupt from ring 3 do, and process_kill() does with them what it does with those. Ring 3's DF and
 * AC are still set: see clear_ac().
 */
    .macro by_gate unknown, way_in
    push %rbp
    .globl \way_in
\way_in:
    .byte 0x2e, 0x2e, 0x2e, 0x2e
    cld
    xor %ebp, %ebp
    sti
    call_by_number \unknown
    .endm

    function syscall_gate
    by_gate 1f, cld_of_gate
.Lgate_return:
2:  pop %rbp
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    iretq

1:  call syscall_unknown
    jmp 2b

    function syscall_gate_at_edges
    by_gate 1f, cld_of_gate_at_edges
2:  edge
    jmp .Lgate_return
1:  call syscall_unknown
    jmp 2b

/* _Noreturn void user_enter(uint64_t rip, uint64_t rsp): with interrupts off, and every register zero, as the segments
 * are since space_enter(). Nothing of the stack it is called on is needed any more. */
    function user_enter
    push $USER_DATA
    push %rsi
    push $FLAGS_INITIAL
    push $USER_CODE
    push %rdi
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    IRQ_SITE(iretq, irqoff_iretq)

/* Where the iretq of a process that was killed in ring 3 leads: with its kernel stack empty, and interrupts off. */
    function process_killed_entry
    xor %ebp, %ebp
    sti
    call process_killed
    ud2

    .bss
    .balign 8
syscall_rsp:
    .skip 8

    .section .note.GNU-stack, "", @progbits
