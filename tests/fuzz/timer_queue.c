/* The timer queue by operations from the input, against a sorted list. */
#include "fuzz.h"
#include "timer_model.h"

enum { OPERATIONS_MAX = 2000 };

void fuzz_one(void)
{
    static const uint64_t starts_ns[] = {0, 1000000007, UINT64_C(1) << 42, UINT64_MAX - (UINT64_C(1) << 36)};
    static const unsigned counts[] = {3, 32, 300, TIMER_MODEL_ALARMS};
    unsigned count = counts[fuzz_below(4)];

    timer_model_begin(count, starts_ns[fuzz_below(4)], 1);
    for (unsigned i = 0; fuzz_more() && i < OPERATIONS_MAX; i++) {
        timer_model_operate();
        if (i % 32 == 31)
            timer_model_check();
    }
    timer_model_end();
}
