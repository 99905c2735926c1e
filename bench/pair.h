/* The state of cases that copy one buffer to another, with the hooks that all of them need. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include "harness.h"
#include "rig.h"

struct bench_pair {
    size_t size;
    void *src, *dst;
    size_t copied; /* bytes of dst, from its start, that must be right now */
    struct bench_rig rig;
    void *extra; /* the suite's own; freed with free() */
};

/** Two buffers of `size` bytes, src filled; run->state becomes a struct bench_pair. */
int bench_pair_setup(struct bench_run *run, size_t size);
void bench_pair_wipe(struct bench_run *run);
int bench_pair_verify(struct bench_run *run);
void bench_pair_teardown(struct bench_run *run);

/** The rig with both buffers mapped in queue 0; 0, or nonzero with run->why set. */
int bench_pair_open(struct bench_run *run, const struct bench_rig_options *options);

/** Fills a copy of `length` bytes at `at`; the ring must have room. */
struct dray_desc *bench_pair_copy(struct bench_pair *pair, size_t at, size_t length);

#endif
