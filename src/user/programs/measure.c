/* Measures one system call many times, the one that its argument numbers. Ends with the median, and above it, from bit
 * 32 on, the longest. */
#include "user/duet.h"

enum { SAMPLES = 1001, WARM_UP = 8 };

uint64_t measure_call(uint64_t number);

static uint64_t samples[SAMPLES];

static void sort(void)
{
    for (unsigned i = 1; i < SAMPLES; i++) {
        uint64_t sample = samples[i];
        unsigned at = i;

        for (; at && samples[at - 1] > sample; at--)
            samples[at] = samples[at - 1];
        samples[at] = sample;
    }
}

int main(uint64_t argument)
{
    for (unsigned i = 0; i < WARM_UP; i++)
        (void)measure_call(argument);
    for (unsigned i = 0; i < SAMPLES; i++)
        samples[i] = measure_call(argument);
    sort();
    (void)duet_exit((int64_t)(samples[SAMPLES - 1] << 32 | samples[SAMPLES / 2]));
    return 0;
}
