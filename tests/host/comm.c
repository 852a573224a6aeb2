/* See comm.h. */
#include "comm.h"

#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "support.h"

static void say_name(struct waker *waker)
{
    struct named_waker *self = container_of(waker, struct named_waker, waker);

    cr_assert_not(machine.irq_on, "who waits is woken in a critical section");
    self->wakes++;
    support_trace("%s", self->name);
}

static struct named_waker wakers[] = {{{say_name}, "a", 0}, {{say_name}, "b", 0}, {{say_name}, "c", 0},
                                      {{say_name}, "d", 0}, {{say_name}, "e", 0}, {{say_name}, "f", 0},
                                      {{say_name}, "g", 0}, {{say_name}, "h", 0}};

struct waker *waker_named(char letter)
{
    return &wakers[letter - 'a'].waker;
}

unsigned waker_wakes(char letter)
{
    return wakers[letter - 'a'].wakes;
}

bool poll_as(struct future *future, char letter)
{
    bool irq_on = machine.irq_on;
    enum poll result = future_poll(future, waker_named(letter));

    cr_assert_eq(machine.irq_on, irq_on, "a poll leaves interrupts as they were");
    return result == POLL_READY;
}

void expect_woken(const char *names)
{
    cr_assert_str_eq(support_trace_text(), names);
    support_trace_clear();
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

enum { REMEMBERED = 64 };

static char expected[256];
static size_t expected_length;
static unsigned steps[REMEMBERED]; /* the latest */
static unsigned step_count;

void line_join(struct line *line, char name)
{
    size_t length = strlen(line->names);

    if (strchr(line->names, name))
        return;
    line->names[length] = name;
    line->names[length + 1] = '\0';
}

void line_quit(struct line *line, char name)
{
    char *at = strchr(line->names, name);

    if (at)
        memmove(at, at + 1, strlen(at));
}

char line_serve(struct line *line)
{
    char name = line->names[0];

    line_quit(line, name);
    return name;
}

void model_wakes(char name)
{
    if (expected_length)
        expected[expected_length++] = ' ';
    expected[expected_length++] = name;
    expected[expected_length] = '\0';
}

void model_wakes_all(struct line *line)
{
    while (!line_empty(line))
        model_wakes(line_serve(line));
}

void model_broken(const char *file, int line, const char *claim)
{
    char text[512];
    size_t length = 0;
    unsigned from = step_count > REMEMBERED ? step_count - REMEMBERED : 0;

    for (unsigned i = from; i < step_count; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, " %u", steps[i % REMEMBERED]);
    cr_assert_fail("%s:%d: %s, in step %u:%s; woken '%s', by the model '%s'", file, line, claim, step_count, text,
                   support_trace_text(), expected);
}

static void forget_wakes(void)
{
    support_trace_clear();
    expected_length = 0;
    expected[0] = '\0';
}

static void step_once(unsigned operation, void (*step)(unsigned operation))
{
    steps[step_count++ % REMEMBERED] = operation;
    step(operation);
    MODEL(strcmp(support_trace_text(), expected) == 0);
    forget_wakes();
}

void model_try_all(unsigned operations, unsigned length, void (*reset)(void), void (*step)(unsigned operation))
{
    uint64_t sequences = 1;

    for (unsigned i = 0; i < length; i++)
        sequences *= operations;
    for (uint64_t sequence = 0; sequence < sequences; sequence++) {
        uint64_t rest = sequence;

        reset();
        forget_wakes();
        step_count = 0;
        for (unsigned i = 0; i < length; i++, rest /= operations)
            step_once((unsigned)(rest % operations), step);
    }
}

void model_try_random(unsigned operations, unsigned length, uint64_t seed, void (*reset)(void),
                      void (*step)(unsigned operation))
{
    reset();
    forget_wakes();
    step_count = 0;
    for (unsigned i = 0; i < length; i++)
        step_once((unsigned)((support_random(&seed) >> 33) % operations), step);
}
