/* More arguments than registers.
 * gcc: a_thread_has_at_most_6_arguments
 * clang: a_thread_has_at_most_6_arguments
 */
#include "thread/thread.h"

void *seven(long a, long b, long c, long d, long e, long f, long g);
enum status attempt(struct thread *thread, long n);

enum status attempt(struct thread *thread, long n)
{
    return thread_start_with(thread, "name", 1, seven, n, n, n, n, n, n, n);
}
