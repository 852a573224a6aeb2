/*
 * size_t user_copy_bytes(void *to, const void *from, size_t size), user_copy_bytes_smap(the same)
 *
 * Copy, one of them with SMAP lifted meanwhile (Intel SDM vol. 2, STAC, CLAC), and return how many bytes were left when
 * a page fault ended it: rep movsb counts rcx down as it goes (REP), and exception() goes on at the second address
 * listed. Nothing else faults in here, as user_copy.c admits lower-half addresses alone. Whatever interrupts the copy
 * clears AC and gives it back.
 */
    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro may_fault address, resume
    .pushsection fault_sites, "a"
    .quad \address, \resume
    .popsection
    .endm

    function user_copy_bytes
    mov %rdx, %rcx
1:  rep movsb
2:  mov %rcx, %rax
    ret
    may_fault 1b, 2b

    function user_copy_bytes_smap
    mov %rdx, %rcx
    stac
1:  rep movsb
2:  clac
    mov %rcx, %rax
    ret
    may_fault 1b, 2b

    .section .note.GNU-stack, "", @progbits
