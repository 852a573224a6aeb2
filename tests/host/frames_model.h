/*
 * The frame allocator and a map of who owns each frame, driven by support_random(). There is a hole in the memory.
 */
#ifndef DUET_TESTS_FRAMES_MODEL_H
#define DUET_TESTS_FRAMES_MODEL_H

#include "lib/frames.h"

extern struct frames frames_model;

enum { FRAMES_MODEL_MAX = 16384 };

/* Memory ends after `end` frames, more than 1 MiB. */
void frames_model_begin(uint32_t end, uint64_t seed);

/* Takes a frame or a run in about `taking` of 100 cases, and gives one back in the others. */
void frames_model_operate(unsigned taking);

/* Gives all back. */
void frames_model_end(void);

#endif
