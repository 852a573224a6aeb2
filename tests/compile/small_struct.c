/* A struct, even one of 64 bits.
 * gcc: aggregate value used where an integer was expected
 * clang: where arithmetic or pointer type is required
 */
#include "thread/thread.h"

struct small {
    int words[2];
};
void *one(struct small small);
enum status attempt(struct thread *thread, struct small small);

enum status attempt(struct thread *thread, struct small small)
{
    return thread_start_with(thread, "name", 1, one, small);
}
