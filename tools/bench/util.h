/* What the benchmark's files share: failing, formatting into fresh memory, files. Out of memory ends the program. */
#ifndef DUET_BENCH_UTIL_H
#define DUET_BENCH_UTIL_H

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(array)          (sizeof(array) / sizeof((array)[0]))
#define printf_like(string, first) __attribute__((format(printf, string, first)))

/* Says on standard error what is wrong, and exits with status 1. */
_Noreturn void die(const char *format, ...) printf_like(1, 2);

/* A fresh string; the caller frees it. */
char *text_format(const char *format, ...) printf_like(1, 2);

/* A zeroed array; the caller frees it. */
void *array_new(size_t count, size_t size_bytes);

/* The whole file as a fresh string, or NULL if it cannot be read. */
char *file_read(const char *path);

/* Makes the folder and those above it; existing ones are fine. */
void folder_make(const char *path);

#endif
