/* The pairing heap behind lib/timer_queue.h. */
#include "lib/timer_queue.h"

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->sequence < b->sequence;
}

/* Makes the later of two roots the first child of the earlier one, which is returned. */
static struct timer *timer_meld(struct timer *a, struct timer *b)
{
    if (timer_before(b, a)) {
        struct timer *earlier = b;

        b = a;
        a = earlier;
    }
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Melds a list of siblings into one heap, in two passes: pairs from the left, then the pairs from the right. */
static struct timer *timer_meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL;
    struct timer *root = NULL;

    while (first) {
        struct timer *second = first->sibling;
        struct timer *rest = second ? second->sibling : NULL;
        struct timer *pair = second ? timer_meld(first, second) : first;

        pair->sibling = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs) {
        struct timer *rest = pairs->sibling;

        root = root ? timer_meld(root, pairs) : pairs;
        pairs = rest;
    }
    return root;
}

static void timer_queue_set_root(struct timer_queue *queue, struct timer *root)
{
    queue->root = root;
    if (!root)
        return;
    root->sibling = NULL;
    root->prev = root;
}

void timer_queue_insert(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns, struct waker *waker)
{
    ASSERT(!timer_queued(timer));
    timer->deadline_ns = deadline_ns;
    timer->sequence = queue->next_sequence++;
    timer->waker = waker;
    timer->child = NULL;
    timer_queue_set_root(queue, queue->root ? timer_meld(queue->root, timer) : timer);
}

void timer_queue_remove(struct timer_queue *queue, struct timer *timer)
{
    struct timer *orphans;

    if (!timer_queued(timer))
        return;
    orphans = timer_meld_siblings(timer->child);
    if (timer == queue->root) {
        timer_queue_set_root(queue, orphans);
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->sibling;
        else
            timer->prev->sibling = timer->sibling;
        if (timer->sibling)
            timer->sibling->prev = timer->prev;
        if (orphans)
            timer_queue_set_root(queue, timer_meld(queue->root, orphans));
    }
    timer->child = NULL;
    timer->sibling = NULL;
    timer->prev = NULL;
}

unsigned timer_queue_expire(struct timer_queue *queue, uint64_t now_ns)
{
    unsigned expired = 0;

    while (queue->root && queue->root->deadline_ns <= now_ns) {
        struct timer *timer = queue->root;

        timer_queue_remove(queue, timer);
        waker_wake(timer->waker);
        expired++;
    }
    return expired;
}
