/*
 * Suite `sg`: pieces picked at random out of one large buffer, gathered into one contiguous
 * buffer, inline. The peer knows the same list and calls memcpy for each piece.
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

enum {
    SEED = 0x56,
    DEPTH = 1024, /* a long list wants a deep ring: what a doorbell costs is shared by more of it */
    GATHER = 64,  /* pieces of one transaction */
};

struct sg_param {
    size_t piece;
    size_t total; /* bytes gathered in a round */
};

struct sg_state {
    size_t piece, count, source_size;
    void *src, *dst;
    uint64_t *offsets; /* of the pieces, multiples of the piece size */
    struct bench_rig rig;
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static void sg_teardown(struct bench_run *run)
{
    struct sg_state *state = run->state;

    bench_unmap(state->src, state->source_size);
    bench_unmap(state->dst, state->count * state->piece);
    free(state->offsets);
    free(state);
}

static int sg_setup(struct bench_run *run)
{
    const struct sg_param *param = run->spec->param;
    struct sg_state *state = calloc(1, sizeof(*state));
    uint64_t random = 0x9e3779b97f4a7c15;
    size_t i;

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->piece = param->piece;
    state->source_size = run->quick ? 4 * MIB : GIB;
    state->count = (run->quick ? MIB : param->total) / param->piece;
    state->src = bench_map(state->source_size);
    state->dst = bench_map(state->count * state->piece);
    state->offsets = malloc(state->count * sizeof(*state->offsets));
    if (!state->src || !state->dst || !state->offsets) {
        sg_teardown(run);
        return bench_fail(run, "no memory for a source of 1 GiB");
    }
    bench_fill(state->src, state->source_size, SEED);
    for (i = 0; i < state->count; i++)
        state->offsets[i] =
            next_random(&random) % (state->source_size / state->piece) * state->piece;
    return 0;
}

static void sg_wipe(struct bench_run *run)
{
    struct sg_state *state = run->state;

    bench_wipe(state->dst, state->count * state->piece);
}

static int sg_verify(struct bench_run *run)
{
    struct sg_state *state = run->state;
    size_t i;

    for (i = 0; i < state->count; i++) {
        const char *piece = (const char *)state->dst + i * state->piece;
        size_t wrong = bench_check(piece, state->piece, SEED, state->offsets[i]);

        if (wrong != BENCH_ALL_GOOD)
            return bench_fail(run, "piece %zu of %zu differs at byte %zu", i, state->count, wrong);
    }
    return 0;
}

static double sg_figure(const struct sg_state *state, double seconds)
{
    return (double)state->count * (double)state->piece / seconds / 1e9;
}

static int open_dray(struct bench_run *run)
{
    struct sg_state *state = run->state;
    struct bench_rig_options options = {
        .mode = DRAY_MODE_INLINE, .worker_cpu = -1, .queues = 1, .depth = DEPTH
    };
    int rc = bench_rig_open(run, &state->rig, &options);

    if (rc)
        return rc;
    rc = bench_rig_map(run, &state->rig, 0, state->dst, state->count * state->piece, state->src,
                       state->source_size);
    if (rc)
        bench_rig_close(&state->rig);
    return rc;
}

static void close_dray(struct bench_run *run)
{
    bench_rig_close(&((struct sg_state *)run->state)->rig);
}

/* Pieces [first, first + count) as one transaction: one gather, one completion. */
static void fill_gather(const struct sg_state *state, size_t first, size_t count)
{
    const struct bench_rig *rig = &state->rig;
    size_t i;

    for (i = first; i < first + count; i++) {
        struct dray_desc *d = dray_queue_get(rig->queues[0]);

        dray_prep_copy(d, rig->dst[0], i * state->piece, rig->src[0], state->offsets[i],
                       state->piece);
        d->flags = i + 1 < first + count ? DRAY_FLAG_CHAIN : 0;
    }
}

static double run_dray(struct bench_run *run)
{
    struct sg_state *state = run->state;
    double begin = bench_seconds();
    size_t i, count;
    uint64_t gathers;

    for (i = 0; i < state->count;) {
        for (gathers = 0; gathers < DEPTH / GATHER && i < state->count; gathers++, i += count) {
            count = state->count - i < GATHER ? state->count - i : GATHER;
            fill_gather(state, i, count);
        }
        dray_queue_submit(state->rig.queues[0]);
        if (bench_rig_poll(run, state->rig.queues[0], gathers))
            return -1;
    }
    return sg_figure(state, bench_seconds() - begin);
}

typedef void gather_fn(void *, const void *, const uint64_t *, size_t, size_t);

static double run_loop(struct bench_run *run, gather_fn *gather)
{
    struct sg_state *state = run->state;
    double begin = bench_seconds();

    gather(state->dst, state->src, state->offsets, state->count, state->piece);
    return sg_figure(state, bench_seconds() - begin);
}

static double run_memcpy(struct bench_run *run)
{
    return run_loop(run, bench_gather_libc);
}

static double run_ahead(struct bench_run *run)
{
    return run_loop(run, bench_gather_ahead);
}

static double run_ahead_stream(struct bench_run *run)
{
    return run_loop(run, bench_gather_ahead_stream);
}

#define MEMCPY                                            \
    {                                                     \
        .name = "memcpy of each piece", .run = run_memcpy \
    }

/* The same pieces, by loops that know them all and have nothing else to do. */
#define LIMIT                                                                           \
    { .name = "loop that fetches ahead", .run = run_ahead },                            \
    {                                                                                   \
        .name = "loop that fetches ahead, non-temporal stores", .run = run_ahead_stream \
    }

#define SG_CASE(label, bytes, gathered, ...)                                                     \
    {                                                                                            \
        .name = label, .unit = "GB/s", .higher_is_better = true,                                 \
        .param = &(const struct sg_param){ bytes, gathered }, .setup = sg_setup,                 \
        .dray = { .name = "dray", .run = run_dray, .open = open_dray, .close = close_dray },     \
        .peers = { __VA_ARGS__ }, .wipe = sg_wipe, .verify = sg_verify, .teardown = sg_teardown, \
        .seconds = 4, .rounds_min = 9                                                            \
    }

static const struct bench_case cases[] = {
    SG_CASE("64B", 64, 64 * MIB, MEMCPY),          SG_CASE("64B/limit", 64, 64 * MIB, LIMIT),
    SG_CASE("256B", 256, 128 * MIB, MEMCPY),       SG_CASE("256B/limit", 256, 128 * MIB, LIMIT),
    SG_CASE("1KiB", KIB, 256 * MIB, MEMCPY),       SG_CASE("4KiB", 4 * KIB, 256 * MIB, MEMCPY),
    SG_CASE("64KiB", 64 * KIB, 256 * MIB, MEMCPY),
};

const struct bench_suite bench_suite_sg = {
    .name = "sg",
    .about = "random pieces out of 1 GiB, gathered into one buffer",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
