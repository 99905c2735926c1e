/* Clocks of the benchmarks. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/** Seconds on a clock, for differences. */
static inline double bench_seconds_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/** Wall-clock seconds, for differences. */
static inline double bench_seconds(void)
{
    return bench_seconds_of(CLOCK_MONOTONIC);
}

/*
 * Ticks for intervals of some hundred nanoseconds, where clock_gettime's 20-30 ns would be a large
 * part of what is measured. The time-stamp counter is not serialising: what is timed here waits on
 * loads of a completion, which order it well enough, for both sides alike.
 */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/** Nanoseconds of one tick, measured over 10 ms. */
static inline double bench_tick_ns(void)
{
    double begin = bench_seconds(), end;
    uint64_t first = bench_ticks(), last;

    do {
        end = bench_seconds();
        last = bench_ticks();
    } while (end - begin < 0.01);
    return (end - begin) * 1e9 / (double)(last - first);
}

/** Tells the core that it spins. */
static inline void bench_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static inline int bench_compare_ticks(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/** Median of count samples, which it sorts. */
static inline uint64_t bench_median_ticks(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), bench_compare_ticks);
    return samples[count / 2];
}

/*
 * A latency sample is this many operations, one after the other: the counter of some machines steps
 * in 10 ns, a tenth of one operation.
 */
enum {
    BENCH_LATENCY_GROUP = 8
};

/** Median nanoseconds of one operation, from samples of BENCH_LATENCY_GROUP, which it sorts. */
static inline double bench_median_latency_ns(uint64_t *samples, size_t count)
{
    if (!count)
        return -1;
    return bench_tick_ns() * (double)bench_median_ticks(samples, count) / BENCH_LATENCY_GROUP;
}

#endif
