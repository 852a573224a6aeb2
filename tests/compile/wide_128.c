/* An integer of more than 64 bits.
 * gcc: an argument of a thread has at most 64 bits
 * clang: an argument of a thread has at most 64 bits
 */
#include "thread/thread.h"

__extension__ typedef __int128 wide;
void *one(wide number);
enum status attempt(struct thread *thread, wide number);

enum status attempt(struct thread *thread, wide number)
{
    return thread_start_with(thread, "name", 1, one, number);
}
