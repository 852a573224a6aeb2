/* Compiles: every count of arguments, and every kind. The control of all that must not compile. */
#include "thread/thread.h"

struct apple;
enum color { RED };

void *none(void);
void *one(uint8_t number);
void *two(const char *name, bool flag);
void *three(struct apple *apple, const struct apple *other, void *anything);
void *four(int8_t a, int16_t b, int32_t c, int64_t d);
void *five(enum color color, char letter, uintptr_t address, int *numbers, void (*callback)(void));
void *six(uint64_t a, uint32_t b, uint16_t c, uint8_t d, long e, unsigned long long f);
void done(void);
enum status attempt(struct thread *thread, struct apple *apple, const uint64_t number, enum color color);

enum status attempt(struct thread *thread, struct apple *apple, const uint64_t number, enum color color)
{
    const struct thread_options options = {.stack_bytes = 4096, .quantum_ns = 1000};
    static int numbers[3];
    void *(*chosen)(uint8_t) = one;

    if (thread_start_with(thread, "0", 1, none) || thread_start_options(thread, "0", 1, &options, none) ||
        thread_start_with(thread, "1", 1, one, (uint8_t)7) || thread_start_with(thread, "1", 1, chosen, (uint8_t)7) ||
        thread_start_with(thread, "2", 1, two, (const char *)"a long name", (bool)true) ||
        thread_start_with(thread, "3", 1, three, apple, (const struct apple *)apple, (void *)apple) ||
        thread_start_with(thread, "4", 1, four, (int8_t)-1, (int16_t)-2, -3, (int64_t)-4) ||
        thread_start_with(thread, "5", 1, five, color, (char)'a', (uintptr_t)1, numbers, done))
        return STATUS_INVALID;
    return thread_start_options(thread, "6", 1, &options, six, number, 2u, (uint16_t)3, (uint8_t)4, 5l, 6ull);
}
