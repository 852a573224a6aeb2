/*
 * void vector_state_save(void *state), vector_state_load(const void *state): by XSAVE and XRSTOR, which take what to
 * save in edx:eax, or, where there is nothing that they could save, by FXSAVE and FXRSTOR. But for those of the tests,
 * these are the only instructions of the kernel that touch vector or x87 registers; tools/image.sh knows both functions
 * by name.
 */
    .text

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    function vector_state_save
    mov vector_components, %eax
    xor %edx, %edx
    test %eax, %eax
    jz 1f
    xsave64 (%rdi)
    ret
1:  fxsave64 (%rdi)
    ret

    function vector_state_load
    mov vector_components, %eax
    xor %edx, %edx
    test %eax, %eax
    jz 1f
    xrstor64 (%rdi)
    ret
1:  fxrstor64 (%rdi)
    ret

    .section .note.GNU-stack, "", @progbits
