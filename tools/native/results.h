/*
 * The figures, what was measured where, and results.json.
 */
#ifndef DUET_NATIVE_RESULTS_H
#define DUET_NATIVE_RESULTS_H

#include "measure.h"

enum { PEERS_MOST = 16, ROWS_MOST = 24, TEXT_BYTES = 256 };

/* Of a figure that is another one each time: half of all lie between low and high. */
struct spread {
    unsigned rounds;
    double median, least, low, high;
};

struct figure {
    double instructions; /* 0 if they were not counted */
    struct spread ns;    /* 0 if it was not timed */
};

extern struct facts {
    unsigned rounds;
    bool quick;
    char date[TEXT_BYTES], commit[TEXT_BYTES], cpu[TEXT_BYTES], cpus[TEXT_BYTES], kernel[TEXT_BYTES];
    char gcc[TEXT_BYTES], valgrind[TEXT_BYTES], load_before[TEXT_BYTES], load_after[TEXT_BYTES];
} facts;

/* By unit, peer (as in peers[]) and phase. */
extern struct figure results[UNITS][PEERS_MOST][PHASES];

/* Notes when and on what: before the first measurement, and after the last one that is timed. */
void results_begin(unsigned rounds, bool quick);
void results_timed(void);

/* A line of the tables: a unit, one phase of it, or all three of timers added. */
struct row {
    char id[TEXT_BYTES / 4];
    size_t unit, phase, phases;
};
extern struct row rows[ROWS_MOST];
extern size_t row_count;

/* Makes the rows; the others are for after it. */
void results_rows(void);
void results_json(const char *path);
struct figure row_figure(const struct row *row, size_t peer);
double row_ratio(const struct row *row, size_t peer, bool ns); /* the peer's figure over Duet's */
const char *row_meaning(const struct row *row);                /* valid until the next call */

/* Why this run has no such figure, or NULL if it has. */
const char *figure_why_not(const struct unit *unit, const struct peer *peer);

/* What a hand-off between threads takes without any task. */
double cross_thread_floor_ns(void);

#endif
