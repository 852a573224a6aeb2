/*
 * Backtraces, by name and line. What a panic prints is read by tests/qemu/test_backtrace.c, which finds the lines by
 * the words "line:" in this file; what can be looked at without a panic is looked at here.
 */
#include "kernel/backtrace.h"

#include "executor/async.h"
#include "executor/sleep.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "lib/symbols.h"
#include "thread/arch.h"

#define apart __attribute__((noinline)) /* a function that is to have a frame */

enum {
    FAKE_STACK_WORDS = 256,
    STACKS = 64,
};

extern char symbols_start[], symbols_end[], interrupt_return[], exception_return[];
extern void (*const vector_stubs[VECTORS])(void);

static volatile bool yes = true;
static volatile unsigned after; /* changed after a call, so that the call is no jump */

/* ---- what was printed ---- */

static char printed[4096];
static size_t printed_length;

printf_like(1, 2) static void capture(const char *format, ...)
{
    size_t room = sizeof(printed) - printed_length;
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_va(printed + printed_length, room, format, arguments);
    va_end(arguments);
    printed_length += length < room ? length : room - 1;
}

static void forget(void)
{
    printed_length = 0;
    printed[0] = '\0';
}

/* The text behind the next occurrence of the words, NULL if there is none. */
static const char *find(const char *text, const char *words)
{
    for (; text && *text; text++)
        if (string_starts(text, words))
            return text + string_length(words);
    return NULL;
}

/* Checks that all these words, up to a NULL, come in this order. */
static void check_order(const char *const *words)
{
    const char *at = printed;

    for (; *words; words++) {
        const char *next = find(at, *words);

        if (!next) {
            suite_fail(__FILE__, __LINE__, "no \"%s\" where it should be in:\n%s", *words, printed);
            return;
        }
        at = next;
    }
}

#define CHECK_ORDER(...) check_order((const char *const[]){__VA_ARGS__, NULL})

/* "file:line" of this file, good until the next call. */
static const char *here(unsigned line)
{
    static char text[64];

    format_text(text, sizeof(text), "(%s:%u)", __FILE__, line);
    return text;
}

/* ---- panics ---- */

static apart void f3(const char *why)
{
    if (yes)
        panic("%s", why); /* line: f3 */
    after++;
}

static apart void f2(const char *why)
{
    f3(why); /* line: f2 */
    after++;
}

static apart void f1(const char *why)
{
    f2(why); /* line: f1 */
    after++;
}

static void *calls_thread(void *why)
{
    f1(why); /* line: calls_thread */
    after++;
    return NULL;
}

TEST_PANICS(calls, "backtrace.calls", "three calls deep")
{
    static char why[] = "three calls deep";
    static struct thread thread;

    start(&thread, "calls", THREAD_PRIORITY_HIGH, calls_thread, why);
    sleep_for(50 * MS);
}

/* Spoils what its own frame says of its caller's, as an overrun buffer would. */
static apart void spoil_frame(uintptr_t caller)
{
    *(volatile uintptr_t *)__builtin_frame_address(0) = caller;
    f3("with a broken chain"); /* line: spoil_frame */
    after++;
}

TEST_PANICS(broken, "backtrace.broken_chain", "with a broken chain")
{
    spoil_frame(UINT64_C(0x5a5a5a5a5a5a5a58)); /* line: broken */
    after++;
}

TEST_PANICS(looping, "backtrace.looping_chain", "with a broken chain")
{
    spoil_frame((uintptr_t)__builtin_frame_address(0) - 64); /* line: looping */
    after++;
}

/* ---- tasks ---- */

/* Computes for as long as it is told to, then waits for ever. */
static struct leaf {
    struct future future;
    uint64_t busy_ns;
} leaf;

static apart enum poll leaf_poll(struct future *future, struct waker *waker)
{
    struct leaf *self = container_of(future, struct leaf, future);
    uint64_t end_ns;

    (void)waker;
    after++;
    end_ns = clock_now_ns() + self->busy_ns;
    for (; clock_now_ns() < end_ns; after++) /* line: leaf_poll */
        ;
    return POLL_PENDING;
}

static struct inner {
    struct async async;
    struct yield_now pause;
    unsigned line;
} inner;

static enum poll inner_poll(struct future *future, struct waker *waker)
{
    struct inner *self = container_of(future, struct inner, async.future);

    ASYNC (&self->async) {
        self->pause = yield_now();
        AWAIT(&self->pause.future);
        self->line = __LINE__ + 1;
        AWAIT(&leaf.future); /* line: inner_poll */
        ASYNC_RETURN;
    }
}

static struct outer {
    struct async async;
    unsigned line;
} outer;

static enum poll outer_poll(struct future *future, struct waker *waker)
{
    struct outer *self = container_of(future, struct outer, async.future);

    ASYNC (&self->async) {
        self->line = __LINE__ + 1;
        AWAIT(&inner.async.future); /* line: outer_poll */
        ASYNC_RETURN;
    }
}

/* Spawns outer, which awaits inner, which awaits leaf. */
static const struct task *nested_spawn(uint64_t busy_ns)
{
    static struct task task;

    leaf = (struct leaf){.future = {.poll = leaf_poll}, .busy_ns = busy_ns};
    inner = (struct inner){.async = ASYNC_BODY(inner_poll)};
    outer = (struct outer){.async = ASYNC_BODY(outer_poll)};
    executor_spawn(&executor_at(THREAD_PRIORITY_HIGH)->executor, &task, "nested", &outer.async.future);
    return &task;
}

static apart void panicking_wake(struct waker *waker)
{
    (void)waker;
    f3("in an interrupt in a poll"); /* line: panicking_wake */
    after++;
}

TEST_PANICS(interrupted_poll, "backtrace.interrupted_poll", "in an interrupt in a poll")
{
    static struct waker waker = {panicking_wake};
    static struct timer timer;

    sched_timer_start(&timer, clock_now_ns() + 10 * MS, &waker);
    nested_spawn(50 * MS);
    sleep_for(100 * MS);
}

TEST(waiting_task, "backtrace.waiting_task")
{
    static char outer_place[64];
    const struct task *task = nested_spawn(0);

    sleep_for(MS);
    forget();
    backtrace_task(capture, task);
    memcpy(outer_place, here(outer.line), sizeof(outer_place));
    CHECK_ORDER("    async outer_poll ", outer_place, "\n    async inner_poll ", here(inner.line),
                "\n    async leaf_poll (", __FILE__, ":");
    CHECK(find(find(printed, "leaf_poll"), "\n") == printed + printed_length);
}

TEST(broken_task, "backtrace.broken_task")
{
    static struct outer body;
    struct task task = {.future = &body.async.future};

    body = (struct outer){.async = {.future = {outer_poll, async_drop}, .line = 7, .child = &body.async.future}};
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("async outer_poll (" __FILE__ ":7)\n", "async outer_poll", "async: ...\n");

    body.async.child = (struct future *)(uintptr_t)0x10;
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("async outer_poll (" __FILE__ ":7)\n");
    body.async.child = (struct future *)UINT64_C(0x5a5a5a5a5a5a5a58);
    backtrace_task(capture, &task);

    body.async.line = 0;
    body.async.child = NULL;
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("async outer_poll (" __FILE__ "), before its first await\n");
    body.async.line = ASYNC_DONE;
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("async outer_poll (" __FILE__ "), ended\n");

    body.async.future.poll = (enum poll(*)(struct future *, struct waker *))(uintptr_t)0x10;
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("async 0x10\n");
    task.future = (struct future *)(uintptr_t)0x10;
    forget();
    backtrace_task(capture, &task);
    CHECK_ORDER("cannot be read");
}

/* ---- threads that do not run ---- */

static unsigned sleep_line;

static apart void sleep_a_while(void)
{
    sleep_line = __LINE__ + 1;
    thread_sleep_until(clock_now_ns() + 20 * MS);
    after++;
}

static void *sleeping_thread(void *unused)
{
    sleep_a_while();
    after++;
    return unused;
}

static void show_thread(const struct thread *thread)
{
    uint64_t flags = irq_save();

    forget();
    backtrace_thread(capture, thread);
    irq_restore(flags);
}

TEST(sleeping, "backtrace.sleeping_thread")
{
    struct thread thread;

    start(&thread, "sleeping", THREAD_PRIORITY_HIGH, sleeping_thread, NULL);
    show_thread(&thread);
    CHECK_EQUAL(thread_state(&thread), THREAD_SLEEPING);
    CHECK_ORDER("    #0 ", "sleep_a_while+0x", here(sleep_line), " sleeping_thread+0x", " thread_trampoline+0x");
    CHECK(find(find(printed, "thread_trampoline"), "\n") == printed + printed_length);
    (void)thread_join(&thread);
    show_thread(&thread);
    CHECK_ORDER("ended");
}

TEST(unstarted, "backtrace.thread_not_begun")
{
    struct thread thread;

    start(&thread, "later", PRIORITY_LOW, sleeping_thread, NULL);
    show_thread(&thread);
    CHECK_ORDER("    #0 thread_trampoline+0x0 (src/thread/switch.S:");
    CHECK(find(printed, "#1") == NULL);
    (void)thread_join(&thread);
}

static apart void compute(void)
{
    uint64_t end_ns = clock_now_ns() + 20 * MS;

    while (clock_now_ns() < end_ns)
        after++;
}

static void *computing_thread(void *unused)
{
    compute();
    after++;
    return unused;
}

/* Preempted in an interrupt, whose vector was kept on the stack since. */
TEST(preempted, "backtrace.preempted_thread")
{
    struct thread thread;
    char interrupt[32];

    start(&thread, "computing", PRIORITY_LOW, computing_thread, NULL);
    sleep_for(5 * MS);
    show_thread(&thread);
    format_text(interrupt, sizeof(interrupt), "-- interrupt 0x%x --", APIC_TIMER_VECTOR);
    CHECK_ORDER(interrupt, " compute+0x", " computing_thread+0x", " thread_trampoline+0x");
    (void)thread_join(&thread);
}

/* Its code is not the kernel's: the backtrace ends where it was interrupted. */
TEST_NEEDS(ring3, "backtrace.out_of_ring_3", "programs=there")
{
    uint64_t pid = start_process("spin", 0);
    const struct thread *thread = NULL;
    char interrupt[32];
    size_t bytes;

    sleep_for(5 * MS);
    CHECK(process_look(pid, &thread, &bytes));
    show_thread(thread);
    format_text(interrupt, sizeof(interrupt), "-- interrupt 0x%x --", APIC_TIMER_VECTOR);
    CHECK_ORDER(interrupt, " 0x4", " in ring 3\n");
    CHECK_EQUAL(*find(printed, " in ring 3\n"), '\0');
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
}

/* ---- processes whose frame pointer leads nowhere ---- */

enum { ASLEEP = 6, COMPUTING = 7, ASLEEP_BY_GATE = 8, LOOK_NS = 5 * US };

static bool lives(const struct thread *thread)
{
    for (struct list *node = thread_all.next; node != &thread_all; node = node->next)
        if (container_of(node, struct thread, all) == thread)
            return true;
    return false;
}

/* Whether it was still there to be shown. */
static bool show_if_it_lives(const struct thread *thread)
{
    uint64_t flags = irq_save();
    bool there = lives(thread);

    if (there)
        show_thread(thread);
    irq_restore(flags);
    return there;
}

/* How often the thread was seen in the function on its way to its end. */
static void *look_on(void *thread, const char *function)
{
    uintptr_t seen = 0;

    while (show_if_it_lives(thread)) {
        seen += find(printed, function) != NULL;
        CHECK(find(printed, "broken") == NULL);
        sleep_for(LOOK_NS);
    }
    return (void *)seen;
}

static void kill_and_look(uint64_t argument, const char *call, const char *function)
{
    uint64_t pid = start_process("spin", argument);
    const struct thread *thread = NULL;
    struct thread looker;
    size_t bytes;

    sleep_for(5 * MS);
    CHECK(process_look(pid, &thread, &bytes));
    show_thread(thread);
    CHECK_ORDER(call);
    CHECK(find(printed, "broken") == NULL);
    if (thread_start_with(&looker, "looker", THREAD_PRIORITY_HIGH, look_on, (void *)(uintptr_t)thread, function) !=
        STATUS_OK)
        panic("no memory for a test's thread");
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
    CHECK(thread_join(&looker) != NULL || !clock_is_exact());
}

TEST_NEEDS(astray_in_call, "backtrace.killed_in_a_call", "programs=there")
{
    kill_and_look(ASLEEP, " syscall_entry", " syscall_bad_return+");
}

TEST_NEEDS(astray_in_ring3, "backtrace.killed_in_ring_3", "programs=there")
{
    kill_and_look(COMPUTING, " in ring 3", " process_killed+");
}

TEST_NEEDS(astray_in_gate, "gate.backtrace_ends", "int80=on")
{
    kill_and_look(ASLEEP_BY_GATE, " cld_of_gate", " process_killed+");
}

/* ---- made-up stacks ---- */

static uint64_t fake_stack[FAKE_STACK_WORDS];
static struct thread fake = {.stack = fake_stack, .stack_bytes = sizeof(fake_stack)};

/* Behind the first instructions of f1(). */
#define IN_F1 ((uint64_t)f1 + 5)

/* A thread switched away in f1(), whose frame is said to be at `frame`. */
static void fake_thread(uint64_t frame)
{
    memset(fake_stack, 0, sizeof(fake_stack));
    *(struct switch_frame *)fake_stack = (struct switch_frame){.rbp = frame, .rip = IN_F1};
    fake.sp = (uintptr_t)fake_stack;
    fake.condition = THREAD_PARKED;
}

static void check_broken(uint64_t frame)
{
    fake_thread(frame);
    show_thread(&fake);
    CHECK_ORDER("    #0 f1+0x", "broken: frame 0x");
    CHECK(find(printed, "#1") == NULL);
}

TEST(broken_frames, "backtrace.broken_frames")
{
    uint64_t low = (uint64_t)fake_stack, high = low + sizeof(fake_stack);

    check_broken(1);
    check_broken(UINT64_MAX - 7);
    check_broken(UINT64_C(0x5a5a5a5a5a5a5a58));
    check_broken(low);                                   /* behind what was read already */
    check_broken(low + sizeof(struct switch_frame) + 4); /* not aligned */
    check_broken(high - 8);                              /* half of it above the stack */
    check_broken(high);

    fake_thread(low + 128);
    fake_stack[16] = low + 128; /* its own caller */
    fake_stack[17] = (uint64_t)f2 + 9;
    show_thread(&fake);
    CHECK_ORDER("#0 f1+0x", "#1 f2+0x9 ", "broken: frame");
    CHECK(find(printed, "#2") == NULL);

    fake_stack[17] = (uint64_t)fake_stack; /* a return address that is no code's */
    show_thread(&fake);
    CHECK_ORDER("#0 f1+0x", "broken: frame");

    fake_thread(high - 16); /* an interrupt's frame that does not fit */
    fake_stack[FAKE_STACK_WORDS - 1] = (uint64_t)interrupt_return;
    show_thread(&fake);
    CHECK_ORDER("#0 f1+0x", "broken: frame");
    fake_stack[FAKE_STACK_WORDS - 1] = (uint64_t)exception_return;
    show_thread(&fake);
    CHECK_ORDER("#0 f1+0x", "broken: frame");

    fake.sp = low + sizeof(fake_stack) - 8;
    show_thread(&fake);
    CHECK_ORDER("no stack to follow");
}

/* A frame of exception(), and what entry.S saved above it. */
static void put_exception(uint64_t *at, unsigned vector, uint64_t rip, uint64_t rsp, uint64_t rbp)
{
    at[0] = rbp;
    at[1] = (uint64_t)exception_return;
    *(struct trap_frame *)(at + 2) = (struct trap_frame){.rbp = rbp, .vector = vector, .rip = rip, .rsp = rsp};
}

TEST(exceptions, "backtrace.exception_frames")
{
    uint64_t low = (uint64_t)fake_stack;

    fake_thread(low + 128);
    put_exception(fake_stack + 16, VECTOR_PAGE_FAULT, (uint64_t)f2 + 9, 0, 0);
    show_thread(&fake);
    CHECK_ORDER("    #0 f1+0x", "\n    -- page fault --\n    #1 f2+0x9 (");

    /* Interrupted before it had a frame: the caller's is the one in force. */
    fake_stack[100] = IN_F1;
    put_exception(fake_stack + 16, VECTOR_BREAKPOINT, (uint64_t)f2, low + 800, low + 1600);
    fake_stack[201] = (uint64_t)f3 + 9;
    show_thread(&fake);
    CHECK_ORDER("-- breakpoint --\n    #1 f2+0x0 (", "\n    #2 f1+0x5 (", "\n    #3 f3+0x9 (");

    /* In a function that has none, while it has something on the stack. */
    fake_stack[100] = IRQ_ENABLED;
    fake_stack[101] = IN_F1;
    put_exception(fake_stack + 16, VECTOR_BREAKPOINT, (uint64_t)cpu_wait + 1, low + 800, low + 1600);
    show_thread(&fake);
    CHECK_ORDER("-- breakpoint --\n    #1 cpu_wait+0x1 (", "\n    #2 f1+0x5 (", "\n    #3 f3+0x9 (");

    /* In one that has a frame nothing is read from the top of the stack. */
    fake_stack[100] = IN_F1;
    put_exception(fake_stack + 16, VECTOR_BREAKPOINT, IN_F1 + 4, low + 800, low + 1600);
    show_thread(&fake);
    CHECK_ORDER("-- breakpoint --\n    #1 f1+0x9 (", "\n    #2 f3+0x9 (");
}

/* The first byte of a stack that an exception has for its own. */
static uintptr_t own_stack(void)
{
    uintptr_t stack = (uintptr_t)cpu_this()->idle.stack & ~(uintptr_t)0xfffff;

    for (unsigned page = 0; page < STACKS * 8; page++, stack += 4096)
        if (interrupt_own_stack(stack))
            return (uintptr_t)interrupt_own_stack(stack);
    panic("no exception has a stack of its own");
}

/* From the stack of a double fault to that of whom it interrupted, and not back. */
TEST(own_stacks, "backtrace.exception_stacks")
{
    uint64_t *own = (uint64_t *)own_stack();
    uint64_t low = (uint64_t)fake_stack;

    fake_thread(0);
    *(struct switch_frame *)own = (struct switch_frame){.rbp = (uint64_t)(own + 16), .rip = IN_F1};
    put_exception(own + 16, VECTOR_DOUBLE_FAULT, (uint64_t)f2 + 9, low + 800, low + 1600);
    fake_stack[200] = (uint64_t)(own + 64);
    fake_stack[201] = (uint64_t)f3 + 9;
    fake.sp = (uintptr_t)own;
    show_thread(&fake);
    CHECK_ORDER("    #0 f1+0x5 ", "-- double fault --\n    #1 f2+0x9 (", "\n    #2 f3+0x9 (", "broken: frame");
    CHECK(find(printed, "#3") == NULL);

    /* The stack had overflowed. */
    put_exception(own + 16, VECTOR_DOUBLE_FAULT, (uint64_t)f2 + 9, low - 16, low + 1600);
    show_thread(&fake);
    CHECK_ORDER("-- double fault --\n    #1 f2+0x9 (", "\n    #2 f3+0x9 (", "broken: frame");
}

static volatile unsigned depth_wanted = 7;

static apart unsigned recurse(unsigned depth)
{
    unsigned sum = depth;

    if (depth)
        sum += recurse(depth - 1) + after;
    else
        backtrace_frame(capture, __builtin_frame_address(0));
    return sum;
}

TEST(recursion, "backtrace.recursion")
{
    forget();
    after += recurse(depth_wanted);
    CHECK_ORDER("    #0 recurse+0x", "\n    and 6 more from the same place, up to #6\n    #7 recursion+0x",
                " kernel_main+0x");
}

/* ---- names ---- */

static void check_name(uint64_t address, const char *name, uint32_t offset, const char *file)
{
    struct symbol symbol = {.name = "nothing"};

    CHECK_EQUAL(symbols_lookup(symbols_start, (size_t)(symbols_end - symbols_start), address, &symbol), STATUS_OK);
    if (!string_equal(symbol.name, name) || symbol.offset != offset || !symbol.file ||
        !string_equal(symbol.file, file) || !symbol.line)
        suite_fail(__FILE__, __LINE__, "%p is not %s+0x%x but %s+0x%x", (void *)address, name, offset, symbol.name,
                   symbol.offset);
}

TEST(names, "backtrace.names")
{
    struct symbol symbol;

    check_name((uint64_t)f1, "f1", 0, __FILE__);
    check_name((uint64_t)context_switch, "context_switch", 0, "src/thread/switch.S");
    check_name((uint64_t)cpu_wait, "cpu_wait", 0, "src/kernel/x86_64/arch.S");
    check_name((uint64_t)vector_stubs[0], "exception_0", 0, "src/kernel/x86_64/entry.S");
    check_name((uint64_t)vector_stubs[33] + 3, "interrupt_33", 3, "src/kernel/x86_64/entry.S");
    check_name((uint64_t)vector_stubs[255], "interrupt_255", 0, "src/kernel/x86_64/entry.S");
    CHECK_EQUAL(
        symbols_lookup(symbols_start, (size_t)(symbols_end - symbols_start), (uint64_t)interrupt_return, &symbol),
        STATUS_OK);
    CHECK(string_equal(symbol.name, "interrupt_common"));
    CHECK_EQUAL(symbols_lookup(symbols_start, (size_t)(symbols_end - symbols_start), (uint64_t)symbols_start, &symbol),
                STATUS_NOT_FOUND);
}
