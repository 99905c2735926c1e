/*
 * Suite `offload`: what a copy costs the thread that wants it. 1 GiB in pieces of 1 MiB: processor
 * seconds of the submitting thread, against memcpy in that thread.
 */
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "copiers.h"
#include "harness.h"
#include "memory.h"
#include "rig.h"
#include "suites.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* A sleeper is woken so late at the worst. */
#define NOTIFY_TIMEOUT_NS UINT64_C(20000000)

enum {
    SEED = 0x0f,
    DEPTH = 1024,
    NOTIFY_COUNT = 256,
};

struct offload_state {
    size_t size, piece;
    void *src, *dst;
    struct bench_rig rig;
};

static void offload_teardown(struct bench_run *run)
{
    struct offload_state *state = run->state;

    bench_unmap(state->src, state->size);
    bench_unmap(state->dst, state->size);
    free(state);
}

static int offload_setup(struct bench_run *run)
{
    struct offload_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->size = run->quick ? 4 * MIB : GIB;
    state->piece = MIB;
    state->src = bench_map(state->size);
    state->dst = bench_map(state->size);
    if (!state->src || !state->dst) {
        offload_teardown(run);
        return bench_fail(run, "no memory for two buffers of %zu MiB", state->size / MIB);
    }
    bench_fill(state->src, state->size, SEED);
    return 0;
}

static void offload_wipe(struct bench_run *run)
{
    struct offload_state *state = run->state;

    bench_wipe(state->dst, state->size);
}

static int offload_verify(struct bench_run *run)
{
    struct offload_state *state = run->state;
    size_t wrong = bench_check(state->dst, state->size, SEED, 0);

    return wrong == BENCH_ALL_GOOD ? 0 : bench_fail(run, "byte %zu differs", wrong);
}

static int open_dray(struct bench_run *run)
{
    struct offload_state *state = run->state;
    struct bench_rig_options options = { .mode = DRAY_MODE_WORKER,
                                         .workers = 1,
                                         .worker_cpu = -1,
                                         .queues = 1,
                                         .depth = DEPTH,
                                         .notify_count = NOTIFY_COUNT,
                                         .notify_timeout_ns = NOTIFY_TIMEOUT_NS };
    int rc = bench_rig_open(run, &state->rig, &options);

    if (rc)
        return rc;
    rc = bench_rig_map(run, &state->rig, 0, state->dst, state->size, state->src, state->size);
    if (rc)
        bench_rig_close(&state->rig);
    return rc;
}

static void close_dray(struct bench_run *run)
{
    bench_rig_close(&((struct offload_state *)run->state)->rig);
}

/* All of it is counted: filling, the doorbell, waking up, reaping. */
static double run_dray(struct bench_run *run)
{
    struct offload_state *state = run->state;
    struct bench_rig *rig = &state->rig;
    double begin = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID);
    uint64_t count = 0;
    size_t at;

    for (at = 0; at < state->size; at += state->piece, count++)
        dray_prep_copy(dray_queue_get(rig->queues[0]), rig->dst[0], at, rig->src[0], at,
                       state->piece);
    dray_queue_submit(rig->queues[0]);
    if (bench_rig_finish(run, rig->queues[0], count))
        return -1;
    return bench_seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static double run_memcpy(struct bench_run *run)
{
    struct offload_state *state = run->state;
    double begin = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID);
    size_t at;

    for (at = 0; at < state->size; at += state->piece)
        bench_copy_libc((char *)state->dst + at, (const char *)state->src + at, state->piece);
    return bench_seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static const struct bench_case cases[] = {
    { .name = "cpu-seconds",
      .unit = "s",
      .dray = { .name = "dray", .run = run_dray, .open = open_dray, .close = close_dray },
      .peers = { { .name = "memcpy in the thread", .run = run_memcpy } },
      .setup = offload_setup,
      .wipe = offload_wipe,
      .verify = offload_verify,
      .teardown = offload_teardown,
      .seconds = 6,
      .rounds_min = 9 },
};

const struct bench_suite bench_suite_offload = {
    .name = "offload",
    .about = "processor time of the thread that submits 1 GiB",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
