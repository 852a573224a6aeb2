/* Never ends by itself: computes, or with argument 1 sleeps, with 2 yields, with 3 waits for a child that spins,
 * with 4 asks for the time, with 5 maps two megabytes and unmaps them; with a frame pointer that leads nowhere it
 * sleeps, with 6, computes, with 7, and with 8 sleeps by int 0x80. */
#include "user/duet.h"

#define AREA       UINT64_C(0x10000000)
#define AREA_BYTES (UINT64_C(2) << 20)

_Noreturn void sleep_astray(void);
_Noreturn void sleep_astray_by_gate(void);
_Noreturn void compute_astray(void);

int main(uint64_t argument)
{
    volatile uint64_t turns = 0;
    int64_t status;

    switch (argument) {
    case 0:
        for (;;)
            turns++;
    case 1:
        for (;;)
            (void)duet_sleep(UINT64_MAX);
    case 2:
        for (;;)
            (void)duet_yield();
    case 4:
        for (;;)
            (void)duet_clock();
    case 5:
        while (duet_map(AREA, AREA_BYTES, 1) == 0)
            (void)duet_unmap(AREA, AREA_BYTES);
        return -1;
    case 6:
        sleep_astray();
    case 7:
        compute_astray();
    case 8:
        sleep_astray_by_gate();
    default:
        return (int)duet_wait((uint64_t)duet_spawn("spin", 4, 0), &status);
    }
}
