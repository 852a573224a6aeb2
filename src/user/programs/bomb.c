/* Takes what it can get. Argument 0: starts itself for ever, as do those that it starts. 1: maps, writes and starts
 * others like it for as long as there is anything, then sleeps. 2: claims the keyboard and the events, publishes
 * BOMB_EVENTS and reads none, then sleeps. */
#include "drivers/input.h"
#include "user/duet.h"

#define AREA UINT64_C(0x10000000)
#define PAGE UINT64_C(4096)

enum { FORK, HOG, FLOOD, KEYBOARD = 0, EVENTS = 2, EVENTS_AT_ONCE = 16, BOMB_EVENTS = 100000, HOGS_STEP = 64 };

static struct input_event events[EVENTS_AT_ONCE];

static void fork_for_ever(void)
{
    for (;;)
        (void)duet_spawn("bomb", 4, FORK);
}

static void take_memory(void)
{
    uint64_t at = AREA;

    (void)duet_spawn("bomb", 4, HOG);
    for (uint64_t pages = HOGS_STEP; pages; pages /= 2)
        while (duet_map(at, pages * PAGE, 1) == 0)
            for (uint64_t end = at + pages * PAGE; at < end; at += PAGE)
                *(volatile uint64_t *)at = at;
    (void)duet_spawn("bomb", 4, HOG);
}

static void flood(void)
{
    if (duet_claim(KEYBOARD) != 0 || duet_claim(EVENTS) != 0)
        return;
    for (unsigned i = 0; i < BOMB_EVENTS / EVENTS_AT_ONCE; i++)
        if (duet_publish(events, EVENTS_AT_ONCE) != 0)
            return;
}

int main(uint64_t argument)
{
    if (argument == FORK)
        fork_for_ever();
    else if (argument == HOG)
        take_memory();
    else
        flood();
    return (int)duet_sleep(UINT64_MAX);
}
