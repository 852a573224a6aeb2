/*
 * The hot leaves of thread/arch.h and lib/clock.h. In assembly they are half as long as a compiler makes them: no frame
 * to set up, and nothing to inline them into across the seam.
 */
    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

/* uint64_t irq_save(void) */
    function irq_save
    pushfq
    pop %rax
    cli
    ret

/* void irq_restore(uint64_t flags): bits other than IF are as the caller left them when it saved */
    function irq_restore
    push %rdi
    popfq
    ret

/* bool irq_enabled(void) */
    function irq_enabled
    pushfq
    pop %rax
    shr $9, %eax
    and $1, %eax
    ret

/* void cpu_wait(void): sti keeps interrupts off for one more instruction (Intel SDM vol. 2, STI), so none can come
 * between it and hlt */
    function cpu_wait
    sti
    hlt
    ret

/* uint64_t clock_ticks(void) */
    function clock_ticks
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    ret

/* uint64_t clock_now_ns(void): ticks * clock_ns_per_tick, which is in 2^-32 ns */
    function clock_now_ns
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mulq clock_ns_per_tick
    shrd $32, %rdx, %rax
    ret

/* struct irq_moment irq_save_now(void): flags in rax, nanoseconds in rdx (SysV ABI 3.2.3) */
    function irq_save_now
    pushfq
    cli
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mulq clock_ns_per_tick
    shrd $32, %rdx, %rax
    mov %rax, %rdx
    pop %rax
    ret

    .section .note.GNU-stack, "", @progbits
