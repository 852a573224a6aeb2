/* Says what it is, and ends with its argument. */
#include "user/duet.h"

int main(uint64_t argument)
{
    print_number("hello from process ", (uint64_t)duet_getpid());
    return (int)argument;
}
