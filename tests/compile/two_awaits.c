/* Two awaits on a line: a body would resume at the wrong one.
 * gcc: duplicate case value
 * clang: duplicate case value
 */
#include "executor/async.h"

struct body {
    struct async async;
    struct future *child;
};

enum poll body_poll(struct future *future, struct waker *waker);

enum poll body_poll(struct future *future, struct waker *waker)
{
    struct body *self = container_of(future, struct body, async.future);

    ASYNC (&self->async) {
        /* clang-format off */
        AWAIT(self->child); AWAIT(self->child);
        /* clang-format on */
        ASYNC_RETURN;
    }
}
