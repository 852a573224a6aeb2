/* An await outside of a body.
 * gcc: undeclared (first use in this function)
 * clang: use of undeclared identifier
 */
#include "executor/async.h"

enum poll body_poll(struct future *future, struct waker *waker);

enum poll body_poll(struct future *future, struct waker *waker)
{
    AWAIT(future);
    return POLL_READY;
}
