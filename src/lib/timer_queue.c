/* The wheel behind lib/timer_queue.h. */
#include "lib/timer_queue.h"

enum { FEW = 4 }; /* so many timers need not move on: looking for the earliest each time costs no more */

static inline uint64_t bit_of(size_t number)
{
    return UINT64_C(1) << number % 64;
}

static inline bool has_bit(uint64_t bits, size_t number)
{
    return bits >> number % 64 & 1;
}

static inline size_t place_of(const struct timer_queue *queue, uint64_t deadline_ns)
{
    uint64_t difference = deadline_ns ^ queue->base_ns;
    size_t level = (63U - (unsigned)__builtin_clzll(difference | 1)) / TIMER_DIGIT_BITS;

    return level * TIMER_SLOTS + (deadline_ns >> level * TIMER_DIGIT_BITS) % TIMER_SLOTS;
}

/* Of the earliest timers; there are some. */
static inline size_t place_first(const struct timer_queue *queue)
{
    size_t level = (unsigned)__builtin_ctzll(queue->levels);

    return level * TIMER_SLOTS + (unsigned)__builtin_ctzll(queue->occupied[level]);
}

/* The first deadline of a place above level 0. */
static uint64_t place_start(const struct timer_queue *queue, size_t place)
{
    size_t shift = place / TIMER_SLOTS * TIMER_DIGIT_BITS;
    uint64_t above = queue->base_ns >> shift >> TIMER_DIGIT_BITS;

    return (above << TIMER_DIGIT_BITS | place % TIMER_SLOTS) << shift;
}

static inline void place_clear(struct timer_queue *queue, size_t place)
{
    size_t level = place / TIMER_SLOTS;

    queue->unsure[level] &= ~bit_of(place);
    queue->occupied[level] &= ~bit_of(place);
    if (!queue->occupied[level])
        queue->levels &= ~bit_of(level);
    if (queue->moving == place)
        queue->moving = 0;
}

static inline void slot_push_front(struct timer **slot, struct timer *timer)
{
    struct timer *first = *slot;

    timer->next = first;
    timer->prev = first->prev;
    first->prev = timer;
    *slot = timer;
}

static inline void slot_push_back(struct timer **slot, struct timer *timer)
{
    struct timer *first = *slot;
    struct timer *last = first->prev;

    timer->next = NULL;
    timer->prev = last;
    last->next = timer;
    first->prev = timer;
}

/* Moves the earliest timer of a slot to its front: the first of them, so that equal ones stay in order. False, and
 * nothing done, if there are more than `limit`. */
static inline bool slot_settle(struct timer **slot, size_t limit)
{
    struct timer *first = *slot;
    struct timer *earliest = first;

    for (struct timer *timer = first->next; timer; timer = timer->next) {
        if (--limit == 0)
            return false;
        if (timer->deadline_ns < earliest->deadline_ns)
            earliest = timer;
    }
    if (earliest == first)
        return true;
    earliest->prev->next = earliest->next;
    *(earliest->next ? &earliest->next->prev : &first->prev) = earliest->prev;
    slot_push_front(slot, earliest);
    return true;
}

/* Puts a timer into its place: to the front if it is earlier than all others there, which must be known. */
static inline void place_insert(struct timer_queue *queue, size_t place, struct timer *timer)
{
    size_t level = place / TIMER_SLOTS;
    struct timer **slot = &queue->slots[place];

    if (!has_bit(queue->occupied[level], place)) {
        timer->next = NULL;
        timer->prev = timer;
        *slot = timer;
        queue->occupied[level] |= bit_of(place);
        queue->levels |= bit_of(level);
    } else if (timer->deadline_ns < (*slot)->deadline_ns && !has_bit(queue->unsure[level], place)) {
        slot_push_front(slot, timer);
    } else {
        slot_push_back(slot, timer);
    }
}

/* Takes out the first timer of a place. */
static inline void place_pop_front(struct timer_queue *queue, size_t place)
{
    struct timer *first = queue->slots[place];
    struct timer *next = first->next;

    if (!next) {
        place_clear(queue, place);
        return;
    }
    next->prev = first->prev;
    queue->slots[place] = next;
    if (next->deadline_ns != first->deadline_ns)
        queue->unsure[place / TIMER_SLOTS] |= bit_of(place);
}

/* Puts the earliest of all into its place. */
static __attribute__((noinline)) void first_demote(struct timer_queue *queue, struct timer *timer)
{
    size_t place;

    if (!queue->levels)
        queue->base_ns = queue->past_ns;
    place = place_of(queue, timer->deadline_ns);
    if (has_bit(queue->occupied[place / TIMER_SLOTS], place)) {
        slot_push_front(&queue->slots[place], timer);
        queue->unsure[place / TIMER_SLOTS] &= ~bit_of(place);
    } else {
        place_insert(queue, place, timer);
    }
}

/* Inserts one that is not the earliest of all, or need not be. */
static __attribute__((noinline)) void wheel_insert(struct timer_queue *queue, struct timer *timer)
{
    size_t place;

    if (!queue->levels)
        queue->base_ns = queue->past_ns;
    place = place_of(queue, timer->deadline_ns);
    /* Behind equal ones that have not moved yet. */
    if (unlikely(queue->moving) && place / TIMER_SLOTS < queue->moving / TIMER_SLOTS)
        slot_push_back(&queue->slots[queue->moving], timer);
    else
        place_insert(queue, place, timer);
}

void timer_queue_insert(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns, struct waker *waker)
{
    struct timer *first = queue->first;

    ASSERT(!timer_queued(timer));
    if (unlikely(deadline_ns < queue->past_ns))
        deadline_ns = queue->past_ns;
    timer->deadline_ns = deadline_ns;
    timer->waker = waker;
    if (first ? deadline_ns >= first->deadline_ns : queue->levels != 0) {
        wheel_insert(queue, timer);
        return;
    }
    timer->prev = timer;
    queue->first = timer;
    if (first)
        first_demote(queue, first);
}

/* Where a timer is that is the first or the last of its slot. */
static inline size_t place_found(const struct timer_queue *queue, const struct timer *timer)
{
    if (unlikely(queue->moving)) {
        const struct timer *first = queue->slots[queue->moving];

        if (first == timer || first->prev == timer)
            return queue->moving;
    }
    return place_of(queue, timer->deadline_ns);
}

static __attribute__((noinline)) void wheel_remove(struct timer_queue *queue, struct timer *timer)
{
    struct timer *prev = timer->prev;
    struct timer *next = timer->next;
    size_t place;

    if (likely(next && prev->next == timer)) {
        prev->next = next;
        next->prev = prev;
        return;
    }
    place = place_found(queue, timer);
    if (next || prev == timer) {
        place_pop_front(queue, place);
    } else {
        prev->next = NULL;
        queue->slots[place]->prev = prev;
    }
}

void timer_queue_remove(struct timer_queue *queue, struct timer *timer)
{
    if (!timer_queued(timer))
        return;
    if (queue->first == timer)
        queue->first = NULL;
    else
        wheel_remove(queue, timer);
    timer->prev = NULL;
}

/* Moves so many timers, or all there are. Returns how many more it might have moved. */
static unsigned move_some(struct timer_queue *queue, unsigned steps)
{
    size_t place = queue->moving;
    struct timer *timer = queue->slots[place];
    struct timer *last = timer->prev;

    for (; timer && steps > 0; steps--) {
        struct timer *next = timer->next;

        place_insert(queue, place_of(queue, timer->deadline_ns), timer);
        timer = next;
    }
    if (timer) {
        timer->prev = last;
        queue->slots[place] = timer;
    } else {
        place_clear(queue, place);
    }
    return steps;
}

/* Sees to it that the first timer of a place is its earliest. False if that cannot be done before they have moved, or
 * time has reached the place. */
static bool place_settle(struct timer_queue *queue, size_t place, uint64_t now_ns)
{
    uint64_t start_ns = place_start(queue, place);
    size_t level = place / TIMER_SLOTS;

    if (level == 0 || (start_ns > queue->past_ns && !has_bit(queue->unsure[level], place)))
        return true;
    if (slot_settle(&queue->slots[place], start_ns > now_ns ? TIMER_STEPS : FEW)) {
        queue->unsure[level] &= ~bit_of(place);
        return true;
    }
    if (start_ns <= now_ns) {
        if (queue->past_ns < start_ns)
            queue->past_ns = start_ns;
        queue->base_ns = queue->past_ns;
        queue->moving = place;
    }
    return false;
}

static __attribute__((noinline)) unsigned first_find_rarely(struct timer_queue *queue, uint64_t now_ns, unsigned steps)
{
    for (;;) {
        size_t place;

        if (queue->moving) {
            steps = move_some(queue, steps);
            if (queue->moving)
                return 0;
        }
        place = place_first(queue);
        if (place_settle(queue, place, now_ns)) {
            queue->first = queue->slots[place];
            place_pop_front(queue, place);
            queue->first->prev = queue->first;
            return steps;
        }
        if (!queue->moving)
            return 0;
    }
}

/* Finds the first timer, there are some in the wheel, unless that takes more than so many steps. Returns how many are
 * left. All but the usual, one timer alone in its slot, is apart. */
static __attribute__((noinline)) unsigned first_find(struct timer_queue *queue, uint64_t now_ns, unsigned steps)
{
    size_t level = (unsigned)__builtin_ctzll(queue->levels);
    uint64_t occupied = queue->occupied[level];
    struct timer *first = queue->slots[level * TIMER_SLOTS + (unsigned)__builtin_ctzll(occupied)];

    if (first->next || queue->moving)
        return first_find_rarely(queue, now_ns, steps);
    queue->base_ns = queue->past_ns;
    queue->first = first;
    occupied &= occupied - 1;
    queue->occupied[level] = occupied;
    queue->unsure[level] &= occupied;
    if (!occupied)
        queue->levels &= queue->levels - 1;
    return steps;
}

/* No timer is earlier. */
static uint64_t bound(const struct timer_queue *queue)
{
    if (queue->first)
        return queue->first->deadline_ns;
    if (!queue->levels)
        return TIMER_NEVER;
    return queue->moving ? queue->past_ns : place_start(queue, place_first(queue));
}

uint64_t timer_queue_next_deadline(struct timer_queue *queue)
{
    if (!queue->first && queue->levels)
        first_find(queue, queue->past_ns, TIMER_STEPS);
    return bound(queue);
}

uint64_t timer_queue_expire(struct timer_queue *queue, uint64_t now_ns)
{
    unsigned steps = TIMER_STEPS;

    for (;;) {
        struct timer *first = queue->first;

        if (!first) {
            if (!queue->levels)
                return TIMER_NEVER;
            steps = first_find(queue, now_ns, steps);
            first = queue->first;
            if (unlikely(!first))
                return bound(queue);
        }
        if (first->deadline_ns > now_ns || steps-- == 0)
            return first->deadline_ns;
        queue->first = NULL;
        queue->past_ns = first->deadline_ns;
        first->prev = NULL;
        waker_wake(first->waker);
    }
}
