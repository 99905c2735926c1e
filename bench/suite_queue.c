/*
 * Suite `queue`: what a descriptor costs. Copies of 64 bytes through a worker thread, in batches of
 * 32 on a ring of 512, and one at a time; against DPDK's dma_skeleton driven the same way.
 */
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "copiers.h"
#include "harness.h"
#include "load.h"
#include "memory.h"
#include "peer.h"
#include "suites.h"

enum {
    SEED = 0x11,
    LENGTH = 64,
    SLOTS = 1024, /* power of two, over the depth: no two copies in flight share bytes */
    DEPTH = 512,
    BATCH = 32,
};

struct queue_param {
    uint64_t ops; /* in a round */
};

struct queue_state {
    uint64_t ops;
    void *src, *dst;
    const struct bench_dma_peer *peer;
};

static void queue_teardown(struct bench_run *run)
{
    struct queue_state *state = run->state;

    bench_unmap(state->src, SLOTS * LENGTH);
    bench_unmap(state->dst, SLOTS * LENGTH);
    free(state);
}

static int queue_setup(struct bench_run *run)
{
    const struct queue_param *param = run->spec->param;
    struct queue_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->ops = run->quick ? 4 * SLOTS : param->ops;
    state->src = bench_map(SLOTS * LENGTH);
    state->dst = bench_map(SLOTS * LENGTH);
    if (!state->src || !state->dst) {
        queue_teardown(run);
        return bench_fail(run, "no memory");
    }
    bench_fill(state->src, SLOTS * LENGTH, SEED);
    return 0;
}

static void queue_wipe(struct bench_run *run)
{
    bench_wipe(((struct queue_state *)run->state)->dst, SLOTS * LENGTH);
}

static int queue_verify(struct bench_run *run)
{
    struct queue_state *state = run->state;
    size_t wrong = bench_check(state->dst, SLOTS * LENGTH, SEED, 0);

    if (wrong == BENCH_ALL_GOOD)
        return 0;
    return bench_fail(run, "copy %zu differs at byte %zu", wrong / LENGTH, wrong % LENGTH);
}

static int open_dpdk(struct bench_run *run)
{
    struct queue_state *state = run->state;
    struct bench_dma_job job = {
        .dst = state->dst,
        .src = state->src,
        .length = LENGTH,
        .slots = SLOTS,
        .depth = DEPTH,
        .batch = BATCH,
        .submit_cpu = bench_cpu(0),
        .worker_cpu = bench_cpu_count() > 1 ? bench_cpu(1) : -1,
    };

    state->peer = bench_load_peer("peer_dpdk.so", BENCH_DMA_SYMBOL, run->why, sizeof(run->why));
    return state->peer ? state->peer->open(&job, run->why, sizeof(run->why)) : -1;
}

static void close_dpdk(struct bench_run *run)
{
    ((struct queue_state *)run->state)->peer->close();
}

/* The peer's thread lives in its own rounds only, so that it disturbs no other's. */
static double run_dpdk(struct bench_run *run, double (*work)(uint64_t ops))
{
    struct queue_state *state = run->state;
    double figure;

    if (state->peer->start())
        return bench_fail(run, "dma_skeleton did not start");
    figure = work(state->ops);
    state->peer->stop();
    return figure > 0 ? figure : bench_fail(run, "dma_skeleton did not complete its copies");
}

static double run_dpdk_batch(struct bench_run *run)
{
    struct queue_state *state = run->state;
    double seconds = run_dpdk(run, state->peer->run_batch);

    return seconds < 0 ? seconds : (double)state->ops / seconds / 1e6;
}

static double run_dpdk_latency(struct bench_run *run)
{
    return run_dpdk(run, ((struct queue_state *)run->state)->peer->run_latency);
}

#define QUEUE_HOOKS                                                                               \
    .setup = queue_setup, .wipe = queue_wipe, .verify = queue_verify, .teardown = queue_teardown, \
    .seconds = 5, .rounds_min = 9

static const struct bench_case cases[] = {
    { .name = "batch32",
      .unit = "Mops/s",
      .higher_is_better = true,
      .param = &(const struct queue_param){ 2000000 / BATCH * BATCH },
      .peers = { { .name = "DPDK dma_skeleton",
                   .run = run_dpdk_batch,
                   .open = open_dpdk,
                   .close = close_dpdk } },
      QUEUE_HOOKS },
    { .name = "latency",
      .unit = "ns",
      .param = &(const struct queue_param){ 100000 },
      .peers = { { .name = "DPDK dma_skeleton",
                   .run = run_dpdk_latency,
                   .open = open_dpdk,
                   .close = close_dpdk } },
      QUEUE_HOOKS },
};

const struct bench_suite bench_suite_queue = {
    .name = "queue",
    .about = "64-byte copies through a worker thread",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
