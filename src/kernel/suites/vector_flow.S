/*
 * Flows that know what every vector and x87 register holds. Contracts in vector_flow.h; tools/image.sh lets no other test
 * use such an instruction.
 */
    .set AT_X87, 512
    .set AT_MXCSR, 640
    .set AT_CONTROL, 644
    .set AT_STATUS, 646
    .set HELD_BYTES, 648
    .set AT_WRONG, 1296
    .set AT_MISMATCHES, 1304
    .set AT_ROUNDS, 1312
    .set AT_STOP, 1320

    .text
    .altmacro

    .macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .endm

    .macro fill_one move, register, n
    \move 32 * \n(%rbx), %\register\n
    .endm

    .macro store_one move, register, n
    \move %\register\n, 32 * \n(%rdi)
    .endm

    .macro fill move, register
    fninit
    fldcw AT_CONTROL(%rbx)
    .set n, 8
    .rept 8
    .set n, n - 1
    fldt AT_X87 + 16 * n(%rbx)
    .endr
    ldmxcsr AT_MXCSR(%rbx)
    .set n, 0
    .rept 16
    fill_one \move, \register, %n
    .set n, n + 1
    .endr
    .endm

/* To (%rdi). MXCSR and the x87 words before anything could change them. */
    .macro store move, register
    stmxcsr AT_MXCSR(%rdi)
    fnstcw AT_CONTROL(%rdi)
    fnstsw AT_STATUS(%rdi)
    .set n, 0
    .rept 16
    store_one \move, \register, %n
    .set n, n + 1
    .endr
    .set n, 0
    .rept 8
    fstpt AT_X87 + 16 * n(%rdi)
    .set n, n + 1
    .endr
    .endm

    .macro compare
    mov %rbx, %rsi
    lea HELD_BYTES(%rbx), %rdi
    mov $HELD_BYTES / 8, %ecx
    repe cmpsq
    je 2f
    sub %rbx, %rsi
    lea -8(%rsi), %rax
    mov %rax, AT_WRONG(%rbx)
    incq AT_MISMATCHES(%rbx)
2:  incq AT_ROUNDS(%rbx)
    .endm

    .macro spin name, move, register
    function \name
    push %rbx
    mov %rdi, %rbx
1:  fill \move, \register
.L\name\()_window:
    .rept 8
    .rept 9
    nop
    .endr
    jmp 3f
3:
    .endr
.L\name\()_window_end:
    lea HELD_BYTES(%rbx), %rdi
    store \move, \register
    compare
    cmpb $0, AT_STOP(%rbx)
    je 1b
    pop %rbx
    ret
    .endm

    spin vector_flow_spin, movdqu, xmm
    spin vector_flow_spin_wide, vmovdqu, ymm

    function vector_flow_across_call
    push %rbx
    mov %rdi, %rbx
    fill movdqu, xmm
    call *%rsi
    lea HELD_BYTES(%rbx), %rdi
    store movdqu, xmm
    compare
    pop %rbx
    ret

    function vector_flow_store
    store movdqu, xmm
    ret

    .macro touch kind, instruction:vararg
    function vector_flow_touch_\kind
    \instruction
    ret
    .endm
    .noaltmacro
    touch sse, xorps %xmm0, %xmm0
    touch mxcsr, stmxcsr -4(%rsp)
    touch x87, fld1
    touch mmx, pxor %mm0, %mm0
    touch avx, vxorps %ymm0, %ymm0, %ymm0

    .section .rodata
    .balign 8
    .globl vector_flow_window, vector_flow_window_wide
vector_flow_window:
    .quad .Lvector_flow_spin_window, .Lvector_flow_spin_window_end
vector_flow_window_wide:
    .quad .Lvector_flow_spin_wide_window, .Lvector_flow_spin_wide_window_end

    .section .note.GNU-stack, "", @progbits
