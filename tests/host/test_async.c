/* The three macros: where a body resumes, what it says about itself, and what does not compile. */
#include "executor/async.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

/* A leaf that is ready when the test says so. */
struct leaf {
    struct future future;
    bool ready;
    unsigned polls;
    unsigned drops;
    struct waker *waker;
};

static enum poll leaf_poll(struct future *future, struct waker *waker)
{
    struct leaf *self = container_of(future, struct leaf, future);

    self->polls++;
    self->waker = waker;
    return self->ready ? POLL_READY : POLL_PENDING;
}

static void leaf_drop(struct future *future)
{
    struct leaf *self = container_of(future, struct leaf, future);

    self->drops++;
}

struct body {
    struct async async;
    struct leaf first, second;
    unsigned round, rounds;
    unsigned first_line, second_line;
};

static enum poll body_poll(struct future *future, struct waker *waker)
{
    struct body *self = container_of(future, struct body, async.future);

    ASYNC (&self->async) {
        support_trace("begin");
        for (self->round = 0; self->round < self->rounds; self->round++) {
            self->first_line = __LINE__ + 1;
            AWAIT(&self->first.future);
            support_trace("first");
            if (self->round == 1)
                continue;
            self->second_line = __LINE__ + 1;
            AWAIT(&self->second.future);
            support_trace("second");
        }
        support_trace("end");
        ASYNC_RETURN;
    }
}

static struct waker task_waker;

static struct body body_make(unsigned rounds)
{
    return (struct body){.async = ASYNC_BODY(body_poll),
                         .first.future = {leaf_poll, leaf_drop},
                         .second.future = {leaf_poll, leaf_drop},
                         .rounds = rounds};
}

static void expect_poll(struct body *body, enum poll expected, const char *trace)
{
    support_trace_clear();
    cr_assert_eq(future_poll(&body->async.future, &task_waker), expected);
    cr_assert_str_eq(support_trace_text(), trace);
}

Test(async, drops_what_it_awaits_and_only_that)
{
    struct body body = body_make(1);

    future_drop(&body.async.future);
    cr_assert_eq(body.first.drops + body.second.drops, 0, "it had not begun");

    body = body_make(1);
    expect_poll(&body, POLL_PENDING, "begin");
    body.first.ready = true;
    expect_poll(&body, POLL_PENDING, "first");
    future_drop(&body.async.future);
    cr_assert_eq(body.first.drops, 0, "it was ready");
    cr_assert_eq(body.second.drops, 1);
    cr_assert_null(body.async.child);
}

Test(async, panics_when_polled_after_it_was_dropped, .exit_code = PANIC_EXIT)
{
    struct body body = body_make(1);

    expect_poll(&body, POLL_PENDING, "begin");
    future_drop(&body.async.future);
    (void)future_poll(&body.async.future, &task_waker);
}

Test(async, starts_at_the_beginning_and_stops_at_the_first_pending_await)
{
    struct body body = body_make(1);

    expect_poll(&body, POLL_PENDING, "begin");
    cr_assert_eq(body.first.polls, 1);
    cr_assert_eq(body.second.polls, 0);
}

Test(async, resumes_at_the_await_it_stopped_at)
{
    struct body body = body_make(3);

    expect_poll(&body, POLL_PENDING, "begin");
    expect_poll(&body, POLL_PENDING, "");
    cr_assert_eq(body.first.polls, 2);
    body.first.ready = true;
    expect_poll(&body, POLL_PENDING, "first");
    body.first.ready = false;
    body.second.ready = true;
    expect_poll(&body, POLL_PENDING, "second");
    cr_assert_eq(body.round, 1);
    body.first.ready = true;
    body.second.ready = false;
    expect_poll(&body, POLL_PENDING, "first first");
    body.second.ready = true;
    expect_poll(&body, POLL_READY, "second end");
}

Test(async, runs_through_awaits_that_are_ready)
{
    struct body body = body_make(2);

    body.first.ready = body.second.ready = true;
    expect_poll(&body, POLL_READY, "begin first second first end");
    cr_assert_eq(body.first.polls, 2);
    cr_assert_eq(body.second.polls, 1);
}

Test(async, is_ready_without_any_await)
{
    struct body body = body_make(0);

    expect_poll(&body, POLL_READY, "begin end");
}

Test(async, hands_its_waker_down)
{
    struct body body = body_make(1);
    struct waker another;

    expect_poll(&body, POLL_PENDING, "begin");
    cr_assert_eq(body.first.waker, &task_waker);
    cr_assert_eq(future_poll(&body.async.future, &another), POLL_PENDING);
    cr_assert_eq(body.first.waker, &another);
}

Test(async, says_at_which_line_it_waits_and_for_what)
{
    struct body body = body_make(1);

    cr_assert_eq(body.async.line, 0);
    cr_assert_null(body.async.child);
    expect_poll(&body, POLL_PENDING, "begin");
    cr_assert_eq(body.async.line, body.first_line);
    cr_assert_eq(body.async.child, &body.first.future);
    body.first.ready = true;
    expect_poll(&body, POLL_PENDING, "first");
    cr_assert_eq(body.async.line, body.second_line);
    cr_assert_eq(body.async.child, &body.second.future);
    body.second.ready = true;
    expect_poll(&body, POLL_READY, "second end");
    cr_assert_eq(body.async.line, ASYNC_DONE);
    cr_assert_null(body.async.child);
}

struct parent {
    struct async async;
    struct body child;
};

static enum poll parent_poll(struct future *future, struct waker *waker)
{
    struct parent *self = container_of(future, struct parent, async.future);

    ASYNC (&self->async) {
        AWAIT(&self->child.async.future);
        support_trace("parent");
        ASYNC_RETURN;
    }
}

Test(async, nests_and_its_backtrace_leads_to_the_leaf)
{
    struct parent parent = {.async = ASYNC_BODY(parent_poll), .child = body_make(1)};
    struct async *inner;

    support_trace_clear();
    cr_assert_eq(future_poll(&parent.async.future, &task_waker), POLL_PENDING);
    inner = container_of(parent.async.child, struct async, future);
    cr_assert_eq(inner, &parent.child.async);
    cr_assert_eq(inner->child, &parent.child.first.future);
    parent.child.first.ready = parent.child.second.ready = true;
    cr_assert_eq(future_poll(&parent.async.future, &task_waker), POLL_READY);
    cr_assert_str_eq(support_trace_text(), "begin first second end parent");
}

Test(async, panics_when_polled_after_ready, .exit_code = PANIC_EXIT)
{
    struct body body = body_make(0);

    expect_poll(&body, POLL_READY, "begin end");
    future_poll(&body.async.future, &task_waker);
}

struct misuse {
    struct async async;
    struct leaf leaf;
};

static enum poll misuse_poll(struct future *future, struct waker *waker)
{
    struct misuse *self = container_of(future, struct misuse, async.future);

    ASYNC (&self->async) {
        switch (self->leaf.polls) {
        case 0:
            AWAIT(&self->leaf.future);
            break;
        default:
            break;
        }
        ASYNC_RETURN;
    }
}

Test(async, panics_at_the_first_resume_under_a_switch_of_the_bodys_own, .exit_code = PANIC_EXIT)
{
    struct misuse misuse = {.async = ASYNC_BODY(misuse_poll), .leaf.future = {.poll = leaf_poll}};

    if (future_poll(&misuse.async.future, &task_waker) != POLL_PENDING)
        exit(1);
    future_poll(&misuse.async.future, &task_waker);
}

Test(async, panics_when_its_frame_was_moved_after_its_first_poll, .exit_code = PANIC_EXIT)
{
    struct body body = body_make(1), moved;

    expect_poll(&body, POLL_PENDING, "begin");
    moved = body;
    future_poll(&moved.async.future, &task_waker);
}

Test(async, may_be_moved_before_its_first_poll)
{
    struct body body = body_make(1), moved = body;

    expect_poll(&moved, POLL_PENDING, "begin");
}

/* ---- what must not compile --------------------------------------------------------------------------------------- */

#define SNIPPET_HEAD                                                             \
    "#include \"executor/async.h\"\n"                                            \
    "struct body { struct async async; struct future *child; int kept; };\n"     \
    "enum poll body_poll(struct future *future, struct waker *waker);\n"         \
    "enum poll body_poll(struct future *future, struct waker *waker)\n"          \
    "{\n"                                                                        \
    "    struct body *self = container_of(future, struct body, async.future);\n" \
    "    ASYNC (&self->async) {\n"
#define SNIPPET_TAIL          \
    "        ASYNC_RETURN;\n" \
    "    }\n"                 \
    "}\n"

/* gcc's exit status and its messages for a body, with the warnings that the Makefile makes errors. */
static int compile(const char *body, char *messages, size_t messages_bytes)
{
    char source[] = "/tmp/duet-async-XXXXXX.c", command[512];
    int file = mkstemps(source, 2);
    FILE *stream = fdopen(file, "w");
    size_t length;
    int status;

    fprintf(stream, "%s%s%s", SNIPPET_HEAD, body, SNIPPET_TAIL);
    fclose(stream);
    snprintf(command, sizeof(command),
             "LC_ALL=C gcc -std=c17 -Isrc -Wall -Wextra -Wpedantic -Wimplicit-fallthrough -Wjump-misses-init -Werror "
             "-fsyntax-only %s 2>&1",
             source);
    stream = popen(command, "r");
    length = fread(messages, 1, messages_bytes - 1, stream);
    messages[length] = '\0';
    status = pclose(stream);
    unlink(source);
    return status;
}

static void expect_refused(const char *body, const char *message)
{
    char messages[8192];

    cr_assert_neq(compile(body, messages, sizeof(messages)), 0, "it compiles: %s", body);
    cr_assert_not_null(strstr(messages, message), "refused for another reason: %s", messages);
}

Test(async, compiles_what_is_right)
{
    char messages[8192];

    cr_assert_eq(compile("for (self->kept = 0; self->kept < 3; self->kept++) {\n"
                         "    { int local = self->kept; self->kept = local; }\n"
                         "    AWAIT(self->child);\n"
                         "    if (self->kept)\n"
                         "        AWAIT(self->child);\n"
                         "    else\n"
                         "        self->kept++;\n"
                         "}\n",
                         messages, sizeof(messages)),
                 0, "%s", messages);
    cr_assert_str_eq(messages, "");
}

Test(async, does_not_compile_with_two_awaits_on_a_line)
{
    expect_refused("AWAIT(self->child); AWAIT(self->child);\n", "duplicate case value");
}

Test(async, does_not_compile_with_an_initialised_local_that_spans_an_await)
{
    expect_refused("int local = self->kept;\nAWAIT(self->child);\nself->kept = local;\n", "jump-misses-init");
}
