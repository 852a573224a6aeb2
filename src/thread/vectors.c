/* Whose state the vector registers hold, and the way of a switch from or to a thread that needs attention. */
#include "thread/vectors.h"

#include "thread/account.h"
#include "thread/switching.h"

/* Makes the registers `next`'s. */
static void hand_over(struct cpu *cpu, struct thread *next)
{
    struct thread *owner = cpu->vector_owner;

    if (owner == next)
        return;
    if (owner)
        vector_state_save(owner->vectors);
    vector_state_load(next->vectors);
    cpu->vector_owner = next;
}

/* Nothing of the next one's turn is gone yet. */
static inline void attend(struct thread *previous, struct thread *next, uint64_t flags, bool forced)
{
    struct cpu *cpu = cpu_this();

    if (unlikely(cpu->insight))
        account_switch(previous, next, next->slice_end_ns - next->slice_left_ns, forced);
    if (next->vectors) {
        vector_on();
        hand_over(cpu, next);
    } else if (previous->vectors) {
        vector_off();
    }
    if (next->attention & ATTENTION_SPACE)
        space_enter(next);
    if (next->slice_end_ns < cpu->timer_armed_ns && slice_contended(cpu))
        switch_armed(previous, next, flags);
    else
        context_switch(&previous->sp, &next->sp, flags);
}

__attribute__((noinline)) void switch_attended(struct thread *previous, struct thread *next, uint64_t flags)
{
    attend(previous, next, flags, false);
}

__attribute__((noinline)) void switch_attended_forced(struct thread *previous, struct thread *next, uint64_t flags)
{
    attend(previous, next, flags, true);
}

enum status vectors_use(void)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = thread_current();
    uint64_t flags;
    void *state;

    ASSERT(cpu->irq_depth == 0);
    if (current->vectors)
        return STATUS_OK;
    state = vector_state_alloc();
    if (!state)
        return STATUS_NO_MEMORY;
    flags = irq_save();
    current->vectors = state;
    current->attention |= ATTENTION_VECTORS;
    vector_on();
    hand_over(cpu, current);
    irq_restore(flags);
    return STATUS_OK;
}

void vectors_leave(void)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = thread_current();
    void *state = current->vectors;
    uint64_t flags;

    ASSERT(cpu->irq_depth == 0);
    if (!state)
        return;
    flags = irq_save();
    ASSERT(cpu->vector_owner == current);
    cpu->vector_owner = NULL;
    current->vectors = NULL;
    current->attention &= (uint8_t)~ATTENTION_VECTORS;
    vector_off();
    irq_restore(flags);
    vector_state_free(state);
}
