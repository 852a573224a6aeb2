/*
 * The in-kernel test runner's registry: a test is a function in a linker section.
 */
#ifndef DUET_KERNEL_SUITE_H
#define DUET_KERNEL_SUITE_H

#include "lib/base.h"

struct suite_test {
    const char *name;
    void (*run)(void);
    const char *panics; /* NULL, or what the panic says that the test ends in */
    const char *irq;    /* NULL, or the one controller of the interrupt lines, "pic" or "apic", that it is about */
};

#define SUITE_REGISTER(id, title, panic_text, controller)                                            \
    static void id(void);                                                                            \
    __attribute__((section("suite"), used, aligned(8))) static const struct suite_test id##_test = { \
        title, id, panic_text, controller};                                                          \
    static void id(void)

/* TEST(id, "area.claim") { ... } */
#define TEST(id, title) SUITE_REGISTER(id, title, NULL, NULL)

/* As TEST(), and it passes only by a panic that says `panic_text`. Such a test runs alone: test=NAME. */
#define TEST_PANICS(id, title, panic_text) SUITE_REGISTER(id, title, panic_text, NULL)

/* As TEST(), for claims about one controller: where the lines come through the other, the test is skipped, which is
 * said and counted, and is neither passed nor failed. */
#define TEST_PIC(id, title)  SUITE_REGISTER(id, title, NULL, "pic")
#define TEST_APIC(id, title) SUITE_REGISTER(id, title, NULL, "apic")

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
