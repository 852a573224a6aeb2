/* A struct of more than 64 bits.
 * gcc: an argument of a thread has at most 64 bits
 * clang: an argument of a thread has at most 64 bits
 */
#include "thread/thread.h"

struct large {
    long words[2];
};
void *one(struct large large);
enum status attempt(struct thread *thread, struct large large);

enum status attempt(struct thread *thread, struct large large)
{
    return thread_start_with(thread, "name", 1, one, large);
}
