/*
 * What other kernels and other executors cost, to stand beside Duet's micro figures.
 *
 * Kernels were measured on the reference machine (docs/benchmark.md names their builds): LK with SMP code / its best
 * case without, NuttX with asserts / without, Linux user space as SCHED_FIFO. Executors were measured natively, in
 * instructions by callgrind. Zephyr's figures are published ones.
 */
#ifndef DUET_BENCH_ANCHORS_H
#define DUET_BENCH_ANCHORS_H

enum { ANCHOR_PEERS = 4 };

extern const char *const anchor_kernels[ANCHOR_PEERS]; /* the last is NULL: there are three */
extern const char *const anchor_executors[ANCHOR_PEERS];
extern const char *const anchor_thread_metric[ANCHOR_PEERS]; /* Zephyr alone, published; the last two are NULL */

/* What a figure is one of: threads and what wakes them, the rest of the kernel, or the cooperative half, which stands
 * beside executors. */
enum anchor_group { ANCHOR_THREADS, ANCHOR_KERNEL, ANCHOR_EXECUTORS };

enum anchor_group anchor_group(const char *id);

/* The peers' figures for this id, "-" where a peer has none. */
const char *const *anchor_find(const char *id);

#endif
