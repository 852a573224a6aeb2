/* System calls by int 0x80: argument 0 tries some, 1 sleeps in one for ever, 2 asks for the time for ever, 3 maps two
 * megabytes and unmaps them for ever. Ends with 0, or the line that was wrong. */
#include "user/duet.h"

#define AREA       UINT64_C(0x10000000)
#define AREA_BYTES (UINT64_C(2) << 20)

#define TRY(holds) \
    if (!(holds))  \
    return __LINE__

enum { WRITE = 1, SLEEP = 3, CLOCK = 4, GETPID = 5, MAP = 9, UNMAP = 10, UNKNOWN = 1000 };

int64_t gate_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t number);
uint64_t gate_left; /* what was left in the registers that a call leaves nothing in */

int main(uint64_t argument)
{
    static const char text[] = "gate: by int 0x80\n";
    int64_t begin_ns = gate_call(0, 0, 0, 0, CLOCK);

    while (argument == 2 && gate_call(0, 0, 0, 0, CLOCK) > 0)
        ;
    while (argument == 1 && gate_call(UINT64_MAX, 0, 0, 0, SLEEP) == 0)
        ;
    while (argument == 3 && gate_call(AREA, AREA_BYTES, 1, 0, MAP) == 0)
        (void)gate_call(AREA, AREA_BYTES, 0, 0, UNMAP);
    TRY(gate_left == 0);
    TRY(gate_call(1, 2, 4, 8, GETPID) == duet_getpid() && gate_left == 0);
    TRY(gate_call((uint64_t)text, sizeof(text) - 1, 0, 0, WRITE) == sizeof(text) - 1);
    TRY(gate_call(UINT64_C(0xffffffff80100000), 1, 0, 0, WRITE) == -DUET_ERROR_INVALID && gate_left == 0);
    TRY(gate_call(0, 0, 0, 0, UNKNOWN) == -DUET_ERROR_NO_CALL && gate_left == 0);
    TRY(gate_call(0, 0, 0, 0, UINT64_MAX) == -DUET_ERROR_NO_CALL);
    TRY(gate_call(2000000, 0, 0, 0, SLEEP) == 0 && duet_clock() - begin_ns >= 2000000);
    return 0;
}
