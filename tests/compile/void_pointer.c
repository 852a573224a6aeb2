/* A void pointer for one to a struct, which a call would take.
 * gcc: is not compatible with any association
 * clang: not compatible with any generic association type
 */
#include "thread/thread.h"

struct apple;
void *eat(struct apple *apple);
enum status attempt(struct thread *thread, void *anything);

enum status attempt(struct thread *thread, void *anything)
{
    return thread_start_with(thread, "name", 1, eat, anything);
}
