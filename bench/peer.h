/*
 * What a benchmark peer that needs a heavy library offers.
 *
 * Such a peer is a module (a shared object) that the command loads when a case asks for it, so that
 * the command itself links to none of DPDK, OpenBLAS and SystemC. A module exports one symbol: a constant
 * table, named below. The command looks at `version` before anything else in the table.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_PEER_VERSION 1
#define BENCH_PEER_EXPORT  __attribute__((visibility("default")))

#define BENCH_DMA_SYMBOL       "bench_dma_peer"
#define BENCH_TRANSPOSE_SYMBOL "bench_transpose_peer"
#define BENCH_SIM_SYMBOL       "bench_sim_peer"

/** What a DMA peer copies: operation i copies slot i mod `slots`, `length` bytes, src to dst. */
struct bench_dma_job {
    void *dst;
    const void *src;
    size_t length;
    size_t slots;
    unsigned depth; /* descriptors in the ring */
    unsigned batch; /* descriptors for one doorbell */
    int submit_cpu; /* where the caller runs while it submits; -1: where it is */
    int worker_cpu; /* where the peer's thread runs; -1: where the system puts it */
};

/**
 * A DMA engine driven the way its own users drive it.
 *
 * open() may be called again after close(). start() makes the engine's thread exist, stop() ends
 * it, so that it disturbs nobody else's round. All from one thread. why receives the reason of a
 * failure, as a clause ("EAL did not start: ...").
 */
struct bench_dma_peer {
    uint32_t version;
    int (*open)(const struct bench_dma_job *job, char *why, size_t why_size);
    int (*start)(void);
    /** Copies ops pieces in batches, the ring kept full; seconds, negative after an error. */
    double (*run_batch)(uint64_t ops);
    /** Copies ops pieces one at a time; median nanoseconds from doorbell to completion. */
    double (*run_latency)(uint64_t ops);
    void (*stop)(void);
    void (*close)(void);
};

/** Out-of-place transposes of row-major matrices, one thread: b (cols x rows) = a (rows x cols). */
struct bench_transpose_peer {
    uint32_t version;
    void (*transpose_float)(size_t rows, size_t cols, const float *a, float *b);
    void (*transpose_double)(size_t rows, size_t cols, const double *a, double *b);
};

struct bench_ring_part;

/**
 * An event scheduler, with the work of sim_work.h. Both run from an empty schedule and leave one;
 * seconds of the scheduling and running alone, negative after an error. All from one thread.
 */
struct bench_sim_peer {
    uint32_t version;
    int (*open)(char *why, size_t why_size);
    /** `events` events of the two parts; how many each had is added up in counts. */
    double (*pingpong)(uint64_t events, uint64_t counts[2]);
    /** The ring, as bench_ring_reset left it, for `ps` picoseconds. */
    double (*ring)(uint64_t ps, struct bench_ring_part *parts);
};

#endif
