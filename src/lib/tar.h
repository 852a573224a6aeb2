/*
 * Archives of files: the ustar format (POSIX.1-2017, pax, "ustar Interchange Format"), as `tar --format=ustar` writes
 * it. The archive is not trusted. Context: any.
 */
#ifndef DUET_LIB_TAR_H
#define DUET_LIB_TAR_H

#include "lib/base.h"

enum { TAR_NAME_BYTES = 101 };

struct tar_file {
    char name[TAR_NAME_BYTES];
    const void *bytes; /* in the archive */
    size_t size;
};

/* The next regular file at or after offset *at, which begins at 0 and moves behind it. STATUS_NOT_FOUND at the end,
 * which need not be marked; STATUS_INVALID where a header is broken, or a file is not all there. Names that are longer
 * than ustar's first field are cut off in front. */
enum status tar_next(const void *archive, size_t size, size_t *at, struct tar_file *file) must_check;

#endif
