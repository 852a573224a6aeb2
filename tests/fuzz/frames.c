/* The frame allocator by operations from the input, against a map of who owns each frame. */
#include "frames_model.h"
#include "fuzz.h"

enum { OPERATIONS_MAX = 2000 };

void fuzz_one(void)
{
    unsigned taking = 20 + (unsigned)fuzz_below(80);
    struct frames_report at_first;

    frames_model_begin(fuzz_below(16) ? 1024 : FRAMES_MODEL_MAX, 1);
    at_first = frames_report(&frames_model);
    for (unsigned i = 0; fuzz_more() && i < OPERATIONS_MAX; i++)
        frames_model_operate(taking);
    frames_model_end();
    CHECK(frames_report(&frames_model).largest_run == at_first.largest_run);
}
