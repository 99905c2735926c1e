/*
 * Suite `contention`: what a copying engine takes of the memory from a processor that needs it. A
 * loop sums 64 MiB of memory over and over, while a worker on another processor copies; with a
 * limit on the queue's rate, beside the same without, and beside the loop alone.
 */
#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "pair.h"
#include "suites.h"

#define MIB ((size_t)1 << 20)

enum {
    SWEEPS = 6,
    AHEAD = 8,   /* copies that the worker always has before it */
    DEPTH = 256, /* for all of a run's copies that are not reaped meanwhile */
};
#define RATE (UINT64_C(1) << 30) /* bytes a second */

struct load {
    bool copies;
    uint64_t rate;
};

static size_t piece_of(const struct bench_pair *pair)
{
    return pair->size / 16;
}

static int setup(struct bench_run *run)
{
    size_t size = run->quick ? MIB : 64 * MIB;
    struct bench_pair *pair;

    if (bench_pair_setup(run, size))
        return -1;
    pair = run->state;
    pair->extra = malloc(size);
    if (!pair->extra) {
        bench_pair_teardown(run);
        return bench_fail(run, "no memory");
    }
    bench_fill(pair->extra, size, 1);
    return 0;
}

static void sweep(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < count; i++)
        sum += words[i];
    __asm__ volatile("" : : "r"(sum)); /* the compiler cannot leave it out */
}

/* Reaps what is done and tops the queue up. */
static int feed(struct bench_run *run, uint64_t *sent, uint64_t *done)
{
    struct bench_pair *pair = run->state;
    struct dray_queue *queue = pair->rig.queues[0];
    struct dray_completion completion;

    while (dray_queue_reap(queue, &completion, 1)) {
        if (completion.status != DRAY_STATUS_OK)
            return bench_rig_refused(run, &completion);
        ++*done;
    }
    for (; *sent - *done < AHEAD; ++*sent)
        bench_pair_copy(pair, *sent % 16 * piece_of(pair), piece_of(pair));
    dray_queue_submit(queue);
    return 0;
}

/* GB/s of the loop. */
static double loop(struct bench_run *run, bool copies)
{
    struct bench_pair *pair = run->state;
    uint64_t sent = 0, done = 0;
    size_t part, parts = 16, bytes = pair->size / parts;
    double begin = bench_seconds(), end;
    unsigned i;
    int rc = 0;

    for (i = 0; i < SWEEPS; i++) {
        for (part = 0; part < parts && !rc; part++) {
            rc = copies ? feed(run, &sent, &done) : 0;
            sweep((const uint64_t *)((const char *)pair->extra + part * bytes), bytes / 8);
        }
    }
    end = bench_seconds();
    if (copies && !rc)
        rc = bench_rig_finish(run, pair->rig.queues[0], sent - done);
    pair->copied = sent < 16 ? (size_t)sent * piece_of(pair) : pair->size;
    return rc ? -1 : (double)pair->size * SWEEPS / 1e9 / (end - begin);
}

static double run_load(struct bench_run *run, struct load load)
{
    struct bench_pair *pair = run->state;
    struct bench_rig_options options = { .mode = DRAY_MODE_WORKER,
                                         .workers = 1,
                                         .worker_cpu = -1,
                                         .sleep = true,
                                         .queues = 1,
                                         .depth = DEPTH,
                                         .notify_timeout_ns = 1000000,
                                         .rate_bytes_per_s = load.rate };
    double figure;

    if (bench_pair_open(run, &options))
        return -1;
    figure = loop(run, load.copies);
    bench_rig_close(&pair->rig);
    return figure;
}

static double run_limited(struct bench_run *run)
{
    return run_load(run, (struct load){ true, RATE });
}

static double run_unlimited(struct bench_run *run)
{
    return run_load(run, (struct load){ true, 0 });
}

static double run_alone(struct bench_run *run)
{
    return run_load(run, (struct load){ false, 0 });
}

#define HOOKS                                                                                \
    .setup = setup, .wipe = bench_pair_wipe, .verify = bench_pair_verify,                    \
    .teardown = bench_pair_teardown, .unit = "GB/s", .higher_is_better = true, .seconds = 4, \
    .rounds_min = 5

static const struct bench_case cases[] = {
    { .name = "unlimited",
      .dray = { .name = "loop while a worker copies", .run = run_unlimited },
      .peers = { { .name = "the loop alone", .run = run_alone } },
      HOOKS },
    { .name = "limit-1GiB/s",
      .dray = { .name = "loop while a worker copies 1 GiB/s", .run = run_limited },
      .peers = { { .name = "the same, no rate limit", .run = run_unlimited } },
      HOOKS },
    { .name = "limit-1GiB/s/alone",
      .dray = { .name = "loop while a worker copies 1 GiB/s", .run = run_limited },
      .peers = { { .name = "the loop alone", .run = run_alone } },
      HOOKS },
};

const struct bench_suite bench_suite_contention = {
    .name = "contention",
    .about = "a loop over memory while a worker copies, with and without a rate limit",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
