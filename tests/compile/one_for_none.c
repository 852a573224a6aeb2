/* An argument for a function without parameters.
 * gcc: is not compatible with any association
 * clang: not compatible with any generic association type
 */
#include "thread/thread.h"

void *none(void);
enum status attempt(struct thread *thread, long number);

enum status attempt(struct thread *thread, long number)
{
    return thread_start_with(thread, "name", 1, none, number);
}
