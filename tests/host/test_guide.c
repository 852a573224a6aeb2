/* The examples of docs/async.md, part one: bodies, leaves and results. */
#include "guide.h"

#include "executor/combine.h"
#include "executor/sleep.h"
#include "executor/stream.h"
#include "machine.h"

TestSuite(guide, .init = guide_begin);

/* guide: hello */
static enum poll hello_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    say("hello, future");
    return POLL_READY;
}

Test(guide, hello)
{
    struct future hello = {.poll = hello_poll};
    struct task task;

    executor_spawn(&executor, &task, "hello", &hello);
    said(""); /* a future does nothing until it is polled */
    run();
    said("hello, future");
}
/* guide end */

/* guide: frame */
struct countdown {
    struct async async; /* the body's own: where it goes on, and what it waits for */
    struct sleep pause; /* the child: what it waits for lives here, by value */
    unsigned left;      /* a local that an AWAIT must not lose */
};

static enum poll countdown_poll(struct future *future, struct waker *waker)
{
    struct countdown *self = container_of(future, struct countdown, async.future);

    ASYNC (&self->async) {
        for (; self->left > 0; self->left--) {
            say("%u", self->left);
            self->pause = sleep_ns(1 * SECOND);
            AWAIT(&self->pause.future);
        }
        say("lift-off");
        ASYNC_RETURN;
    }
}

static struct countdown countdown(unsigned from)
{
    return (struct countdown){.async = ASYNC_BODY(countdown_poll), .left = from};
}
/* guide end */

/* guide: frame-run */
Test(guide, keeps_its_locals_in_its_frame)
{
    struct countdown body = countdown(3);

    run_task("countdown", &body.async.future);
    said("3 2 1 lift-off");
    cr_assert_eq(support_clock_ns, 3 * SECOND);
}
/* guide end */

/* guide: nested */
struct launch {
    struct async async;
    struct countdown countdown; /* a child is no different for being a body of its own */
    unsigned rockets;
};

static enum poll launch_poll(struct future *future, struct waker *waker)
{
    struct launch *self = container_of(future, struct launch, async.future);

    ASYNC (&self->async) {
        while (self->rockets-- > 0) {
            self->countdown = countdown(2); /* the last one is ready, so its place is free */
            AWAIT(&self->countdown.async.future);
        }
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, nests_bodies)
{
    struct launch body = {.async = ASYNC_BODY(launch_poll), .rockets = 2};

    run_task("launch", &body.async.future);
    said("2 1 lift-off 2 1 lift-off");
}

/* guide: early */
/* Whether `wanted` is in `text`. */
struct search {
    struct async async;
    struct yield_now yield;
    const char *text;
    char wanted;
    bool found;
};

static enum poll search_poll(struct future *future, struct waker *waker)
{
    struct search *self = container_of(future, struct search, async.future);

    ASYNC (&self->async) {
        for (; *self->text != '\0'; self->text++) {
            if (*self->text == self->wanted) {
                self->found = true;
                ASYNC_RETURN; /* from anywhere, as often as you like */
            }
            self->yield = yield_now(); /* a long loop lets the others have a turn */
            AWAIT(&self->yield.future);
        }
        ASYNC_RETURN; /* and at the end, always */
    }
}
/* guide end */

Test(guide, returns_early)
{
    struct search hit = {.async = ASYNC_BODY(search_poll), .text = "futures", .wanted = 't'};
    struct search miss = {.async = ASYNC_BODY(search_poll), .text = "futures", .wanted = 'x'};

    run_task("hit", &hit.async.future);
    run_task("miss", &miss.async.future);
    cr_assert(hit.found);
    cr_assert_str_eq(hit.text, "tures");
    cr_assert_not(miss.found);
}

/* guide: result */
struct divide {
    struct async async;
    struct yield_now yield;
    unsigned of, by;
    enum status status; /* once ready */
    unsigned quotient;  /* if that is STATUS_OK */
};

static enum poll divide_poll(struct future *future, struct waker *waker)
{
    struct divide *self = container_of(future, struct divide, async.future);

    ASYNC (&self->async) {
        self->yield = yield_now();
        AWAIT(&self->yield.future);
        self->status = self->by == 0 ? STATUS_INVALID : STATUS_OK;
        if (self->status == STATUS_OK)
            self->quotient = self->of / self->by;
        ASYNC_RETURN;
    }
}

static struct divide divide(unsigned of, unsigned by)
{
    return (struct divide){.async = ASYNC_BODY(divide_poll), .of = of, .by = by};
}

/* a / b / c */
struct divide_twice {
    struct async async;
    struct divide child;
    unsigned a, b, c;
    enum status status;
    unsigned quotient;
};

static enum poll divide_twice_poll(struct future *future, struct waker *waker)
{
    struct divide_twice *self = container_of(future, struct divide_twice, async.future);

    ASYNC (&self->async) {
        self->child = divide(self->a, self->b);
        AWAIT_OK(&self->child.async.future, self->child.status, self->status);
        self->child = divide(self->child.quotient, self->c);
        AWAIT_OK(&self->child.async.future, self->child.status, self->status);
        self->quotient = self->child.quotient;
        ASYNC_RETURN;
    }
}
/* guide end */

static struct divide_twice divided(unsigned a, unsigned b, unsigned c)
{
    struct divide_twice body = {.async = ASYNC_BODY(divide_twice_poll), .a = a, .b = b, .c = c, .quotient = 99};

    run_task("divide", &body.async.future);
    return body;
}

Test(guide, passes_errors_up)
{
    cr_assert_eq(divided(24, 2, 3).status, STATUS_OK);
    cr_assert_eq(divided(24, 2, 3).quotient, 4);
    cr_assert_eq(divided(24, 0, 3).status, STATUS_INVALID);
    cr_assert_eq(divided(24, 2, 0).status, STATUS_INVALID);
    cr_assert_eq(divided(24, 0, 3).quotient, 99, "nothing after the error");
    cr_assert_eq(divided(24, 0, 3).child.of, 24, "the second division was not begun");
}

/* guide: leaf */
struct button {
    atomic_bool pressed;
    struct waker_slot reader; /* whom to wake */
};

/* The interrupt: publish first, wake then. Nothing else. */
static void button_interrupt(struct button *button)
{
    atomic_store(&button->pressed, true);
    waker_slot_wake(&button->reader);
}

/* Ready once the button was pressed, which is thereby taken. One at a time. */
struct press {
    struct future future;
    struct button *button;
};

static enum poll press_poll(struct future *future, struct waker *waker)
{
    struct press *self = container_of(future, struct press, future);

    if (atomic_exchange(&self->button->pressed, false)) /* try */
        return POLL_READY;
    waker_slot_register(&self->button->reader, waker);   /* register */
    if (!atomic_exchange(&self->button->pressed, false)) /* try again */
        return POLL_PENDING;                             /* pend */
    waker_slot_clear(&self->button->reader);
    return POLL_READY;
}

/* What polls left elsewhere is taken back: from here on the frame may be anything. */
static void press_drop(struct future *future)
{
    waker_slot_clear(&container_of(future, struct press, future)->button->reader);
}

static struct press press(struct button *button)
{
    return (struct press){.future = {press_poll, press_drop}, .button = button};
}
/* guide end */

static struct button button;

static void press_button(void)
{
    button_interrupt(&button);
}

/* Waits for the button once; an interrupt presses it at any instruction of that. */
static void wait_for_button(void)
{
    struct press body;
    struct task task;

    guide_begin();
    button = (struct button){0};
    body = press(&button);
    executor_spawn(&executor, &task, "press", &body.future);
    machine_window_open();
    (void)executor_run(&executor);
    machine_window_close();
    if (!completion_done(&task.done) && !atomic_load(&button.pressed) && atomic_load(&button.reader.waker))
        button_interrupt(&button); /* the run without an interrupt */
    (void)executor_run(&executor);
    cr_assert(completion_done(&task.done), "%s", machine_place());
    cr_assert_null(atomic_load(&button.reader.waker), "%s", machine_place());
}

Test(guide, loses_no_press_at_any_instruction_of_a_leafs_poll)
{
    cr_assert_gt(machine_explore(wait_for_button, press_button), 20);
}

Test(guide, leaves_nothing_behind_when_a_leaf_is_dropped)
{
    struct press body = press(&button);
    struct task task;

    executor_spawn(&executor, &task, "press", &body.future);
    run();
    cr_assert_eq(atomic_load(&button.reader.waker), &task.waker);
    task_cancel(&task);
    run();
    cr_assert(completion_done(&task.done));
    cr_assert_null(atomic_load(&button.reader.waker));
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* guide: timeout */
struct patient {
    struct async async;
    struct press press;
    struct timeout timeout;
};

static enum poll patient_poll(struct future *future, struct waker *waker)
{
    struct patient *self = container_of(future, struct patient, async.future);

    ASYNC (&self->async) {
        self->press = press(&button);
        self->timeout = timeout_after(&self->press.future, 5 * SECOND);
        AWAIT(&self->timeout.future);
        say(self->timeout.expired ? "nobody" : "pressed");
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, gives_up_after_a_time)
{
    struct patient body = {.async = ASYNC_BODY(patient_poll)};
    struct task task;

    run_task("patient", &body.async.future);
    said("nobody");
    cr_assert_eq(support_clock_ns, 5 * SECOND);
    cr_assert_null(atomic_load(&button.reader.waker));
    body = (struct patient){.async = ASYNC_BODY(patient_poll)};
    executor_spawn(&executor, &task, "patient", &body.async.future);
    run_until(7 * SECOND);
    said("");
    button_interrupt(&button);
    run();
    said("pressed");
    cr_assert_eq(support_clock_ns, 7 * SECOND, "the deadline was taken back");
}

/* guide: interval */
struct metronome {
    struct async async;
    struct interval interval;
    struct sleep tick;
    struct sleep work;
    unsigned beats;
};

static enum poll metronome_poll(struct future *future, struct waker *waker)
{
    struct metronome *self = container_of(future, struct metronome, async.future);

    ASYNC (&self->async) {
        self->interval = interval(10 * MS, 10 * MS); /* at 10, 20, 30 ms ..., however long the work takes */
        for (self->beats = 0; self->beats < 4; self->beats++) {
            self->tick = interval_next(&self->interval, executor_now(&executor));
            AWAIT(&self->tick.future);
            say("%u", (unsigned)(executor_now(&executor) / MS));
            self->work = sleep_ns(self->beats == 1 ? 25 * MS : 3 * MS);
            AWAIT(&self->work.future);
        }
        say("missed %u", (unsigned)self->interval.missed);
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, beats_in_time)
{
    struct metronome body = {.async = ASYNC_BODY(metronome_poll)};

    run_task("metronome", &body.async.future);
    said("10 20 50 60 missed 2");
}

/* guide: join-all */
struct both {
    struct async async;
    struct countdown first, second; /* the owner keeps the children ... */
    struct future *futures[2];      /* ... and the list of them */
    struct join_all all;
};

static enum poll both_poll(struct future *future, struct waker *waker)
{
    struct both *self = container_of(future, struct both, async.future);

    ASYNC (&self->async) {
        self->first = countdown(2);
        self->second = countdown(3);
        self->futures[0] = &self->first.async.future;
        self->futures[1] = &self->second.async.future;
        self->all = join_all(self->futures, ARRAY_SIZE(self->futures));
        AWAIT(&self->all.future);
        say("both");
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, waits_for_all)
{
    struct both body = {.async = ASYNC_BODY(both_poll)};

    run_task("both", &body.async.future);
    said("2 3 1 2 lift-off 1 lift-off both");
    cr_assert_eq(support_clock_ns, 3 * SECOND, "at the same time, not one after the other");
}

/* guide: race */
struct abort_or_go {
    struct async async;
    struct countdown countdown;
    struct press press;
    struct future *futures[2];
    struct race race;
};

static enum poll abort_or_go_poll(struct future *future, struct waker *waker)
{
    struct abort_or_go *self = container_of(future, struct abort_or_go, async.future);

    ASYNC (&self->async) {
        self->countdown = countdown(5);
        self->press = press(&button);
        self->futures[0] = &self->countdown.async.future;
        self->futures[1] = &self->press.future;
        self->race = race(self->futures, ARRAY_SIZE(self->futures));
        AWAIT(&self->race.future);
        if (self->race.winner == 1)
            say("aborted with %u to go", self->countdown.left);
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, takes_what_comes_first)
{
    struct abort_or_go body = {.async = ASYNC_BODY(abort_or_go_poll)};
    struct task task;

    executor_spawn(&executor, &task, "race", &body.async.future);
    run_until(2500 * MS);
    button_interrupt(&button);
    run();
    said("5 4 3 aborted with 3 to go");
    cr_assert(completion_done(&task.done));
    cr_assert_eq(support_clock_ns, 2500 * MS, "the other one was dropped, with its timer");
}

/* guide: stream */
/* 1, 2, 3 ... one every second. */
struct numbers {
    struct stream stream;
    struct sleep pause;
    unsigned number, last;
};

static enum poll numbers_poll_next(struct stream *stream, struct waker *waker, void **item)
{
    struct numbers *self = container_of(stream, struct numbers, stream);

    *item = NULL;
    if (self->number == self->last)
        return POLL_READY; /* with nothing: the end */
    if (future_poll(&self->pause.future, waker) == POLL_PENDING)
        return POLL_PENDING;
    self->pause = sleep_ns(1 * SECOND);
    self->number++;
    *item = &self->number; /* good until the next poll */
    return POLL_READY;
}

static void numbers_drop(struct stream *stream)
{
    future_drop(&container_of(stream, struct numbers, stream)->pause.future);
}

static bool is_odd(const void *item, void *context)
{
    (void)context;
    return *(const unsigned *)item % 2 == 1;
}

static void *square(void *item, void *result)
{
    *(unsigned *)result = *(unsigned *)item * *(unsigned *)item;
    return result;
}

struct odd_squares {
    struct async async;
    struct numbers numbers;
    struct stream_filter odd;
    struct stream_map squares;
    struct next next;
    unsigned squared;
};

static enum poll odd_squares_poll(struct future *future, struct waker *waker)
{
    struct odd_squares *self = container_of(future, struct odd_squares, async.future);

    ASYNC (&self->async) {
        self->numbers = (struct numbers){
            .stream = {numbers_poll_next, numbers_drop}, .pause = sleep_ns(1 * SECOND), .last = 6};
        self->odd = stream_filter(&self->numbers.stream, is_odd, NULL);
        self->squares = stream_map(&self->odd.stream, square, &self->squared);
        for (;;) {
            self->next = next(&self->squares.stream);
            AWAIT(&self->next.future);
            if (!self->next.item)
                break;
            say("%u", *(unsigned *)self->next.item);
        }
        ASYNC_RETURN;
    }
}
/* guide end */

Test(guide, filters_and_maps_a_stream)
{
    struct odd_squares body = {.async = ASYNC_BODY(odd_squares_poll)};

    run_task("squares", &body.async.future);
    said("1 9 25");
    cr_assert_eq(support_clock_ns, 6 * SECOND);
}
