/*
 * Indices of a fixed single-producer single-consumer ring; the storage belongs to the embedding struct.
 *
 * The producer may be an interrupt handler: pushing never blocks. Indices run freely and wrap at 2^32; the slot is
 * the index masked, so the capacity is a power of two and every slot is usable. A full ring refuses: counting what is
 * dropped is the owner's duty.
 */
#ifndef DUET_LIB_RING_H
#define DUET_LIB_RING_H

#include <stdatomic.h>

#include "lib/base.h"

struct ring {
    _Atomic uint32_t head; /* next to pop; consumer writes */
    _Atomic uint32_t tail; /* next to push; producer writes */
};

/* True if there is room; *slot is then the place to fill before ring_push(). Context: producer. */
static inline bool ring_can_push(struct ring *ring, uint32_t capacity, uint32_t *slot)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* only we write it */

    *slot = tail & (capacity - 1);
    return tail - atomic_load_explicit(&ring->head, memory_order_acquire) != capacity; /* pairs with ring_pop */
}

/* Publishes the slot that ring_can_push() gave. Context: producer. */
static inline void ring_push(struct ring *ring)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release); /* pairs with ring_can_pop */
}

/* True if there is an element; *slot is then the place to read before ring_pop(). Context: consumer. */
static inline bool ring_can_pop(struct ring *ring, uint32_t capacity, uint32_t *slot)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* only we write it */

    *slot = head & (capacity - 1);
    return head != atomic_load_explicit(&ring->tail, memory_order_acquire); /* pairs with ring_push */
}

/* Frees the slot that ring_can_pop() gave. Context: consumer. */
static inline void ring_pop(struct ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    atomic_store_explicit(&ring->head, head + 1, memory_order_release); /* pairs with ring_can_push */
}

/* Elements waiting. Exact for the consumer and the producer, a snapshot for anyone else. Context: any. */
static inline uint32_t ring_count(struct ring *ring)
{
    return atomic_load(&ring->tail) - atomic_load(&ring->head);
}

#endif
