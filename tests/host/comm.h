/*
 * What the suites of channels and the like share: futures polled by hand, and who was woken.
 */
#ifndef DUET_TESTS_HOST_COMM_H
#define DUET_TESTS_HOST_COMM_H

#include "executor/future.h"

/* A waker that says its name in the trace. */
struct named_waker {
    struct waker waker;
    const char *name;
    unsigned wakes;
};

/* One for each letter from a to h. */
struct waker *waker_named(char letter);
unsigned waker_wakes(char letter);

/* Polls with the letter's waker: whether it is ready. Interrupts are to be on or off afterwards as before. */
bool poll_as(struct future *future, char letter);

/* A line of those who wait, in a naive model: their letters, in order. */
struct line {
    char names[16];
};
void line_join(struct line *line, char name); /* one that is in it keeps its place */
char line_serve(struct line *line);           /* the first leaves; there is one */
void line_quit(struct line *line, char name);
static inline bool line_empty(const struct line *line)
{
    return line->names[0] == '\0';
}

/* The model says that one is woken now, or all of a line, which leave it. */
void model_wakes(char name);
void model_wakes_all(struct line *line);

/* A claim about what a step of a model test did; says by which steps it was broken. */
void model_broken(const char *file, int line, const char *claim);
#define MODEL(claim) ((claim) ? (void)0 : model_broken(__FILE__, __LINE__, #claim))

/* Runs every sequence of `length` operations, each a number below `operations`, each sequence after a reset; and one
 * long one at random. After each step those were woken, in that order, that the model says. */
void model_try_all(unsigned operations, unsigned length, void (*reset)(void), void (*step)(unsigned operation));
void model_try_random(unsigned operations, unsigned length, uint64_t seed, void (*reset)(void),
                      void (*step)(unsigned operation));

/* The names of those woken since the last call are these. */
void expect_woken(const char *names);

#endif
