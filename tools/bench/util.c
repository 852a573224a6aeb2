#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void die(const char *format, ...)
{
    va_list arguments;

    fputs("duet-bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

char *text_format(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        die("out of memory");
    va_end(arguments);
    return text;
}

void *array_new(size_t count, size_t size_bytes)
{
    void *array = calloc(count, size_bytes);

    if (!array)
        die("out of memory");
    return array;
}

char *file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    size_t capacity = 4096;
    char *text;

    if (!file)
        return NULL;
    text = array_new(capacity, 1);
    for (;;) {
        size += fread(text + size, 1, capacity - 1 - size, file);
        if (size < capacity - 1)
            break;
        capacity *= 2;
        text = realloc(text, capacity);
        if (!text)
            die("out of memory");
    }
    text[size] = '\0';
    fclose(file);
    return text;
}

void folder_make(const char *path)
{
    char *copy = text_format("%s/", path);

    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST)
            die("cannot make the folder %s: %s", copy, strerror(errno));
        *slash = '/';
    }
    free(copy);
}
