/*
 * The one thing an interrupt may call.
 *
 * A waker is one pointer to a struct embedded in whatever it wakes: a task, an executor's parent thread, a thread.
 * A wake travels outward until it reaches something that owns a CPU. A wake may come from anywhere, twice or late:
 * it never fails, blocks or allocates, so every waiter re-checks its condition (try, register, try again, pend).
 *
 * A waker_slot is where a waiter leaves its waker. Because a waker is a bare pointer, with nothing to clone or drop,
 * registering is one atomic store and waking one atomic exchange; the three-state machine other runtimes need to
 * protect a reference count has no work to do here.
 */
#ifndef DUET_LIB_WAKER_H
#define DUET_LIB_WAKER_H

#include <stdatomic.h>

#include "lib/base.h"

struct waker {
    void (*wake)(struct waker *self);
};

/* Context: any. The waker's owner outlives the call. */
static inline void waker_wake(struct waker *waker)
{
    waker->wake(waker);
}

struct waker_slot {
    struct waker *_Atomic waker;
};

/* Leaves `waker` to be woken once; the latest registration wins. Context: thread, task. */
static inline void waker_slot_register(struct waker_slot *slot, struct waker *waker)
{
    atomic_store(&slot->waker, waker);
}

/* Takes back a registration, so that the slot no longer points at its owner. Context: thread, task. */
static inline void waker_slot_clear(struct waker_slot *slot)
{
    atomic_store(&slot->waker, NULL);
}

/* Wakes and forgets whoever registered last; nobody registered is fine. Call it only after the data is published:
 * the exchange pairs with the store in waker_slot_register. Context: irq, or a critical section; any, where the waker's
 * owner stays for good: nobody may take its waker back and be gone between the exchange and the wake. */
static inline void waker_slot_wake(struct waker_slot *slot)
{
    struct waker *waker = atomic_exchange(&slot->waker, NULL);

    if (waker)
        waker_wake(waker);
}

#endif
