/*
 * What other kernels and other executors cost, to stand beside Duet's micro figures.
 *
 * Kernels were measured on the reference machine (docs/benchmark.md names their builds): LK with SMP code / its best
 * case without, NuttX with asserts / without, Linux user space as SCHED_FIFO. Executors were measured natively, in
 * instructions by callgrind.
 */
#ifndef DUET_BENCH_ANCHORS_H
#define DUET_BENCH_ANCHORS_H

#include <stdbool.h>

enum { ANCHOR_PEERS = 4 };

extern const char *const anchor_kernels[ANCHOR_PEERS]; /* the last is NULL: there are three */
extern const char *const anchor_executors[ANCHOR_PEERS];

/* True if the figure belongs to the cooperative half, and so stands beside executors. */
bool anchor_is_executor(const char *id);

/* The peers' figures for this id, "-" where a peer has none. */
const char *const *anchor_find(const char *id);

#endif
