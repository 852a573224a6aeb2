/* See frames_model.h. */
#include "frames_model.h"

#include <string.h>

#include "support.h"

enum { MODEL_FIRST = 256 };

struct run {
    uint32_t first, count;
};

struct frames frames_model;

static struct frame table[FRAMES_MODEL_MAX];
static uint32_t owner[FRAMES_MODEL_MAX]; /* 0: free */
static struct run live[FRAMES_MODEL_MAX];
static uint32_t live_count, model_free, model_last_owner, whole_free, model_end;
static uint64_t seed;

static void model_took(uint64_t address, uint32_t count, uint32_t align)
{
    uint32_t first = (uint32_t)(address / FRAME_BYTES);

    cr_assert_eq(address % ((uint64_t)align * FRAME_BYTES), 0);
    cr_assert(first >= MODEL_FIRST && first + count <= model_end);
    model_last_owner++;
    for (uint32_t i = first; i < first + count; i++) {
        cr_assert_eq(owner[i], 0, "frame %u is taken twice", i);
        owner[i] = model_last_owner;
    }
    live[live_count++] = (struct run){first, count};
    model_free -= count;
}

static void model_give(uint32_t index)
{
    struct run run = live[index];

    live[index] = live[--live_count];
    cr_assert_eq(frames_run_length(&frames_model, (uint64_t)run.first * FRAME_BYTES), run.count);
    frames_give(&frames_model, (uint64_t)run.first * FRAME_BYTES);
    for (uint32_t i = run.first; i < run.first + run.count; i++)
        owner[i] = 0;
    model_free += run.count;
}

static bool model_has_run(uint32_t size)
{
    for (uint32_t first = 0; first < model_end; first += size) {
        uint32_t free_here = 0;

        while (free_here < size && !owner[first + free_here])
            free_here++;
        if (free_here == size)
            return true;
    }
    return false;
}

static void model_take_run(void)
{
    unsigned kind = support_random(&seed) % 16;
    uint32_t count = 1 + (uint32_t)(support_random(&seed) % (kind ? 12 : 300));
    uint32_t align = UINT32_C(1) << (support_random(&seed) % (kind ? 4 : 9));
    uint32_t size = 1;
    uint64_t address;

    if (frames_take_run(&frames_model, count, align, &address) == STATUS_OK) {
        model_took(address, count, align);
        return;
    }
    while (size < count || size < align)
        size *= 2;
    if (support_random(&seed) % 16 == 0)
        cr_assert_not(model_has_run(size), "there is a run of %u", size);
}

void frames_model_begin(uint32_t end, uint64_t new_seed)
{
    uint32_t hole = end * 5 / 16, hole_end = hole + end / 160;

    seed = new_seed;
    model_end = end;
    memset(table, 0, sizeof(table));
    frames_init(&frames_model, table, model_end);
    frames_add(&frames_model, MODEL_FIRST * FRAME_BYTES, (uint64_t)hole * FRAME_BYTES);
    frames_add(&frames_model, (uint64_t)hole_end * FRAME_BYTES, (uint64_t)model_end * FRAME_BYTES);
    live_count = model_last_owner = 0;
    whole_free = model_free = frames_model.free;
    cr_assert_eq(whole_free, model_end - MODEL_FIRST - (hole_end - hole));
    for (uint32_t i = 0; i < model_end; i++)
        owner[i] = i < MODEL_FIRST || (i >= hole && i < hole_end) ? UINT32_MAX : 0;
}

void frames_model_operate(unsigned taking)
{
    unsigned choice = support_random(&seed) % 100;
    uint64_t address;

    if (choice >= taking && live_count)
        model_give((uint32_t)(support_random(&seed) % live_count));
    else if (choice % 2)
        model_take_run();
    else if (frames_take(&frames_model, &address) == STATUS_OK)
        model_took(address, 1, 1);
    else
        cr_assert_eq(model_free, 0);
    cr_assert_eq(frames_model.free, model_free);
}

void frames_model_end(void)
{
    while (live_count)
        model_give(live_count - 1);
    cr_assert_eq(frames_model.free, whole_free);
}
