#include "histogram.h"

/* Values below 2^BITS have buckets of their own; above, a bucket is an exponent and BITS bits. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value >> BENCH_HISTOGRAM_BITS == 0)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - BENCH_HISTOGRAM_BITS;
    return (shift << BENCH_HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static uint64_t last_of(unsigned bucket)
{
    unsigned shift = bucket >> BENCH_HISTOGRAM_BITS;
    uint64_t head = bucket & ((1u << BENCH_HISTOGRAM_BITS) - 1);

    if (shift == 0)
        return head;
    shift--;
    head += UINT64_C(1) << BENCH_HISTOGRAM_BITS;
    return (head << shift) + ((UINT64_C(1) << shift) - 1);
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t value)
{
    histogram->bucket[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t bench_histogram_at(const struct bench_histogram *histogram, double share)
{
    uint64_t rank = (uint64_t)(share * (double)histogram->count), passed = 0, value;
    unsigned i;

    for (i = 0; i < BENCH_HISTOGRAM_BUCKETS && rank < histogram->count; i++) {
        passed += histogram->bucket[i];
        value = last_of(i);
        if (passed > rank)
            return value < histogram->max ? value : histogram->max;
    }
    return histogram->max;
}
