/* Options that are none.
 * gcc: incompatible pointer type
 * clang: incompatible pointer types
 */
#include "thread/thread.h"

void *one(long number);
enum status attempt(struct thread *thread, long number);

enum status attempt(struct thread *thread, long number)
{
    return thread_start_options(thread, "name", 1, thread, one, number);
}
