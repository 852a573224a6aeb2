#include "kernel/modes.h"
_Noreturn void bench_run(const struct options *options)
{
    (void)options;
    for (;;)
        ;
}
