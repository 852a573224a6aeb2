/* Memory runs out: now and then all frames but a few are somebody's, or the heap refuses one of so many. */
#include "kernel/kmalloc.h"
#include "kernel/soak.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/physical.h"
#include "lib/heap_failing.h"

enum {
    PRIORITY_MISER = 27,
    FRAMES_LEFT_MAX = 64,
    RUN_MAX = 1024,
    RUNS_MAX = 512,
    PER_MILLION_MAX = 300000,
};

static struct heap_failing failing;

/* Runs of frames, which nobody zeroes: it has to be quick. */
static struct physical runs[RUNS_MAX];

static void hoard(uint64_t *row)
{
    size_t before, count = 0, singles, given;

    if (soak_below(row, 2))
        heap_tidy(); /* what was kept for later, stacks too */
    before = frames_free();
    while (count < FRAMES_LEFT_MAX && frame_alloc_run(1, 1, &runs[count]) == STATUS_OK)
        count++;
    singles = count;
    for (uint32_t frames = RUN_MAX; frames; frames /= 2)
        while (count < RUNS_MAX && frame_alloc_run(frames, 1, &runs[count]) == STATUS_OK)
            count++;
    soak_add(SOAK_FRAMES_TAKEN_AWAY, before - frames_free());
    given = soak_below(row, singles + 1);
    for (size_t i = 0; i < given; i++)
        frame_free(runs[i]);
    sleep_for(soak_below(row, 15 * MS));
    for (size_t i = given; i < count; i++)
        frame_free(runs[i]);
}

/* What was allocated by one heap is given back by the other: both are the same within. */
static void refuse(uint64_t *row)
{
    struct heap *heap = kmalloc_heap();

    heap_failing_init(&failing, heap);
    heap_failing_randomly(&failing, (uint32_t)soak_below(row, PER_MILLION_MAX), soak_random(row));
    (void)kmalloc_use(&failing.heap);
    sleep_for(soak_below(row, 200 * MS));
    (void)kmalloc_use(heap);
    soak_add(SOAK_BLOCKS_REFUSED, failing.injected);
}

static void *starve(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        sleep_for(soak_below(&row, 500 * MS));
        if (soak_below(&row, 2))
            hoard(&row);
        else
            refuse(&row);
    }
    return NULL;
}

const struct soak_actor soak_memory_actors[] = {{"miser", PRIORITY_MISER, starve, NULL, NULL}, {.name = NULL}};
