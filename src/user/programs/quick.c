/* Ends at once, with its argument. */
#include "user/duet.h"

int main(uint64_t argument)
{
    return (int)argument;
}
