/* Loads its argument into the segment registers again and again; with 0 it only looks. Ends with how often a switch
 * back to it found a selector that is not zero. */
#include "user/duet.h"

enum { ROUNDS = 1000 };

void segments_load(uint64_t selector);
uint64_t segments_seen(void);

int main(uint64_t selector)
{
    int wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (selector)
            segments_load(selector);
        (void)duet_yield();
        wrong += segments_seen() != 0;
    }
    return wrong;
}
