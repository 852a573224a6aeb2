/*
 * Criterion's assertions as claims of a fuzz target, for the models and mock devices of tests/host. Messages are
 * mostly left out: the claim and its place are enough to find it, and the input repeats it.
 */
#ifndef DUET_TESTS_FUZZ_CRITERION_H
#define DUET_TESTS_FUZZ_CRITERION_H

#include "fuzz.h"

#define cr_assert(claim, ...)          CHECK(claim)
#define cr_assert_not(claim, ...)      CHECK(!(claim))
#define cr_assert_eq(a, b, ...)        CHECK((a) == (b))
#define cr_assert_neq(a, b, ...)       CHECK((a) != (b))
#define cr_assert_lt(a, b, ...)        CHECK((a) < (b))
#define cr_assert_leq(a, b, ...)       CHECK((a) <= (b))
#define cr_assert_gt(a, b, ...)        CHECK((a) > (b))
#define cr_assert_geq(a, b, ...)       CHECK((a) >= (b))
#define cr_assert_null(a, ...)         CHECK((a) == NULL)
#define cr_assert_not_null(a, ...)     CHECK((a) != NULL)
#define cr_assert_str_eq(a, b, ...)    CHECK(strcmp((a), (b)) == 0)
#define cr_assert_arr_eq(a, b, n, ...) CHECK(memcmp((a), (b), (n)) == 0)
#define cr_assert_fail(...)            (fprintf(stderr, __VA_ARGS__), fuzz_broken(__FILE__, __LINE__, ""))

#endif
