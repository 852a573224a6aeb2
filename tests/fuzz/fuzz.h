/*
 * What every fuzz target shares: one function a target, the input as a string of decisions, and claims.
 *
 * A target is a file of this folder that defines fuzz_one(). It runs unmodified sources of src/ against a reference,
 * and starts from scratch each time. A claim that does not hold, a panic, and whatever the sanitizers find end the
 * process; libFuzzer keeps the input then. tools/fuzz.sh builds each target with libFuzzer; replay.c runs inputs that
 * are known.
 *
 * Shared with tests/host: its models and mock devices. They draw from support_random(), which here is the input too.
 */
#ifndef DUET_TESTS_FUZZ_H
#define DUET_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"

/* One execution, on the input that the functions below draw from. */
void fuzz_one(void);

/* Whether anything of the input is left. What is drawn after its end is zero. */
bool fuzz_more(void);
uint8_t fuzz_byte(void);

/* A byte below e0 is itself; others say how many bytes follow, 1 to 8, as a little-endian number. */
uint64_t fuzz_number(void);
uint64_t fuzz_below(uint64_t limit);

/* All that is left, without drawing it; and draws up to `size` bytes, as they lie in the input. */
const uint8_t *fuzz_rest(size_t *size);
size_t fuzz_bytes(void *to, size_t size);

_Noreturn void fuzz_broken(const char *file, int line, const char *claim);
#define CHECK(claim) ((claim) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #claim))

#endif
