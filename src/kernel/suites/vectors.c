/*
 * Vector registers: who asked has its own, from the start to its end, and who did not ask is told.
 */
#include "thread/vectors.h"
#include "kernel/suites/support.h"
#include "kernel/suites/vector_flow.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum { YIELDERS = 3, ROUNDS = 2000 };

static void use(void)
{
    CHECK_EQUAL(vectors_use(), STATUS_OK);
}

/* Fills the registers with anything but what a new thread should find. */
static void *dirty(void *flow)
{
    use();
    vector_flow_init(flow, 1);
    vector_flow_across_call(flow, thread_yield);
    vector_flow_check(flow);
    return NULL;
}

/* The x87 stack is empty: eight values fit, which vector_flow_across_call() finds again. */
static void *newcomer(void *unused)
{
    static struct vector_registers expected;
    static struct vector_registers found;
    static struct vector_flow flow;

    (void)unused;
    use();
    memset(&found, 0, sizeof(found));
    vector_flow_store(&found);
    expected.mxcsr = 0x1f80;
    expected.control = 0x37f;
    CHECK_EQUAL(found.mxcsr, expected.mxcsr);
    CHECK_EQUAL(found.control, expected.control);
    CHECK_EQUAL(found.status, 0);
    CHECK(memcmp(found.wide, expected.wide, sizeof(found.wide)) == 0);
    vector_flow_init(&flow, 2);
    vector_flow_across_call(&flow, thread_yield);
    vector_flow_check(&flow);
    return NULL;
}

TEST(initial_state, "vectors.begin_as_promised")
{
    static struct thread first, second;
    static struct vector_flow flow;

    start(&first, "first", THREAD_PRIORITY_NORMAL, dirty, &flow);
    start(&second, "second", THREAD_PRIORITY_NORMAL, newcomer, NULL);
    thread_join(&first);
    thread_join(&second);
}

static struct {
    struct thread thread;
    struct vector_flow flow;
} yielders[YIELDERS];

static void *yielder(void *flow)
{
    use();
    for (unsigned i = 0; i < ROUNDS; i++)
        vector_flow_across_call(flow, thread_yield);
    return NULL;
}

TEST(yielding, "vectors.survive_yields")
{
    for (unsigned i = 0; i < YIELDERS; i++) {
        vector_flow_init(&yielders[i].flow, i);
        start(&yielders[i].thread, "yielder", THREAD_PRIORITY_NORMAL, yielder, &yielders[i].flow);
    }
    for (unsigned i = 0; i < YIELDERS; i++) {
        thread_join(&yielders[i].thread);
        vector_flow_check(&yielders[i].flow);
        CHECK_EQUAL(yielders[i].flow.rounds, ROUNDS);
    }
}

static void sleep_a_little(void)
{
    sleep_for(MS);
}

/* Its state stays in the registers while threads that did not ask run: there is nobody to save it for. */
TEST(staying, "vectors.stay_where_nobody_asks")
{
    static struct vector_flow flow;
    uint64_t flags;

    use();
    vector_flow_init(&flow, 3);
    vector_flow_across_call(&flow, sleep_a_little);
    vector_flow_check(&flow);
    vectors_leave();
    flags = irq_save();
    CHECK(cpu_this()->vector_owner == NULL);
    irq_restore(flags);
}

TEST(no_leak, "vectors.leave_no_memory")
{
    static struct thread thread;
    static struct vector_flow flow;
    struct memory_mark mark;

    for (unsigned i = 0; i < 20; i++) {
        if (i == 1)
            mark = memory_mark();
        start(&thread, "dirty", THREAD_PRIORITY_NORMAL, dirty, &flow);
        thread_join(&thread);
    }
    memory_check(&mark);
}

/* ---- who did not ask ---- */

static void (*touch)(void);

static void *touch_main(void *unused)
{
    (void)unused;
    touch();
    return NULL;
}

/* Beside a thread that asked, whose state is in the registers at that moment. */
static void touch_beside_owner(void (*instruction)(void))
{
    static struct thread thread;

    touch = instruction;
    use();
    start(&thread, "rogue", THREAD_PRIORITY_NORMAL, touch_main, NULL);
    thread_join(&thread);
}

#define TOUCHES(kind, text)                                                            \
    TEST_PANICS(touches_##kind, "panic.vectors_" #kind, "device not available: " text) \
    {                                                                                  \
        touch_beside_owner(vector_flow_touch_##kind);                                  \
    }

#define ROGUE "thread rogue uses vector or x87 registers, which it did not ask for"
TOUCHES(sse, ROGUE)
TOUCHES(mxcsr, ROGUE)
TOUCHES(x87, ROGUE)
TOUCHES(mmx, ROGUE)
TOUCHES(avx, ROGUE) /* where there is no AVX it is an invalid opcode */

TEST_PANICS(touches_first, "panic.vectors_nobody_asked", "device not available: thread boot")
{
    vector_flow_touch_sse();
}

TEST_PANICS(touches_after_leaving, "panic.vectors_given_back", "device not available: thread boot")
{
    use();
    vector_flow_touch_sse();
    vectors_leave();
    vector_flow_touch_sse();
}

TEST_PANICS(touches_in_turn, "panic.vectors_new_thread", "device not available: thread rogue")
{
    static struct thread ended, rogue;
    static struct vector_flow flow;

    start(&ended, "ended", THREAD_PRIORITY_NORMAL, dirty, &flow);
    thread_join(&ended);
    touch = vector_flow_touch_x87;
    start(&rogue, "rogue", THREAD_PRIORITY_HIGH, touch_main, NULL);
}
