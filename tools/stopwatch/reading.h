/*
 * What the stopwatch's log says of each injection, and what the kernel's observer said of each event.
 */
#ifndef DUET_STOPWATCH_READING_H
#define DUET_STOPWATCH_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script.h"

enum stage { STAGE_HANDLER, STAGE_READ, STAGE_EVENT, STAGE_CONSUMER, STAGES };
extern const char *const stage_names[STAGES];

/* Instructions from an injection to each stage; a stage that is not reached before the next injection is 0. */
struct injection {
    uint64_t address; /* of the instruction that it fell into */
    uint64_t zero;    /* the first count that the handler can begin at */
    uint64_t stage[STAGES];
    unsigned deliveries; /* how often the consumer was reached before the next injection */
};

struct reading {
    struct injection *injections;
    size_t count;
};

/* Reads QEMU's log with the plugin's lines in it. Exits if it is none. */
struct reading reading_of(const char *path);
void reading_free(struct reading *reading);

/* Events as lines like those of struct act, in the order they came. */
struct seen {
    char (*lines)[40];
    size_t count;
    char *text; /* what keys typed, where the observer says so */
};

/* From what Duet in mode=echo, or Linux's process 1, said on COM2. */
struct seen seen_of(const char *com2);
void seen_free(struct seen *seen);

/* How what was seen differs from the script, each device's order by itself; how devices interleave is not defined. */
struct verdict {
    size_t injected, delivered;
    size_t lost;     /* of the script's events, one is missing */
    size_t unsent;   /* seen, and not (or not there) in the script */
    bool text_right; /* typed text is that of the script, or the observer tells none */
    char first[96];  /* what was lost or unsent first, for people */
};

struct verdict verdict_of(const struct script *script, const struct seen *seen);

/* The same where moves may be summed up on their way, as a full queue's are: keys and buttons are compared in order,
 * moves by their sum, which is one event if it differs. */
struct verdict verdict_summed(const struct script *script, const struct seen *seen);

#endif
