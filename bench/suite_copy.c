/*
 * Suite `copy`: one contiguous copy. Over the caches, against memcpy and against the best that
 * plain stores can do; inside the caches, inline; and by two workers.
 */
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "copiers.h"
#include "harness.h"
#include "memory.h"
#include "rig.h"
#include "suites.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* A sleeper is woken so late at the worst. */
#define NOTIFY_TIMEOUT_NS UINT64_C(20000000)

enum {
    SEED = 0x5eed,
    BATCH = 32, /* descriptors for one doorbell, inline */
    DEPTH = 64,
    WORKER_DEPTH = 512, /* a round of the two workers, submitted at once */
};

struct copy_param {
    size_t size;
    unsigned times;  /* copies in a round */
    unsigned queues; /* buffers, each with a queue of its own on Dray's side */
};

struct copy_state {
    size_t size;
    unsigned times, count;
    void *src[2], *dst[2];
    bench_copy_fn *movsb, *stream;
    struct bench_rig rig;
};

static void copy_teardown(struct bench_run *run)
{
    struct copy_state *state = run->state;
    unsigned i;

    for (i = 0; i < state->count; i++) {
        bench_unmap(state->src[i], state->size);
        bench_unmap(state->dst[i], state->size);
    }
    free(state);
}

static int copy_setup(struct bench_run *run)
{
    const struct copy_param *param = run->spec->param;
    struct copy_state *state = calloc(1, sizeof(*state));
    unsigned i;

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->size = run->quick && param->size > MIB ? MIB : param->size;
    state->times = run->quick && param->times > 1 ? 4 : param->times;
    state->count = param->queues;
    for (i = 0; i < state->count; i++) {
        state->src[i] = bench_map(state->size);
        state->dst[i] = bench_map(state->size);
        if (!state->src[i] || !state->dst[i]) {
            copy_teardown(run);
            return bench_fail(run, "no memory for two buffers of %zu MiB", state->size / MIB);
        }
        bench_fill(state->src[i], state->size, SEED + i);
    }
    return 0;
}

static void copy_wipe(struct bench_run *run)
{
    struct copy_state *state = run->state;
    unsigned i;

    for (i = 0; i < state->count; i++)
        bench_wipe(state->dst[i], state->size);
}

static int copy_verify(struct bench_run *run)
{
    struct copy_state *state = run->state;
    unsigned i;

    for (i = 0; i < state->count; i++) {
        size_t wrong = bench_check(state->dst[i], state->size, SEED + i, 0);

        if (wrong != BENCH_ALL_GOOD)
            return bench_fail(run, "buffer %u of %zu bytes differs at offset %zu", i, state->size,
                              wrong);
    }
    return 0;
}

static double copy_figure(const struct copy_state *state, double seconds)
{
    return (double)state->size * state->times * state->count / seconds / 1e9;
}

static int open_dray(struct bench_run *run, const struct bench_rig_options *options)
{
    struct copy_state *state = run->state;
    unsigned i;
    int rc = bench_rig_open(run, &state->rig, options);

    if (rc)
        return rc;
    for (i = 0; i < state->count && !rc; i++)
        rc = bench_rig_map(run, &state->rig, i, state->dst[i], state->size, state->src[i],
                           state->size);
    if (rc)
        bench_rig_close(&state->rig);
    return rc;
}

static int open_inline(struct bench_run *run)
{
    return open_dray(run,
                     &(struct bench_rig_options){
                         .mode = DRAY_MODE_INLINE, .worker_cpu = -1, .queues = 1, .depth = DEPTH });
}

static int open_workers(struct bench_run *run)
{
    return open_dray(run, &(struct bench_rig_options){ .mode = DRAY_MODE_WORKER,
                                                       .workers = 2,
                                                       .worker_cpu = bench_cpu(0),
                                                       .queues = 2,
                                                       .depth = WORKER_DEPTH,
                                                       .notify_count = WORKER_DEPTH,
                                                       .notify_timeout_ns = NOTIFY_TIMEOUT_NS });
}

static void close_dray(struct bench_run *run)
{
    bench_rig_close(&((struct copy_state *)run->state)->rig);
}

static void fill_copies(const struct copy_state *state, unsigned i, unsigned count)
{
    const struct bench_rig *rig = &state->rig;

    for (; count; count--)
        dray_prep_copy(dray_queue_get(rig->queues[i]), rig->dst[i], 0, rig->src[i], 0, state->size);
}

static double run_inline(struct bench_run *run)
{
    struct copy_state *state = run->state;
    double begin = bench_seconds();
    unsigned left, count;

    for (left = state->times; left; left -= count) {
        count = left < BATCH ? left : BATCH;
        fill_copies(state, 0, count);
        dray_queue_submit(state->rig.queues[0]);
        if (bench_rig_poll(run, state->rig.queues[0], count))
            return -1;
    }
    return copy_figure(state, bench_seconds() - begin);
}

/* The caller sleeps while the workers copy: there are only two processors. */
static double run_workers(struct bench_run *run)
{
    struct copy_state *state = run->state;
    double begin = bench_seconds();
    unsigned i;

    for (i = 0; i < state->count; i++) {
        fill_copies(state, i, state->times);
        dray_queue_submit(state->rig.queues[i]);
    }
    for (i = 0; i < state->count; i++) {
        if (bench_rig_finish(run, state->rig.queues[i], state->times))
            return -1;
    }
    return copy_figure(state, bench_seconds() - begin);
}

static double run_with(struct bench_run *run, bench_copy_fn *copy)
{
    struct copy_state *state = run->state;
    double begin = bench_seconds();
    unsigned i;

    for (i = 0; i < state->times; i++)
        copy(state->dst[0], state->src[0], state->size);
    return copy_figure(state, bench_seconds() - begin);
}

static double run_memcpy(struct bench_run *run)
{
    return run_with(run, bench_copy_libc);
}

static double run_movsb(struct bench_run *run)
{
    return run_with(run, ((struct copy_state *)run->state)->movsb);
}

static double run_stream(struct bench_run *run)
{
    return run_with(run, ((struct copy_state *)run->state)->stream);
}

static int open_movsb(struct bench_run *run)
{
    struct copy_state *state = run->state;

    state->movsb = bench_copy_movsb();
    return state->movsb ? 0 : bench_fail(run, "this processor has no string move");
}

static int open_stream(struct bench_run *run)
{
    struct copy_state *state = run->state;
    const char *name;

    state->stream = bench_copy_stream(&name);
    return state->stream ? 0 : bench_fail(run, "this processor has no non-temporal stores");
}

static double run_pair(struct bench_run *run)
{
    struct copy_state *state = run->state;
    const void *src[2] = { state->src[0], state->src[1] };
    int cpus[2] = { bench_cpu(0), bench_cpu(1) };
    double seconds = bench_copy_pair(state->dst, src, state->size, state->times, cpus);

    return seconds < 0 ? bench_fail(run, "no threads") : copy_figure(state, seconds);
}

#define COPY_HOOKS                                                                    \
    .unit = "GB/s", .higher_is_better = true, .setup = copy_setup, .wipe = copy_wipe, \
    .verify = copy_verify, .teardown = copy_teardown, .rounds_min = 9

#define INLINE                                                                      \
    {                                                                               \
        .name = "dray", .run = run_inline, .open = open_inline, .close = close_dray \
    }
#define WORKERS                                                                       \
    {                                                                                 \
        .name = "dray", .run = run_workers, .open = open_workers, .close = close_dray \
    }

#define OVER_CACHES(label, bytes)                                                               \
    { .name = label,                                                                            \
      .param = &(const struct copy_param){ bytes, 1, 1 },                                       \
      .dray = INLINE,                                                                           \
      .peers = { { .name = "memcpy", .run = run_memcpy } },                                     \
      .seconds = 3,                                                                             \
      COPY_HOOKS },                                                                             \
    {                                                                                           \
        .name = label "/limit", .param = &(const struct copy_param){ bytes, 1, 1 },             \
        .dray = INLINE,                                                                         \
        .peers = { { .name = "rep movsb", .run = run_movsb, .open = open_movsb },               \
                   { .name = "non-temporal stores", .run = run_stream, .open = open_stream } }, \
        .seconds = 3, COPY_HOOKS                                                                \
    }

#define HOT(label, bytes, repeats)                                                               \
    {                                                                                            \
        .name = label, .param = &(const struct copy_param){ bytes, repeats, 1 }, .dray = INLINE, \
        .peers = { { .name = "memcpy", .run = run_memcpy } }, .seconds = 1.5, COPY_HOOKS         \
    }

static const struct bench_case cases[] = {
    OVER_CACHES("64MiB", 64 * MIB),
    OVER_CACHES("256MiB", 256 * MIB),
    OVER_CACHES("1GiB", GIB),
    HOT("hot-4KiB", 4 * KIB, 32768),
    HOT("hot-64KiB", 64 * KIB, 4096),
    HOT("hot-1MiB", MIB, 256),
    { .name = "hot-1MiB-x2",
      .param = &(const struct copy_param){ MIB, WORKER_DEPTH, 2 },
      .dray = WORKERS,
      .peers = { { .name = "memcpy, two threads", .run = run_pair } },
      .seconds = 1.5,
      COPY_HOOKS },
};

const struct bench_suite bench_suite_copy = {
    .name = "copy",
    .about = "one contiguous copy, cold and hot",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
