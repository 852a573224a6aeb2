/* Does one of attack.S's wrongs, by its number; from ATTACK_INT on the software interrupts, and ATTACK_POINTERS tries
 * wild pointers in system calls. Ends with ATTACK_LET_THROUGH where nothing stopped it. */
#include "user/duet.h"

enum { ATTACK_INT = 1000, ATTACK_POINTERS = 2000, ATTACK_LET_THROUGH = 7, ATTACK_UNKNOWN = 8, ATTACK_TAKEN = 9 };

extern void (*const attack_table[])(void);
extern const uint64_t attack_count;
void attack_int(uint64_t n);

static int try_pointers(void)
{
    static const uint64_t wild[] = {0,
                                    1,
                                    0xffff,
                                    0x3fffff,
                                    UINT64_C(0x00007ffffffff000),
                                    UINT64_C(0x00007fffffffffff),
                                    UINT64_C(0x0000800000000000),
                                    UINT64_C(0xffff800000100000),
                                    UINT64_C(0xffffffff80100000),
                                    UINT64_MAX};
    static char page[3 * 4096];

    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        if (duet_write((const void *)wild[i], 16) != -DUET_ERROR_INVALID)
            return ATTACK_TAKEN;
        if (duet_spawn((const char *)wild[i], 4, 0) != -DUET_ERROR_INVALID)
            return ATTACK_TAKEN;
        if (duet_wait(1, (int64_t *)wild[i]) != -DUET_ERROR_INVALID)
            return ATTACK_TAKEN;
    }
    if (duet_write(page, UINT64_MAX) != -DUET_ERROR_INVALID || duet_write(page, 1 << 20) != -DUET_ERROR_INVALID)
        return ATTACK_TAKEN;
    if (duet_wait(1, (int64_t *)(uint64_t)main) != -DUET_ERROR_INVALID) /* its own text */
        return ATTACK_TAKEN;
    if (duet_spawn("spin", UINT64_MAX, 0) != -DUET_ERROR_INVALID || duet_spawn("none", 4, 0) != -DUET_ERROR_NOT_FOUND)
        return ATTACK_TAKEN;
    if (duet_kill(0) != -DUET_ERROR_NOT_FOUND || duet_kill(UINT64_MAX) != -DUET_ERROR_NOT_FOUND)
        return ATTACK_TAKEN;
    return ATTACK_LET_THROUGH;
}

int main(uint64_t argument)
{
    if (argument == ATTACK_POINTERS)
        return try_pointers();
    if (argument >= ATTACK_INT && argument < ATTACK_INT + 256)
        attack_int(argument - ATTACK_INT);
    else if (argument < attack_count)
        attack_table[argument]();
    else
        return ATTACK_UNKNOWN;
    return ATTACK_LET_THROUGH;
}
