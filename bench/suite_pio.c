/*
 * Suite `pio`: programmed I/O beside an engine. Processor seconds of the thread that wants 1 GB copied
 * in pieces of the case's size: word by word by itself, or by a worker of the cpu engine.
 */
#include "clock.h"
#include "pair.h"
#include "suites.h"

#define MIB ((size_t)1 << 20)

enum {
    DEPTH = 256
};

static int setup(struct bench_run *run)
{
    return bench_pair_setup(run, run->quick ? 4 * MIB : 64 * MIB);
}

static double seconds_per_gb(struct bench_run *run, const char *engine, enum dray_mode mode)
{
    struct bench_pair *pair = run->state;
    struct bench_rig_options options = { .engine = engine,
                                         .mode = mode,
                                         .worker_cpu = -1,
                                         .queues = 1,
                                         .depth = DEPTH,
                                         .notify_count = DEPTH,
                                         .notify_timeout_ns = 20000000 };
    size_t piece = *(const size_t *)run->spec->param, at, sent = 0;
    double begin, seconds;
    int rc = bench_pair_open(run, &options);

    if (rc)
        return -1;
    begin = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (at = 0; at < pair->size && !rc; at += piece) {
        bench_pair_copy(pair, at, piece);
        if (++sent < DEPTH && at + piece < pair->size)
            continue;
        dray_queue_submit(pair->rig.queues[0]);
        rc = bench_rig_finish(run, pair->rig.queues[0], sent);
        sent = 0;
    }
    seconds = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
    bench_rig_close(&pair->rig);
    return rc ? -1 : seconds * 1e9 / (double)pair->size;
}

static double run_dray(struct bench_run *run)
{
    return seconds_per_gb(run, "cpu", DRAY_MODE_WORKER);
}

static double run_pio(struct bench_run *run)
{
    return seconds_per_gb(run, "pio", DRAY_MODE_INLINE);
}

#define CASE(label, bytes)                                                                     \
    {                                                                                          \
        .name = label, .unit = "s/GB", .param = &(const size_t){ bytes },                      \
        .dray = { .name = "engine cpu", .run = run_dray },                                     \
        .peers = { { .name = "engine pio", .run = run_pio } }, .setup = setup,                 \
        .wipe = bench_pair_wipe, .verify = bench_pair_verify, .teardown = bench_pair_teardown, \
        .seconds = 4, .rounds_min = 5                                                          \
    }

static const struct bench_case cases[] = {
    CASE("4KiB", 4096),
    CASE("64KiB", 65536),
    CASE("1MiB", 1048576),
};

const struct bench_suite bench_suite_pio = {
    .name = "pio",
    .about = "processor seconds for 1 GB, programmed I/O beside an engine",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
