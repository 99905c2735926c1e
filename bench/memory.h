/*
 * Memory of the benchmarks: populated before anything is timed, filled with content that differs
 * at every position, wiped between rounds, compared afterwards.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/** Sentinel of the functions below that look for a wrong word: there is none. */
#define BENCH_ALL_GOOD SIZE_MAX

/**
 * Maps size bytes, each page touched. Pages are the base size (transparent huge pages are switched
 * off, so that a machine's setting does not change what is compared), or transparent huge pages
 * when the environment has DRAY_BENCH_THP=1. Both sides of a case use the same memory.
 * Returns NULL when there is no memory; release with bench_unmap.
 */
void *bench_map(size_t size);
void bench_unmap(void *memory, size_t size);

/** What kind of pages bench_map gives, in words. */
const char *bench_pages(void);

/** The 64-bit word that belongs at position index of a buffer tagged with seed. */
static inline uint64_t bench_tag(uint64_t seed, size_t index)
{
    /* An odd factor: no two positions of one buffer are alike. */
    return seed + (uint64_t)index * UINT64_C(0x9e3779b97f4a7c15);
}

/** Tags size bytes (a multiple of 8). */
void bench_fill(void *memory, size_t size, uint64_t seed);

/**
 * Compares size bytes at memory with what bench_fill(…, seed) put at byte offset `from` of another
 * buffer. Returns the byte offset of the first wrong word, or BENCH_ALL_GOOD.
 */
size_t bench_check(const void *memory, size_t size, uint64_t seed, size_t from);

/** Makes every word of size bytes differ from any tag of a later round. */
void bench_wipe(void *memory, size_t size);

#endif
