/*
 * void vector_state_save(void *state), vector_state_load(const void *state): by XSAVE and XRSTOR, which take what to
 * save in eax, or, where there is nothing that they could save, by FXSAVE and FXRSTOR. edx would name components that
 * XCR0 has not enabled, which are left out in any case (Intel SDM vol. 1, 13.7 and 13.8). But for those of the tests,
 * these are the only instructions of the kernel that touch vector or x87 registers; tools/image.sh knows both functions
 * by name. Behind each function is int3: none runs on into what follows.
 */
    .text

    .macro function name
    .balign 16, 0xcc
    .globl \name
    .type \name, @function
\name:
    .endm

    function vector_state_save
    mov vector_components, %eax
    test %eax, %eax
    jnz 1f
    fxsave64 (%rdi)
    ret
1:  xsave64 (%rdi)
    ret

    function vector_state_load
    mov vector_components, %eax
    test %eax, %eax
    jnz 1f
    fxrstor64 (%rdi)
    ret
1:  xrstor64 (%rdi)
    ret
    .balign 16, 0xcc

    .section .note.GNU-stack, "", @progbits
