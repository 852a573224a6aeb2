/*
 * From the loader to C. Two loaders are known, and one file serves both:
 *   multiboot2_start  GRUB 2      EAX 0x36d76289, EBX the information structure (Multiboot2 Specification 2.0, 3.3)
 *   pvh_start         QEMU        EBX hvm_start_info (Xen, docs/misc/pvh.pandoc)
 * Both arrive in 32-bit protected mode, paging off, at the physical address the image was loaded to.
 *
 * Before long mode the machine is checked for all that the kernel cannot do without; what is missing is said on the
 * screen and on COM1, and the machine stops.
 */
    .set MULTIBOOT2_MAGIC, 0xe85250d6
    .set MULTIBOOT2_LOADER_MAGIC, 0x36d76289
    .set PVH_MAGIC, 0x336ec578
    .set KERNEL_BASE, 0xffffffff80000000

    .section .multiboot2, "a", @progbits
    .balign 8
header:
    .long MULTIBOOT2_MAGIC
    .long 0                                     /* i386, protected mode */
    .long header_end - header
    .long -(MULTIBOOT2_MAGIC + 0 + (header_end - header))
    .short 0, 0                                 /* end tag */
    .long 8
header_end:

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18                              /* name and value sizes; XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long pvh_start

    .section .boot.text, "ax", @progbits
    .code32
    .globl multiboot2_start
multiboot2_start:
    mov $text_loader, %esi
    cmp $MULTIBOOT2_LOADER_MAGIC, %eax
    jne refuse
    jmp start

    .globl pvh_start
pvh_start:
    mov $text_loader, %esi
    cmpl $PVH_MAGIC, (%ebx)
    jne refuse
    mov $PVH_MAGIC, %eax

start:
    cli
    cld
    mov $boot_stack32_top - KERNEL_BASE, %esp
    mov %eax, %ebp                              /* which loader; %ebx: its structure. cpuid clobbers neither... */
    mov %ebx, %edi                              /* ...but ebx */

    /* CPUID exists if EFLAGS.ID can be changed (Intel SDM vol. 1, 20.1) */
    mov $text_long_mode, %esi
    pushf
    pop %eax
    mov %eax, %ecx
    xor $(1 << 21), %eax
    push %eax
    popf
    pushf
    pop %eax
    cmp %eax, %ecx
    je refuse

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb refuse
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc refuse
    mov $text_nx, %esi
    bt $20, %edx
    jnc refuse
    mov $1, %eax
    cpuid
    mov $text_apic, %esi
    bt $9, %edx
    jnc refuse

    /* The first 4 GiB of addresses, in pages of 2 MiB, where they are and at the start of the direct map: firmware puts
     * its tables near their end. The first GiB also where the kernel is linked. C replaces these tables soon. */
    mov $boot_pd - KERNEL_BASE, %eax
    mov $0x83, %ecx                             /* present, writable, large */
1:  mov %ecx, (%eax)
    movl $0, 4(%eax)
    add $8, %eax
    add $0x200000, %ecx
    cmp $boot_pd - KERNEL_BASE + 4 * 4096, %eax
    jne 1b
    mov $boot_pd - KERNEL_BASE + 3, %eax
    mov %eax, boot_pdpt_high - KERNEL_BASE + 510 * 8
    mov $boot_pdpt - KERNEL_BASE, %ecx
2:  mov %eax, (%ecx)
    add $4096, %eax
    add $8, %ecx
    cmp $boot_pdpt - KERNEL_BASE + 4 * 8, %ecx
    jne 2b
    mov $boot_pdpt - KERNEL_BASE + 3, %eax
    mov %eax, boot_pml4 - KERNEL_BASE
    mov %eax, boot_pml4 - KERNEL_BASE + 256 * 8
    mov $boot_pdpt_high - KERNEL_BASE + 3, %eax
    mov %eax, boot_pml4 - KERNEL_BASE + 511 * 8

    mov $boot_pml4 - KERNEL_BASE, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $(1 << 5 | 1 << 7), %eax                 /* PAE, PGE */
    mov %eax, %cr4
    mov $0xc0000080, %ecx                       /* EFER */
    rdmsr
    or $(1 << 8 | 1 << 11), %eax                /* LME, NXE */
    wrmsr
    mov %cr0, %eax
    or $(1 << 31 | 1 << 16 | 1 << 0), %eax      /* PG, WP, PE */
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $start64

/* Says the text at %esi on COM1 and on the VGA text screen, and stops. */
refuse:
    mov $port_settings, %ebx
1:  movzwl (%ebx), %edx
    mov 2(%ebx), %al
    out %al, %dx
    add $3, %ebx
    cmp $port_settings_end, %ebx
    jne 1b
    mov $0xb8000, %edi
    mov $0x4f, %ah                              /* white on red */
2:  lodsb
    test %al, %al
    jz 4f
    mov $0x3fd, %dx                             /* line status: wait for the transmitter, but not for ever */
    mov %eax, %ebx
    mov $100000, %ecx
3:  in %dx, %al
    test $0x20, %al
    loopz 3b
    mov %ebx, %eax
    mov $0x3f8, %dx
    out %al, %dx
    cmp $' ', %al
    jb 2b
    stosw
    jmp 2b
4:  cli
    hlt
    jmp 4b

    .section .boot.data, "a", @progbits
text_loader:
    .asciz "Duet: the loader is neither Multiboot 2 nor PVH; use GRUB 2's `multiboot2`, or QEMU's -kernel\r\n"
text_long_mode:
    .asciz "Duet: this CPU has no long mode (64 bit), which Duet needs\r\n"
text_nx:
    .asciz "Duet: this CPU has no NX (no-execute pages), which Duet needs\r\n"
text_apic:
    .asciz "Duet: this CPU has no APIC, which Duet needs for its timer\r\n"

/* 16550: no interrupts, 115200 baud, 8N1, FIFO off (National Semiconductor PC16550D, 8) */
    .macro port_setting port, value
    .short \port
    .byte \value
    .endm
port_settings:
    port_setting 0x3f9, 0x00
    port_setting 0x3fb, 0x80
    port_setting 0x3f8, 0x01
    port_setting 0x3f9, 0x00
    port_setting 0x3fb, 0x03
port_settings_end:

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000                    /* 0x08: 64-bit code */
    .quad 0x0000920000000000                    /* 0x10: data */
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

    .section .bss, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pdpt_high:
    .skip 4096
boot_pd:
    .skip 4 * 4096
    .skip 256
boot_stack32_top:

    .section .boot.text, "ax", @progbits
    .code64
start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    mov %edi, %esi                              /* second argument: the loader's structure */
    mov %ebp, %edi                              /* first: which loader */
    xor %ebp, %ebp                              /* the end of every backtrace */
    movabs $kernel_main, %rax
    call *%rax
    ud2

    .section .note.GNU-stack, "", @progbits
