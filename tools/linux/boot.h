/* A boot of one of the kernels that fetch.sh brought, and what its process 1 said. */
#ifndef DUET_LINUX_BOOT_H
#define DUET_LINUX_BOOT_H

#include <jansson.h>

#include "../bench/pool.h"
#include "../bench/qemu.h"

/* Linux does not boot in the reference machine's 64 MiB with what Debian's kernel takes to unpack itself. */
enum { LINUX_MEMORY_MIB = 256 };

/* The reference machine with that much memory. */
struct qemu_machine linux_machine(const char *path);

/* A fresh argument list that boots FOLDER/KERNEL with `words` on its command line; the serial lines go to `name`.com1
 * and .com2. */
char **linux_command(const struct qemu_machine *machine, const char *folder, const char *kernel, const char *words,
                     const char *name);

/* A fresh copy of a command with words added at its end, until NULL. */
char **command_with(const char *const *command, const char *const *more);

/* What the package is: a fresh object of package, version and sha256. */
json_t *linux_package(const char *folder, const char *kernel);

/* Ends the program, saying why, unless the job ended well and its process 1 did all it was asked. */
void linux_check(const struct job *job, const char *com2);

/* The objects on a serial line's log whose "event" is this, without that member: a fresh array. */
json_t *lines_of(const char *path, const char *event);

/* Writes JSON, replacing an old file only by a complete new one. */
void json_write(const json_t *json, const char *path);

#endif
