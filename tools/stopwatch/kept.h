/*
 * What a cell left, kept in a file of its own until something it depends on is another: both kernels' and programs'
 * bytes, the plan, the plugin, this program, QEMU, the command. A run that dies so keeps what is finished.
 */
#ifndef DUET_STOPWATCH_KEPT_H
#define DUET_STOPWATCH_KEPT_H

#include "cell.h"

/* What the run's result depends on, as a fresh string; exits if one of the files is missing. `version` is QEMU's. */
char *kept_key(const struct run *run, const struct setting *setting, const char *version);

/* The result of that key, as a fresh object, or NULL. */
json_t *kept_load(const struct run *run, const char *key);

/* A complete file or none. */
void kept_save(const struct run *run, const char *key, const json_t *result);

#endif
