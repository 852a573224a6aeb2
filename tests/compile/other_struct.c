/* A pointer to another struct.
 * gcc: is not compatible with any association
 * clang: not compatible with any generic association type
 */
#include "thread/thread.h"

struct apple;
struct pear;
void *eat(struct apple *apple);
enum status attempt(struct thread *thread, struct pear *pear);

enum status attempt(struct thread *thread, struct pear *pear)
{
    return thread_start_with(thread, "name", 1, eat, pear);
}
