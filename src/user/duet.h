/*
 * What a program has of the kernel: the system calls of lib/syscalls.def as functions duet_NAME(). Their texts there
 * say what they do; a negative result is the negative of a DUET_ERROR_NAME.
 */
#ifndef DUET_USER_DUET_H
#define DUET_USER_DUET_H

#include <stdint.h>

struct ps2_byte;    /* drivers/ps2_port.h */
struct input_event; /* drivers/input.h */

int64_t system_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t number);

#define USER(type) type *
#define SYSCALL_ERROR(...)
#define SYSCALL0(number, name, text)            \
    static inline int64_t duet_##name(void)     \
    {                                           \
        return system_call(0, 0, 0, 0, number); \
    }
#define SYSCALL1(number, name, t1, a1, text)               \
    static inline int64_t duet_##name(t1 a1)               \
    {                                                      \
        return system_call((uint64_t)a1, 0, 0, 0, number); \
    }
#define SYSCALL2(number, name, t1, a1, t2, a2, text)                  \
    static inline int64_t duet_##name(t1 a1, t2 a2)                   \
    {                                                                 \
        return system_call((uint64_t)a1, (uint64_t)a2, 0, 0, number); \
    }
#define SYSCALL3(number, name, t1, a1, t2, a2, t3, a3, text)                     \
    static inline int64_t duet_##name(t1 a1, t2 a2, t3 a3)                       \
    {                                                                            \
        return system_call((uint64_t)a1, (uint64_t)a2, (uint64_t)a3, 0, number); \
    }
#define SYSCALL4(number, name, t1, a1, t2, a2, t3, a3, t4, a4, text)                        \
    static inline int64_t duet_##name(t1 a1, t2 a2, t3 a3, t4 a4)                           \
    {                                                                                       \
        return system_call((uint64_t)a1, (uint64_t)a2, (uint64_t)a3, (uint64_t)a4, number); \
    }
#include "lib/syscalls.def"
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL_ERROR

#define SYSCALL_ERROR(name, value, text) DUET_ERROR_##name = (value),
#define SYSCALL0(...)
#define SYSCALL1(...)
#define SYSCALL2(...)
#define SYSCALL3(...)
#define SYSCALL4(...)
enum duet_error {
#include "lib/syscalls.def"
};
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL_ERROR
#undef USER

/* A program's own function: its result is what exit() gets. */
int main(uint64_t argument);

/* Starts a thread that runs function(argument), whose result is what thread_exit() gets. As duet_thread(). */
void _thread(void);
static inline int64_t thread_begin(int (*function)(uint64_t argument), uint64_t argument)
{
    return duet_thread((uint64_t)_thread, argument, (uint64_t)function);
}

/* text.c: print text; and text, a number and a new line. */
void print(const char *text);
void print_number(const char *text, uint64_t number);

#endif
