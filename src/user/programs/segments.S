/* void segments_load(uint64_t selector): into all that can be loaded. */
    .text
    .globl segments_load
    .type segments_load, @function
segments_load:
    mov %edi, %ds
    mov %edi, %es
    mov %edi, %fs
    mov %edi, %gs
    ret
    .size segments_load, . - segments_load

/* uint64_t segments_seen(void): what is in any of them. */
    .globl segments_seen
    .type segments_seen, @function
segments_seen:
    mov %ds, %eax
    mov %es, %ecx
    or %ecx, %eax
    mov %fs, %ecx
    or %ecx, %eax
    mov %gs, %ecx
    or %ecx, %eax
    ret
    .size segments_seen, . - segments_seen

    .section .note.GNU-stack, "", @progbits
