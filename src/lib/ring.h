/*
 * Indices of a fixed single-producer single-consumer ring; the storage belongs to the embedding struct.
 *
 * The producer may be an interrupt handler: pushing never blocks. Indices run freely and wrap at 2^32; an index
 * modulo the capacity is a slot, so the capacity is a power of two and every slot is usable. A full ring refuses:
 * counting what is dropped is the owner's duty.
 */
#ifndef DUET_LIB_RING_H
#define DUET_LIB_RING_H

#include <stdatomic.h>

#include "lib/base.h"

struct ring {
    _Atomic uint32_t head; /* next to pop; consumer writes */
    _Atomic uint32_t tail; /* next to push; producer writes */
};

/* True if there is room; *index, modulo the capacity, is then the place to fill before ring_push(). Context: producer.
 */
static inline bool ring_can_push(struct ring *ring, uint32_t capacity, uint32_t *index)
{
    *index = atomic_load_explicit(&ring->tail, memory_order_relaxed);                    /* only we write it */
    return *index - capacity != atomic_load_explicit(&ring->head, memory_order_acquire); /* pairs with ring_pop */
}

/* Publishes what lies where ring_can_push() said. Context: producer. */
static inline void ring_push(struct ring *ring, uint32_t index)
{
    atomic_store_explicit(&ring->tail, index + 1, memory_order_release); /* pairs with ring_can_pop */
}

/* True if there is an element; *index, modulo the capacity, is then the place to read before ring_pop(). Context:
 * consumer. */
static inline bool ring_can_pop(struct ring *ring, uint32_t *index)
{
    *index = atomic_load_explicit(&ring->head, memory_order_relaxed);         /* only we write it */
    return *index != atomic_load_explicit(&ring->tail, memory_order_acquire); /* pairs with ring_push */
}

/* Frees the place that ring_can_pop() gave. Context: consumer. */
static inline void ring_pop(struct ring *ring, uint32_t index)
{
    atomic_store_explicit(&ring->head, index + 1, memory_order_release); /* pairs with ring_can_push */
}

/* Elements waiting. Exact for the consumer and the producer, a snapshot for anyone else. Context: any. */
static inline uint32_t ring_count(struct ring *ring)
{
    return atomic_load(&ring->tail) - atomic_load(&ring->head);
}

#endif
