/*
 * From the loader to C. Two loaders are known, and one file serves both:
 *   multiboot2_start  GRUB 2      EAX 0x36d76289, EBX the information structure (Multiboot2 Specification 2.0, 3.3)
 *   pvh_start         QEMU        EBX hvm_start_info (Xen, docs/misc/pvh.pandoc)
 * Both arrive in 32-bit protected mode, paging off, at the physical address the image was loaded to.
 *
 * Before long mode the machine is checked for all that the kernel cannot do without; what is missing is said on the
 * screen and on COM1, and the machine stops. So it does at an exception, from the first IDT here to the kernel's own in
 * interrupt_init(). Not covered are the instructions before the first IDT is loaded, and the one that turns on paging,
 * as the IDT already is the one for long mode then (Intel SDM vol. 3, 9.8.5.4).
 */
    .set MULTIBOOT2_MAGIC, 0xe85250d6
    .set MULTIBOOT2_LOADER_MAGIC, 0x36d76289
    .set PVH_MAGIC, 0x336ec578
    .set KERNEL_BASE, 0xffffffff80000000
    .set LOW_STACK, 0x7c00

    /* As in interrupt.c, whose GDT follows this one */
    .set SELECTOR_CODE, 0x08
    .set SELECTOR_DATA, 0x10
    .set SELECTOR_CODE32, 0x18
    .set SELECTOR_TSS, 0x20
    .set EXCEPTIONS, 32
    .set STUB_BYTES, 16
    .set TSS_BYTES, 104
    .set TSS_IST1, 36                           /* Intel SDM vol. 3, figure 7-11 */
    .set GATE_INTERRUPT, 0x8e00                 /* present, ring 0, interrupts off; Intel SDM vol. 3, 6.11 and 6.14.1 */

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

/* Fills an IDT: a gate is 8 bytes in protected mode, 16 in long mode. Clobbers %eax, %ebx, %ecx. */
    .macro gates idt, gate_bytes, stubs, selector, ist
    mov $\idt - KERNEL_BASE, %ebx
    mov $\stubs, %eax
1:  mov $\selector << 16, %ecx
    mov %ax, %cx
    mov %ecx, (%ebx)
    mov %eax, %ecx
    mov $GATE_INTERRUPT + \ist, %cx
    mov %ecx, 4(%ebx)
    add $\gate_bytes, %ebx
    add $STUB_BYTES, %eax
    cmp $\stubs + EXCEPTIONS * STUB_BYTES, %eax
    jne 1b
    .endm

start:
    cli
    cld
    /* The loader may have put the end of the image where there is no memory: what is written there does not stay. */
    mov $text_memory, %esi
    movl $PVH_MAGIC, image_end - 4
    cmpl $PVH_MAGIC, image_end - 4
    jne refuse
    movl $0, image_end - 4
    mov $boot_stack32_top - KERNEL_BASE, %esp
    mov %eax, %ebp                              /* which loader; %ebx: its structure. cpuid clobbers neither... */
    mov %ebx, %edi                              /* ...but ebx */

    /* The loader's GDT may be gone (Multiboot2 3.3), and an exception loads cs from it. */
    lgdt boot_gdt_pointer
    ljmp $SELECTOR_CODE32, $1f
1:  mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    gates boot_idt32, 8, stubs32, SELECTOR_CODE32, 0
    lidt boot_idt32_pointer

    /* In long mode exceptions have a stack of their own, so that a bad %rsp is reported too. The task register keeps
     * what it is loaded with here across the change of mode. */
    gates boot_idt64, 16, stubs64, SELECTOR_CODE, 1
    movl $boot_stack32_top - KERNEL_BASE, boot_tss + TSS_IST1 - KERNEL_BASE
    mov $boot_tss - KERNEL_BASE, %eax
    mov %ax, boot_gdt + SELECTOR_TSS + 2 - KERNEL_BASE
    shr $16, %eax
    mov %al, boot_gdt + SELECTOR_TSS + 4 - KERNEL_BASE
    mov %ah, boot_gdt + SELECTOR_TSS + 7 - KERNEL_BASE
    mov $SELECTOR_TSS, %eax
    ltr %ax

check_cpu:
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

map_memory:
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

enter_long_mode:
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
    lidt boot_idt64_pointer
    mov %eax, %cr0
leave_compatibility:
    ljmp $SELECTOR_CODE, $start64

    .macro stub common, vector
    .balign STUB_BYTES
    .if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
    push $0                                     /* in place of an error code */
    .endif
    push $\vector
    jmp \common
    .endm

    .macro stubs common
    .set vector, 0
    .rept EXCEPTIONS
    stub \common, %vector
    .set vector, vector + 1
    .endr
    .endm

    .altmacro
    .balign STUB_BYTES
stubs32:
    stubs exception32

exception32:
    pop %ebx
    pop %ecx
    pop %eax
    xor %edx, %edx

/* Says that there was exception %ebx, with error code %ecx, at %edx:%eax, and stops. So does one while it says so. */
report:
    mov $SELECTOR_DATA, %esi
    mov %esi, %ds
    mov %esi, %es
    mov %esi, %ss
    mov $boot_stack32_top - KERNEL_BASE, %esp
    cld
    btsl $0, reporting - KERNEL_BASE
    jc stop
    push %ecx
    push %eax
    push %edx
    push %ebx
    call say_begin
    mov $text_exception, %esi
    call say
    pop %eax
    call say_decimal
    mov $text_at, %esi
    call say
    pop %eax
    call say_hex
    pop %eax
    call say_hex
    mov $text_before, %esi
    call say
    pop %eax
    call say_hex
    mov $text_end, %esi
    call say
stop:
    cli
    hlt
    jmp stop

/* Says the text at %esi, and stops. The stack is in the lowest memory: whatever else there is, that is. */
refuse:
    mov $LOW_STACK, %esp
    cld
    push %esi
    call say_begin
    pop %esi
    call say
    jmp stop

/* Makes COM1 ready, and %edi the place on the VGA text screen that is written next. Clobbers %eax, %ebx, %edx. */
say_begin:
    mov $port_settings, %ebx
1:  movzwl (%ebx), %edx
    mov 2(%ebx), %al
    out %al, %dx
    add $3, %ebx
    cmp $port_settings_end, %ebx
    jne 1b
    mov $0xb8000, %edi
    ret

/* Says the character in %al. Clobbers %ah, %ecx, %edx. */
say_char:
    mov %al, %ah
    mov $0x3fd, %dx                             /* line status: wait for the transmitter, but not for ever */
    mov $100000, %ecx
1:  in %dx, %al
    test $0x20, %al
    loopz 1b
    mov %ah, %al
    mov $0x3f8, %dx
    out %al, %dx
    cmp $' ', %al
    jb 2f
    mov $0x4f, %ah                              /* white on red */
    stosw
2:  ret

/* Says the text at %esi. Clobbers %eax, %ecx, %edx. */
say:
    lodsb
    test %al, %al
    jz 1f
    call say_char
    jmp say
1:  ret

/* Says %al, below 100. Clobbers %eax, %ecx, %edx. */
say_decimal:
    aam                                         /* %ah: tens */
    push %eax
    mov %ah, %al
    test %al, %al
    jz 1f
    add $'0', %al
    call say_char
1:  pop %eax
    add $'0', %al
    jmp say_char

/* Says the eight digits of %eax. Clobbers %eax, %ebx, %ecx, %edx, %ebp. */
say_hex:
    mov %eax, %ebx
    mov $8, %ebp
1:  rol $4, %ebx
    mov %bl, %al
    and $15, %al
    add $'0', %al
    cmp $'9', %al
    jbe 2f
    add $'a' - '9' - 1, %al
2:  call say_char
    dec %ebp
    jnz 1b
    ret

    .section .boot.data, "a", @progbits
text_loader:
    .asciz "Duet: the loader is neither Multiboot 2 nor PVH; use GRUB 2's `multiboot2`, or QEMU's -kernel\r\n"
text_memory:
    .asciz "Duet: there is less memory than the kernel's own, and Duet needs 4 MiB\r\n"
text_long_mode:
    .asciz "Duet: this CPU has no long mode (64 bit), which Duet needs\r\n"
text_nx:
    .asciz "Duet: this CPU has no NX (no-execute pages), which Duet needs\r\n"
text_apic:
    .asciz "Duet: this CPU has no APIC, which Duet needs for its timer\r\n"
text_exception:
    .asciz "Duet: exception "
text_at:
    .asciz " at 0x"
text_before:
    .asciz " before the kernel could handle it, error code 0x"
text_end:
    .asciz "\r\n"

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

/* For lgdt and lidt in protected mode, and in long mode, which reads a longer address */
    .macro table_pointer table, bytes
    .short \bytes - 1
    .quad \table - KERNEL_BASE
    .endm
boot_gdt_pointer:
    table_pointer boot_gdt, <boot_gdt_end - boot_gdt>
boot_idt32_pointer:
    table_pointer boot_idt32, <EXCEPTIONS * 8>
boot_idt64_pointer:
    table_pointer boot_idt64, <EXCEPTIONS * 16>

    .section .data.boot, "aw", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000                    /* SELECTOR_CODE: 64-bit */
    .quad 0x00cf92000000ffff                    /* SELECTOR_DATA: flat */
    .quad 0x00cf9a000000ffff                    /* SELECTOR_CODE32: flat */
    .quad 0x0000890000000000 + TSS_BYTES - 1    /* SELECTOR_TSS: its address is put in later */
    .quad 0
boot_gdt_end:

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
boot_idt32:
    .skip EXCEPTIONS * 8
boot_idt64:
    .skip EXCEPTIONS * 16
    .skip 256
boot_stack32_top:
boot_tss:
    .skip TSS_BYTES
reporting:
    .skip 4

    .section .boot.text, "ax", @progbits
    .code64
    .balign STUB_BYTES
stubs64:
    stubs exception64

/* Back to where report: can run, by the GDT here: the kernel's may be in use already. */
exception64:
    pop %rbx
    pop %rcx
    pop %rax
    mov %rax, %rdx
    shr $32, %rdx
    lgdt boot_gdt_pointer
    push $SELECTOR_CODE32
    push $report
    lretq

start64:
    mov $SELECTOR_DATA, %eax
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
