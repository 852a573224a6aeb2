/* A body's value outside of a body.
 * gcc: undeclared (first use in this function)
 * clang: use of undeclared identifier
 */
#include "executor/async.h"
#include "executor/executor.h"

enum poll body_poll(struct future *future, struct waker *waker);

enum poll body_poll(struct future *future, struct waker *waker)
{
    (void)future;
    ASYNC_RETURN_VALUE(7);
}
