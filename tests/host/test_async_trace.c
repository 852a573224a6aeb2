/* Where a task waits: down to the leaf, and no further than what can be believed. */
#include "executor/async_trace.h"

#include <criterion/criterion.h>

#include "support.h"

static enum poll leaf_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_PENDING;
}

struct body {
    struct async async;
    struct future *child;
    unsigned line;
};

static enum poll body_poll(struct future *future, struct waker *waker)
{
    struct body *self = container_of(future, struct body, async.future);

    ASYNC (&self->async) {
        self->line = __LINE__ + 1;
        AWAIT(self->child);
        ASYNC_RETURN;
    }
}

static bool has_body(uintptr_t poll)
{
    return poll == (uintptr_t)body_poll;
}

static bool anything(const void *address, size_t bytes)
{
    (void)address;
    return bytes > 0;
}

static const void *hole;
static size_t hole_bytes;

static bool not_the_hole(const void *address, size_t bytes)
{
    return address != hole || bytes < hole_bytes;
}

static struct future leaf = {.poll = leaf_poll};
static struct body inner, outer;

static void setup(void)
{
    inner = (struct body){.async = ASYNC_BODY(body_poll), .child = &leaf};
    outer = (struct body){.async = ASYNC_BODY(body_poll), .child = &inner.async.future};
}

TestSuite(async_trace, .init = setup);

Test(async_trace, leads_from_the_outermost_await_to_the_leaf)
{
    struct async_wait waits[8];

    cr_assert_eq(future_poll(&outer.async.future, NULL), POLL_PENDING);
    cr_assert_eq(async_trace(&outer.async.future, waits, 8, anything, has_body), 3);
    cr_assert(waits[0].future == &outer.async.future && waits[0].body && waits[0].line == outer.line);
    cr_assert(waits[1].future == &inner.async.future && waits[1].body && waits[1].line == inner.line);
    cr_assert(waits[2].future == &leaf && !waits[2].body && waits[2].line == 0);
}

Test(async_trace, a_leaf_alone_is_not_read_as_a_body)
{
    struct async_wait waits[8];
    struct future *alone = malloc(sizeof(*alone)); /* of its own size: reading a struct async there is an error */

    alone->poll = leaf_poll;
    cr_assert_eq(async_trace(alone, waits, 8, anything, has_body), 1);
    cr_assert(waits[0].future == alone && !waits[0].body);
    free(alone);
}

Test(async_trace, ends_where_nothing_is_awaited)
{
    struct async_wait waits[8];

    cr_assert_eq(async_trace(NULL, waits, 8, anything, has_body), 0);
    cr_assert_eq(async_trace(&outer.async.future, waits, 8, anything, has_body), 1);
    cr_assert(waits[0].body && waits[0].line == 0);
}

Test(async_trace, a_chain_in_a_circle_ends_with_the_room_for_it)
{
    struct async_wait waits[8];

    outer.async.child = &outer.async.future;
    waits[5].future = NULL;
    cr_assert_eq(async_trace(&outer.async.future, waits, 5, anything, has_body), 5);
    cr_assert_null(waits[5].future);
}

Test(async_trace, reads_nothing_that_cannot_be_read)
{
    struct async_wait waits[8];

    cr_assert_eq(future_poll(&outer.async.future, NULL), POLL_PENDING);
    hole = &inner;
    hole_bytes = sizeof(struct future);
    cr_assert_eq(async_trace(&outer.async.future, waits, 8, not_the_hole, has_body), 1);
    hole_bytes = sizeof(struct async); /* the end of a page cuts it in two */
    cr_assert_eq(async_trace(&outer.async.future, waits, 8, not_the_hole, has_body), 2);
    cr_assert(!waits[1].body);
}
