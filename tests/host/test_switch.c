/* switch.S itself, on real stacks: which registers survive a switch, and how a prepared stack begins. */
#include "machine.h"
#include "support.h"
#include "thread/arch.h"

enum { STACK_BYTES = 16384 };

/* The callee-saved registers but rsp, in the order of struct switch_frame. */
struct registers {
    uint64_t r15, r14, r13, r12, rbx, rbp;
};

static const struct registers distinct = {0x1515151515151515, 0x1414141414141414, 0x1313131313131313,
                                          0x1212121212121212, 0x0b0b0b0b0b0b0b0b, 0xb0b0b0b0b0b0b0b0};
static const struct registers other = {0x51, 0x41, 0x31, 0x21, 0xb1, 0xb2};

void switch_with(uintptr_t *save, const uintptr_t *load, const struct registers *before, struct registers *after);
void switch_landing(void);

/* What a flow that was prepared by hand found in its registers and in rsp. */
struct registers switch_landed;
uintptr_t switch_landed_sp;
uintptr_t switch_back_sp;
uintptr_t switch_away_sp;

/*
 * switch_with() fills the callee-saved registers from *before, switches, and stores them to *after. switch_landing() is
 * where a prepared stack returns to: it stores them, fills them with something else, and switches back.
 */
__asm__("    .text\n"
        "switch_with:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    push %rcx\n"
        "    mov 0(%rdx), %r15\n"
        "    mov 8(%rdx), %r14\n"
        "    mov 16(%rdx), %r13\n"
        "    mov 24(%rdx), %r12\n"
        "    mov 32(%rdx), %rbx\n"
        "    mov 40(%rdx), %rbp\n"
        "    mov $0x200, %edx\n"
        "    call context_switch\n"
        "    pop %rcx\n"
        "    mov %r15, 0(%rcx)\n"
        "    mov %r14, 8(%rcx)\n"
        "    mov %r13, 16(%rcx)\n"
        "    mov %r12, 24(%rcx)\n"
        "    mov %rbx, 32(%rcx)\n"
        "    mov %rbp, 40(%rcx)\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        "switch_landing:\n"
        "    lea switch_landed(%rip), %rax\n"
        "    mov %r15, 0(%rax)\n"
        "    mov %r14, 8(%rax)\n"
        "    mov %r13, 16(%rax)\n"
        "    mov %r12, 24(%rax)\n"
        "    mov %rbx, 32(%rax)\n"
        "    mov %rbp, 40(%rax)\n"
        "    mov %rsp, switch_landed_sp(%rip)\n"
        "1:  mov $1, %r15d\n"
        "    mov $2, %r14d\n"
        "    mov $3, %r13d\n"
        "    mov $4, %r12d\n"
        "    mov $5, %ebx\n"
        "    mov $6, %ebp\n"
        "    lea switch_away_sp(%rip), %rdi\n"
        "    lea switch_back_sp(%rip), %rsi\n"
        "    xor %edx, %edx\n"
        "    call context_switch\n"
        "    jmp 1b\n");

static struct switch_frame *prepare(char *stack, const struct registers *registers, void (*rip)(void))
{
    struct switch_frame *frame = (struct switch_frame *)(void *)(stack + STACK_BYTES - sizeof(*frame));

    *frame = (struct switch_frame){registers->r15, registers->r14, registers->r13, registers->r12,
                                   registers->rbx, registers->rbp, IRQ_ENABLED,    (uintptr_t)rip};
    return frame;
}

static void expect_registers(const struct registers *found, const struct registers *expected)
{
    cr_assert_eq(found->r15, expected->r15);
    cr_assert_eq(found->r14, expected->r14);
    cr_assert_eq(found->r13, expected->r13);
    cr_assert_eq(found->r12, expected->r12);
    cr_assert_eq(found->rbx, expected->rbx);
    cr_assert_eq(found->rbp, expected->rbp);
}

Test(context_switch, lands_with_the_registers_of_the_prepared_frame)
{
    char *stack = stack_alloc(STACK_BYTES);
    uintptr_t load = (uintptr_t)prepare(stack, &distinct, switch_landing);
    struct registers after;

    switch_with(&switch_back_sp, &load, &other, &after);
    expect_registers(&switch_landed, &distinct);
    cr_assert_eq(switch_landed_sp, (uintptr_t)stack + STACK_BYTES);
    stack_free(stack, STACK_BYTES);
}

/* The landing switches away with interrupts off, and finds them so when it goes on; this flow has them on. */
Test(context_switch, gives_each_side_its_own_interrupts)
{
    struct registers after;
    uintptr_t load;
    char *stack;

    machine_start(SCHED_QUANTUM_NS);
    stack = stack_alloc(STACK_BYTES);
    load = (uintptr_t)prepare(stack, &distinct, switch_landing);
    for (unsigned i = 0; i < 3; i++) {
        irq_save();
        switch_with(&switch_back_sp, &load, &distinct, &after);
        cr_assert(irq_enabled());
        load = switch_away_sp;
        cr_assert_eq(((const struct switch_frame *)load)->flags, 0);
    }
    stack_free(stack, STACK_BYTES);
}

Test(context_switch, gives_back_every_callee_saved_register_however_often)
{
    char *stack = stack_alloc(STACK_BYTES);
    uintptr_t load = (uintptr_t)prepare(stack, &distinct, switch_landing);
    struct registers after;

    for (unsigned i = 0; i < 100; i++) {
        const struct registers *before = i % 2 ? &distinct : &other;

        switch_with(&switch_back_sp, &load, before, &after);
        expect_registers(&after, before);
        load = switch_away_sp;
    }
    stack_free(stack, STACK_BYTES);
}

Test(context_switch, saves_what_the_prepared_frame_describes)
{
    char *stack = stack_alloc(STACK_BYTES);
    uintptr_t load = (uintptr_t)prepare(stack, &distinct, switch_landing);
    const struct switch_frame *saved;
    struct registers after;

    switch_with(&switch_back_sp, &load, &other, &after);
    saved = (const struct switch_frame *)switch_away_sp;
    cr_assert_eq(saved->r15, 1);
    cr_assert_eq(saved->r14, 2);
    cr_assert_eq(saved->r13, 3);
    cr_assert_eq(saved->r12, 4);
    cr_assert_eq(saved->rbx, 5);
    cr_assert_eq(saved->rbp, 6);
    cr_assert_eq((uintptr_t)(saved + 1), (uintptr_t)stack + STACK_BYTES);
    stack_free(stack, STACK_BYTES);
}

/* ---- a thread's first switch ------------------------------------------------------------------------------------- */

static struct thread thread;
static uintptr_t entry_frame;
static uintptr_t outermost_frame;

static void *look_around(void *argument)
{
    const uintptr_t *frame = __builtin_frame_address(0);

    cr_assert(irq_enabled());
    entry_frame = (uintptr_t)frame;
    while (frame[0])
        frame = (const uintptr_t *)frame[0];
    outermost_frame = (uintptr_t)frame;
    return argument;
}

Test(thread_trampoline, starts_a_thread_on_its_stack_aligned_and_with_a_frame_chain_that_ends)
{
    struct switch_frame *frame;
    uintptr_t bottom, top;

    machine_start(SCHED_QUANTUM_NS);
    cr_assert_eq(thread_start(&thread, "thread", THREAD_PRIORITY_NORMAL, look_around, &thread), STATUS_OK);
    frame = (struct switch_frame *)thread.sp;
    bottom = (uintptr_t)thread.stack;
    top = bottom + thread.stack_bytes;
    cr_assert_eq(thread.stack_bytes, THREAD_STACK_BYTES);
    cr_assert_eq((uintptr_t)(frame + 1) + sizeof(struct thread_call), top);
    cr_assert_eq(frame->rip, (uintptr_t)thread_trampoline);
    cr_assert_eq(frame->rbp, 0);
    cr_assert_eq(thread_join(&thread), &thread);
    cr_assert_eq(entry_frame % 16, 0, "the ABI wants rsp aligned before a call");
    cr_assert(entry_frame > bottom && entry_frame < top);
    cr_assert(outermost_frame >= entry_frame && outermost_frame < top);
}
