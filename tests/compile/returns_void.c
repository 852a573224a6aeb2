/* A function without an exit value.
 * gcc: is not compatible with any association
 * clang: not compatible with any generic association type
 */
#include "thread/thread.h"

void one(long number);
enum status attempt(struct thread *thread, long number);

enum status attempt(struct thread *thread, long number)
{
    return thread_start_with(thread, "name", 1, one, number);
}
