/*
 * Suite `queue`: what a descriptor costs. Copies of 64 bytes through a worker thread, in batches of
 * 32 on a ring of 512, and one at a time; against DPDK's dma_skeleton driven the same way.
 */
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "copiers.h"
#include "dray/io.h"
#include "harness.h"
#include "load.h"
#include "memory.h"
#include "peer.h"
#include "rig.h"
#include "suites.h"

enum {
    SEED = 0x11,
    LENGTH = 64,
    SLOTS = 1024, /* power of two, over the depth: no two copies in flight share bytes */
    DEPTH = 512,
    BATCH = 32,
    WARM_UP_OPS = 2048,
    SAMPLES_MAX = 1 << 14,
};

struct queue_param {
    uint64_t ops; /* in a round */
};

struct queue_state {
    uint64_t ops;
    void *src, *dst;
    const struct bench_dma_peer *peer;
    struct bench_rig rig;
    uint64_t samples[SAMPLES_MAX];
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
    cpu_set_t before;
    double figure;

    sched_getaffinity(0, sizeof(before), &before);
    if (state->peer->start())
        return bench_fail(run, "dma_skeleton did not start");
    bench_bind(bench_cpu(0));
    figure = work(state->ops);
    sched_setaffinity(0, sizeof(before), &before);
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

static void fill_copy(const struct bench_rig *rig, uint64_t op)
{
    uint64_t at = op % SLOTS * LENGTH;

    dray_prep_copy(dray_queue_get(rig->queues[0]), rig->dst[0], at, rig->src[0], at, LENGTH);
}

/* As the peer does: the ring kept as full as whole batches allow, reaped on every pass. */
static double copy_batches(struct bench_run *run, uint64_t ops)
{
    struct queue_state *state = run->state;
    struct dray_queue *queue = state->rig.queues[0];
    struct dray_completion done[DEPTH];
    uint64_t sent = 0, finished = 0, i;
    double begin = bench_seconds();

    while (finished < ops) {
        uint32_t reaped;

        while (sent < ops && sent - finished + BATCH <= DEPTH) {
            for (i = 0; i < BATCH; i++)
                fill_copy(&state->rig, sent + i);
            dray_queue_submit(queue);
            sent += BATCH;
        }
        reaped = dray_queue_reap(queue, done, DEPTH);
        for (i = 0; i < reaped; i++) {
            if (done[i].status != DRAY_STATUS_OK)
                return bench_rig_refused(run, &done[i]);
        }
        finished += reaped;
    }
    return (double)ops / (bench_seconds() - begin) / 1e6;
}

static int copy_one(struct bench_run *run, uint64_t op)
{
    struct queue_state *state = run->state;
    struct dray_queue *queue = state->rig.queues[0];
    const struct dray_completion *completion;

    fill_copy(&state->rig, op);
    dray_queue_submit(queue);
    while (!(completion = dray_queue_peek(queue)))
        dray_io_relax();
    if (completion->status != DRAY_STATUS_OK)
        return bench_rig_refused(run, completion);
    dray_queue_seen(queue, 1);
    return 0;
}

static double copy_singly(struct bench_run *run, uint64_t ops)
{
    struct queue_state *state = run->state;
    uint64_t i, k, begin, samples = ops / BENCH_LATENCY_GROUP;

    if (samples > SAMPLES_MAX)
        samples = SAMPLES_MAX;
    for (i = 0; i < samples; i++) {
        begin = bench_ticks();
        for (k = 0; k < BENCH_LATENCY_GROUP; k++) {
            if (copy_one(run, i * BENCH_LATENCY_GROUP + k))
                return -1;
        }
        state->samples[i] = bench_ticks() - begin;
    }
    return bench_median_latency_ns(state->samples, samples);
}

/* The worker, too, lives in its own rounds only, and has a processor of its own where there are
 * two. */
static int start_dray(struct bench_run *run)
{
    struct queue_state *state = run->state;
    struct bench_rig_options options = {
        .mode = DRAY_MODE_WORKER,
        .workers = 1,
        .worker_cpu = bench_cpu_count() > 1 ? bench_cpu(1) : -1,
        .poll = true,
        .queues = 1,
        .depth = DEPTH,
    };
    int rc = bench_rig_open(run, &state->rig, &options);
    uint64_t i;

    if (!rc)
        rc = bench_rig_map(run, &state->rig, 0, state->dst, SLOTS * LENGTH, state->src,
                           SLOTS * LENGTH);
    for (i = 0; i < WARM_UP_OPS && !rc; i++)
        rc = copy_one(run, i);
    return rc;
}

static double run_dray(struct bench_run *run, double (*work)(struct bench_run *, uint64_t ops))
{
    struct queue_state *state = run->state;
    cpu_set_t before;
    double figure = -1;

    sched_getaffinity(0, sizeof(before), &before);
    if (!start_dray(run)) {
        bench_bind(bench_cpu(0));
        figure = work(run, state->ops);
        sched_setaffinity(0, sizeof(before), &before);
    }
    bench_rig_close(&state->rig);
    return figure;
}

static double run_dray_batch(struct bench_run *run)
{
    return run_dray(run, copy_batches);
}

static double run_dray_latency(struct bench_run *run)
{
    return run_dray(run, copy_singly);
}

/* The least that any two threads need: no keys, no checks, no right to stop. */
static double run_handshake(struct bench_run *run)
{
    double ns = bench_handshake_ns(((struct queue_state *)run->state)->ops, bench_cpu(0),
                                   bench_cpu_count() > 1 ? bench_cpu(1) : -1);

    return ns > 0 ? ns : bench_fail(run, "no thread for the handshake");
}

#define QUEUE_HOOKS                                                                               \
    .setup = queue_setup, .wipe = queue_wipe, .verify = queue_verify, .teardown = queue_teardown, \
    .seconds = 5, .rounds_min = 9

static const struct bench_case cases[] = {
    { .name = "batch32",
      .unit = "Mops/s",
      .higher_is_better = true,
      .param = &(const struct queue_param){ 2000000 / BATCH * BATCH },
      .dray = { .name = "dray", .run = run_dray_batch },
      .peers = { { .name = "DPDK dma_skeleton",
                   .run = run_dpdk_batch,
                   .open = open_dpdk,
                   .close = close_dpdk } },
      QUEUE_HOOKS },
    { .name = "latency",
      .unit = "ns",
      .param = &(const struct queue_param){ 100000 },
      .dray = { .name = "dray", .run = run_dray_latency },
      .peers = { { .name = "DPDK dma_skeleton",
                   .run = run_dpdk_latency,
                   .open = open_dpdk,
                   .close = close_dpdk } },
      QUEUE_HOOKS },
    { .name = "latency/limit",
      .unit = "ns",
      .param = &(const struct queue_param){ 100000 },
      .dray = { .name = "dray", .run = run_dray_latency },
      .peers = { { .name = "bare handshake",
                   .run = run_handshake,
                   .verify = bench_nothing_to_verify } },
      QUEUE_HOOKS },
};

const struct bench_suite bench_suite_queue = {
    .name = "queue",
    .about = "64-byte copies through a worker thread",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
