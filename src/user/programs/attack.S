/*
 * What ring 3 may not do, one function each; whatever returns was let through. Numbers are places in attack_table, and
 * the kernel's suite knows what each must come to.
 */
    .set KERNEL_TEXT, 0xffffffff80110000
    .set DIRECT_MAP, 0xffff800000100000
    .set NOT_CANONICAL, 0x0000800000000000
    .set LAST_BYTES, 0x00007ffffffffffe
    .set GETPID, 5

    .text

/* clang-format off */
#define ATTACK(name, ...) \
    .pushsection .rodata; \
    .quad attack_##name; \
    .popsection; \
attack_##name: \
    __VA_ARGS__; \
    ret
/* clang-format on */

    .section .rodata
    .balign 8
    .globl attack_table
attack_table:
    .text

/* privileged instructions: general protection */
    ATTACK(hlt, hlt)
    ATTACK(cli, cli)
    ATTACK(sti, sti)
    ATTACK(lgdt, lgdt zeroes(%rip))
    ATTACK(lidt, lidt zeroes(%rip))
    ATTACK(lldt, lldt %ax)
    ATTACK(ltr, ltr %ax)
    ATTACK(read_cr0, mov %cr0, %rax)
    ATTACK(read_cr3, mov %cr3, %rax)
    ATTACK(write_cr3, mov %rax, %cr3)
    ATTACK(write_cr4, mov %rax, %cr4)
    ATTACK(write_dr7, mov %rax, %dr7)
    ATTACK(rdmsr, rdmsr)
    ATTACK(wrmsr, wrmsr)
    ATTACK(invlpg, invlpg (%rsp))
    ATTACK(wbinvd, wbinvd)
    ATTACK(clts, clts)
    ATTACK(swapgs, swapgs)
    ATTACK(sysret, sysretq)
    ATTACK(xsetbv, xsetbv)
    ATTACK(in, in $0x60, %al)
    ATTACK(out, out %al, $0x64)
    ATTACK(outsb, outsb)
    ATTACK(load_kernel_data, mov $0x10, %eax; mov %eax, %ds)
    ATTACK(load_tss, mov $0x28, %eax; mov %eax, %fs)
    ATTACK(io_by_popf, push $0x3202; popfq; in $0x60, %al)
    ATTACK(jump_not_canonical, mov $NOT_CANONICAL, %rax; jmp *%rax)
    ATTACK(read_not_canonical, mov $NOT_CANONICAL, %rax; mov (%rax), %rax)
    ATTACK(invd, invd)
    ATTACK(lmsw, lmsw %ax)
    ATTACK(read_cr8, mov %cr8, %rax)
    ATTACK(write_cr0, mov %rax, %cr0)
    ATTACK(read_dr0, mov %dr0, %rax)
    ATTACK(rdpmc, xor %ecx, %ecx; rdpmc)
    ATTACK(int3, int3)
    ATTACK(in_dx, mov $0x64, %edx; in %dx, %eax)
    ATTACK(rep_insb, mov $0x60, %edx; mov $1, %ecx; lea place(%rip), %rdi; rep insb)
    ATTACK(load_beyond_gdt, mov $0x3b, %eax; mov %eax, %es)
    ATTACK(load_ldt, mov $0x0f, %eax; mov %eax, %gs)
    ATTACK(load_own_code_of_ring0, mov $0x08, %eax; mov %eax, %fs)
    ATTACK(stack_null, xor %eax, %eax; mov %eax, %ss)
    ATTACK(stack_of_kernel, mov $0x10, %eax; mov %eax, %ss)
    ATTACK(stack_of_ring2, mov $0x1a, %eax; mov %eax, %ss)
    ATTACK(stack_of_code, mov $0x23, %eax; mov %eax, %ss)
    ATTACK(call_far_to_kernel, lea far_kernel(%rip), %rax; lcall *(%rax))
    ATTACK(hlt_with_flags, pushfq; orq $0x44400, (%rsp); popfq; hlt)

/* general protection, where the CPU has UMIP */
    ATTACK(sgdt, sgdt place(%rip))
    ATTACK(sidt, sidt place(%rip))
    ATTACK(sldt, sldt %ax)
    ATTACK(smsw, smsw %ax)
    ATTACK(str, str %ax)

/* page faults */
    ATTACK(read_null, xor %eax, %eax; mov (%rax), %rax)
    ATTACK(call_null, xor %eax, %eax; call *%rax)
    ATTACK(read_kernel, mov $KERNEL_TEXT, %rax; mov (%rax), %rax)
    ATTACK(write_kernel, mov $KERNEL_TEXT, %rax; mov %rax, (%rax))
    ATTACK(call_kernel, mov $KERNEL_TEXT, %rax; call *%rax)
    ATTACK(read_direct_map, mov $DIRECT_MAP, %rax; mov (%rax), %rax)
    ATTACK(write_own_text, lea attack_table(%rip), %rax; lea attack_hlt(%rip), %rax; mov %rax, (%rax))
    ATTACK(write_own_constants, lea attack_table(%rip), %rax; mov %rax, (%rax))
    ATTACK(execute_stack, movq $0xc3, (%rsp); call *%rsp)
    ATTACK(execute_data, lea place(%rip), %rax; movb $0xc3, (%rax); call *%rax)
    ATTACK(overflow_stack, 1: push %rax; jmp 1b)
    ATTACK(last_syscall, mov $LAST_BYTES, %rax; jmp *%rax)
    ATTACK(bad_stack_at_fault, xor %esp, %esp; push %rax)
    ATTACK(direction_at_fault, std; xor %eax, %eax; mov (%rax), %rax)
    ATTACK(nested_task_at_fault, pushfq; orq $0x44000, (%rsp); popfq; xor %eax, %eax; mov (%rax), %rax)
    ATTACK(everything_odd_at_fault, pushfq; orq $0x44400, (%rsp); popfq; mov $DIRECT_MAP, %rsp; mov %rsp, %rbp; push %rax)
    ATTACK(call_descriptors, sub %eax, %eax; not %rax; shl $12, %rax; call *%rax)

/* other exceptions */
    ATTACK(ud2, ud2)
    ATTACK(stac, stac)
    ATTACK(ud2_without_stack, xor %esp, %esp; ud2)
    ATTACK(ud2_on_the_kernels_stack, mov $KERNEL_TEXT, %rsp; ud2)
    ATTACK(divide, xor %ecx, %ecx; div %rcx)
    ATTACK(trap_flag, pushfq; orq $0x100, (%rsp); popfq; nop; nop)
    ATTACK(trap_flag_at_syscall, mov $GETPID, %eax; pushfq; orq $0x100, (%rsp); popfq; syscall; nop)
    ATTACK(alignment_at_ud2, pushfq; orq $0x40000, (%rsp); popfq; ud2)
    ATTACK(wrfsbase, wrfsbase %rax)
    ATTACK(monitor, monitor)
    ATTACK(vmrun, vmrun)
    ATTACK(trap_flag_and_stack_selector, mov %ss, %eax; pushfq; orq $0x100, (%rsp); popfq; mov %eax, %ss; nop)
    ATTACK(trap_flag_hidden_at_syscall, mov %ss, %ecx; mov $GETPID, %eax; pushfq; orq $0x100, (%rsp); popfq; mov %ecx, %ss; syscall; nop)
    ATTACK(x87_divide, fninit; movw $0, (%rsp); fldcw (%rsp); fld1; fldz; fdivrp; fwait)

/* what CPUs differ in, and QEMU from them: either of two exceptions */
    ATTACK(far_to_kernel, push $8; lea 1f(%rip), %rax; push %rax; lretq; 1:)
    ATTACK(iret_to_kernel, push $0x10; push %rsp; pushfq; push $8; lea 1f(%rip), %rax; push %rax; iretq; 1:)
    ATTACK(int1, .byte 0xf1)
    ATTACK(push_not_canonical, mov $NOT_CANONICAL, %rsp; shl $1, %rsp; push %rax)
    ATTACK(sysenter, sysenter)
    ATTACK(sysexit, sysexitq)
    ATTACK(far_to_null, push $0; lea 1f(%rip), %rax; push %rax; lretq; 1:)
    ATTACK(far_to_data, push $0x1b; lea 1f(%rip), %rax; push %rax; lretq; 1:)
    ATTACK(far_to_ldt, push $0x0f; lea 1f(%rip), %rax; push %rax; lretq; 1:)
    ATTACK(far_to_tss, push $0x2b; lea 1f(%rip), %rax; push %rax; lretq; 1:)
    ATTACK(iret_with_data_of_kernel, push $0x10; push %rsp; pushfq; push $0x23; lea 1f(%rip), %rax; push %rax; iretq; 1:)

/* what changes nothing: these return */
    ATTACK(bad_stack_at_syscall, mov %rsp, %rbx; mov $KERNEL_TEXT, %rsp; mov $GETPID, %eax; syscall; mov %rbx, %rsp)
    ATTACK(no_stack_at_syscall, mov %rsp, %rbx; mov $NOT_CANONICAL, %rsp; mov $GETPID, %eax; syscall; mov %rbx, %rsp)
    ATTACK(direction_at_syscall, std; mov $GETPID, %eax; syscall; cld)
    ATTACK(alignment_at_syscall, pushfq; orq $0x40000, (%rsp); popfq; mov $GETPID, %eax; syscall; mov 1(%rsp), %rax)
    ATTACK(nested_task_at_syscall, pushfq; orq $0x4000, (%rsp); popfq; mov $GETPID, %eax; syscall)
    ATTACK(own_selectors, mov $0x1b, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs)
    ATTACK(stack_beyond_at_syscall, mov %rsp, %rbx; mov $-8, %rsp; mov $GETPID, %eax; syscall; mov %rbx, %rsp)
    ATTACK(everything_odd_at_syscall, mov %rsp, %rbx; pushfq; orq $0x44400, (%rsp); popfq; mov $1, %esp; mov $GETPID, %eax; syscall; mov %rbx, %rsp; cld)
    ATTACK(null_selectors, mov $3, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov $1, %eax; mov %eax, %gs; mov $GETPID, %eax; syscall)
    ATTACK(verify, mov $8, %eax; verr %ax; verw %ax; lar %eax, %ecx; lsl %eax, %ecx)
    ATTACK(unknown_call, mov $99, %eax; syscall; cmp $-100, %rax; jne attack_ud2)
    ATTACK(unknown_call_beyond, mov $-1, %rax; syscall; cmp $-100, %rax; jne attack_ud2)
    .section .rodata
    .globl attack_count
attack_count:
    .quad (attack_count - attack_table) / 8
    .text

/* void attack_int(uint64_t n): int n, for every n. */
    .globl attack_int
attack_int:
    lea ints(%rip), %rax
    lea (%rax, %rdi, 4), %rax
    jmp *%rax
    .balign 4
ints:
    .set number, 0
    .rept 256
    .byte 0xcd, number, 0xc3, 0x90
    .set number, number + 1
    .endr

    .section .rodata
    .balign 8
far_kernel:                                     /* offset and selector */
    .long 0x110000
    .word 8

    .bss
place:
    .skip 16
zeroes:
    .skip 16

    .section .note.GNU-stack, "", @progbits
