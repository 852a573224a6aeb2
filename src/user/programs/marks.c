/*
 * Gives every register a value of its own, spins, prints, and looks whether all are as they were; so does the memory
 * that others have at the same address. The argument: milliseconds to go on for, and above them what its values begin
 * with. Ends with the number of values that were not as they should be.
 */
#include "user/duet.h"

enum { REGISTERS = 15, XMM_WORDS = 32, TURNS = 3000, PRINT_EVERY = 4096, FLAGS_CF = 1, FLAGS_DF = 0x400 };

struct marks {
    uint64_t registers[REGISTERS];
    uint64_t flags;
    uint64_t xmm[XMM_WORDS];
};

void marks_spin(const struct marks *set, struct marks *got, uint64_t turns);

static struct marks set, got;
static volatile uint64_t same_place[512];

static uint64_t count_wrong(uint64_t begin)
{
    uint64_t wrong = (got.flags & (FLAGS_CF | FLAGS_DF)) != (FLAGS_CF | FLAGS_DF);

    for (unsigned i = 0; i < REGISTERS; i++)
        wrong += got.registers[i] != set.registers[i];
    for (unsigned i = 0; i < XMM_WORDS; i++)
        wrong += got.xmm[i] != set.xmm[i];
    for (unsigned i = 0; i < 512; i++)
        wrong += same_place[i] != begin + i;
    return wrong;
}

int main(uint64_t argument)
{
    uint64_t begin = argument >> 32 << 32;
    uint64_t end_ns = (uint64_t)duet_clock() + (uint32_t)argument * UINT64_C(1000000);
    uint64_t wrong = 0;

    for (unsigned i = 0; i < REGISTERS; i++)
        set.registers[i] = begin + 0x100 + i;
    for (unsigned i = 0; i < XMM_WORDS; i++)
        set.xmm[i] = begin + 0x200 + i;
    for (unsigned i = 0; i < 512; i++)
        same_place[i] = begin + i;
    for (unsigned round = 0; (uint64_t)duet_clock() < end_ns; round++) {
        marks_spin(&set, &got, TURNS);
        wrong += count_wrong(begin);
        if (round % PRINT_EVERY == 0)
            print_number("marks: process ", (uint64_t)duet_getpid());
    }
    return wrong > 255 ? 255 : (int)wrong;
}
