/*
 * A histogram of times with buckets that grow with their values, as HDR histograms have them: 64
 * buckets for each power of two, so that a percentile is at most 1/64 too high. Adding is a shift
 * and an increment: nothing is kept of the samples.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    BENCH_HISTOGRAM_BITS = 6, /* of a value that tell buckets apart */
    BENCH_HISTOGRAM_BUCKETS = (65 - BENCH_HISTOGRAM_BITS) << BENCH_HISTOGRAM_BITS,
};

struct bench_histogram {
    uint64_t count, max;
    uint64_t bucket[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_add(struct bench_histogram *histogram, uint64_t value);

/** The highest value of the bucket that holds the sample at `share` (0 to 1) of all, sorted; the
 * largest sample itself for 1; 0 when there is none. */
uint64_t bench_histogram_at(const struct bench_histogram *histogram, double share);

#endif
