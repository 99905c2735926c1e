/*
 * What tests share: a seed that is printed and can be replayed, small random numbers, bytes that
 * say where they belong, and buffers that notice a byte written outside.
 *
 * Brings in cmocka and what cmocka needs before it.
 */
#ifndef DRAY_TESTS_TEST_H
#define DRAY_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 1 when built with a sanitizer: mlock does nothing then, and resident memory counts its shadow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

/* What random tests divide their rounds by: ThreadSanitizer makes a loop over bytes 10 to 30 times
 * slower. Seeds differ from run to run, so nothing is left out for good. */
#define TEST_SLOWNESS (TEST_SANITIZED ? 10 : 1)

/* $DRAY_SEED, or the clock's when it is not set. The first call prints it. Same value all the run.
 */
uint64_t test_seed(void);

/* Splitmix64: one 64-bit word of state, any seed. One for each thread. */
struct test_rng {
    uint64_t state;
};

uint64_t test_next(struct test_rng *rng);
/* 0 .. limit-1; limit above 0. */
uint64_t test_below(struct test_rng *rng, uint64_t limit);
/* 0 .. max, each power of two as likely as the next: short ones are as frequent as long ones. */
uint64_t test_size(struct test_rng *rng, uint64_t max);

/*
 * Tags: byte `position` of the stream of bytes that `salt` (below 2^24) names. Every aligned 8
 * bytes occur once, in one stream, so that a stray word says which stream and which position it
 * came from.
 */
uint8_t tag_byte(uint64_t salt, uint64_t position);
/* The stream from `position` on. */
void tag_fill(void *bytes, size_t size, uint64_t salt, uint64_t position);
/* Fails the test unless the bytes are the stream from `position` on; says where the first wrong one
 * stands and, if it is recognised, where it came from. */
void tag_check(const void *bytes, size_t size, uint64_t salt, uint64_t position);

/* A buffer between two strips of 64 guard bytes that hold tags. `align` is a power of two. Never
 * NULL. */
void *guard_alloc(size_t size, size_t align);
/* Fails the test if a byte of a strip has changed. */
void guard_check(const void *buffer);
/* Checks, then frees. NULL is allowed. */
void guard_free(void *buffer);

/* Ends the test program with 77 after printing why. */
_Noreturn void test_skip_all(const char *why);

#endif
