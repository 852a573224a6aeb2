/* Nobody looks whether it started.
 * gcc: warn_unused_result
 * clang: warn_unused_result
 */
#include "thread/thread.h"

void *one(long number);
void attempt(struct thread *thread, long number);

void attempt(struct thread *thread, long number)
{
    thread_start_with(thread, "name", 1, one, number);
}
