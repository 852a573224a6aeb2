/*
 * Flows that turn interrupts or preemption off for a known number of instructions, in irqoff_flow.S, by the very places
 * that irq_save() and preempt_disable() are made of. Context: thread, interrupts on.
 */
#ifndef DUET_KERNEL_SUITES_IRQOFF_FLOW_H
#define DUET_KERNEL_SUITES_IRQOFF_FLOW_H

#include "lib/base.h"

/* 2 * loops + 1 instructions between off and on. The labels are behind the two. */
void irqoff_flow(size_t loops);
void irqoff_flow_other(size_t loops);
void irqoff_flow_preemption(size_t loops);
extern const char irqoff_flow_begin[], irqoff_flow_end[], irqoff_flow_other_begin[], irqoff_flow_other_end[];
extern const char irqoff_flow_preemption_begin[], irqoff_flow_preemption_end[];

/* As many, another off and on around as many, and again as many. */
void irqoff_flow_nested(size_t loops);
void irqoff_flow_preemption_nested(size_t loops);
extern const char irqoff_flow_nested_begin[], irqoff_flow_nested_end[];
extern const char irqoff_flow_preemption_nested_begin[], irqoff_flow_preemption_nested_end[];

/* The flags after counting preemption up twice and down twice, the carry set before; and after counting a word. */
void irqoff_flow_count(uint64_t flags[4]);
void irqoff_flow_count_plainly(uint64_t flags[4]);

#endif
