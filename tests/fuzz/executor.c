/* The executor, its pool and timers, cancels and channels by operations from the input, against a naive reference. */
#include "executor_model.h"
#include "fuzz.h"

enum { OPERATIONS_MAX = 2000 };

void fuzz_one(void)
{
    struct executor_model_counts counts;

    executor_model_begin(1);
    for (unsigned i = 0; fuzz_more() && i < OPERATIONS_MAX; i++)
        executor_model_operate();
    executor_model_end(&counts);
}
