/*
 * Tasks with a stack each, over whatever switches stacks: the includer defines struct context, context_make() and
 * context_switch(), then includes this for the operations. One thread; a list of ready fibers; a fiber that blocks
 * switches to the next one that is ready, without going through a scheduler. Valid C and C++.
 */
struct fiber {
    struct context context;
    struct fiber *next;
    void (*body)(struct fiber *self); /* may return, if it was the only one: to `scheduler` */
    struct state state;
    void *stack;
};

static void context_make(struct fiber *fiber);
static void context_switch(struct fiber *from, struct fiber *to);

static struct fiber scheduler; /* the stack of main() */
static struct fiber *current = &scheduler;
static struct fiber *ready_first, *ready_last;
static struct fiber *fibers;
static size_t fiber_count;
static uint64_t left; /* until run() returns */

static inline void fiber_wake(struct fiber *fiber)
{
    fiber->next = NULL;
    if (ready_first)
        ready_last->next = fiber;
    else
        ready_first = fiber;
    ready_last = fiber;
}

static inline void fiber_switch(struct fiber *to)
{
    struct fiber *from = current;

    current = to;
    context_switch(from, to);
}

/* Lets the next one that is ready run: this one is somewhere that wakes it. */
static inline void fiber_block(void)
{
    struct fiber *next = ready_first;

    if (!next) {
        fiber_switch(&scheduler);
        return;
    }
    ready_first = next->next;
    fiber_switch(next);
}

static void fibers_make(size_t count, void (*body)(struct fiber *self))
{
    /* Not a power of two apart, or all would share a few lines of the cache. */
    size_t stride = STACK_BYTES + 64;
    char *stacks = (char *)native_memory(count * stride);

    fiber_count = count;
    fibers = (struct fiber *)native_memory(count * sizeof(*fibers));
    for (size_t i = 0; i < count; i++) {
        fibers[i].body = body;
        fibers[i].stack = stacks + i * stride;
        context_make(&fibers[i]);
        fiber_wake(&fibers[i]);
    }
}

static uint64_t fiber_done(size_t task)
{
    return fibers[task].state.resumed;
}

static void fibers_run(uint64_t count)
{
    left = count;
    fiber_block();
}

/* ---- a parked task is woken from outside ---- */

static void parked_body(struct fiber *self)
{
    for (;;) {
        self->state.resumed++;
        fiber_block();
    }
}

static void wake_poll_prepare(size_t tasks)
{
    fibers_make(tasks, parked_body);
    ready_first = NULL;
}

static void wake_poll_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        fiber_wake(&fibers[0]);
        fiber_block();
    }
}

/* ---- one task wakes itself: by way of the scheduler, or it would not leave its own stack ---- */

static void self_wake_body(struct fiber *self)
{
    for (;;) {
        self->state.resumed++;
        fiber_wake(self);
        fiber_switch(&scheduler);
    }
}

static void self_wake_prepare(size_t tasks)
{
    fibers_make(tasks, self_wake_body);
}

static void self_wake_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        fiber_block();
}

/* ---- many do ---- */

static void round_robin_body(struct fiber *self)
{
    for (;;) {
        self->state.resumed++;
        fiber_wake(self);
        if (--left == 0)
            fiber_switch(&scheduler);
        else
            fiber_block();
    }
}

static void round_robin_prepare(size_t tasks)
{
    fibers_make(tasks, round_robin_body);
}

/* ---- two tasks ---- */

static void ping_body(struct fiber *self)
{
    for (;;) {
        self->state.resumed++;
        fiber_wake(&fibers[1]);
        fiber_block();
    }
}

static void pong_body(struct fiber *self)
{
    for (;;) {
        self->state.resumed++;
        fiber_wake(&fibers[0]);
        if (--left == 0)
            fiber_switch(&scheduler);
        else
            fiber_block();
    }
}

static void pingpong_prepare(size_t tasks)
{
    fibers_make(tasks, ping_body);
    fibers[1].body = pong_body;
    ready_first = &fibers[0];
    ready_last = &fibers[0];
    fibers[0].next = NULL;
}

/* ---- spawn ---- */

static void once_body(struct fiber *self)
{
    self->state.resumed++;
}

static void spawn_prepare(size_t tasks)
{
    fibers_make(tasks, once_body);
    ready_first = NULL;
}

static void spawn_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        context_make(&fibers[0]);
        fiber_wake(&fibers[0]);
        fiber_block();
    }
}

/* ---- channel ---- */

static struct ring64 ring;
static struct fiber *reader, *writer;

static inline void fiber_wake_waiting(struct fiber **waiting)
{
    struct fiber *fiber = *waiting;

    if (!fiber)
        return;
    *waiting = NULL;
    fiber_wake(fiber);
}

static void consumer_body(struct fiber *self)
{
    for (uint64_t received = 0;;) {
        while (ring64_empty(&ring)) {
            reader = self;
            fiber_block();
        }
        self->state.resumed += ring64_take(&ring) == received++;
        fiber_wake_waiting(&writer);
        if (--left == 0) {
            fiber_wake(self);
            fiber_switch(&scheduler);
        }
    }
}

static void producer_body(struct fiber *self)
{
    for (uint64_t sent = 0;;) {
        while (ring64_full(&ring)) {
            writer = self;
            fiber_block();
        }
        ring64_put(&ring, sent++);
        fiber_wake_waiting(&reader);
    }
}

static void channel_prepare(size_t tasks)
{
    fibers_make(tasks, consumer_body);
    fibers[1].body = producer_body;
}

static size_t task_bytes(void)
{
    return sizeof(struct fiber) + STACK_BYTES;
}
