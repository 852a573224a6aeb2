/*
 * The two things of a VGA in text mode that are not in its memory: where the cursor stands, and what bit 7 of an
 * attribute means. A machine without a VGA ignores both.
 * Facts: IBM VGA Technical Reference, CRT Controller registers, Attribute Controller registers.
 */
#ifndef DUET_KERNEL_VGA_H
#define DUET_KERNEL_VGA_H

#include "lib/base.h"

enum { VGA_TEXT = 0xb8000 }; /* physical: alphanumeric modes' memory */

/* Makes bit 7 of an attribute the background's intensity, so that there are 16 backgrounds and nothing blinks; firmware
 * leaves it the other way. Context: boot. */
void vga_blink_off(void);

/* Puts the cursor on a cell, counted row by row. Context: any; the caller keeps writers apart. */
void vga_cursor_set(unsigned cell);

#endif
