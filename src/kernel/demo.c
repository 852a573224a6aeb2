#include "kernel/console.h"
#include "kernel/modes.h"
_Noreturn void demo_run(const struct options *options)
{
    (void)options;
    for (;;)
        ;
}
