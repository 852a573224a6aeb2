/*
 * Measures itself, many times, and ends with the median, and above it, from bit 32 on, the longest. Argument: from 0 on
 * a system call by its number; MEASURE_BESIDE and such a number: the same while another thread of this process makes it
 * too; MEASURE_WAKE: from the keyboard's interrupt to here. Or it faults: MEASURE_FAULT, from bit 16 on when.
 */
#include "drivers/ps2_port.h"
#include "user/duet.h"

enum {
    SAMPLES = 1001,
    WARM_UP = 8,
    MEASURE_BESIDE = 0x100,
    MEASURE_WAKE = 0x200,
    MEASURE_FAULT = 0x300,
    FAULT_SHIFT = 16
};

uint64_t measure_call(uint64_t number);
uint64_t measure_now(void);
void measure_fault(uint64_t at);

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

static int go_on(uint64_t number)
{
    while (system_call(0, 0, 0, 0, number) >= 0)
        ;
    return 0;
}

static uint64_t measure_wake(void)
{
    struct ps2_byte byte;
    uint64_t now;

    if (duet_port_read(0, &byte, 1, UINT64_MAX) != 1)
        (void)duet_exit(-1);
    now = measure_now();
    return now - byte.stamp;
}

static uint64_t measure(uint64_t argument)
{
    return argument == MEASURE_WAKE ? measure_wake() : measure_call((uint8_t)argument);
}

int main(uint64_t argument)
{
    if ((uint16_t)argument == MEASURE_FAULT)
        measure_fault(argument >> FAULT_SHIFT);
    if (argument == MEASURE_WAKE && duet_claim(0) != 0)
        return -1;
    if (argument >> 8 == MEASURE_BESIDE >> 8 && thread_begin(go_on, (uint8_t)argument) < 0)
        return -1;
    for (unsigned i = 0; i < WARM_UP; i++)
        (void)measure(argument);
    for (unsigned i = 0; i < SAMPLES; i++)
        samples[i] = measure(argument);
    sort();
    (void)duet_exit((int64_t)(samples[SAMPLES - 1] << 32 | samples[SAMPLES / 2]));
    return 0;
}
