/* A hostile producer: writes a queue's shared memory directly, from this process or another. */
#ifndef DRAY_TESTS_PRODUCER_H
#define DRAY_TESTS_PRODUCER_H

#include <stdatomic.h>

#include "arena.h"
#include "test.h"

/* What became of it; in memory shared with its process. */
struct producer_report {
    _Atomic uint64_t written;    /* descriptors published by it */
    _Atomic uint64_t status[32]; /* completions that it saw; 31: no status at all */
    _Atomic uint64_t broken;     /* rings that were found corrupt */
    _Atomic uint64_t held;       /* queues that it left parked */
};

struct producer_options {
    struct dray_queue_handle handle;
    struct arena *arena;
    uint64_t seed, count; /* descriptors */
    struct producer_report *report;
};

/* Until `count` descriptors were published, the ring is broken or the queue stands still. */
void producer_run(const struct producer_options *options);

/* A descriptor that may well be right: to be spoilt, or put into an array. */
void producer_valid(const struct arena *arena, struct test_rng *rng, struct dray_desc *d);

#endif
