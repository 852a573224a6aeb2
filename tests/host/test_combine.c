/* Futures made of others, streams, and sleeps without an executor named. */
#include "executor/combine.h"

#include "executor/async.h"
#include "executor/stream.h"
#include "support.h"

static struct executor executor;

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

static struct waker parent = {wake_nothing};

/* Ready when the test says so. */
struct leaf {
    struct future future;
    bool ready;
    unsigned polls, drops;
};

static enum poll leaf_poll(struct future *future, struct waker *waker)
{
    struct leaf *self = container_of(future, struct leaf, future);

    (void)waker;
    self->polls++;
    return self->ready ? POLL_READY : POLL_PENDING;
}

static void leaf_drop(struct future *future)
{
    container_of(future, struct leaf, future)->drops++;
}

enum { LEAVES = 3 };
static struct leaf leaves[LEAVES];
static struct future *futures[LEAVES];
static struct task task;

static void init(void)
{
    executor_init(&executor, &parent);
    for (unsigned i = 0; i < LEAVES; i++) {
        leaves[i] = (struct leaf){.future = {leaf_poll, leaf_drop}};
        futures[i] = &leaves[i].future;
    }
}

TestSuite(join_all, .init = init);
TestSuite(race, .init = init);
TestSuite(timeout, .init = init);
TestSuite(interval, .init = init);
TestSuite(sleep_ns, .init = init);

static void run(struct future *future)
{
    executor_spawn(&executor, &task, "task", future);
    (void)executor_poll(&executor, 0);
}

/* Wakes the task, polls, and says whether it has ended. */
static bool again_at(uint64_t now_ns)
{
    waker_wake(&task.waker);
    (void)executor_poll(&executor, now_ns);
    return completion_done(&task.done);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

Test(join_all, is_ready_once_all_are_and_polls_none_after_it_was_ready)
{
    struct join_all all = join_all(futures, LEAVES);

    run(&all.future);
    leaves[1].ready = true;
    cr_assert_not(again_at(0));
    leaves[0].ready = true;
    cr_assert_not(again_at(0));
    leaves[2].ready = true;
    cr_assert(again_at(0));
    cr_assert_eq(leaves[1].polls, 2);
    cr_assert_eq(leaves[0].polls, 3);
    cr_assert_eq(leaves[2].polls, 4);
    cr_assert_eq(leaves[0].drops + leaves[1].drops + leaves[2].drops, 0);
}

Test(join_all, of_nothing_is_ready_at_once)
{
    struct join_all all = join_all(futures, 0);

    run(&all.future);
    cr_assert(completion_done(&task.done));
}

Test(join_all, drops_those_that_are_not_ready)
{
    struct join_all all = join_all(futures, LEAVES);

    leaves[1].ready = true;
    run(&all.future);
    task_cancel(&task);
    cr_assert(again_at(0));
    cr_assert(leaves[0].drops == 1 && leaves[1].drops == 0 && leaves[2].drops == 1);
}

/* ---- one --------------------------------------------------------------------------------------------------------- */

Test(race, is_ready_once_one_is_and_drops_the_others)
{
    struct race one = race(futures, LEAVES);

    run(&one.future);
    leaves[2].ready = true;
    cr_assert(again_at(0));
    cr_assert_eq(one.winner, 2);
    cr_assert(leaves[0].drops == 1 && leaves[1].drops == 1 && leaves[2].drops == 0);
}

Test(race, asks_another_one_first_at_each_poll)
{
    for (unsigned polls = 0; polls < 5; polls++) {
        struct race one = race(futures, LEAVES);

        run(&one.future);
        for (unsigned i = 0; i < polls; i++)
            again_at(0);
        for (unsigned i = 0; i < LEAVES; i++)
            leaves[i].ready = true;
        cr_assert(again_at(0));
        cr_assert_eq(one.winner, (polls + 1) % LEAVES);
        init();
    }
}

Test(race, run_again_lets_each_win_in_turn)
{
    struct race one = race(futures, LEAVES);

    for (unsigned i = 0; i < LEAVES; i++)
        leaves[i].ready = true;
    for (unsigned round = 0; round < 7; round++) {
        run(&one.future);
        cr_assert_eq(one.winner, round % LEAVES);
        race_again(&one);
    }
}

Test(race, drops_all_when_it_is_dropped)
{
    struct race one = race(futures, LEAVES);

    run(&one.future);
    task_cancel(&task);
    cr_assert(again_at(0));
    for (unsigned i = 0; i < LEAVES; i++)
        cr_assert_eq(leaves[i].drops, 1);
}

/* As Theseus tests its select: of two sleeps, the shorter one. */
Test(race, of_two_sleeps_is_won_by_the_shorter)
{
    struct sleep two = sleep_ns(2000), one = sleep_ns(1000);
    struct future *sleeps[] = {&two.future, &one.future};
    struct race shorter = race(sleeps, 2);

    run(&shorter.future);
    cr_assert_eq(executor_poll(&executor, 999), 1000);
    (void)executor_poll(&executor, 1000);
    cr_assert(completion_done(&task.done));
    cr_assert_eq(shorter.winner, 1);
    cr_assert_not(timer_queued(&two.timer), "the loser was dropped");
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}

/* ---- in time ----------------------------------------------------------------------------------------------------- */

Test(timeout, is_ready_with_what_is_ready_in_time)
{
    struct timeout in_time = timeout_after(&leaves[0].future, 100);

    run(&in_time.future);
    leaves[0].ready = true;
    cr_assert(again_at(100));
    cr_assert_not(in_time.expired, "it was ready, and that is asked first");
    cr_assert_eq(leaves[0].drops, 0);
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}

Test(timeout, takes_its_timer_back_when_it_is_not_needed)
{
    struct timeout in_time = timeout_after(&leaves[0].future, 100);

    run(&in_time.future);
    leaves[0].ready = true;
    cr_assert(again_at(50));
    cr_assert_not(timer_queued(&in_time.sleep.timer));
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}

Test(timeout, gives_up_at_the_deadline)
{
    struct timeout late = timeout_at(&leaves[0].future, 100);

    run(&late.future);
    cr_assert_eq(executor_poll(&executor, 99), 100);
    cr_assert_not(completion_done(&task.done));
    (void)executor_poll(&executor, 100);
    cr_assert(completion_done(&task.done));
    cr_assert(late.expired);
    cr_assert_eq(leaves[0].drops, 1);
}

Test(timeout, of_what_is_ready_at_once_sets_no_timer)
{
    struct timeout at_once = timeout_after(&leaves[0].future, 100);

    leaves[0].ready = true;
    run(&at_once.future);
    cr_assert(completion_done(&task.done) && !at_once.expired);
}

Test(timeout, drops_both_when_it_is_dropped)
{
    struct timeout dropped = timeout_after(&leaves[0].future, 100);

    run(&dropped.future);
    task_cancel(&task);
    cr_assert(again_at(0));
    cr_assert_eq(leaves[0].drops, 1);
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}

/* ---- again and again --------------------------------------------------------------------------------------------- */

Test(interval, follows_a_fixed_rhythm)
{
    struct interval each = interval(100, 10);

    cr_assert_eq(interval_next(&each, 0).deadline_ns, 100);
    cr_assert_eq(interval_next(&each, 103).deadline_ns, 110);
    cr_assert_eq(interval_next(&each, 120).deadline_ns, 120);
    cr_assert_eq(each.missed, 0);
}

Test(interval, leaves_out_what_was_missed_and_counts_it)
{
    struct interval each = interval(100, 10);

    cr_assert_eq(interval_next(&each, 135).deadline_ns, 140);
    cr_assert_eq(each.missed, 4);
    cr_assert_eq(interval_next(&each, 141).deadline_ns, 150);
    cr_assert_eq(each.missed, 4);
}

Test(race, panics_without_a_runner, .exit_code = PANIC_EXIT)
{
    (void)race(NULL, 0);
}

Test(interval, panics_without_a_period, .exit_code = PANIC_EXIT)
{
    (void)interval(0, 0);
}

Test(sleep_ns, counts_from_its_first_poll_on_the_executor_that_polls_it)
{
    struct sleep pause = sleep_ns(50);

    executor.now_ns = 7;
    executor_spawn(&executor, &task, "task", &pause.future);
    cr_assert_eq(executor_poll(&executor, 7), 57);
    cr_assert_eq(executor_poll(&executor, 56), 57);
    cr_assert_not(completion_done(&task.done));
    (void)executor_poll(&executor, 57);
    cr_assert(completion_done(&task.done));
}

Test(sleep_ns, can_be_dropped_before_it_was_polled)
{
    struct sleep pause = sleep_ns(50);

    future_drop(&pause.future);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

struct failing {
    struct future future;
    enum status status;
};

static enum poll failing_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_READY;
}

struct steps {
    struct async async;
    struct failing first, second;
    enum status status;
    unsigned reached;
};

static enum poll steps_poll(struct future *future, struct waker *waker)
{
    struct steps *self = container_of(future, struct steps, async.future);

    ASYNC (&self->async) {
        AWAIT_OK(&self->first.future, self->first.status, self->status);
        self->reached = 1;
        AWAIT_OK(&self->second.future, self->second.status, self->status);
        self->reached = 2;
        ASYNC_RETURN;
    }
}

Test(errors, end_a_body_early_and_are_passed_up, .init = init)
{
    static const struct {
        enum status first, second, status;
        unsigned reached;
    } cases[] = {{STATUS_OK, STATUS_OK, STATUS_OK, 2},
                 {STATUS_IO, STATUS_OK, STATUS_IO, 0},
                 {STATUS_OK, STATUS_TIMEOUT, STATUS_TIMEOUT, 1}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct steps steps = {.async = ASYNC_BODY(steps_poll),
                              .first = {{.poll = failing_poll}, cases[i].first},
                              .second = {{.poll = failing_poll}, cases[i].second}};

        run(&steps.async.future);
        cr_assert(completion_done(&task.done));
        cr_assert_eq(steps.status, cases[i].status);
        cr_assert_eq(steps.reached, cases[i].reached);
    }
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* The numbers up to a last one; pends before each that is divisible by `pends_at`. */
struct numbers {
    struct stream stream;
    unsigned at, last, pends_at, drops;
    bool pended;
};

static enum poll numbers_poll_next(struct stream *stream, struct waker *waker, void **item)
{
    struct numbers *self = container_of(stream, struct numbers, stream);

    (void)waker;
    if ((self->at + 1) % self->pends_at == 0 && !self->pended) {
        self->pended = true;
        return POLL_PENDING;
    }
    self->pended = false;
    *item = self->at < self->last ? &self->at : NULL;
    self->at++;
    return POLL_READY;
}

static void numbers_drop(struct stream *stream)
{
    container_of(stream, struct numbers, stream)->drops++;
}

static struct numbers numbers(unsigned last, unsigned pends_at)
{
    return (struct numbers){.stream = {numbers_poll_next, numbers_drop}, .last = last, .pends_at = pends_at};
}

static void *squared(void *item, void *context)
{
    unsigned *square = context;

    *square = *(unsigned *)item * *(unsigned *)item;
    return square;
}

static bool is_odd(const void *item, void *context)
{
    ++*(unsigned *)context;
    return *(const unsigned *)item % 2;
}

struct adder {
    struct async async;
    struct stream *stream;
    struct next next;
    unsigned sum, items;
};

static enum poll adder_poll(struct future *future, struct waker *waker)
{
    struct adder *self = container_of(future, struct adder, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->next = next(self->stream);
            AWAIT(&self->next.future);
            if (!self->next.item)
                ASYNC_RETURN;
            self->sum += *(unsigned *)self->next.item;
            self->items++;
        }
    }
}

Test(stream, is_read_item_by_item_to_its_end, .init = init)
{
    struct numbers source = numbers(10, 4);
    struct adder adder = {.async = ASYNC_BODY(adder_poll), .stream = &source.stream};

    run(&adder.async.future);
    cr_assert_eq(adder.items, 3, "it pends before the fourth");
    while (!again_at(0))
        ;
    cr_assert_eq(adder.items, 10);
    cr_assert_eq(adder.sum, 55);
    cr_assert_eq(source.drops, 0);
}

Test(stream, is_mapped_and_filtered, .init = init)
{
    struct numbers source = numbers(10, 4);
    unsigned square, asked = 0;
    struct stream_filter odd = stream_filter(&source.stream, is_odd, &asked);
    struct stream_map squares = stream_map(&odd.stream, squared, &square);
    struct adder adder = {.async = ASYNC_BODY(adder_poll), .stream = &squares.stream};

    run(&adder.async.future);
    while (!again_at(0))
        ;
    cr_assert_eq(adder.items, 5);
    cr_assert_eq(adder.sum, 1 + 9 + 25 + 49 + 81);
    cr_assert_eq(asked, 10);
}

Test(stream, is_dropped_with_who_waits_for_it, .init = init)
{
    struct numbers source = numbers(10, 4);
    unsigned square, asked = 0;
    struct stream_map squares = stream_map(&source.stream, squared, &square);
    struct stream_filter odd = stream_filter(&squares.stream, is_odd, &asked);
    struct adder adder = {.async = ASYNC_BODY(adder_poll), .stream = &odd.stream};

    run(&adder.async.future);
    task_cancel(&task);
    cr_assert(again_at(0));
    cr_assert_eq(source.drops, 1);
    source.stream.drop = NULL;
    stream_drop(&odd.stream);
}

static void *nothing(void *item, void *context)
{
    (void)item;
    (void)context;
    return NULL;
}

Test(stream, panics_when_an_item_is_mapped_to_nothing, .exit_code = PANIC_EXIT, .init = init)
{
    struct numbers source = numbers(10, 40);
    struct stream_map none = stream_map(&source.stream, nothing, NULL);
    void *item;

    (void)none.stream.poll_next(&none.stream, &parent, &item);
}
