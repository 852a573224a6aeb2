/* The right types in the wrong order.
 * gcc: is not compatible with any association
 * clang: not compatible with any generic association type
 */
#include "thread/thread.h"

void *two(uint64_t number, const char *name);
enum status attempt(struct thread *thread, uint64_t number, const char *name);

enum status attempt(struct thread *thread, uint64_t number, const char *name)
{
    return thread_start_with(thread, "name", 1, two, name, number);
}
