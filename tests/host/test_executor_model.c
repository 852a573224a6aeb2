/* The executor against its reference, for long. DUET_MODEL_OPERATIONS and DUET_MODEL_SEED in the environment choose
 * another count and seed. */
#include <stdlib.h>

#include "executor_model.h"
#include "support.h"

enum { OPERATIONS = 100000, SEED = 20240101 };

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : standard;
}

Test(executor_model, agrees_with_a_naive_reference_at_every_operation, .timeout = 600)
{
    uint64_t operations = setting("DUET_MODEL_OPERATIONS", OPERATIONS);
    struct executor_model_counts counts;

    executor_model_begin(setting("DUET_MODEL_SEED", SEED));
    for (uint64_t i = 0; i < operations; i++)
        executor_model_operate();
    executor_model_end(&counts);
    cr_assert(operations < OPERATIONS ||
                  (counts.sends > operations / 100 && counts.receives > operations / 100 && counts.lost_grants > 0),
              "%lu sent, %lu received, %lu dropped when something was held for them", (unsigned long)counts.sends,
              (unsigned long)counts.receives, (unsigned long)counts.lost_grants);
}
