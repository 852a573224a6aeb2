/*
 * The in-kernel test runner's registry: a test is a function in a linker section.
 */
#ifndef DUET_KERNEL_SUITE_H
#define DUET_KERNEL_SUITE_H

#include "lib/base.h"

/* By what words a test runs, its own name apart. */
enum suite_part {
    SUITE_PART_OF_ALL,  /* all; or the beginning of its name */
    SUITE_PART_OF_AREA, /* its area alone */
    SUITE_PART_OF_NONE,
};

struct suite_test {
    const char *name;
    void (*run)(void);
    const char *panics; /* NULL, or what the panic says that the test ends in */
    const char *needs;  /* NULL, or the word of the command line that it is about: "irq=pic", "heap=bump,list,block",
                         * "preempt=off", "kpreempt=off", "tick=100,250"; "memory=1g": about so much; or
                         * "programs=there": a module with them */
    enum suite_part part;
};

#define SUITE_REGISTER(id, title, panic_text, word, part)                                            \
    static void id(void);                                                                            \
    __attribute__((section("suite"), used, aligned(8))) static const struct suite_test id##_test = { \
        title, id, panic_text, word, part};                                                          \
    static void id(void)

/* TEST(id, "area.claim") { ... } */
#define TEST(id, title) SUITE_REGISTER(id, title, NULL, NULL, SUITE_PART_OF_ALL)

/* As TEST(), and it passes only by a panic that says `panic_text`. Such a test runs alone: test=NAME. */
#define TEST_PANICS(id, title, panic_text) SUITE_REGISTER(id, title, panic_text, NULL, SUITE_PART_OF_ALL)

/* As these, for claims about one choice of the command line, or several with commas between: where what is in use is
 * none of them, the test is skipped, which is said and counted, and is neither passed nor failed. */
#define TEST_NEEDS(id, title, word)                    SUITE_REGISTER(id, title, NULL, word, SUITE_PART_OF_ALL)
#define TEST_PANICS_NEEDS(id, title, panic_text, word) SUITE_REGISTER(id, title, panic_text, word, SUITE_PART_OF_ALL)

/* As TEST(), for what takes minutes: it runs only by its whole name, as `make prove` does. */
#define TEST_LONG(id, title) SUITE_REGISTER(id, title, NULL, NULL, SUITE_PART_OF_NONE)

/* As TEST(), for an area that makes a run of its own: test=area. */
#define TEST_APART(id, title) SUITE_REGISTER(id, title, NULL, NULL, SUITE_PART_OF_AREA)

/* Has `sum_up` called once all tests that were asked for have run, instead of what was to be called so far.
 * Context: thread. */
void suite_at_end(void (*sum_up)(void));

/* Notes that the running test failed, and goes on. Context: thread. */
void suite_fail(const char *file, int line, const char *format, ...) printf_like(3, 4);

#define CHECK(expression) ((expression) ? (void)0 : suite_fail(__FILE__, __LINE__, "%s", #expression))
#define CHECK_EQUAL(actual, expected)                                                          \
    do {                                                                                       \
        unsigned long actual_ = (unsigned long)(actual);                                       \
        unsigned long expected_ = (unsigned long)(expected);                                   \
        if (actual_ != expected_)                                                              \
            suite_fail(__FILE__, __LINE__, "%s is %lu, not %lu", #actual, actual_, expected_); \
    } while (0)

#endif
