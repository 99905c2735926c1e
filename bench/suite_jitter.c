/*
 * Suite `jitter`: how long one copy of 4 KiB takes from the doorbell to its completion, many times
 * over, as percentiles. A worker that polls, beside one that goes to sleep when it has nothing to
 * do.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "histogram.h"
#include "pair.h"
#include "suites.h"

enum {
    PIECE = 4096,
    COPIES = 500,
    COPIES_QUICK = 64,
    GAP_NS = 20000, /* between copies: long enough to fall asleep in, for who does not poll */
};

static int setup(struct bench_run *run)
{
    struct bench_pair *pair;

    if (bench_pair_setup(run, 64 * PIECE))
        return -1;
    pair = run->state;
    pair->extra = malloc(sizeof(struct bench_histogram));
    if (pair->extra)
        return 0;
    bench_pair_teardown(run);
    return bench_fail(run, "no memory");
}

static void pass_time(void)
{
    double end = bench_seconds() + GAP_NS * 1e-9;

    while (bench_seconds() < end)
        bench_pause();
}

static int measure(struct bench_run *run, double tick_ns)
{
    struct bench_pair *pair = run->state;
    struct dray_queue *queue = pair->rig.queues[0];
    unsigned i, copies = run->quick ? COPIES_QUICK : COPIES;
    int rc = 0;

    memset(pair->extra, 0, sizeof(struct bench_histogram));
    for (i = 0; i < copies && !rc; i++) {
        uint64_t begin;

        bench_pair_copy(pair, (size_t)i % 64 * PIECE, PIECE);
        begin = bench_ticks();
        dray_queue_submit(queue);
        rc = bench_rig_poll(run, queue, 1);
        bench_histogram_add(pair->extra, (uint64_t)((double)(bench_ticks() - begin) * tick_ns));
        pass_time();
    }
    return rc;
}

static double percentile(struct bench_run *run, bool poll)
{
    struct bench_pair *pair = run->state;
    struct bench_rig_options options = { .mode = DRAY_MODE_WORKER,
                                         .workers = 1,
                                         .worker_cpu = -1,
                                         .poll = poll,
                                         .sleep = !poll,
                                         .queues = 1,
                                         .depth = 64 };
    int rc = bench_pair_open(run, &options);

    if (rc)
        return -1;
    rc = measure(run, bench_tick_ns());
    bench_rig_close(&pair->rig);
    return rc ? -1 : (double)bench_histogram_at(pair->extra, *(const double *)run->spec->param);
}

static double run_polling(struct bench_run *run)
{
    return percentile(run, true);
}

static double run_sleeping(struct bench_run *run)
{
    return percentile(run, false);
}

#define CASE(label, share)                                                                     \
    {                                                                                          \
        .name = label, .unit = "ns", .param = &(const double){ share },                        \
        .dray = { .name = "worker that polls", .run = run_polling },                           \
        .peers = { { .name = "worker that sleeps", .run = run_sleeping } }, .setup = setup,    \
        .wipe = bench_pair_wipe, .verify = bench_pair_verify, .teardown = bench_pair_teardown, \
        .seconds = 1, .rounds_min = 3                                                          \
    }

static const struct bench_case cases[] = {
    CASE("p50", 0.5), CASE("p90", 0.9), CASE("p99", 0.99), CASE("p99.9", 0.999), CASE("max", 1),
};

const struct bench_suite bench_suite_jitter = {
    .name = "jitter",
    .about = "completion times of 4 KiB as percentiles, polled for and slept for",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
