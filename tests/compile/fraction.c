/* A number in a vector register.
 * gcc: an argument of a thread is no fraction
 * clang: an argument of a thread is no fraction
 */
#include "thread/thread.h"

void *one(double number);
enum status attempt(struct thread *thread, double number);

enum status attempt(struct thread *thread, double number)
{
    return thread_start_with(thread, "name", 1, one, number);
}
