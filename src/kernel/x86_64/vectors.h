/*
 * The vector and x87 registers of a PC: turned on and off by CR0.TS, saved by XSAVE where the CPU has it, else by
 * FXSAVE. Defines the vector part of thread/arch.h.
 * Facts: Intel SDM vol. 1, 10.5 (FXSAVE), 13 (XSAVE); vol. 3, 2.5 (CR0, CR4), 2.6 (XCR0), 13.1 to 13.5.
 */
#ifndef DUET_KERNEL_VECTORS_H
#define DUET_KERNEL_VECTORS_H

#include "lib/base.h"

/* Finds out what there is to save, and turns the registers off. From here on, an instruction that uses them panics.
 * Context: boot. */
void vectors_init(void);

/* True if a thread that asked also has the registers of AVX. Context: any. */
bool vectors_wide(void);

#endif
