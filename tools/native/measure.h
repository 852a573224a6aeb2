/*
 * One measurement: a process that makes one peer's tasks, does one operation again and again, and checks what it did.
 */
#ifndef DUET_NATIVE_MEASURE_H
#define DUET_NATIVE_MEASURE_H

#include "native.h"

/* What one process measures: an operation, or the three things that are done with timers. */
struct unit {
    const char *id;
    size_t way;       /* offset of the struct way in struct peer; not of timers */
    bool timers;      /* then `tasks` timers are live */
    bool shared;      /* `count` is of all tasks together */
    size_t tasks;     /* how many there are */
    size_t checked;   /* of how many done() is looked at */
    uint64_t count;   /* operations between two looks at the clock */
    uint64_t counted; /* the smaller of the two counts under callgrind */
};

enum { UNITS = 11, PHASES = 3 };
extern const struct unit units[UNITS];

/* What each phase of timers is, in the order in which they are printed. */
extern const char *const phase_names[PHASES];

/* Why this peer has no such unit, or NULL if it has. */
const char *unit_why_not(const struct unit *unit, const struct peer *peer);

/* Every peer, the columns first, `flag` and the harness's own after them; ends with NULL. */
extern const struct peer *const peers[];
enum { COLUMNS = 9 };
const struct peer *peer_find(const char *id);

/* Prints `PHASE NS OPERATIONS`, a line a phase, to stdout. */
void measure_time(const struct unit *unit, const struct peer *peer);

/* Under callgrind: leaves a dump for each line `PHASE OPERATIONS` that it prints. */
void measure_count(const struct unit *unit, const struct peer *peer);

/* Does it at a small scale and says nothing if all is as it must be; else dies. */
void measure_check(const struct unit *unit, const struct peer *peer);

#endif
