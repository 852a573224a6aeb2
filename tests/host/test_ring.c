/* The ring against a plain queue, across the wrap of its indices, and interrupted at every instruction. */
#include "lib/ring.h"

#include "machine.h"
#include "support.h"

enum { CAPACITY = 8 };

static struct ring ring;
static uint32_t slots[CAPACITY];

static bool push(uint32_t value)
{
    uint32_t slot;

    if (!ring_can_push(&ring, CAPACITY, &slot))
        return false;
    slots[slot % CAPACITY] = value;
    ring_push(&ring, slot);
    return true;
}

static bool pop(uint32_t *value)
{
    uint32_t slot;

    if (!ring_can_pop(&ring, &slot))
        return false;
    *value = slots[slot % CAPACITY];
    ring_pop(&ring, slot);
    return true;
}

static void start_at(uint32_t index)
{
    ring = (struct ring){index, index};
}

Test(ring, starts_empty_when_zeroed)
{
    uint32_t value;

    start_at(0);
    cr_assert_eq(ring_count(&ring), 0);
    cr_assert_not(pop(&value));
}

Test(ring, uses_every_slot_and_refuses_one_more)
{
    start_at(0);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        cr_assert_eq(ring_count(&ring), i);
        cr_assert(push(i));
    }
    for (unsigned i = 0; i < 3; i++)
        cr_assert_not(push(99));
    cr_assert_eq(ring_count(&ring), CAPACITY);
}

Test(ring, has_room_again_as_soon_as_one_is_popped)
{
    uint32_t value;

    start_at(0);
    for (uint32_t i = 0; i < CAPACITY; i++)
        push(i);
    for (uint32_t i = 0; i < 3 * CAPACITY; i++) {
        cr_assert(pop(&value));
        cr_assert_eq(value, i);
        cr_assert(push(CAPACITY + i));
        cr_assert_not(push(99));
    }
}

Test(ring, does_not_show_a_slot_before_it_is_pushed_nor_reuse_one_before_it_is_popped)
{
    uint32_t slot, again;

    start_at(0);
    cr_assert(ring_can_push(&ring, CAPACITY, &slot));
    cr_assert_not(ring_can_pop(&ring, &again));
    ring_push(&ring, slot);
    cr_assert(ring_can_pop(&ring, &again));
    cr_assert_eq(again % CAPACITY, slot % CAPACITY);
    for (uint32_t i = 1; i < CAPACITY; i++)
        push(i);
    cr_assert(ring_can_pop(&ring, &slot));
    cr_assert_not(ring_can_push(&ring, CAPACITY, &again));
    ring_pop(&ring, slot);
    cr_assert(ring_can_push(&ring, CAPACITY, &again));
    cr_assert_eq(again % CAPACITY, slot % CAPACITY);
}

Test(ring, goes_on_where_its_indices_wrap)
{
    uint32_t value;

    for (uint32_t before = 0; before <= CAPACITY; before++) {
        start_at(-before);
        for (uint32_t i = 0; i < CAPACITY; i++)
            cr_assert(push(i));
        cr_assert_not(push(99));
        cr_assert_eq(ring_count(&ring), CAPACITY);
        for (uint32_t i = 0; i < CAPACITY; i++) {
            cr_assert(pop(&value));
            cr_assert_eq(value, i);
        }
        cr_assert_not(pop(&value));
    }
}

Test(ring, does_what_a_queue_would)
{
    enum { ROUNDS = 100000 };
    uint32_t pushed = 0, popped = 0, value;
    uint64_t seed = 8;

    start_at(UINT32_MAX - ROUNDS / 4);
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (support_random(&seed) >> 63) {
            cr_assert_eq(push(pushed), pushed - popped < CAPACITY);
            pushed += pushed - popped < CAPACITY;
        } else {
            cr_assert_eq(pop(&value), pushed != popped);
            if (pushed != popped)
                cr_assert_eq(value, popped++);
        }
        cr_assert_eq(ring_count(&ring), pushed - popped);
    }
    cr_assert_gt(popped, ROUNDS / 4);
}

static uint32_t next_pushed;

static void push_next(void)
{
    cr_assert(push(next_pushed));
    next_pushed++;
}

/* Two are there, a third comes at some instruction. */
static void pop_while_one_is_pushed(void)
{
    uint32_t value, expected = 0;

    start_at(UINT32_MAX - 1);
    next_pushed = 0;
    push_next();
    push_next();
    machine_window_open();
    for (unsigned i = 0; i < 4; i++)
        if (pop(&value))
            expected += value == expected;
    machine_window_close();
    while (pop(&value))
        expected += value == expected;
    cr_assert_eq(expected, next_pushed, "%s", machine_place());
}

Test(ring, loses_nothing_to_an_interrupt_that_pushes_at_any_instruction_of_a_pop)
{
    cr_assert_gt(machine_explore(pop_while_one_is_pushed, push_next), 40);
}
