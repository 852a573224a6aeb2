/*
 * Every system call that takes a pointer or a place, with bytes of which only some are there: pages lie before and
 * behind one that is not mapped, and one can only be read. Ends with 0, or the line that was wrong.
 */
#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "user/duet.h"

#define PAGE   UINT64_C(4096)
#define FIRST  UINT64_C(0x10000000)
#define HOLE   (FIRST + PAGE)
#define LAST   (HOLE + PAGE)
#define READ   (LAST + PAGE) /* only */
#define LIMIT  UINT64_C(0x00007ffffffff000)
#define KERNEL UINT64_C(0xffffffff80100000)
#define WRITE  1
#define MS     UINT64_C(1000000)
#define TRY(holds) \
    if (!(holds))  \
    return __LINE__

enum { KEYBOARD, MOUSE, EVENTS, ECHO = 0xee };

/* Bytes of which the first one, the last one or some in the middle are missing, or that would wrap. */
static const uint64_t broken[] = {HOLE,
                                  HOLE - 1,
                                  HOLE - 4,
                                  LAST - 1,
                                  LAST - 7,
                                  FIRST - 1,
                                  FIRST - 7,
                                  LIMIT - 1,
                                  LIMIT,
                                  UINT64_MAX,
                                  UINT64_MAX - 7,
                                  0,
                                  1,
                                  0xffff,
                                  KERNEL,
                                  UINT64_C(0x00007fffffffffff),
                                  UINT64_C(0x0000800000000000),
                                  UINT64_C(0xffff7fffffffffff),
                                  UINT64_C(0xffff800000000000)};
enum { BROKEN = sizeof(broken) / sizeof(broken[0]) };

static int nothing(uint64_t result)
{
    return (int)result;
}

static int try_calls_that_read(void)
{
    for (unsigned i = 0; i < BROKEN; i++) {
        TRY(duet_write((const void *)broken[i], 8) == -DUET_ERROR_INVALID);
        TRY(duet_spawn((const char *)broken[i], 8, 0) == -DUET_ERROR_INVALID);
        TRY(duet_publish((const struct input_event *)broken[i], 1) == -DUET_ERROR_INVALID);
    }
    TRY(duet_write((const void *)FIRST, 3 * PAGE) == -DUET_ERROR_INVALID);
    TRY(duet_write((const void *)FIRST, UINT64_MAX) == -DUET_ERROR_INVALID);
    TRY(duet_write((const void *)FIRST, UINT64_MAX - FIRST) == -DUET_ERROR_INVALID);
    TRY(duet_spawn((const char *)FIRST, UINT64_MAX, 0) == -DUET_ERROR_INVALID);
    TRY(duet_publish((const struct input_event *)(HOLE - 24), 2) == -DUET_ERROR_INVALID);
    TRY(duet_publish((const struct input_event *)FIRST, UINT64_MAX / 24 + 2) == -DUET_ERROR_INVALID);
    return 0;
}

/* What is to be got stays to be got where nothing can be written: a child's end and a thread's. */
static int try_calls_that_wait(uint64_t to)
{
    static int64_t child, thread;
    int64_t status = -1;

    if (!child) {
        child = duet_spawn("quick", 5, 7);
        thread = thread_begin(nothing, 8);
    }
    if (to) {
        TRY(duet_wait((uint64_t)child, (int64_t *)to) == -DUET_ERROR_INVALID);
        TRY(duet_thread_wait((uint64_t)thread, (int64_t *)to) == -DUET_ERROR_INVALID);
        return 0;
    }
    TRY(duet_wait((uint64_t)child, &status) == 0 && status == 7);
    TRY(duet_thread_wait((uint64_t)thread, &status) == 0 && status == 8);
    return 0;
}

/* What was read is lost, and that is said; there is something for each. */
static int try_input(uint64_t to)
{
    static struct input_event event;

    TRY(duet_publish(&event, 1) == 0);
    TRY(duet_event_read((struct input_event *)to, MS) == -DUET_ERROR_INVALID);
    TRY(duet_port_write(KEYBOARD, ECHO) == 0);
    TRY(duet_port_read(KEYBOARD, (struct ps2_byte *)to, 1, 100 * MS) == -DUET_ERROR_INVALID);
    return 0;
}

static int try_calls_that_write(void)
{
    static const uint64_t unwritable[] = {READ, READ - 7, (uint64_t)main};
    int wrong = 0;

    for (unsigned i = 0; !wrong && i < BROKEN; i++)
        if (broken[i])
            wrong = try_calls_that_wait(broken[i]);
    for (unsigned i = 0; !wrong && i < BROKEN; i++)
        wrong = try_input(broken[i]);
    for (unsigned i = 0; !wrong && i < sizeof(unwritable) / sizeof(unwritable[0]); i++) {
        wrong = try_calls_that_wait(unwritable[i]);
        wrong = wrong ? wrong : try_input(unwritable[i]);
    }
    return wrong ? wrong : try_calls_that_wait(0);
}

/* Pages amid others change all of them or none. */
static int try_places(void)
{
    TRY(duet_map(FIRST, 3 * PAGE, 0) == -DUET_ERROR_EXISTS && duet_map(HOLE, 2 * PAGE, 0) == -DUET_ERROR_EXISTS);
    TRY(duet_write((const void *)HOLE, 1) == -DUET_ERROR_INVALID);
    for (unsigned i = 0; i < BROKEN; i++) {
        if (broken[i] != HOLE)
            TRY(duet_map(broken[i], PAGE, 0) == -DUET_ERROR_INVALID);
        if (broken[i] != HOLE)
            TRY(duet_unmap(broken[i], PAGE) == -DUET_ERROR_INVALID);
        if (broken[i] >= LIMIT || broken[i] < 0x10000)
            TRY(duet_thread(broken[i], 0, 0) == -DUET_ERROR_INVALID);
    }
    TRY(duet_map(FIRST, UINT64_MAX - PAGE + 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_unmap(FIRST, UINT64_MAX - PAGE + 1) == -DUET_ERROR_INVALID);
    TRY(duet_unmap(FIRST, 4 * PAGE) == 0 && duet_write((const void *)FIRST, 1) == -DUET_ERROR_INVALID);
    return 0;
}

int main(uint64_t unused)
{
    int wrong;

    (void)unused;
    TRY(duet_map(FIRST, PAGE, WRITE) == 0 && duet_map(LAST, PAGE, WRITE) == 0 && duet_map(READ, PAGE, 0) == 0);
    TRY(duet_claim(KEYBOARD) == 0 && duet_claim(EVENTS) == 0);
    wrong = try_calls_that_read();
    wrong = wrong ? wrong : try_calls_that_write();
    return wrong ? wrong : try_places();
}
