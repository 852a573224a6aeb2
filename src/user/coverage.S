/*
 * Where the kernel finds what a program built with COVERAGE=1 counted: at its very beginning. See kernel/coverage.c.
 */
    .section .text.coverage, "axR", @progbits  /* kept, though nothing leads here */
    .quad 0x65676172657663
    .quad gcov_start
    .quad gcov_end
    .globl __gcov_merge_add
    .set __gcov_merge_add, 0

    .section .note.GNU-stack, "", @progbits
