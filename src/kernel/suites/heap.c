/*
 * The kernel's heap, whichever heap= chose: the blog's claims, threads that preempt each other within it, running out;
 * and what misuse ends in. The same claims as in tests/host/test_heap.c, where only they need no kernel, are not here.
 */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/heap_slab.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    BOX_BYTES = 4096,
    LARGE_BYTES = 240 << 10,
    FRAMES_LEFT = 2048, /* where the heap is to run out soon */
    BLOCK_BYTES = 24,   /* of those that are misused */
};

static bool heap_is(const char *name)
{
    return string_equal(kmalloc_heap()->operations->name, name);
}

/* The memory that the heap can have: a stretch of its own, or whatever is free. */
static size_t heap_bytes(void)
{
    return heap_is("slab") || heap_is("debug") ? frames_free() * PAGE_BYTES : KMALLOC_STRETCH_BYTES;
}

/* Leaves little memory to a heap that could have all. Whoever calls it gives the hoard back. */
static void leave_little(struct hoard *hoard)
{
    heap_tidy();
    hoard_frames(hoard);
    hoard_give(hoard, FRAMES_LEFT);
}

static void fill(unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(seed + i * 7);
}

static bool filled(const unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(seed + i * 7))
            return false;
    return true;
}

/* ---- the blog's ---- */

TEST(simple, "heap.simple_allocation")
{
    struct memory_mark mark = memory_mark();
    int *one = kmalloc(sizeof(*one)), *two = kmalloc(sizeof(*two));

    CHECK(one && two && one != two);
    *one = 41;
    *two = 13;
    CHECK_EQUAL(*one, 41);
    CHECK_EQUAL(*two, 13);
    CHECK_EQUAL(heap_live(kmalloc_heap()), mark.live + 2);
    kfree(one);
    kfree(two);
    kfree(NULL);
    memory_check(&mark);
}

TEST(vec, "heap.large_vec")
{
    struct memory_mark mark = memory_mark();
    size_t capacity = 4, n = 1000;
    uint64_t *numbers = kmalloc(capacity * sizeof(*numbers));
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (i == capacity) {
            capacity *= 2;
            numbers = krealloc(numbers, capacity * sizeof(*numbers));
        }
        if (!numbers)
            break;
        numbers[i] = i;
    }
    for (size_t i = 0; numbers && i < n; i++)
        sum += numbers[i];
    CHECK_EQUAL(sum, (n - 1) * n / 2);
    kfree(numbers);
    memory_check(&mark);
}

/* Boxes in turn. Returns how many there were when memory ran out, `count` if it never did. */
static size_t boxes(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t *box = kmalloc(BOX_BYTES);

        if (!box)
            return i;
        *box = i;
        CHECK_EQUAL(*box, i);
        kfree(box);
    }
    return count;
}

/* One more than there is memory for, if none is used again. */
static size_t too_many_boxes(void)
{
    return heap_bytes() / BOX_BYTES + 1;
}

TEST(many, "heap.many_boxes")
{
    struct memory_mark mark = memory_mark();
    struct hoard hoard;
    size_t count;

    leave_little(&hoard);
    count = too_many_boxes();
    CHECK_EQUAL(boxes(count), count);
    hoard_give(&hoard, hoard.count);
    memory_check(&mark);
}

/* The bump heap, and no other, cannot do with one block that stays. */
TEST(long_lived, "heap.many_boxes_long_lived")
{
    struct memory_mark mark = memory_mark();
    struct hoard hoard;
    size_t count, had, *stays;

    leave_little(&hoard);
    count = too_many_boxes();
    stays = kmalloc(sizeof(*stays));
    CHECK(stays != NULL);
    *stays = 1;
    had = boxes(count);
    CHECK_EQUAL(*stays, 1);
    if (heap_is("bump"))
        CHECK(had > 0 && had < count);
    else
        CHECK_EQUAL(had, count);
    kfree(stays);
    CHECK_EQUAL(boxes(count), count);
    hoard_give(&hoard, hoard.count);
    memory_check(&mark);
}

/* ---- each way to allocate ---- */

TEST(aligned, "heap.aligned")
{
    static const size_t sizes[] = {0, 1, 24, 100, 2048, 5000};
    struct memory_mark mark = memory_mark();

    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            unsigned char *one = kmalloc_aligned(sizes[i], align), *two = kmalloc_aligned(sizes[i], align);

            CHECK(one && two && one != two);
            CHECK_EQUAL(((uintptr_t)one | (uintptr_t)two) & (align - 1), 0);
            CHECK_EQUAL(((uintptr_t)one | (uintptr_t)two) % HEAP_ALIGN, 0);
            fill(one, sizes[i], 1);
            fill(two, sizes[i], 2);
            CHECK(filled(one, sizes[i], 1));
            kfree(one);
            kfree(two);
        }
    }
    memory_check(&mark);
}

TEST(zeroed, "heap.zeroed")
{
    struct memory_mark mark = memory_mark();
    unsigned char *dirty = kmalloc(3000), *clean;
    bool zero = true;

    CHECK(dirty != NULL);
    memset(dirty, 0xff, 3000);
    kfree(dirty);
    clean = kzalloc(30, 100);
    CHECK(clean != NULL);
    for (size_t i = 0; clean && i < 3000; i++)
        zero = zero && !clean[i];
    CHECK(zero);
    kfree(clean);
    CHECK(!kzalloc((size_t)1 << 32, ((size_t)1 << 32) + 1)); /* 2^32 as a size_t */
    memory_check(&mark);
}

TEST(resized, "heap.resized_keeps_contents")
{
    static const size_t sizes[] = {10, 11, 100, 3000, 2999, 64, 0, 40, 9000, 4096, 20};
    struct memory_mark mark = memory_mark();
    unsigned char *bytes = krealloc(NULL, sizes[0]);

    for (unsigned i = 0; i + 1 < ARRAY_SIZE(sizes); i++) {
        size_t common = sizes[i] < sizes[i + 1] ? sizes[i] : sizes[i + 1];

        fill(bytes, sizes[i], i);
        bytes = krealloc(bytes, sizes[i + 1]);
        CHECK(bytes && filled(bytes, common, i));
    }
    fill(bytes, 20, 5);
    CHECK(!krealloc(bytes, SIZE_MAX / 2));
    CHECK(filled(bytes, 20, 5));
    kfree(bytes);
    memory_check(&mark);
}

/* ---- where it is ---- */

static uint64_t faulted_at;

static bool note_fault(struct trap_frame *frame)
{
    faulted_at = read_cr2();
    frame->rip = (uint64_t)try_failed;
    return true;
}

static bool reads_fault(const char *address)
{
    exception_handler *before = exception_set(VECTOR_PAGE_FAULT, note_fault);
    bool works;

    faulted_at = 0;
    works = try_read(address);
    (void)exception_set(VECTOR_PAGE_FAULT, before);
    return !works && faulted_at == (uint64_t)address;
}

static bool mapped(const char *address)
{
    struct translation page;

    return mmu_translate(address, &page) == STATUS_OK && page.level == PAGE_4K;
}

/* From a block of it in both directions to where nothing is mapped. */
TEST_NEEDS(stretch, "heap.stretch_ends_in_nothing", "heap=bump,list,block")
{
    char *block = kmalloc(1);
    char *begin = (char *)((uintptr_t)block & ~(uintptr_t)(PAGE_BYTES - 1)), *end = begin;

    CHECK(block != NULL);
    while (mapped(begin - 1))
        begin -= PAGE_BYTES;
    while (mapped(end))
        end += PAGE_BYTES;
    CHECK_EQUAL(end - begin, KMALLOC_STRETCH_BYTES);
    CHECK_EQUAL(kmalloc_taken(), KMALLOC_STRETCH_BYTES);
    CHECK(!reads_fault(begin));
    CHECK(!reads_fault(end - 1));
    CHECK(reads_fault(end));
    CHECK(reads_fault(begin - 1));
    kfree(block);
}

/* ---- running out ---- */

struct chained {
    struct chained *next;
    uint64_t check; /* its own address, inverted */
};

/* Takes blocks of `size` bytes until there is no more. */
static size_t take_all(struct chained **first, size_t size)
{
    size_t count = 0;
    struct chained *block;

    for (; (block = kmalloc(size)) != NULL; count++) {
        *block = (struct chained){*first, ~(uintptr_t)block};
        *first = block;
    }
    return count;
}

static void free_all(struct chained *first)
{
    while (first) {
        struct chained *next = first->next;

        CHECK_EQUAL(first->check, ~(uintptr_t)first);
        kfree(first);
        first = next;
    }
}

TEST(exhaustion, "heap.recovers_from_exhaustion")
{
    struct memory_mark mark = memory_mark();
    struct hoard hoard;
    size_t large;

    leave_little(&hoard);
    large = heap_bytes() / LARGE_BYTES;
    for (unsigned round = 0; round < 2; round++) {
        unsigned char *kept = kmalloc(20);
        struct chained *first = NULL;
        uint64_t failures = kmalloc_heap()->failures;

        fill(kept, 20, 9);
        CHECK(take_all(&first, LARGE_BYTES) >= large * 3 / 4);
        (void)take_all(&first, BOX_BYTES);
        (void)take_all(&first, sizeof(*first));
        CHECK(!kmalloc(BOX_BYTES) && !kzalloc(1, BOX_BYTES) && !kmalloc_aligned(1, BOX_BYTES));
        CHECK(!krealloc(kept, LARGE_BYTES) && filled(kept, 20, 9));
        CHECK_EQUAL(kmalloc_heap()->failures, failures + 7);
        free_all(first);
        kfree(kept);
        CHECK_EQUAL(heap_live(kmalloc_heap()), mark.live);
    }
    hoard_give(&hoard, hoard.count);
    memory_check(&mark);
}

/* Sizes whose number of frames, cut to 32 bits, is small. */
TEST(too_large, "heap.refuses_what_is_too_large")
{
    struct memory_mark mark = memory_mark();

    for (unsigned bits = 30; bits < 64; bits++) {
        size_t size = (size_t)1 << bits;

        CHECK(!kmalloc(size) && !kmalloc(size + 1) && !kmalloc(size - 1));
        CHECK(!kmalloc_aligned(1, size) && !kzalloc(size, 1));
    }
    CHECK(!kmalloc(SIZE_MAX));
    memory_check(&mark);
}

/* What is freed goes back by itself, but for a slab of each size; trimming gives those back as well. */
TEST_NEEDS(gives_back, "heap.gives_frames_back", "heap=slab,debug")
{
    struct memory_mark mark = memory_mark();
    struct chained *blocks = NULL;

    for (unsigned i = 0; i < 3000; i++) {
        struct chained *block = kmalloc(sizeof(*block) + i % 4000);

        CHECK(block != NULL);
        *block = (struct chained){blocks, ~(uintptr_t)block};
        blocks = block;
    }
    CHECK(frames_free() < mark.frames - 3000 * 1500 / PAGE_BYTES);
    free_all(blocks);
    if (heap_is("slab"))
        CHECK(frames_free() + (size_t)SLAB_CLASSES * SLAB_BYTES / PAGE_BYTES >= mark.frames);
    memory_check(&mark);
}

/* ---- threads ---- */

/* A heap that does within an allocation what an interrupt might. */
static struct {
    struct heap heap;
    struct thread urgent;
    bool wakes, ran, interrupts_on;
} watching;

static void *urgent_thread(void *unused)
{
    watching.ran = true;
    return unused;
}

static void *watching_alloc(struct heap *heap, size_t size, size_t align)
{
    uint64_t flags = irq_save();

    (void)size;
    (void)align;
    irq_restore(flags);
    watching.interrupts_on = flags & IRQ_ENABLED;
    start(&watching.urgent, "urgent", THREAD_PRIORITY_HIGH, urgent_thread, NULL);
    spin_for(100 * US);
    CHECK(!watching.ran);
    return heap_count(heap, NULL);
}

TEST(holder, "heap.holder_keeps_the_cpu")
{
    static const struct heap_operations operations = {.name = "watching", .alloc = watching_alloc};
    struct heap *before;

    watching.heap = (struct heap){.operations = &operations};
    before = kmalloc_use(&watching.heap);
    CHECK(!kmalloc(1));
    CHECK(watching.ran); /* as soon as the heap is free */
    CHECK(watching.interrupts_on);
    CHECK(kmalloc_use(before) == &watching.heap);
    (void)thread_join(&watching.urgent);
}

enum {
    WORKERS = 8,
    WORKERS_URGENT = 4, /* parked until the timer wakes them, above the others, which share the CPU */
    PIECES = 16,
    PIECE_BYTES_MAX = 200,
    OPERATIONS = 1000, /* of an urgent worker; the others go on until all those are done */
    STRIKE_NS_MIN = 2000,
    STRIKE_NS_SPAN = 8191,
};

struct piece {
    unsigned char *at;
    size_t size;
};

static struct worker {
    struct thread thread;
    unsigned number;
    uint64_t random;
    unsigned refused, wrong;
    struct piece pieces[PIECES];
} workers[WORKERS];

/* Knuth's linear congruential generator (MMIX); its upper half is random. */
static uint32_t random_of(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static unsigned seed_of(const struct worker *self, const struct piece *piece)
{
    return self->number * 31 + (unsigned)(piece - self->pieces);
}

static void piece_free(struct worker *self, struct piece *piece)
{
    if (piece->at && !filled(piece->at, piece->size, seed_of(self, piece)))
        self->wrong++;
    kfree(piece->at);
    piece->at = NULL;
}

static void pieces_free(struct worker *self)
{
    for (size_t i = 0; i < PIECES; i++)
        piece_free(self, &self->pieces[i]);
}

static void piece_alloc(struct worker *self, struct piece *piece)
{
    piece->size = random_of(&self->random) % PIECE_BYTES_MAX;
    piece->at = random_of(&self->random) % 4 ? kmalloc(piece->size) : kzalloc(1, piece->size);
    if (piece->at) {
        fill(piece->at, piece->size, seed_of(self, piece));
    } else {
        self->refused++;
        pieces_free(self); /* the bump heap starts over when all have */
    }
}

static void piece_resize(struct worker *self, struct piece *piece)
{
    size_t size = random_of(&self->random) % PIECE_BYTES_MAX;
    unsigned char *at = krealloc(piece->at, size);

    if (!at) {
        self->refused++;
        return;
    }
    piece->at = at;
    if (size < piece->size)
        piece->size = size;
    if (!filled(at, piece->size, seed_of(self, piece)))
        self->wrong++;
    piece->size = size;
    fill(at, size, seed_of(self, piece));
}

static void operate(struct worker *self)
{
    struct piece *piece = &self->pieces[random_of(&self->random) % PIECES];

    if (!piece->at)
        piece_alloc(self, piece);
    else if (random_of(&self->random) % 4 == 0)
        piece_resize(self, piece);
    else
        piece_free(self, piece);
}

static atomic_uint urgent_left; /* workers */

static void *urgent_main(void *argument)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        operate(argument);
        thread_park();
    }
    pieces_free(argument);
    atomic_fetch_sub(&urgent_left, 1);
    return NULL;
}

static void *worker_main(void *argument)
{
    while (atomic_load(&urgent_left))
        operate(argument);
    pieces_free(argument);
    return NULL;
}

/* Strikes at random, and wakes one of the urgent workers. Timer interrupt only. */
static struct striker {
    struct waker waker;
    struct timer timer;
    uint64_t random;
    unsigned within; /* strikes while someone used the heap */
    unsigned next;
} striker;

static void striker_wake(struct waker *waker)
{
    if (cpu_this()->preempt_count)
        striker.within++;
    thread_wake(&workers[striker.next++ % WORKERS_URGENT].thread);
    sched_timer_start(&striker.timer, clock_now_ns() + STRIKE_NS_MIN + (random_of(&striker.random) & STRIKE_NS_SPAN),
                      waker);
}

TEST(threads, "heap.threads_preempt_within")
{
    struct memory_mark mark = memory_mark();
    uint64_t quantum = quantum_set(50 * US);

    atomic_store(&urgent_left, WORKERS_URGENT);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.number = i, .random = i};
        if (i < WORKERS_URGENT)
            start(&workers[i].thread, "urgent", THREAD_PRIORITY_HIGH - i, urgent_main, &workers[i]);
        else
            start(&workers[i].thread, "worker", PRIORITY_LOW, worker_main, &workers[i]);
    }
    striker = (struct striker){.waker = {striker_wake}, .random = 1};
    sched_timer_start(&striker.timer, clock_now_ns() + MS, &striker.waker);
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)thread_join(&workers[i].thread);
        CHECK_EQUAL(workers[i].wrong, 0);
        CHECK(heap_is("bump") || !workers[i].refused);
    }
    sched_timer_cancel(&striker.timer);
    CHECK(striker.within > 50); /* else this was not tested */
    (void)quantum_set(quantum);
    memory_check(&mark);
}

/* ---- misuse ---- */

static void *held;

static void in_timer_interrupt(void (*wake)(struct waker *))
{
    static struct waker waker;
    static struct timer timer;

    held = kmalloc(BLOCK_BYTES);
    waker.wake = wake;
    sched_timer_start(&timer, clock_now_ns() + MS, &waker);
    sleep_for(50 * MS);
}

static void allocating_wake(struct waker *waker)
{
    (void)waker;
    held = kmalloc(BLOCK_BYTES);
}

TEST_PANICS(alloc_in_irq, "heap.alloc_in_interrupt", "the heap was used in an interrupt")
{
    in_timer_interrupt(allocating_wake);
}

static void freeing_wake(struct waker *waker)
{
    (void)waker;
    kfree(held);
    held = NULL;
}

TEST_PANICS(free_in_irq, "heap.free_in_interrupt", "the heap was used in an interrupt")
{
    in_timer_interrupt(freeing_wake);
}

/* Who allocated and who freed is known by the return address: these call, and do not jump. */
static volatile unsigned calls;

/* Which no compiler and no linter can see through. */
static void (*volatile give)(void *block) = kfree;

static __attribute__((noinline)) unsigned char *who_allocates(void)
{
    unsigned char *block = kmalloc(BLOCK_BYTES);

    calls++;
    return block;
}

static __attribute__((noinline)) void who_frees(void *block)
{
    give(block);
    calls++;
}

static __attribute__((noinline)) void who_frees_again(void *block)
{
    give(block);
    calls--; /* else it may be made one with the other */
}

TEST_PANICS_NEEDS(double_free, "heap.double_free",
                  "double free: 24 bytes at *allocated by *who_allocates*freed by *who_frees*again by *who_frees_again",
                  "heap=debug")
{
    unsigned char *block = who_allocates();

    who_frees(block);
    who_frees_again(block);
}

TEST_PANICS_NEEDS(overrun, "heap.overrun",
                  "written after a block, at byte 0 of its red zone: 24 bytes at *allocated by *who_allocates",
                  "heap=debug")
{
    unsigned char *block = who_allocates();

    block[BLOCK_BYTES] = 0;
    who_frees(block);
}

TEST_PANICS_NEEDS(use_after_free, "heap.use_after_free",
                  "written to byte 7 of a freed block: 24 bytes at *allocated by *who_allocates*freed by *who_frees",
                  "heap=debug")
{
    unsigned char *block = who_allocates();

    who_frees(block);
    block[7] = 0;
    heap_tidy();
}

TEST_PANICS_NEEDS(wild_free, "heap.wild_free", "free of what the heap did not give*freed by *who_frees", "heap=debug")
{
    unsigned char *block = who_allocates();

    memset(block, 0, BLOCK_BYTES);
    who_frees(block + HEAP_ALIGN);
}

TEST_PANICS_NEEDS(slab_double_free, "heap.slab_double_free", "is freed twice", "heap=slab")
{
    unsigned char *other = who_allocates(), *block = who_allocates();

    CHECK(other && block);
    who_frees(block);
    who_frees_again(block);
}

TEST_PANICS_NEEDS(slab_wild_free, "heap.slab_wild_free", "is no block of this heap", "heap=slab")
{
    who_frees(who_allocates() + 8);
}

TEST_PANICS_NEEDS(list_double_free, "heap.list_double_free", "heap list: free of what the heap did not give",
                  "heap=list")
{
    unsigned char *block = who_allocates();

    who_frees(block);
    who_frees_again(block);
}

/* Names on COM1 who holds the block. */
TEST_NEEDS(leaks, "heap.leaks_are_listed", "heap=debug")
{
    unsigned char *before = kmalloc(1);
    uint64_t mark = kmalloc_mark();
    unsigned char *block = who_allocates();

    CHECK_EQUAL(kmalloc_leaks(mark), 1);
    who_frees(before);
    CHECK_EQUAL(kmalloc_leaks(mark), 1);
    who_frees(block);
    CHECK_EQUAL(kmalloc_leaks(mark), 0);
}
