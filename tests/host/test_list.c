/* The intrusive list against an array. */
#include "lib/list.h"

#include <string.h>

#include "support.h"

struct item {
    unsigned value;
    struct list node;
};

/* The list holds exactly these values, and says so in both directions. */
static void expect(const struct list *head, const unsigned *values, size_t count)
{
    struct list *back = head->prev;
    size_t seen = 0;

    list_for_each (node, head) {
        cr_assert_lt(seen, count);
        cr_assert_eq(container_of(node, struct item, node)->value, values[seen++]);
    }
    cr_assert_eq(seen, count);
    for (; back != head; back = back->prev)
        cr_assert_eq(container_of(back, struct item, node)->value, values[--seen]);
    cr_assert_eq(seen, 0);
    cr_assert_eq(list_empty(head), count == 0);
}

#define EXPECT(head, ...) \
    expect(head, (const unsigned[]){__VA_ARGS__}, sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

Test(list, starts_empty_however_it_is_made)
{
    static struct list made = LIST_INIT(made);
    struct list initialised;

    list_init(&initialised);
    expect(&made, NULL, 0);
    expect(&initialised, NULL, 0);
}

Test(list, keeps_the_order_of_pushes_at_the_back)
{
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    struct list head = LIST_INIT(head);

    for (size_t i = 0; i < 3; i++)
        list_push_back(&head, &items[i].node);
    EXPECT(&head, 1, 2, 3);
}

Test(list, puts_the_latest_push_at_the_front_first)
{
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    struct list head = LIST_INIT(head);

    for (size_t i = 0; i < 3; i++)
        list_push_front(&head, &items[i].node);
    EXPECT(&head, 3, 2, 1);
}

Test(list, inserts_between_neighbours)
{
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    struct list head = LIST_INIT(head);

    list_push_back(&head, &items[0].node);
    list_push_back(&head, &items[2].node);
    list_insert(&items[1].node, &items[0].node, &items[2].node);
    EXPECT(&head, 1, 2, 3);
}

Test(list, removes_a_node_without_knowing_its_list)
{
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    struct list head = LIST_INIT(head);

    for (size_t i = 0; i < 3; i++)
        list_push_back(&head, &items[i].node);
    list_remove(&items[1].node);
    EXPECT(&head, 1, 3);
    list_remove(&items[0].node);
    EXPECT(&head, 3);
    list_remove(&items[2].node);
    expect(&head, NULL, 0);
}

Test(list, does_what_an_array_would)
{
    enum { ITEMS = 20, ROUNDS = 20000 };
    struct item items[ITEMS];
    bool listed[ITEMS] = {false};
    unsigned naive[ITEMS];
    size_t count = 0;
    struct list head = LIST_INIT(head);
    uint64_t seed = 20;

    for (unsigned i = 0; i < ITEMS; i++)
        items[i].value = i;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = (unsigned)(support_random(&seed) >> 32) % ITEMS;
        size_t at = 0;

        if (listed[i]) {
            while (naive[at] != i)
                at++;
            memmove(&naive[at], &naive[at + 1], (--count - at) * sizeof(naive[0]));
            list_remove(&items[i].node);
        } else if (support_random(&seed) >> 63) {
            naive[count++] = i;
            list_push_back(&head, &items[i].node);
        } else {
            memmove(&naive[1], &naive[0], count++ * sizeof(naive[0]));
            naive[0] = i;
            list_push_front(&head, &items[i].node);
        }
        listed[i] = !listed[i];
        expect(&head, naive, count);
    }
}
