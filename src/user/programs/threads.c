/* Threads of one process, and its memory, from inside: ends with 0, or the number of the line that was wrong. Argument
 * 0 tries all; 1 ends all from a thread while others spin, sleep and wait; 2 faults in a thread; 3 ends by its last
 * thread; 4 goes on starting threads that spin, and mapping, until it may not, and ends; 5 starts itself as often as it
 * may. */
#include "user/duet.h"

#define AREA    UINT64_C(0x10000000)
#define PAGE    UINT64_C(4096)
#define WRITE   1
#define EXECUTE 2
#define TRY(holds) \
    if (!(holds))  \
    return __LINE__

#define FLAGS     0x202 /* interrupts on */
#define MXCSR     0x1f80
#define CONTROL   0x37f
#define REGISTERS 15
#define A_WHILE   10000
#define SEGMENTS  4
#define XMM_WORDS 32

enum { THREADS = 8, ROUNDS = 2000, PAGES_MAX = 1024, THREADS_MAX = 16, CHILDREN_MAX = 64 };

static volatile uint64_t counts[THREADS];
static volatile uint64_t stacks[THREADS];

struct first_seen {
    uint64_t zero[REGISTERS + SEGMENTS + XMM_WORDS];
    uint64_t flags;
    uint32_t mxcsr;
    uint16_t control;
} first_seen; /* by first_step(), threads.S */

void first_step(void);
void load_segments(void);

static int count(uint64_t i)
{
    volatile uint64_t own = i;

    stacks[i] = (uint64_t)&own;
    for (unsigned round = 0; round < ROUNDS; round++) {
        counts[i]++;
        if (round % 64 == 0)
            (void)duet_yield();
        if (own != i)
            return -1;
    }
    return (int)i + 100;
}

static int spin(uint64_t unused)
{
    (void)unused;
    while (++counts[0])
        ;
    return 0;
}

static int sleep_long(uint64_t unused)
{
    (void)unused;
    while (duet_sleep(UINT64_MAX) == 0)
        ;
    return 0;
}

static int wait_for(uint64_t thread)
{
    int64_t status;

    return (int)duet_thread_wait(thread, &status);
}

static int end_all(uint64_t status)
{
    (void)duet_sleep(1000000);
    (void)duet_exit((int64_t)status);
    return 0;
}

static int fault(uint64_t unused)
{
    (void)unused;
    return *(volatile int *)(AREA + 123); /* nothing is there */
}

static int end_last(uint64_t status)
{
    (void)duet_sleep(2000000);
    return (int)status;
}

/* A thread finds nothing in its registers that another left there. */
static int try_first_step(void)
{
    int64_t status;
    int64_t number;

    for (unsigned i = 0; i < REGISTERS + SEGMENTS + XMM_WORDS; i++)
        first_seen.zero[i] = i + 1;
    TRY((number = duet_thread((uint64_t)first_step, 0, 0)) > 0);
    for (volatile unsigned turns = 0; turns < A_WHILE; turns++)
        ; /* in which the kernel's test finds it, which has not begun: user.first_step_finds_zeros */
    load_segments();
    TRY(duet_thread_wait((uint64_t)number, &status) == 0 && status == 0);
    for (unsigned i = 0; i < REGISTERS + SEGMENTS + XMM_WORDS; i++)
        TRY(first_seen.zero[i] == 0);
    TRY(first_seen.flags == FLAGS && first_seen.mxcsr == MXCSR && first_seen.control == CONTROL);
    return 0;
}

static int try_threads(void)
{
    int64_t numbers[THREADS], status;

    for (unsigned i = 0; i < THREADS; i++)
        TRY((numbers[i] = thread_begin(count, i)) > 0);
    for (unsigned i = 0; i < THREADS; i++) {
        TRY(duet_thread_wait((uint64_t)numbers[i], &status) == 0 && status == i + 100);
        TRY(duet_thread_wait((uint64_t)numbers[i], &status) == -DUET_ERROR_NOT_FOUND);
        TRY(counts[i] == ROUNDS);
        for (unsigned j = 0; j < i; j++)
            TRY(stacks[i] - stacks[j] > 4096 && stacks[j] - stacks[i] > 4096);
    }
    for (unsigned i = 0; i < 2 * THREADS_MAX; i++) { /* what one had the next one may have */
        int64_t number = thread_begin(count, 0);

        TRY(number > 0 && duet_thread_wait((uint64_t)number, &status) == 0);
    }
    TRY(duet_thread_wait(1, &status) == -DUET_ERROR_NOT_FOUND); /* itself */
    TRY(duet_thread(0, 0, 0) == -DUET_ERROR_INVALID);
    TRY(duet_thread(UINT64_C(0x0000800000000000), 0, 0) == -DUET_ERROR_INVALID);
    TRY(duet_thread(UINT64_C(0xffffffff80100000), 0, 0) == -DUET_ERROR_INVALID);
    TRY(duet_thread_wait(2, (int64_t *)8) == -DUET_ERROR_INVALID);
    return 0;
}

static int try_memory(void)
{
    volatile uint64_t *area = (volatile uint64_t *)AREA;
    unsigned pages = 0;

    TRY(duet_map(AREA, 8 * PAGE, WRITE) == 0);
    for (unsigned i = 0; i < 8 * PAGE / 8; i++) {
        TRY(area[i] == 0);
        area[i] = i;
    }
    TRY(duet_map(AREA + 7 * PAGE, 2 * PAGE, WRITE) == -DUET_ERROR_EXISTS);
    TRY(duet_map(AREA + 8 * PAGE, PAGE, WRITE) == 0); /* so nothing of that was left */
    TRY(duet_unmap(AREA + 2 * PAGE, 3 * PAGE) == 0);
    TRY(area[2 * PAGE / 8 - 1] == 2 * PAGE / 8 - 1 && area[5 * PAGE / 8] == 5 * PAGE / 8);
    TRY(duet_write((const void *)(AREA + 2 * PAGE - 8), 16) == -DUET_ERROR_INVALID);
    TRY(duet_map(AREA + 2 * PAGE, 3 * PAGE, WRITE) == 0 && area[3 * PAGE / 8] == 0);
    TRY(duet_unmap(AREA, 64 * PAGE) == 0);
    TRY(duet_map(AREA, PAGE, WRITE | EXECUTE) == -DUET_ERROR_INVALID);
    TRY(duet_map(AREA, PAGE, 4) == -DUET_ERROR_INVALID && duet_map(AREA, 0, WRITE) == -DUET_ERROR_INVALID);
    TRY(duet_map(AREA + 1, PAGE, 0) == -DUET_ERROR_INVALID && duet_map(AREA, PAGE - 1, 0) == -DUET_ERROR_INVALID);
    TRY(duet_map(0, PAGE, 0) == -DUET_ERROR_INVALID && duet_map(UINT64_MAX - PAGE + 1, PAGE, 0) == -DUET_ERROR_INVALID);
    TRY(duet_map(UINT64_C(0x00007ffffffff000), PAGE, 0) == -DUET_ERROR_INVALID);
    TRY(duet_map(AREA, UINT64_C(1) << 63, 0) == -DUET_ERROR_INVALID);
    TRY(duet_map(AREA, PAGES_MAX * PAGE, 0) == -DUET_ERROR_LIMIT);
    while (duet_map(AREA + pages * PAGE, PAGE, 0) == 0)
        pages++;
    TRY(duet_map(AREA + pages * PAGE, PAGE, 0) == -DUET_ERROR_LIMIT && pages > PAGES_MAX - 64 && pages < PAGES_MAX);
    TRY(thread_begin(count, 0) == -DUET_ERROR_LIMIT); /* it would need a stack */
    TRY(duet_unmap(AREA, pages * PAGE) == 0);
    return 0;
}

static int go_on(void)
{
    unsigned threads = 1;
    int64_t got;

    while ((got = thread_begin(spin, 0)) > 0)
        threads++;
    TRY(got == -DUET_ERROR_LIMIT && threads == THREADS_MAX);
    for (uint64_t at = AREA; duet_map(at, PAGE, WRITE) == 0; at += 1 << 21)
        ;
    (void)duet_exit(0);
    return 0;
}

static int have_children(void)
{
    unsigned children = 0;
    int64_t pid;

    while ((pid = duet_spawn("spin", 4, 1)) > 0)
        children++;
    TRY(pid == -DUET_ERROR_LIMIT && children == CHILDREN_MAX);
    return 0;
}

int main(uint64_t argument)
{
    int wrong;

    switch (argument) {
    case 0:
        wrong = try_first_step();
        if (!wrong)
            wrong = try_threads();
        return wrong ? wrong : try_memory();
    case 1:
        TRY(thread_begin(spin, 0) == 2 && thread_begin(sleep_long, 0) == 3 && thread_begin(wait_for, 2) == 4);
        TRY(thread_begin(end_all, 42) == 5);
        return wait_for(3);
    case 2:
        TRY(thread_begin(spin, 0) > 0 && thread_begin(fault, 0) > 0);
        return sleep_long(0);
    case 3:
        TRY(thread_begin(end_last, 43) > 0);
        (void)duet_thread_exit(7);
        return __LINE__;
    case 4:
        return go_on();
    default:
        return have_children();
    }
}
