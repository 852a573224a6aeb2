/*
 * Something that happens once, and the one waiter that wants to know: the end of a task or of a thread.
 *
 * Signalling is a single atomic exchange and the signaller's last access, so that whoever sees the completion done may
 * reuse the memory it is in. The state "done" is the address of a waker that is never woken.
 */
#ifndef DUET_LIB_COMPLETION_H
#define DUET_LIB_COMPLETION_H

#include "lib/waker.h"

struct completion {
    struct waker *_Atomic waiter; /* zero-initialised: not done, nobody waits */
};

/* What `waiter` holds once it is done. */
extern struct waker completion_done_mark;

/* Context: any. */
static inline bool completion_done(struct completion *completion)
{
    return atomic_load(&completion->waiter) == &completion_done_mark;
}

/* Leaves `waker` to be woken when it is done. False, and nothing left, if it already is. Context: thread, task. */
must_check static inline bool completion_register(struct completion *completion, struct waker *waker)
{
    struct waker *waiter = atomic_load(&completion->waiter);

    do
        if (waiter == &completion_done_mark)
            return false;
    while (!atomic_compare_exchange_weak(&completion->waiter, &waiter, waker));
    return true;
}

/* Takes back what completion_register() left there. False if it is done: then the waker was woken. Context: as above.
 */
must_check static inline bool completion_unregister(struct completion *completion, struct waker *waker)
{
    return atomic_compare_exchange_strong(&completion->waiter, &waker, NULL);
}

/* It is done, from now on and once. Context: a critical section: between the exchange and the wake nobody can take its
 * waker back and be gone. */
static inline void completion_signal(struct completion *completion)
{
    struct waker *waiter = atomic_exchange(&completion->waiter, &completion_done_mark);

    ASSERT(waiter != &completion_done_mark);
    if (waiter)
        waker_wake(waiter);
}

/* The same if nobody waits, which needs no critical section. False, and nothing done, if somebody does. Context: any.
 */
must_check static inline bool completion_signal_unwaited(struct completion *completion)
{
    struct waker *waiter = NULL;

    return atomic_compare_exchange_strong(&completion->waiter, &waiter, &completion_done_mark);
}

#endif
