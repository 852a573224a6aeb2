/* See space_thread.h, and thread/arch.h for space_enter(). */
#include "kernel/space_thread.h"

#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "thread/arch.h"

void space_enter(struct thread *thread)
{
    const struct space_thread *self = container_of(thread, struct space_thread, thread);

    interrupt_use_stack((uintptr_t)thread->stack + thread->stack_bytes);
    mmu_space_enter(self->space);
    zero_segments();
}

void space_thread_begin(struct space_thread *self)
{
    uint64_t flags = irq_save();

    ASSERT(thread_current() == &self->thread);
    self->thread.attention |= ATTENTION_SPACE;
    space_enter(&self->thread);
    irq_restore(flags);
}

void space_thread_end(struct space_thread *self)
{
    uint64_t flags = irq_save();

    ASSERT(thread_current() == &self->thread);
    self->thread.attention &= (uint8_t)~ATTENTION_SPACE;
    irq_restore(flags);
}
