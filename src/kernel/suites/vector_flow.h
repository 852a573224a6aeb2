/*
 * Flows that know what every vector and x87 register holds, in vector_flow.S. Only a thread that asked may run them.
 */
#ifndef DUET_KERNEL_SUITES_VECTOR_FLOW_H
#define DUET_KERNEL_SUITES_VECTOR_FLOW_H

#include <stdatomic.h>

#include "lib/base.h"

enum { VECTOR_REGISTERS = 16, X87_REGISTERS = 8 };

struct vector_registers {
    uint8_t wide[VECTOR_REGISTERS][32]; /* the lower half of each is xmm's */
    uint8_t x87[X87_REGISTERS][16];     /* from the top down; ten bytes each, the rest zero */
    uint32_t mxcsr;
    uint16_t control, status; /* x87 */
};

struct vector_flow {
    struct vector_registers held;
    struct vector_registers seen;
    uint64_t wrong; /* the offset in `held` of what last did not keep its value */
    uint64_t mismatches;
    uint64_t rounds;
    atomic_bool stop;
};
_Static_assert(offsetof(struct vector_registers, x87) == 512 && offsetof(struct vector_registers, mxcsr) == 640 &&
                   offsetof(struct vector_registers, control) == 644 &&
                   offsetof(struct vector_registers, status) == 646 && offsetof(struct vector_flow, seen) == 648 &&
                   offsetof(struct vector_flow, wrong) == 1296 && offsetof(struct vector_flow, mismatches) == 1304 &&
                   offsetof(struct vector_flow, rounds) == 1312 && offsetof(struct vector_flow, stop) == 1320,
               "vector_flow.S knows these offsets");

/* Different values in every register and for every `seed`, and one of four ways to round and to take errors. */
void vector_flow_init(struct vector_flow *flow, uint64_t seed);

/* Says what did not keep its value. Context: thread. */
void vector_flow_check(const struct vector_flow *flow);

/* Fills the registers, does nothing for a while, and compares, until `stop`; with or without the upper halves of ymm,
 * which need vectors_wide(). */
void vector_flow_spin(struct vector_flow *flow);
void vector_flow_spin_wide(struct vector_flow *flow);

/* Where each does nothing: from the first instruction to the end. */
extern const uintptr_t vector_flow_window[2], vector_flow_window_wide[2];

/* The same once, and a call in between. */
void vector_flow_across_call(struct vector_flow *flow, void (*function)(void));

/* What the registers hold, the upper halves left out. It empties the x87 stack. */
void vector_flow_store(struct vector_registers *registers);

/* One instruction each, for who did not ask. */
void vector_flow_touch_sse(void);
void vector_flow_touch_mxcsr(void);
void vector_flow_touch_x87(void);
void vector_flow_touch_mmx(void);
void vector_flow_touch_avx(void);

#endif
